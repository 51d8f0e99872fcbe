"""The latest run of each DAG on each Mini Program, and the list of Mini Programs: their facts beside what runs.

The ledger and the outcomes hold everything, run by run; a page of ten thousand Mini Programs cannot read all of it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sqlalchemy import and_, case, exists, false, func, or_, select, tuple_

from airflow_wxa.api.acting import WHO, who_acts
from airflow_wxa.api.values import THE_PLATFORM
from airflow_wxa.store.engine import Database, OfStore, read_as
from airflow_wxa.store.tables import database_now, ledger, mini_program, outcome, standing

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, FromClause, Select

    from airflow_wxa.api.redaction import Secret
    from airflow_wxa.store.runs import TaskRef

#: Outcomes after which a run does no more with a Mini Program, whatever becomes of the run.
ENDED: Final = frozenset(
    {"released", "already_released", "rolled_back", "already_rolled_back", "stopped", "blocked", "failed", "rejected",
     "audit_rejected", "refused", "expired", "withdrawn", "already_withdrawn", "pending", "no_quota", "not_reached",
     "superseded", "platform_list_empty", "as_wanted", "differs", "not_read"}
)  # fmt: skip
#: Outcomes that a reading came to; a run that writes stands above them.
_READINGS: Final = ("as_wanted", "differs", "not_read")
#: Airflow's word on a run that does not go on, in place of an outcome → who acts.
HALTED: Final[Mapping[str, str]] = {"interrupted": "release_manager", "paused": "release_manager",
                                     "queued": "platform_team"}  # fmt: skip
_RUNS_LOOKED_AT: Final = 500

#: ``mine``: waits for the reader; ``stuck``: does not go on by itself, and waits for no approval; ``lost``: a release
#: took domains offline; ``differs``: domains are not as wanted.
KINDS: Final = ("mine", "stuck", "lost", "differs")
#: What a list of them can be sorted by.
SORTS: Final = ("appid", "name", "online_version", "outcome", "errcode", "who", "run_id", "at")

#: DAG id and run id.
Run: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Runs:
    """Airflow's word on runs that the store takes for under way.

    :param interrupted: those that failed; ``over``: those that succeeded, or that Airflow has no more.
    :param paused: those of paused DAGs; ``queued``: those whose tasks no worker takes.
    :param alive: those that have not ended.
    :param others: those that wait for the answer of somebody else than the reader.
    """

    interrupted: frozenset[Run] = frozenset()
    paused: frozenset[Run] = frozenset()
    queued: frozenset[Run] = frozenset()
    over: frozenset[Run] = frozenset()
    alive: frozenset[Run] = frozenset()
    others: frozenset[Run] = frozenset()


@dataclass(frozen=True, slots=True)
class Tally:
    """Numbers of Mini Programs: by acting side, by outcome, and of each of :data:`KINDS`."""

    who: Mapping[str, int]
    outcomes: Mapping[str, int]
    kinds: Mapping[str, int]

    def of(self, wanted: Wanted) -> int | None:
        """Return the number of wanted ones, if at most one of these is asked for; ``None``: it takes a look."""
        if wanted.text or wanted.wave or wanted.online or wanted.errcode is not None:
            return None
        asked = [name for name in ("kind", "who", "outcome") if getattr(wanted, name)]
        counted = {"kind": self.kinds, "who": self.who, "outcome": self.outcomes}
        if not asked:
            return sum(self.outcomes.values())
        return counted[asked[0]].get(getattr(wanted, asked[0]), 0) if len(asked) == 1 else None


@dataclass(frozen=True, slots=True)
class MiniProgram:
    """The facts of a Mini Program, and its run that counts, as the run's latest task on it left it.

    :param outcome: the outcome's word; a review's approved and rejected are ``audit_approved`` and ``audit_rejected``.
    :param who: one of :data:`~airflow_wxa.api.acting.WHO`.
    :param at: epoch seconds of the outcome, ``online_at`` of the release; ``None`` when not known.
    :param online_by: user that triggered the run that put the version online; ``None``: no run of ours did.
    :param drift_word: of the latest comparison of its domains; ``drift``: the domains by the way they differ.
    """

    component_appid: str
    appid: str
    dag_id: str
    run_id: str
    task_id: str
    at: float
    name: str
    outcome: str
    errcode: int
    who: str
    user_version: str
    auditid: str
    what: str
    next_step: str
    wave: str
    online_version: str
    online_at: float | None
    online_by: str | None = None
    online_dag_id: str = ""
    online_run_id: str = ""
    own: Sequence[str] | None = None
    own_at: float | None = None
    effective: Sequence[str] | None = None
    effective_at: float | None = None
    lost: Sequence[str] | None = None
    lost_at: float | None = None
    drift: Mapping[str, Sequence[str]] | None = None
    drift_word: str = ""
    drift_at: float | None = None
    account: Mapping[str, Sequence[str]] | None = None
    account_at: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """Which of them to show, and how.

    :param text: part of appid, name, version, or of the event.
    :param kind: one of :data:`KINDS`.
    :param mine: DAGs whose runs the reader may go on with.
    :param online: a version.
    :param page: from 1.
    """

    text: str = ""
    kind: str = ""
    mine: frozenset[str] = frozenset()
    online: str = ""
    who: str = ""
    outcome: str = ""
    errcode: int | None = None
    wave: str = ""
    dag_id: str = ""
    run_id: str = ""
    sort: str = "at"
    descending: bool = True
    page: int = 1
    page_size: int = 50


def keep_mini_programs(database: Database, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep where many stand, each row as :func:`row_of` makes it; in order, so that no two wait for each other."""
    if not rows:
        return
    rows = sorted(rows, key=lambda row: row["appid"])
    statement = database.insert(mini_program).values(at=database_now())
    new = {name: statement.excluded[name] for name in (*_SAID, "run_id", "task_id", "at")}
    # Of another run's version, sheet and wave nothing may stand beside this run's outcome.
    is_same_run = statement.excluded.run_id == mini_program.c.run_id
    before = {name: case((is_same_run, mini_program.c[name])) for name in _KNOWN}
    kept = {name: func.coalesce(statement.excluded[name], before[name]) for name in _KNOWN}
    keys = list(mini_program.primary_key)
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_={**new, **kept}), rows)


#: Columns that each outcome says anew.
_SAID: Final = ("outcome", "errcode", "who", "what", "next_step")
#: Columns that stay during a run where an outcome does not say them.
_KNOWN: Final = ("user_version", "auditid", "wave")


def row_of(component_appid: str, appid: str, task: TaskRef, said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of an outcome."""
    outcome, errcode = outcome_word(said), int(said.get("errcode") or 0)
    row = {"component_appid": component_appid, "appid": appid, "outcome": outcome, "errcode": errcode}
    row |= {name: getattr(task, name) for name in ("dag_id", "run_id", "task_id")}
    row |= {name: said.get(name) or None for name in _KNOWN}
    row |= {name: said.get(name) or "" for name in ("what", "next_step")}
    return row | {"who": who_acts(outcome, errcode)}


def outcome_word(said: Mapping[str, Any]) -> str:
    """Return the outcome's word; a review and a person say approved and rejected alike, and a person has a name."""
    word = str(said.get("outcome") or "other")
    return f"audit_{word}" if word in {"approved", "rejected"} and "by" not in said else word


class MiniPrograms(OfStore):
    """Reads them, for people who may see some DAGs.

    :param runs: Airflow's word on the runs under way.
    """

    def __init__(self, url: str | Secret, runs: Runs = Runs()) -> None:
        super().__init__(url)
        self.runs = runs
        self._list = _List(runs)

    def dag_ids(self) -> set[str]:
        """Return the DAGs that have done something with a Mini Program, or with the platform's lists."""
        of_platform = select(ledger.c.dag_id).where(ledger.c.appid == THE_PLATFORM)
        return set(self._database.column(select(mini_program.c.dag_id).union(of_platform)))

    def under_way(self) -> list[Run]:
        """Return the runs that have not come to an end with some Mini Program, as far as the store knows."""
        keys, latest = (mini_program.c.dag_id, mini_program.c.run_id), func.max(mini_program.c.at)
        query = select(*keys).where(mini_program.c.outcome.not_in(sorted(ENDED))).group_by(*keys)
        return [tuple(row) for row in self._database.rows(query.order_by(latest.desc()).limit(_RUNS_LOOKED_AT))]

    def page(
        self, dag_ids: Collection[str], wanted: Wanted, *, total: int | None = None
    ) -> tuple[list[MiniProgram], int]:
        """Return a page of those that these DAGs released, and how many there are in all.

        :param total: their number, if it is known.
        """
        found = self._list.where(dag_ids, wanted)
        column = self._list.columns[wanted.sort if wanted.sort in SORTS else "at"]
        order = column.desc() if wanted.descending else column.asc()
        if wanted.sort in {"name", "online_version"}:  # of the rest none is missing, and an index keeps its order
            order = order.nulls_last()
        rows = self._list.rows.where(*found).order_by(order, mini_program.c.appid)
        rows = rows.limit(wanted.page_size).offset((wanted.page - 1) * wanted.page_size)
        if total is None:
            total = self._database.value(self._list.joined(func.count()).where(*found))
        return self._read(rows), total or 0

    def all(self, dag_ids: Collection[str], wanted: Wanted) -> list[MiniProgram]:
        """Return all of them."""
        return self._read(self._list.rows.where(*self._list.where(dag_ids, wanted)).order_by(mini_program.c.appid))

    def tally(self, dag_ids: Collection[str], wanted: Wanted, mine: Collection[str] = ()) -> Tally:
        """Return how many there are of each kind, by one look at the list.

        :param mine: DAGs whose runs the reader may go on with.
        """
        kinds = self._list.kinds(mine)
        sums = [func.sum(case((kind, 1), else_=0)) for kind in kinds.values()]
        by = (self._list.columns["who"], self._list.columns["outcome"])
        query = self._list.joined(*by, func.count(), *sums).where(*self._list.where(dag_ids, wanted)).group_by(*by)
        who, outcomes, of_kind = Counter[str](), Counter[str](), Counter[str]()
        for acts, word, number, *of_kinds in self._database.rows(query):
            who[acts] += number
            outcomes[word] += number
            of_kind.update(dict(zip(kinds, map(int, of_kinds), strict=True)))
        return Tally(dict.fromkeys(WHO, 0) | who, dict(sorted(outcomes.items())), of_kind)

    def versions(self, dag_ids: Collection[str]) -> list[tuple[str, int]]:
        """Return how many Mini Programs are on which version, the most used first; ``""``: not known."""
        column, number = standing.c.online_version, func.count()
        query = self._list.joined(column, number).where(*self._list.where(dag_ids, Wanted())).group_by(column)
        return [(row[0] or "", row[1]) for row in self._database.rows(query.order_by(number.desc(), column))]

    def compared(self, dag_ids: Collection[str]) -> float | None:
        """Return when domains were compared last, in epoch seconds."""
        query = self._list.joined(func.max(standing.c.drift_at)).where(mini_program.c.dag_id.in_(sorted(dag_ids)))
        at: float | None = self._database.value(query)
        return at

    def waiting(self) -> set[Run]:
        """Return the runs that have asked about one Mini Program, and have no answer yet."""
        query = select(mini_program.c.dag_id, mini_program.c.run_id).where(mini_program.c.outcome == "asked")
        return {tuple(row) for row in self._database.rows(query)}

    def of(self, appid: str, dag_ids: Collection[str]) -> MiniProgram | None:
        """Return where one stands."""
        where = self._list.where(dag_ids, Wanted())
        rows = self._read(self._list.rows.where(mini_program.c.appid == appid, *where))
        return rows[0] if rows else None

    def overtaken(self, dag_ids: Collection[str], wanted: Wanted, *, most: int = 50) -> list[str]:
        """Return the appids that the wanted run has left an outcome of and a later run of its DAG has gone on with."""
        keys = ("component_appid", "appid", "dag_id")
        query = (
            select(outcome.c.appid)
            .join(mini_program, and_(*(mini_program.c[name] == outcome.c[name] for name in keys)))
            .where(outcome.c.dag_id == wanted.dag_id, outcome.c.run_id == wanted.run_id)
            .where(outcome.c.dag_id.in_(sorted(dag_ids)), mini_program.c.run_id != wanted.run_id)
        )
        return list(self._database.column(query.order_by(outcome.c.appid).limit(most)))

    def quota(self, dag_ids: Collection[str]) -> list[tuple[str, Mapping[str, Any], float]]:
        """Return what was read last of the audit quota of each platform that the DAGs worked for, and when."""
        seen = select(mini_program.c.component_appid).where(mini_program.c.dag_id.in_(sorted(dag_ids)))
        columns = standing.c.component_appid, standing.c.quota, standing.c.quota_at
        query = select(*columns).where(standing.c.appid == "", standing.c.component_appid.in_(seen))
        return [tuple(row) for row in self._database.rows(query.where(standing.c.quota_at.is_not(None)))]

    def _read(self, query: Select[Any]) -> list[MiniProgram]:
        return [read_as(MiniProgram, row) for row in self._database.rows(query)]


class _List:
    """The list as SQL: the facts of each Mini Program beside the run of it that counts.

    :param runs: Airflow's word; an outcome that a run which is no more was going to change is an interruption.
    """

    def __init__(self, runs: Runs) -> None:
        table = mini_program.c
        self._alive, self._others = runs.alive, runs.others
        is_open = table.outcome.not_in(sorted(ENDED))
        # A run that succeeded, or that is gone, has ended as it was asked to where nobody was to act.
        halted = {word: _in(getattr(runs, word)) for word in HALTED}
        halted["interrupted"] = or_(halted["interrupted"], and_(_in(runs.over), table.who != "nobody"))
        cases = [(and_(is_open, which), word) for word, which in halted.items()]
        self._outcome = case(*cases, else_=table.outcome)
        self._who = case(*((which, HALTED[word]) for which, word in cases), else_=table.who)
        facts = {name: standing.c[name] for name in _NAMES if name not in table}
        self.columns = {**facts, **dict(table), "outcome": self._outcome, "who": self._who}
        self.rows = self.joined(*(self.columns[name].label(name) for name in _NAMES))

    def joined(self, *columns: Any) -> Select[Any]:
        """Return a query of the runs beside the facts."""
        keys = ("component_appid", "appid")
        same = and_(*(standing.c[name] == mini_program.c[name] for name in keys))
        return select(*columns).select_from(mini_program.outerjoin(standing, same))

    def where(self, dag_ids: Collection[str], wanted: Wanted) -> list[ColumnElement[bool]]:
        """Return what picks the wanted ones."""
        found: list[ColumnElement[bool]] = [mini_program.c.dag_id.in_(sorted(dag_ids))]
        if wanted.run_id:
            found += [mini_program.c.dag_id == wanted.dag_id, mini_program.c.run_id == wanted.run_id]
        else:
            found.append(self._counts(dag_ids))
        for name in ("who", "outcome", "wave"):
            if value := getattr(wanted, name):
                found.append(self.columns[name] == value)
        if wanted.errcode is not None:
            found.append(mini_program.c.errcode == wanted.errcode)
        if wanted.online:
            found.append(standing.c.online_version == wanted.online)
        if wanted.kind in KINDS:
            found.append(self.kinds(wanted.mine)[wanted.kind])
        if wanted.text:
            names = ("appid", "name", "user_version", "online_version", "what", "run_id")
            found.append(or_(*(self.columns[name].icontains(wanted.text, autoescape=True) for name in names)))
        return found

    def kinds(self, mine: Collection[str]) -> dict[str, ColumnElement[bool]]:
        """Return what picks each of :data:`KINDS`."""
        is_for_others = and_(mini_program.c.outcome == "asked", _in(self._others))
        waits = and_(self._who == "release_manager", mini_program.c.dag_id.in_(sorted(mine)), ~is_for_others)
        return {
            "mine": waits,
            "stuck": and_(self._who.not_in(("nobody", "wechat")), self._outcome != "asked"),
            "lost": standing.c.lost_count > 0,
            "differs": standing.c.drift_word == "differs",
        }

    def _counts(self, dag_ids: Collection[str]) -> ColumnElement[bool]:
        """Pick of each Mini Program's runs the one that counts: one that goes on, else the latest that wrote."""
        newer = mini_program.alias("newer")
        mine, its = self._rank(mini_program), self._rank(newer)
        later = or_(
            newer.c.at > mini_program.c.at,
            and_(newer.c.at == mini_program.c.at, newer.c.dag_id > mini_program.c.dag_id),
        )
        return ~exists().where(
            newer.c.component_appid == mini_program.c.component_appid,
            newer.c.appid == mini_program.c.appid,
            newer.c.dag_id != mini_program.c.dag_id,
            newer.c.dag_id.in_(sorted(dag_ids)),
            or_(its > mine, and_(its == mine, later)),
        )

    def _rank(self, table: FromClause) -> ColumnElement[int]:
        goes_on = and_(table.c.outcome.not_in(sorted(ENDED)), _in(self._alive, table)) if self._alive else false()
        return case((goes_on, 2), (table.c.outcome.in_(_READINGS), 0), else_=1)


def _in(runs: Collection[Run], table: FromClause = mini_program) -> ColumnElement[bool]:
    return tuple_(table.c.dag_id, table.c.run_id).in_(sorted(runs)) if runs else false()


_NAMES: Final = tuple(each.name for each in fields(MiniProgram))
