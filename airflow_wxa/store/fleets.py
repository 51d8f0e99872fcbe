"""Fleets in the store: a row for each Mini Program of a run, the audit quota, the stop, the pace.

The rows are what a run's tasks share. A shard that dies leaves them as they are, and its next try goes on from there;
the truth stands at WeChat, and the steps look there first.
"""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from sqlalchemy import and_, bindparam, case, delete, func, insert, or_, select, update

from airflow_wxa.errors import WxaStateError
from airflow_wxa.store.engine import OfStore
from airflow_wxa.store.mini_programs import keep_mini_programs, row_of
from airflow_wxa.store.runs import TaskRef
from airflow_wxa.store.tables import database_now, fleet_app, fleet_pace, fleet_run
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, FromClause, Row, Select


#: What becomes of a Mini Program.
Word = Literal[
    "released", "rolled_back", "rejected", "blocked", "pending", "no_quota", "not_reached", "failed", "superseded"
]

#: Calls that are not to be sent: appid (``""``: of all), endpoint, whether its writes or its reads.
Held: TypeAlias = tuple[str, str, bool]

_HELD_COLUMNS: Final = ("appid", "endpoint", "writes")
AUDIT_QUOTA_USED_UP: Final = 85085
_ROWS_AT_ONCE: Final = 500  # read into memory, or written by a transaction: others must not wait for a whole fleet
_HELD_SECONDS: Final = 31 * 86400.0  # the audit quota is the month's
#: Key of the manifest of a run that rolls back: ``{"dag_id", "run_id"}`` of the run that it undoes, or nothing.
ROLLBACK: Final = "rollback"
_CHANGES: TypeAlias = "Mapping[int, Mapping[str, Any]]"


@dataclass(frozen=True, slots=True)
class RunKey:
    """A run of a fleet's DAG."""

    dag_id: str
    run_id: str


@dataclass(frozen=True, slots=True)
class FleetRun:
    """A run, as it was when it was read.

    :param manifest: the values that all its Mini Programs share.
    :param digest: of the manifest.
    :param plan_digest: of the plan; ``""``: there is none yet.
    :param audits_granted: submissions that it may make.
    :param stopped_by: the user who stopped it; ``None``: nobody.
    :param loaded_at: epoch seconds; ``stopped_at`` likewise.
    :param ended_at: epoch seconds of its summary; ``None``: it goes on.
    """

    dag_id: str
    run_id: str
    component_appid: str
    manifest: Mapping[str, Any]
    digest: str
    plan_digest: str
    audits_granted: int
    stopped_by: str | None
    ended_at: float | None
    loaded_at: float
    stopped_at: float | None

    @property
    def key(self) -> RunKey:
        """Its key."""
        return RunKey(self.dag_id, self.run_id)


@dataclass(frozen=True, slots=True)
class FleetLook:
    """A run at a glance.

    :param at: epoch seconds of when its manifest was loaded.
    :param outcomes: how many Mini Programs by outcome; ``None``: not ended.
    """

    dag_id: str
    run_id: str
    at: float
    outcomes: dict[str | None, int]


@dataclass(frozen=True, slots=True)
class NewApp:
    """A Mini Program of a manifest.

    :param given: the manifest's values for this one.
    """

    appid: str
    wave: str
    shard: int
    given: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FleetApp:
    """A Mini Program of a run, as it was when it was read.

    :param position: in the manifest; the priority.
    :param plan: ``None`` before there is one.
    :param carrier: ``wave/shard`` that brings it up to its submission; not its own when it took somebody's quota over.
    :param audit_grant: ``""`` needs none; ``waiting`` for quota, ``held``, or ``spent``.
    :param done: the last stage that is done with it; ``""``: none.
    :param submitted_at: epoch seconds; until there is an auditid, when its privacy scan was first waited for.
    :param again_at: epoch seconds before which it is not tried again.
    :param released_at: epoch seconds.
    :param tries: how often the task that has it now has tried.
    :param stage: id of the task that had it last.
    :param outcome: ``None`` while it has not ended.
    """

    position: int
    appid: str
    wave: str
    shard: int
    given: Mapping[str, Any]
    plan: Mapping[str, Any] | None
    carrier: str
    audit_grant: str
    done: str
    individual: int
    auditid: str
    submitted_at: float | None
    again_at: float | None
    released_at: float | None
    tries: int
    stage: str
    outcome: Word | None
    errcode: int | None
    what: str
    next_step: str


_APP_COLUMNS: Final = tuple(fleet_app.c[each.name] for each in fields(FleetApp))
_RUN_COLUMNS: Final = tuple(fleet_run.c[each.name] for each in fields(FleetRun))


class Fleets(OfStore):
    """Writes and reads fleets."""

    # Runs --------------------------------------------------------------------------------------------------------

    def load(
        self,
        key: RunKey,
        component_appid: str,
        manifest: Mapping[str, Any],
        digest: str,
        apps: Sequence[NewApp],
        task_id: str = "",
    ) -> bool:
        """Keep a run's tasks as asked for; rows of another manifest go, rows of this one stay.

        Rows are written by the hundred. One who dies in between leaves a run that the next attempt loads anew.

        :param digest: tells one manifest from another.
        :param task_id: of the task that loads.
        :return: whether it was written.
        :raises WxaStateError: a newer attempt has begun to load.
        """
        attempt, of_run = f"loading {uuid.uuid4().hex}", asdict(key)
        run = {**of_run, "component_appid": component_appid, "manifest": dict(manifest), "digest": attempt}
        with self._database.writing() as connection:
            known = connection.execute(select(fleet_run.c.digest).where(_of(fleet_run, key))).scalar_one_or_none()
            if known == digest:
                return False
            connection.execute(delete(fleet_app).where(_of(fleet_app, key)))
            connection.execute(delete(fleet_run).where(_of(fleet_run, key)))
            connection.execute(insert(fleet_run).values(**run, loaded_at=database_now()))
        for first in range(0, len(apps), _ROWS_AT_ONCE):
            rows = [
                {**of_run, "position": at, **asdict(app), "carrier": f"{app.wave}/{app.shard}", "stage": task_id}
                for at, app in enumerate(apps[first : first + _ROWS_AT_ONCE], first)
            ]
            with self._database.writing() as connection:
                self._go_on_loading(connection, key, attempt, attempt)
                connection.execute(insert(fleet_app), rows)
                self._show(connection, key, fleet_app.c.position >= first)
        with self._database.writing() as connection:
            self._go_on_loading(connection, key, attempt, digest)
        self._database.count_anew(fleet_app)
        return True

    def _go_on_loading(self, connection: Connection, key: RunKey, attempt: str, digest: str) -> None:
        """Note how far a load is, and keep a newer attempt out until this transaction ends."""
        mine = and_(_of(fleet_run, key), fleet_run.c.digest == attempt)
        if connection.execute(update(fleet_run).where(mine).values(digest=digest)).rowcount != 1:
            raise WxaStateError(Text("newer_attempt_loads_the_manifest"), values={"run_id": key.run_id})

    def run(self, key: RunKey) -> FleetRun | None:
        """Return a run; ``None``: nothing was loaded for it."""
        return next(iter(self._runs(_of(fleet_run, key))), None)

    def runs_named(self, run_id: str) -> list[FleetRun]:
        """Return the runs with this id, of any DAG."""
        return self._runs(fleet_run.c.run_id == run_id)

    def dag_ids(self) -> set[str]:
        """Return the DAGs that have loaded a fleet."""
        return set(self._database.column(select(fleet_run.c.dag_id).distinct()))

    def latest(self, dag_ids: Collection[str], most: int = 50) -> list[FleetLook]:
        """Return the latest runs of DAGs, the newest first, each with its Mini Programs' outcomes so far."""
        runs = select(fleet_run.c.dag_id, fleet_run.c.run_id, fleet_run.c.loaded_at)
        runs = runs.where(fleet_run.c.dag_id.in_(sorted(dag_ids))).order_by(fleet_run.c.loaded_at.desc()).limit(most)
        by = (fleet_app.c.dag_id, fleet_app.c.run_id, fleet_app.c.outcome)
        found = [FleetLook(row.dag_id, row.run_id, row.loaded_at, {}) for row in self._database.rows(runs)]
        of_run = {(run.dag_id, run.run_id): run.outcomes for run in found}
        apps = select(*by, func.count()).where(fleet_app.c.run_id.in_({run.run_id for run in found})).group_by(*by)
        for dag_id, run_id, outcome, count in self._database.rows(apps):
            if (dag_id, run_id) in of_run:  # of another DAG's run of the same name nothing is shown
                of_run[dag_id, run_id][outcome] = count
        return found

    def stop(self, key: RunKey, by: str) -> None:
        """Let no further write of this run start."""
        self._change_run(key, stopped_by=by, stopped_at=database_now())

    def end(self, key: RunKey) -> None:
        """Give back what the run still holds of the audit quota."""
        self._change_run(key, ended_at=database_now())

    def _runs(self, which: ColumnElement[bool]) -> list[FleetRun]:
        return [FleetRun(*row) for row in self._database.rows(select(*_RUN_COLUMNS).where(which))]

    def _change_run(self, key: RunKey, **values: Any) -> None:
        self._database.write(update(fleet_run).where(_of(fleet_run, key)).values(**values))

    # Mini Programs -----------------------------------------------------------------------------------------------

    def apps(self, key: RunKey, *which: ColumnElement[bool]) -> Iterator[FleetApp]:
        """Yield a run's Mini Programs in the manifest's order, some hundreds in memory at a time."""
        position, last = fleet_app.c.position, -1
        query = select(*_APP_COLUMNS).where(_of(fleet_app, key), *which).order_by(position).limit(_ROWS_AT_ONCE)
        while True:
            rows = self._database.rows(query.where(position > last))
            for row in rows:
                yield FleetApp(*row)
            if len(rows) < _ROWS_AT_ONCE:
                return
            last = rows[-1].position

    def shards(self, key: RunKey, wave: str) -> list[int]:
        """Return the numbers of a wave's shards."""
        mine = and_(_of(fleet_app, key), fleet_app.c.wave == wave)
        query = select(fleet_app.c.shard).where(mine).distinct().order_by(fleet_app.c.shard)
        return list(self._database.column(query))

    def last_release(self, key: RunKey, wave: str) -> float:
        """Return when the last Mini Program of a wave was released, epoch seconds; 0: none was."""
        mine = and_(_of(fleet_app, key), fleet_app.c.wave == wave)
        return self._database.value(select(func.max(fleet_app.c.released_at)).where(mine)) or 0.0

    def released_percent(self, key: RunKey, wave: str) -> float:
        """Return how much of a wave is released, in percent."""
        query = select(func.count(), func.count(fleet_app.c.released_at))
        [(total, released)] = self._database.rows(query.where(_of(fleet_app, key), fleet_app.c.wave == wave))
        return 100 * released / total if total else 0.0

    def change(self, key: RunKey, changes: _CHANGES) -> None:
        """Change rows by position, all in one transaction."""
        ended = [position for position, values in changes.items() if values.get("outcome")]
        with self._database.writing() as connection:
            _change(connection, key, changes)
            if ended:
                self._show(connection, key, fleet_app.c.position.in_(ended))

    def under_way(self, key: RunKey, *which: ColumnElement[bool]) -> dict[int, str]:
        """Return, by position in this run, the earlier run of the same DAG that has a Mini Program under way.

        :param which: only rows of this run like these.
        """
        # First the runs, mostly none: joined with them, SQLite reads each row of the DAG.
        earlier = list(self._database.column(_earlier(key).order_by(fleet_run.c.loaded_at)))
        if not earlier:
            return {}
        other = fleet_app.alias()
        query = select(fleet_app.c.position, other.c.run_id).where(
            _of(fleet_app, key),
            *which,
            other.c.dag_id == key.dag_id,
            other.c.run_id.in_(earlier),
            other.c.appid == fleet_app.c.appid,
            _is_under_way(other),
        )
        found = sorted(self._database.rows(query), key=lambda row: earlier.index(row.run_id))
        return {row.position: row.run_id for row in found}

    def superseded(self, key: RunKey, appids: Collection[str] | None = None) -> frozenset[str]:
        """Return the Mini Programs of a run that a later one has taken over.

        :param appids: only those of these; ``None``: all.
        """
        taken = _of(fleet_app, key), fleet_app.c.outcome == "superseded"
        among = [] if appids is None else [fleet_app.c.appid.in_(appids)]
        return frozenset(self._database.column(select(fleet_app.c.appid).where(*taken, *among)))

    def take_over(self, key: RunKey, appid: str, *which: ColumnElement[bool]) -> None:
        """End a Mini Program in earlier runs of the same DAG; submissions that they hold for it are free again.

        :param which: only rows of theirs like these.
        """
        of_earlier = fleet_app.c.run_id.in_(_earlier(key))
        theirs = and_(fleet_app.c.dag_id == key.dag_id, of_earlier, fleet_app.c.appid == appid)
        values = {"outcome": "superseded", "what": Text("taken_over_by", run_id=key.run_id), "next_step": ""}
        grant = case((fleet_app.c.audit_grant == "spent", "spent"), else_="")
        statement = (
            update(fleet_app).where(theirs, _is_under_way(fleet_app), *which).values(**values, audit_grant=grant)
        )
        with self._database.writing() as connection:
            rows = connection.execute(statement.returning(fleet_app.c.run_id, fleet_app.c.position)).all()
            for run_id, position in rows:
                self._show(connection, RunKey(key.dag_id, run_id), fleet_app.c.position == position)

    def planned(self, key: RunKey, plan_digest: str) -> None:
        """Note which plan the run has."""
        self._change_run(key, plan_digest=plan_digest)

    def reopen(
        self, key: RunKey, which: ColumnElement[bool], task_id: str, *, needs_grant: Collection[str] = ()
    ) -> None:
        """Take up again what ended badly at this task, or did not come as far; a submission needs a grant anew.

        :param needs_grant: stages: one that has come to them, and holds no grant, waits for one.
        """
        badly = and_(fleet_app.c.stage == task_id, fleet_app.c.outcome.in_(("blocked", "failed", "pending")))
        again = {"tries": 0, "again_at": None, "errcode": None, "what": "", "next_step": ""}
        ungranted = and_(fleet_app.c.audit_grant == "", fleet_app.c.done.in_(needs_grant))
        rows = and_(_of(fleet_app, key), which, or_(badly, fleet_app.c.outcome == "not_reached"))
        with self._database.writing() as connection:
            if needs_grant:
                waiting = {**again, "outcome": "no_quota", "audit_grant": "waiting"}
                connection.execute(update(fleet_app).where(rows, badly, ungranted).values(**waiting))
            connection.execute(update(fleet_app).where(rows).values(outcome=None, **again))
            connection.execute(update(fleet_run).where(_of(fleet_run, key)).values(ended_at=None))

    def end_rest(self, key: RunKey, which: ColumnElement[bool], outcome: Word, what: str, next_step: str) -> int:
        """End whatever has not ended, and return how many."""
        position, last, count = fleet_app.c.position, -1, 0
        open_ = and_(_of(fleet_app, key), which, fleet_app.c.outcome.is_(None))
        ending = update(fleet_app).values(outcome=outcome, what=what, next_step=next_step).returning(position)
        while True:
            some = select(position).where(open_, position > last).order_by(position).limit(_ROWS_AT_ONCE)
            with self._database.writing() as connection:
                of_these = _of(fleet_app, key), fleet_app.c.outcome.is_(None), position.in_(some)
                ended = list(connection.execute(ending.where(*of_these)).scalars())
                # One that was ended before is left alone: another run may have gone on since.
                self._show(connection, key, position.in_(ended))
            count += len(ended)
            if len(ended) < _ROWS_AT_ONCE:
                return count
            last = max(ended)

    def counts(self, key: RunKey) -> list[tuple[str, str, str | None, int | None, int]]:
        """Return how many there are by wave, stage, outcome and errcode."""
        by = (fleet_app.c.wave, fleet_app.c.stage, fleet_app.c.outcome, fleet_app.c.errcode)
        query = select(*by, func.count()).where(_of(fleet_app, key)).group_by(*by)
        return [tuple(row) for row in self._database.rows(query)]

    def _show(self, connection: Connection, key: RunKey, *which: ColumnElement[bool]) -> None:
        """Keep where Mini Programs of a run stand, for the board."""
        run = connection.execute(select(*_RUN_COLUMNS).where(_of(fleet_run, key))).one()
        apps = connection.execute(select(*_APP_COLUMNS).where(_of(fleet_app, key), *which))
        rows = [
            row_of(
                run.component_appid,
                app.appid,
                TaskRef(dag_id=key.dag_id, run_id=key.run_id, task_id=app.stage),
                {name: getattr(app, name) for name in ("outcome", "errcode", "what", "next_step", "wave", "auditid")}
                | {"user_version": version_of(run, app)},
            )
            for app in apps
        ]
        keep_mini_programs(self._database, connection, rows)

    def _show_by_and_by(self, key: RunKey, which: ColumnElement[bool]) -> int:
        """Keep where many stand, and return how many; nobody waits for all of them."""
        query = select(fleet_app.c.position).where(_of(fleet_app, key), which).order_by(fleet_app.c.position)
        positions = self._database.column(query)
        for first in range(0, len(positions), _ROWS_AT_ONCE):
            with self._database.writing() as connection:
                some = positions[first : first + _ROWS_AT_ONCE]
                self._show(connection, key, which, fleet_app.c.position.in_(some))
        return len(positions)

    # The audit quota ---------------------------------------------------------------------------------------------

    def held_elsewhere(self, key: RunKey, component_appid: str) -> int:
        """Return how many submissions other runs of this platform hold and have not made."""
        with self._database.reading() as connection:
            return _held_elsewhere(connection, key, component_appid)

    def submitted_since(self, key: RunKey, began: float) -> int:
        """Return how many submissions a run has made since a time."""
        mine = and_(fleet_app.c.audit_grant == "spent", fleet_app.c.submitted_at >= began)
        with self._database.reading() as connection:
            return _count(connection, key, mine)

    def open_quota(
        self,
        key: RunKey,
        component_appid: str,
        usable: int,
        held_before: int,
        carrier: str | None = None,
        *which: ColumnElement[bool],
    ) -> int:
        """Grant submissions in the manifest's order; returns how many Mini Programs have to do without.

        :param usable: submissions that the platform has left, without the reserve.
        :param held_before: submissions that others held when ``usable`` was read.
        :param carrier: carries those that are granted; ``None``: their own shards do.
        :param which: only to these, and to those that had to do without before.
        """
        with self._database.writing() as connection:
            platform = select(fleet_run.c.run_id).where(fleet_run.c.component_appid == component_appid)
            connection.execute(platform.order_by(fleet_run.c.dag_id, fleet_run.c.run_id).with_for_update())
            held = max(held_before, _held_elsewhere(connection, key, component_appid))
            spent = _count(connection, key, fleet_app.c.audit_grant == "spent")
            granted = spent + max(0, usable - held)
            connection.execute(update(fleet_run).where(_of(fleet_run, key)).values(audits_granted=granted))
            has_not_ended = or_(fleet_app.c.outcome.is_(None), fleet_app.c.outcome == "not_reached")
            waiting = and_(_of(fleet_app, key), fleet_app.c.audit_grant == "waiting", has_not_ended, *which)
            connection.execute(update(fleet_app).where(waiting).values(outcome="no_quota"))
            self._grant(connection, key, carrier)
        return self._show_by_and_by(key, fleet_app.c.outcome == "no_quota")

    def pass_on(self, key: RunKey, changes: _CHANGES, carrier: str) -> list[FleetApp]:
        """End Mini Programs that will not submit, and return those that take over their submissions, now this shard's.

        :param changes: by position.
        """
        given_back = {position: {"audit_grant": "", **values} for position, values in changes.items()}
        with self._database.writing() as connection:
            connection.execute(select(fleet_run.c.run_id).where(_of(fleet_run, key)).with_for_update())
            _change(connection, key, given_back)
            self._show(connection, key, fleet_app.c.position.in_(list(changes)))
            return self._grant(connection, key, carrier)

    def grant_beyond(self, key: RunKey, carrier: str, most: int) -> list[FleetApp]:
        """Grant further submissions, once all that were granted are made and WeChat has refused none by 85085.

        :return: those that go on, now this shard's.
        """
        refused = fleet_app.c.errcode == AUDIT_QUOTA_USED_UP
        unmade = fleet_app.c.audit_grant.in_(("held", "waiting")), or_(refused, fleet_app.c.audit_grant == "held")
        with self._database.writing() as connection:
            connection.execute(select(fleet_run.c.run_id).where(_of(fleet_run, key)).with_for_update())
            if connection.execute(select(fleet_app.c.position).where(_of(fleet_app, key), *unmade).limit(1)).first():
                return []
            granted = _count(connection, key, fleet_app.c.audit_grant == "spent") + most
            connection.execute(update(fleet_run).where(_of(fleet_run, key)).values(audits_granted=granted))
            return self._grant(connection, key, carrier)

    def use_up(self, key: RunKey, changes: _CHANGES) -> None:
        """End Mini Programs that WeChat had no submission left for; submissions that nobody holds by now are gone.

        :param changes: by position.
        """
        waiting = {position: {**values, "audit_grant": "waiting"} for position, values in changes.items()}
        with self._database.writing() as connection:
            connection.execute(select(fleet_run.c.run_id).where(_of(fleet_run, key)).with_for_update())
            _change(connection, key, waiting)
            left = _count(connection, key, fleet_app.c.audit_grant.in_(("held", "spent")))
            connection.execute(update(fleet_run).where(_of(fleet_run, key)).values(audits_granted=left))
            self._show(connection, key, fleet_app.c.position.in_(list(changes)))

    def _grant(self, connection: Connection, key: RunKey, carrier: str | None) -> list[FleetApp]:
        """Grant what is free to those that wait, in order."""
        waiting = and_(_of(fleet_app, key), fleet_app.c.audit_grant == "waiting", fleet_app.c.outcome == "no_quota")
        positions = select(fleet_app.c.position).where(waiting).order_by(fleet_app.c.position)
        if connection.execute(positions.limit(1)).first() is None:  # as mostly: what is free need not be counted
            return []
        query = select(fleet_run.c.audits_granted).where(_of(fleet_run, key))
        most: int = connection.execute(query).scalar_one()
        free = most - _count(connection, key, fleet_app.c.audit_grant.in_(("held", "spent")))
        if free <= 0:
            return []
        last = connection.execute(positions.offset(free - 1).limit(1)).scalar()
        chosen = waiting if last is None else and_(waiting, fleet_app.c.position <= last)
        values: dict[str, Any] = {"audit_grant": "held", "outcome": None, "errcode": None, "what": "", "next_step": ""}
        statement = update(fleet_app).where(chosen).values(**values)
        if carrier is None:  # of a whole fleet, which nobody needs in memory
            connection.execute(statement)
            return []
        granted = connection.execute(statement.values(carrier=carrier).returning(*_APP_COLUMNS))
        return sorted((FleetApp(*row) for row in granted), key=lambda app: app.position)

    # The pace ----------------------------------------------------------------------------------------------------

    def hold(self, component_appid: str, held: Held, until: float, errcode: int) -> None:
        """Let no shard send some calls before a time, epoch seconds; a later time stands."""
        row = {"component_appid": component_appid, **dict(zip(_HELD_COLUMNS, held, strict=True))}
        statement = self._database.insert(fleet_pace).values(**row, held_until=until, errcode=errcode)
        later = fleet_pace.c.held_until < until
        new = {"held_until": until, "errcode": errcode}
        keys = ["component_appid", *_HELD_COLUMNS]
        self._database.write(statement.on_conflict_do_update(index_elements=keys, set_=new, where=later))

    def held(self, component_appid: str) -> dict[Held, tuple[float, int]]:
        """Return until when which calls are not to be sent, and the errcode that said so."""
        query = select(fleet_pace).where(fleet_pace.c.component_appid == component_appid)
        rows = self._database.rows(query)
        return {(row.appid, row.endpoint, row.writes): (row.held_until, row.errcode) for row in rows}


def version_of(run: FleetRun | Row[Any], app: FleetApp | Row[Any]) -> str | None:
    """Return the ``user_version`` that a Mini Program is to have online; ``None``: not known."""
    back: Mapping[str, Any] = (app.plan or {}).get("rollback", {})
    if back or ROLLBACK in run.manifest:
        return back["target"]["user_version"] if back else None
    found: str | None = app.given.get("user_version", run.manifest.get("release", {}).get("user_version"))
    return found


def _of(table: FromClause, key: RunKey) -> ColumnElement[bool]:
    return and_(table.c.dag_id == key.dag_id, table.c.run_id == key.run_id)


def _earlier(key: RunKey) -> Select[str]:
    """Pick the ids of the DAG's runs that were loaded before this one and go on."""
    loaded = select(fleet_run.c.loaded_at).where(_of(fleet_run, key)).scalar_subquery()
    goes_on = fleet_run.c.loaded_at < loaded, fleet_run.c.ended_at.is_(None)
    return select(fleet_run.c.run_id).where(fleet_run.c.dag_id == key.dag_id, *goes_on)


def _is_under_way(table: Any) -> ColumnElement[bool]:
    return or_(table.c.outcome.is_(None), table.c.outcome == "no_quota")


def _change(connection: Connection, key: RunKey, changes: _CHANGES) -> None:
    """Change rows by position, those that change in the same columns with one statement."""
    alike: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for position, values in sorted(changes.items()):  # in order: see Ledger.settle
        alike.setdefault(tuple(sorted(values)), []).append({"at": position, **values})
    for names, rows in alike.items():
        if names:
            statement = update(fleet_app).where(_of(fleet_app, key), fleet_app.c.position == bindparam("at"))
            # A later run has gone on with a Mini Program that it took over: its end here stands.
            statement = statement.where(func.coalesce(fleet_app.c.outcome, "") != "superseded")
            connection.execute(statement.values({name: bindparam(name) for name in names}), rows)


def _count(connection: Connection, key: RunKey, which: ColumnElement[bool]) -> int:
    return connection.execute(select(func.count()).where(_of(fleet_app, key), which)).scalar_one()


def _held_elsewhere(connection: Connection, key: RunKey, component_appid: str) -> int:
    # Over several months; a run that is gone without an end is stopped by ``airflow wxa fleet stop``.
    goes_on = and_(fleet_run.c.manifest["carry_over"].as_boolean(), fleet_run.c.stopped_by.is_(None))
    others = and_(
        fleet_run.c.component_appid == component_appid,
        fleet_run.c.ended_at.is_(None),
        or_(fleet_run.c.loaded_at > database_now() - _HELD_SECONDS, goes_on),
        or_(fleet_run.c.dag_id != key.dag_id, fleet_run.c.run_id != key.run_id),
    )
    same = and_(fleet_app.c.dag_id == fleet_run.c.dag_id, fleet_app.c.run_id == fleet_run.c.run_id)
    query = select(func.count()).where(others, same, fleet_app.c.audit_grant == "held")
    return connection.execute(query).scalar_one()
