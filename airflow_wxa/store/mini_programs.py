"""Where each Mini Program stands: one row for each DAG that released it, kept with its latest outcome.

The ledger and the outcomes hold everything, run by run; a page of ten thousand Mini Programs cannot read all of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, case, exists, func, or_, select

from airflow_wxa.api.errcodes import errcodes
from airflow_wxa.store.engine import Database
from airflow_wxa.store.tables import database_now, mini_program, outcome

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, Row, Select

    from airflow_wxa.api.redaction import Secret
    from airflow_wxa.store.ledger import TaskRef

#: Who may have to act, those first whom a release waits for longest.
WHO: Final = ("release_manager", "merchant", "platform_team", "wechat", "nobody")

#: Class of an errcode, as the table has it → who acts on it.
_BY_CLASS: Final[Mapping[str, str]] = {
    "token": "platform_team",
    "quota": "platform_team",
    "platform_setup": "platform_team",
    "permission": "merchant",
    "unsupported_account": "merchant",
    "transient": "wechat",
}
#: Outcome → who acts on it, whatever the errcode.
_BY_OUTCOME: Final[Mapping[str, str]] = {
    "submitted": "wechat",
    "adopted": "wechat",
    "auditing": "wechat",
    "delayed": "wechat",
    "scanning": "wechat",
    "pending": "wechat",
    "platform_list_empty": "platform_team",
    "individual": "merchant",
    "asked": "release_manager",
    "expired": "release_manager",
    "audit_rejected": "release_manager",
    "withdrawn": "release_manager",
    "already_withdrawn": "release_manager",
    "refused": "release_manager",
    "not_reached": "release_manager",
    "no_quota": "platform_team",
}
_STOPPED: Final = frozenset({"stopped", "blocked", "failed"})

#: What a list of them can be sorted by.
SORTS: Final = ("appid", "online_version", "outcome", "errcode", "who", "run_id", "at")


@dataclass(frozen=True, slots=True)
class MiniProgram:
    """Where a Mini Program stands, as a DAG's latest task on it left it.

    :param outcome: the outcome's word; a review's approved and rejected are ``audit_approved`` and ``audit_rejected``.
    :param who: one of :data:`WHO`.
    :param at: epoch seconds of the outcome, ``online_at`` of the release; ``None`` when not known.
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """Which of them to show, and how.

    :param text: part of appid, name, version, or of what happened.
    :param page: from 1.
    """

    text: str = ""
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


def who_acts(outcome: str, errcode: int) -> str:
    """Return who must act on an outcome."""
    if outcome in _BY_OUTCOME:
        return _BY_OUTCOME[outcome]
    if outcome not in _STOPPED:
        return "nobody"
    row = errcodes().get(errcode)
    return _BY_CLASS.get(row.class_ if row and errcode else "", "release_manager")


def keep_mini_programs(database: Database, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep where many stand, each row as :func:`row_of` makes it; in order, so that no two wait for each other."""
    if not rows:
        return
    rows = sorted(rows, key=lambda row: row["appid"])
    statement = database.insert(mini_program).values(at=database_now())
    new = {name: statement.excluded[name] for name in (*_SAID, "run_id", "task_id", "at")}
    kept = {name: func.coalesce(statement.excluded[name], mini_program.c[name]) for name in _KNOWN}
    # WeChat leaves the version out at times: then what went online is the version that was on its way.
    is_online = or_(*(statement.excluded.outcome == each for each in sorted(_ONLINE)))  # no in_(): many rows at once
    on_its_way = case((is_online, kept["user_version"]), else_=mini_program.c.online_version)
    kept["online_version"] = func.coalesce(statement.excluded.online_version, on_its_way)
    keys = ["component_appid", "appid", "dag_id"]
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_={**new, **kept}), rows)


def row_of(component_appid: str, appid: str, task: TaskRef, said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of an outcome."""
    return {**_key(component_appid, appid, task), **_columns(said)}


def _key(component_appid: str, appid: str, task: TaskRef) -> dict[str, Any]:
    return {
        "component_appid": component_appid,
        "appid": appid,
        "dag_id": task.dag_id,
        "run_id": task.run_id,
        "task_id": task.task_id,
    }


#: Columns that each outcome says anew.
_SAID: Final = ("outcome", "errcode", "who", "what", "next_step")
#: Columns that stay where an outcome does not say them.
_KNOWN: Final = ("name", "user_version", "auditid", "wave", "online_version", "online_at")


def _columns(said: Mapping[str, Any]) -> dict[str, Any]:
    outcome, errcode = outcome_word(said), int(said.get("errcode") or 0)
    online = said.get("release_version") or (said.get("user_version") if outcome in _ONLINE else None)
    known = {name: said.get(name) or None for name in ("name", "user_version", "auditid", "wave")}
    return known | {
        "outcome": outcome,
        "errcode": errcode,
        "who": who_acts(outcome, errcode),
        "what": _text(said, "what"),
        "next_step": _text(said, "next_step"),
        "online_version": online or None,
        "online_at": said.get("release_time") or None,
    }


_ONLINE: Final = frozenset({"released", "already_released", "rolled_back", "already_rolled_back"})


def outcome_word(said: Mapping[str, Any]) -> str:
    """Return the outcome's word; a review and a person say approved and rejected alike, and a person has a name."""
    word = str(said.get("outcome") or "other")
    return f"audit_{word}" if word in {"approved", "rejected"} and "by" not in said else word


def _text(said: Mapping[str, Any], name: str) -> str:
    return str(said.get(name) or "")


class MiniPrograms:
    """Reads them, for people who may see some DAGs.

    :param url: the store's URL.
    :raises WxaTransportError: the store does not answer; so does every method.
    """

    def __init__(self, url: str | Secret) -> None:
        self._database = Database(url)

    def dag_ids(self) -> set[str]:
        """Return the DAGs that have released something."""
        with self._database.reading() as connection:
            return set(connection.execute(select(mini_program.c.dag_id).distinct()).scalars())

    def page(self, dag_ids: Collection[str], wanted: Wanted) -> tuple[list[MiniProgram], int]:
        """Return a page of those that these DAGs released, and how many there are in all."""
        found = _where(dag_ids, wanted)
        column = mini_program.c[wanted.sort if wanted.sort in SORTS else "at"]
        order = column.desc() if wanted.descending else column.asc()
        rows = select(mini_program).where(*found).order_by(order, mini_program.c.appid)
        rows = rows.limit(wanted.page_size).offset((wanted.page - 1) * wanted.page_size)
        with self._database.reading() as connection:
            total: int = connection.execute(select(func.count()).select_from(mini_program).where(*found)).scalar_one()
            return [_mini_program(row) for row in connection.execute(rows)], total

    def all(self, dag_ids: Collection[str], wanted: Wanted) -> list[MiniProgram]:
        """Return all of them."""
        return self._read(select(mini_program).where(*_where(dag_ids, wanted)).order_by(mini_program.c.appid))

    def counts(self, dag_ids: Collection[str], wanted: Wanted) -> dict[str, int]:
        """Return for each of :data:`WHO` how many wait for them."""
        query = select(mini_program.c.who, func.count()).where(*_where(dag_ids, wanted)).group_by(mini_program.c.who)
        with self._database.reading() as connection:
            counted = {row[0]: row[1] for row in connection.execute(query)}
        return {who: counted.get(who, 0) for who in WHO}

    def outcomes(self, dag_ids: Collection[str]) -> list[str]:
        """Return the outcomes that there are, for a choice of them."""
        query = select(mini_program.c.outcome).where(mini_program.c.dag_id.in_(sorted(dag_ids))).distinct()
        with self._database.reading() as connection:
            return sorted(connection.execute(query).scalars())

    def of(self, appid: str, dag_ids: Collection[str]) -> MiniProgram | None:
        """Return where one stands."""
        rows = self._read(select(mini_program).where(mini_program.c.appid == appid, *_where(dag_ids, Wanted())))
        return rows[0] if rows else None

    def overtaken(self, dag_ids: Collection[str], wanted: Wanted, *, most: int = 50) -> list[str]:
        """Return whom the wanted run has left an outcome of and a later run of its DAG has gone on with, by appid."""
        keys = ("component_appid", "appid", "dag_id")
        query = (
            select(outcome.c.appid)
            .join(mini_program, and_(*(mini_program.c[name] == outcome.c[name] for name in keys)))
            .where(outcome.c.dag_id == wanted.dag_id, outcome.c.run_id == wanted.run_id)
            .where(outcome.c.dag_id.in_(sorted(dag_ids)), mini_program.c.run_id != wanted.run_id)
        )
        with self._database.reading() as connection:
            return list(connection.execute(query.order_by(outcome.c.appid).limit(most)).scalars())

    def _read(self, query: Select[Any]) -> list[MiniProgram]:
        with self._database.reading() as connection:
            return [_mini_program(row) for row in connection.execute(query)]


def _where(dag_ids: Collection[str], wanted: Wanted) -> list[ColumnElement[bool]]:
    readable = mini_program.c.dag_id.in_(sorted(dag_ids))
    found: list[ColumnElement[bool]] = [readable]
    if wanted.run_id:
        found += [mini_program.c.dag_id == wanted.dag_id, mini_program.c.run_id == wanted.run_id]
    else:  # of several DAGs the latest counts
        newer = mini_program.alias("newer")
        found.append(
            ~exists().where(
                newer.c.component_appid == mini_program.c.component_appid,
                newer.c.appid == mini_program.c.appid,
                newer.c.dag_id.in_(sorted(dag_ids)),
                or_(
                    newer.c.at > mini_program.c.at,
                    and_(newer.c.at == mini_program.c.at, newer.c.dag_id > mini_program.c.dag_id),
                ),
            )
        )
    for name in ("who", "outcome", "wave"):
        if value := getattr(wanted, name):
            found.append(mini_program.c[name] == value)
    if wanted.errcode is not None:
        found.append(mini_program.c.errcode == wanted.errcode)
    if wanted.text:
        found.append(
            or_(
                *(
                    mini_program.c[name].icontains(wanted.text, autoescape=True)
                    for name in ("appid", "name", "user_version", "online_version", "what")
                )
            )
        )
    return found


def _mini_program(row: Row[Any]) -> MiniProgram:
    values = {name: getattr(row, name) for name in MiniProgram.__slots__}
    texts = ("name", "user_version", "auditid", "wave", "online_version")
    return MiniProgram(**values | {name: values[name] or "" for name in texts})
