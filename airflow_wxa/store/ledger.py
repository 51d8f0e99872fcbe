"""The ledger: each write to WeChat, with its run, its time, and its result.

A row is written before each write to WeChat and completed after it. A row that was never completed reads "unknown", and
so does one that was answered -1: whether the work was done is not known, and the next run that comes to an outcome on
the same Mini Program resolves it.
"""

from __future__ import annotations

import datetime as dt
import math
import uuid
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import JSON, and_, bindparam, delete, false, func, insert, not_, or_, select, update

from airflow_wxa.api.audit import AUDIT_FORM
from airflow_wxa.api.endpoints import BEIJING, CATALOGUE, budget_used_up, month_began
from airflow_wxa.api.values import THE_PLATFORM
from airflow_wxa.errors import WxaStateError
from airflow_wxa.store.engine import OfStore, read_as
from airflow_wxa.store.mini_programs import keep_mini_programs, outcome_word, row_of
from airflow_wxa.store.runs import TaskRef, forget_runs, join
from airflow_wxa.store.standing import facts_of, keep_facts
from airflow_wxa.store.tables import database_now, fence, ledger, outcome, standing
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, Row, Select, Table

    from airflow_wxa.api.call import Call
    from airflow_wxa.api.endpoints import Endpoint
    from airflow_wxa.errors import WxaApiError
    from airflow_wxa.store.questions import Question
    from airflow_wxa.store.runs import Joined

#: Under this name stand people's decisions, among the endpoints of WeChat that are written to.
APPROVAL: Final = "approve_release"

#: Under this name stand verification files that a task has read, for the board to serve.
VERIFICATION_FILE_READ: Final = "get_domain_confirmfile"
#: Endpoints whose writes tell what becomes of a Mini Program's domains.
_ON_DOMAINS: Final = (
    "setwebviewdomain",
    "setwebviewdomain_directly",
    "modify_domain",
    "modify_domain_directly",
    "commit",
    "release",
)

_SYSTEM_ERROR: Final = -1  # answered before the work and after it
_HOUR: Final = 3600
_DAY: Final = 86400
_COUNTED: Final = (
    "undocodeaudit", "submit_audit", APPROVAL, *(name for name, row in CATALOGUE.items() if row.budget)
)  # fmt: skip
_OF_TASK: Final = ("dag_id", "run_id", "task_id", "map_index", "try_number", "triggered_by")
#: Of a row that nothing is waited for.
_COMPLETE: Final[Mapping[str, Any]] = {"sent_at": database_now(), "answered_at": database_now(), "errcode": 0}
_NOT_KEPT: Final = frozenset({"version_desc", *AUDIT_FORM})  # hold test accounts, addresses, media for the reviewer


@dataclass(frozen=True, slots=True)
class Result:
    """Result of a step.

    :param endpoint: that it wrote to, or would have.
    :param said: the outcome, or why it stopped, as JSON.
    :param resolves: it tells what became of lost answers as well, this run's and earlier ones.
    """

    appid: str
    endpoint: str
    said: Mapping[str, Any]
    resolves: bool = True


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the ledger.

    :param result: ``ok``, ``refused``, ``unknown`` (no answer, or -1), or ``resolved`` when a later step found out.
    :param fingerprint: of the version that it was about; ``auditid`` is what a submission was answered.
    :param sent_at: epoch seconds; ``answered_at`` is ``None`` when the answer was lost.
    """

    id: int
    component_appid: str
    appid: str
    endpoint: str
    task: TaskRef
    sent_at: float
    before: Any
    asked: Any
    answered_at: float | None
    errcode: int | None
    errmsg: str
    rid: str
    after: Any
    resolved_by: str
    result: str
    fingerprint: str = ""
    auditid: str = ""
    online: Any = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """Latest outcome of a Mini Program in a run.

    :param at: epoch seconds.
    """

    dag_id: str
    run_id: str
    task_id: str
    at: float
    said: Mapping[str, Any]


class Ledger(OfStore):
    """Writes and reads the ledger, the outcomes and the fences."""

    # Before and after a write ------------------------------------------------------------------------------------

    def intend(
        self,
        component_appid: str,
        calls: Sequence[Call],
        task: TaskRef,
        fences: Mapping[tuple[str, str], str] | None = None,
    ) -> list[int]:
        """Note that calls are about to be sent, all or none, and return the rows' ids.

        :param fences: appid (``""``: the platform) and endpoint → see :meth:`take_fence`.
        :raises WxaStateError: a call that WeChat does not guard, and its fence is missing, not the newest, or used.
        :raises WxaQuotaError: a call whose budget of this month is used up.
        :raises WxaError: they are not noted; none of them may be sent.
        """
        rows = [
            {
                "component_appid": component_appid,
                "appid": call.appid or THE_PLATFORM,
                "endpoint": call.endpoint.name,
                "before": call.before,
                "online": call.online,
                "fingerprint": call.fingerprint or None,
                "asked": {name: value for name, value in {**call.query, **call.body}.items() if name not in _NOT_KEPT},
            }
            for call in calls
        ]
        with self._database.writing() as connection:
            of_task = _columns(task, join(self._database, connection, task)) | {"sent_at": database_now()}
            noted = insert(ledger).values(**of_task).returning(ledger.c.id, sort_by_parameter_order=True)
            for call in calls:
                if call.endpoint.fenced:
                    whose = (call.appid or THE_PLATFORM, call.endpoint.name)
                    _pass_fence(connection, component_appid, call, (fences or {}).get(whose, ""))
            self._keep_to_budgets(connection, component_appid, calls)
            return list(connection.execute(noted, rows).scalars())

    def answered(self, answers: Mapping[int, int | WxaApiError], auditids: Mapping[int, str] | None = None) -> None:
        """Note what WeChat answered.

        :param answers: id of the row → errcode of the reply, or the error.
        :param auditids: id of the row of a submission → what it was answered.
        """
        rows = [
            {"entry": entry, "errcode": said, "errmsg": None, "rid": None, "auditid": (auditids or {}).get(entry)}
            if isinstance(said, int)
            else {"entry": entry, "errcode": said.errcode, "errmsg": said.errmsg, "rid": said.rid, "auditid": None}
            for entry, said in answers.items()
        ]
        statement = update(ledger).where(ledger.c.id == bindparam("entry")).values(answered_at=database_now())
        self._database.write(statement, rows)

    def forget(self, entries: Collection[int]) -> None:
        """Take intents back: the calls were refused on our side, nothing was sent."""
        self._database.write(delete(ledger).where(ledger.c.id.in_(entries)))

    def settle(self, component_appid: str, task: TaskRef, results: Sequence[Result]) -> None:
        """Note what steps of a task came to: with its writes, and as the latest."""
        # Rows are locked in one order, whatever came first: tasks that settle together would wait for each other.
        in_order = sorted(results, key=lambda each: (each.appid, each.endpoint))
        rows = [{"whose": each.appid, "where": each.endpoint, "said": dict(each.said)} for each in in_order]
        resolving = [{"whose": each.appid, "where": each.endpoint} for each in in_order if each.resolves]
        same = and_(
            ledger.c.component_appid == component_appid,
            ledger.c.appid == bindparam("whose"),
            ledger.c.endpoint == bindparam("where"),
        )
        of_task = _with(ledger, dag_id=task.dag_id, run_id=task.run_id, task_id=task.task_id)
        mine = and_(same, of_task, ledger.c.after.is_(None))
        unclear = and_(same, _unclear(), ledger.c.resolved_by.is_(None))
        by = f"{task.dag_id} {task.run_id}".strip() or "by hand"
        with self._database.writing() as connection:  # a statement for all: fleets settle many together
            if resolving:  # first: rows of other runs are among them, and who holds its own must not wait for those
                connection.execute(update(ledger).where(unclear).values(resolved_by=by), resolving)
            connection.execute(update(ledger).where(mine).values(after=bindparam("said", type_=JSON)), rows)
            _note_reviews(connection, component_appid, results)
            self._keep_latest(connection, component_appid, task, {each.appid: each.said for each in results})

    def join(self, task: TaskRef) -> str:
        """Note that a task belongs to its run, and return the run's nonce; ``""`` outside of a run."""
        with self._database.writing() as connection:
            return join(self._database, connection, task).nonce

    def asked(self, component_appid: str, appid: str, task: TaskRef, question: Callable[[str], Question]) -> Question:
        """Note a question that a person is going to be asked, which voids what was decided before, and return it.

        :param question: makes it of the run's nonce.
        """
        asked = question(self.join(task))
        noted = {"ti_id": task.ti_id, "question": asked.to_json()}
        self.decided(component_appid, appid, task, {"outcome": "asked", **asked.said}, asked=noted)
        if appid:
            shown: dict[str, Any] = {name: fact.value for name, fact in asked.facts.items()}
            online = shown["online"] if isinstance(shown.get("online"), dict) else {}
            read = {
                "name": shown.get("name"),
                "release_version": online.get("version"),
                "release_time": online.get("time"),
            }
            self.know(component_appid, task, {appid: read})
        return asked

    def know(self, component_appid: str, task: TaskRef, read: Mapping[str, Mapping[str, Any]]) -> None:
        """Keep facts that a task has read, by appid, in the names of outcomes; ``""``: the platform's."""
        with self._database.writing() as connection:
            self._show(connection, component_appid, task, read)

    def accounts(self, component_appid: str, appids: Collection[str], seconds: float) -> dict[str, Mapping[str, Any]]:
        """Return what the owners of Mini Programs have to do and to know, by appid, as far as it is not older."""
        mine = standing.c.component_appid == component_appid, standing.c.appid.in_(appids)
        query = select(standing.c.appid, standing.c.account).where(
            *mine, standing.c.account.is_not(None), standing.c.account_at > database_now() - seconds
        )
        return {row.appid: row.account for row in self._database.rows(query)}

    def decided(
        self,
        component_appid: str,
        appid: str,
        task: TaskRef,
        said: Mapping[str, Any],
        *,
        refused: str = "",
        asked: Mapping[str, Any] | None = None,
        endpoint: str = APPROVAL,
    ) -> None:
        """Note what a person was asked or decided, as a complete row of ``approve_release`` and as the latest outcome.

        :param said: decision, person, time and reason.
        :param refused: why a task did not carry something out, in place of a decision.
        :param asked: the question, and the task instance that asks it.
        :param endpoint: of a read, whose answer others must be able to trust, in place of a decision; no outcome.
        """
        row: dict[str, Any] = {"component_appid": component_appid, "appid": appid, "endpoint": endpoint}
        row |= {**_COMPLETE, "asked": dict(asked or {}), "after": dict(said), "errmsg": refused or None}
        with self._database.writing() as connection:
            of_task = _columns(task, join(self._database, connection, task))
            connection.execute(insert(ledger).values(**row, **of_task))
            if endpoint == APPROVAL:
                self._keep_latest(connection, component_appid, task, {appid: said})

    def answer(self, question: Entry, said: Mapping[str, Any]) -> None:
        """Note the answer to a question, from outside of the task that asks: it belongs to the same run.

        :param question: the row that it is in.
        """
        same = [ledger.c[name] for name in ("component_appid", "appid", "endpoint", "nonce", *_OF_TASK)]
        with self._database.writing() as connection:
            row = connection.execute(select(*same).where(ledger.c.id == question.id)).mappings().one()
            connection.execute(insert(ledger).values(**row, **_COMPLETE, asked={}, after=dict(said)))

    # Fences: for calls that WeChat does not guard itself ---------------------------------------------------------

    def take_fence(self, component_appid: str, appid: str, endpoint: str) -> str:
        """Become the newest attempt to send this call, and return its fence for :meth:`intend`.

        Taken before the first look at what the call is about; those who took one earlier may not send any more.
        """
        attempt = uuid.uuid4().hex
        key = {"component_appid": component_appid, "appid": appid, "endpoint": endpoint}
        with self._database.writing() as connection:
            self._put(connection, fence, key, {"attempt": attempt, "sent": 0})
        return attempt

    # Reading and keeping -----------------------------------------------------------------------------------------

    def entries(
        self,
        *,
        component_appid: str | None = None,
        appid: str | None = None,
        run_id: str | None = None,
        endpoint: str | None = None,
        dag_ids: Collection[str] | None = None,
        most: int | None = 100,
    ) -> list[Entry]:
        """Return rows, the newest first.

        :param dag_ids: only rows of these DAGs; ``None``: of all.
        :param most: how many; ``None``: all.
        """
        wanted = {"component_appid": component_appid, "appid": appid, "run_id": run_id, "endpoint": endpoint}
        query = select(ledger).where(*(ledger.c[name] == value for name, value in wanted.items() if value is not None))
        if dag_ids is not None:
            query = query.where(ledger.c.dag_id.in_(sorted(dag_ids)))
        return [_entry(row) for row in self._database.rows(query.order_by(ledger.c.id.desc()).limit(most))]

    def of_run(self, component_appid: str, appid: str, task: TaskRef) -> list[Entry]:
        """Return what this run has done with a Mini Program, the oldest first."""
        query = select(ledger).where(_of_run(component_appid, task), ledger.c.appid == appid).order_by(ledger.c.id)
        with self._database.writing() as connection:
            return [_entry(row) for row in connection.execute(query.where(join(self._database, connection, task).rows))]

    def decision(
        self, component_appid: str, appid: str, task: TaskRef, approval_task_id: str
    ) -> Mapping[str, Any] | None:
        """Return what was asked or decided last in another task of this run; ``None``: nobody was asked.

        A run that was made again under the same id, after this one was deleted, is another run.
        """
        of_task = replace(task, task_id=approval_task_id)
        rows = [row.after for row in self.of_run(component_appid, appid, task) if _is_decision(row, of_task)]
        return rows[-1] if rows else None

    def question(self, component_appid: str, appid: str, task: TaskRef) -> Mapping[str, Any] | None:
        """Return what a decision names that answers the question of this task; ``None``: this try has asked nothing.

        Another try may have asked another question since, which nobody has seen.
        """
        rows = [
            row
            for row in self.of_run(component_appid, appid, task)
            if _is_decision(row, task) and row.task.map_index == task.map_index and row.after["outcome"] == "asked"
        ]
        if not rows or rows[-1].asked.get("ti_id", task.ti_id) != task.ti_id:
            return None
        return {name: value for name, value in rows[-1].after.items() if name != "outcome"}

    def outcome(self, dag_id: str, run_id: str, appid: str) -> Mapping[str, Any] | None:
        """Return the latest outcome of a Mini Program in a run."""
        query = select(outcome.c.said).where(_with(outcome, dag_id=dag_id, run_id=run_id, appid=appid))
        said: Mapping[str, Any] | None = self._database.value(query)
        return said

    def conn_id(self, dag_id: str, run_id: str, appid: str) -> str | None:
        """Return the Connection that a run worked with on a Mini Program; ``None``: it did nothing with it.

        :param appid: ``""``: on any.
        """
        of_run = {"dag_id": dag_id, "run_id": run_id} | ({"appid": appid} if appid else {})
        found: str | None = self._database.value(select(outcome.c.wxa_conn_id).where(_with(outcome, **of_run)).limit(1))
        return found

    def outcomes(
        self, component_appid: str, appid: str, *, dag_ids: Collection[str] | None = None, most: int = 50
    ) -> list[Outcome]:
        """Return a Mini Program's latest outcome in each run, the newest first.

        :param dag_ids: only of runs of these DAGs; ``None``: of all.
        """
        query = select(outcome).where(outcome.c.component_appid == component_appid, outcome.c.appid == appid)
        if dag_ids is not None:
            query = query.where(outcome.c.dag_id.in_(sorted(dag_ids)))
        rows = self._database.rows(query.order_by(outcome.c.at.desc()).limit(most))
        return [read_as(Outcome, row) for row in rows]

    def spent(self, component_appid: str, appid: str, endpoint: str, now: dt.datetime) -> tuple[int, int]:
        """Return how often a call was accepted, or may have been, today and this month by WeChat's calendar."""
        today = now.astimezone(BEIJING).replace(hour=0, minute=0, second=0, microsecond=0)
        since = today, today.replace(day=1)
        day, month = (self._database.value(_spent(component_appid, appid, [endpoint], start)) for start in since)
        return day, month

    def left(self, component_appid: str, appid: str, endpoint: Endpoint) -> int:
        """Return how often a call whose endpoint has a budget may still be sent this month.

        :param appid: ``""``: the platform itself.
        """
        with self._database.reading() as connection:
            return _left(connection, component_appid, appid, endpoint)

    def writes_of(self, component_appid: str, appids: Collection[str], task: TaskRef) -> list[tuple[Entry, float]]:
        """Return a run's writes to Mini Programs and to the platform's list, the newest first.

        Beside each stands how long ago it was answered, in seconds; infinity: it was not.
        """
        query = select(ledger, (database_now() - ledger.c.answered_at).label("ago")).where(
            _of_run(component_appid, task),
            ledger.c.appid.in_((*appids, THE_PLATFORM)),
            ledger.c.endpoint.not_in((APPROVAL, VERIFICATION_FILE_READ)),
        )
        rows = self._database.rows(query.order_by(ledger.c.id.desc()))
        return [(_entry(row), math.inf if row.ago is None else row.ago) for row in rows]

    def submitted(self, component_appid: str, appids: Collection[str], dag_id: str) -> set[tuple[str, str]]:
        """Return appid and auditid of Mini Programs' submissions by runs of a DAG, found after a lost answer, too."""
        query = select(ledger.c.appid, ledger.c.auditid, ledger.c.after).where(
            _with(ledger, component_appid=component_appid, dag_id=dag_id, endpoint="submit_audit"),
            ledger.c.appid.in_(appids),
            or_(ledger.c.errcode == 0, _unclear()),
        )
        rows = self._database.rows(query)
        found = {(row.appid, row.auditid or (row.after or {}).get("auditid", "")) for row in rows}
        return {each for each in found if each[1]}

    def since_release(self, component_appid: str, appids: Collection[str]) -> list[Entry]:
        """Return the writes that concern Mini Programs' domains, from their last releases on, the oldest first."""
        whose = _with(ledger, component_appid=component_appid), ledger.c.appid.in_(appids)
        last = select(ledger.c.appid, func.max(ledger.c.id).label("id")).where(*whose, _was_released())
        released = last.group_by(ledger.c.appid).subquery()
        query = (
            select(ledger)
            .outerjoin(released, released.c.appid == ledger.c.appid)
            .where(*whose, ledger.c.endpoint.in_(_ON_DOMAINS), ledger.c.id >= func.coalesce(released.c.id, 0))
        )
        return [_entry(row) for row in self._database.rows(query.order_by(ledger.c.id))]

    def released_at(self, component_appid: str) -> dict[str, float]:
        """Return, by appid, epoch seconds of the last release of each Mini Program of a platform."""
        mine = _with(ledger, component_appid=component_appid), _was_released()
        query = select(ledger.c.appid, func.max(ledger.c.sent_at).label("at")).where(*mine).group_by(ledger.c.appid)
        return {row.appid: row.at for row in self._database.rows(query)}

    def readings(self, component_appid: str) -> dict[str, Any]:
        """Return, by appid, the domains that were online at the latest reading of each Mini Program of a platform."""
        read = _with(ledger, component_appid=component_appid), ledger.c.online.is_not(None)
        latest = select(func.max(ledger.c.id)).where(*read).group_by(ledger.c.appid)
        query = select(ledger.c.appid, ledger.c.online).where(ledger.c.id.in_(latest)).order_by(ledger.c.appid)
        return {row.appid: row.online for row in self._database.rows(query)}

    def erase(self, *, older_than_days: float | None = None, appid: str | None = None) -> int:
        """Delete rows and outcomes; returns how many rows of the ledger.

        Rows that budgets, approvals and the reading of lag still need stay: withdrawals, submissions and decisions of
        the last 31 days, and all rows younger than an hour.

        :param older_than_days: only those; ``None``: of any age.
        :param appid: only this Mini Program's.
        """
        age = database_now() - ledger.c.sent_at
        is_needed = or_(age < _HOUR, and_(age < 31 * _DAY, ledger.c.endpoint.in_(_COUNTED)))
        counts = []
        with self._database.writing() as connection:
            for table, at, kept in ((ledger, ledger.c.sent_at, is_needed), (outcome, outcome.c.at, false())):
                which: list[ColumnElement[bool]] = [not_(kept)]
                if older_than_days is not None:
                    which.append(at < database_now() - older_than_days * _DAY)
                if appid is not None:
                    which.append(table.c.appid == appid)
                counts.append(connection.execute(delete(table).where(*which)).rowcount)
            forget_runs(connection)
        return counts[0]

    def _keep_latest(
        self, connection: Connection, component_appid: str, task: TaskRef, latest: Mapping[str, Mapping[str, Any]]
    ) -> None:
        """Keep the latest outcomes of Mini Programs in a run, by appid; outside of a run there is none."""
        if not task.run_id or not latest:
            return
        key = {"dag_id": task.dag_id, "run_id": task.run_id}
        rows = [{**key, "appid": appid, "said": dict(latest[appid])} for appid in sorted(latest)]
        fixed = {"component_appid": component_appid, "task_id": task.task_id, "at": database_now()}
        fixed |= {"wxa_conn_id": task.wxa_conn_id} if task.wxa_conn_id else {}
        statement = self._database.insert(outcome).values(**fixed)
        replaced = {**fixed, "said": statement.excluded.said}
        connection.execute(
            statement.on_conflict_do_update(index_elements=["dag_id", "run_id", "appid"], set_=replaced), rows
        )
        self._show(connection, component_appid, task, {appid: said for appid, said in latest.items() if appid})

    def _show(
        self, connection: Connection, component_appid: str, task: TaskRef, told: Mapping[str, Mapping[str, Any]]
    ) -> None:
        """Keep for the board outcomes of Mini Programs, and facts, by appid."""
        rows = [row_of(component_appid, appid, task, said) for appid, said in told.items() if "outcome" in said]
        keep_mini_programs(self._database, connection, rows)
        known = {appid: facts_of(said, task) for appid, said in told.items()}
        keep_facts(self._database, connection, component_appid, known)

    def _keep_to_budgets(self, connection: Connection, component_appid: str, calls: Sequence[Call]) -> None:
        """Refuse calls of which this month has no more, also between tasks that send at the same time."""
        taken: Counter[tuple[str, str]] = Counter()
        for call in sorted((each for each in calls if each.endpoint.budget), key=lambda each: each.appid or ""):
            endpoint, appid = call.endpoint, call.appid or THE_PLATFORM
            assert endpoint.budget is not None  # noqa: S101  (picked so)
            # A row of the count's own is written first: who counts at the same time waits here until this is noted.
            key = {"component_appid": component_appid, "appid": appid, "endpoint": endpoint.budget.name}
            self._put(connection, fence, key, {"attempt": "", "sent": 0})
            left = _left(connection, component_appid, appid, endpoint) - taken[appid, endpoint.budget.name]
            if left < 1:
                raise budget_used_up(endpoint, call.appid, 0)
            taken[appid, endpoint.budget.name] += 1

    def _put(self, connection: Connection, table: Table, key: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        """Insert a row, or replace the one with this key."""
        statement = self._database.insert(table).values(**key, **values)
        connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=dict(values)))


def _note_reviews(connection: Connection, component_appid: str, results: Sequence[Result]) -> None:
    """Note with its submission when a review was first seen ended."""
    ended = [
        {"whose": each.appid, "sheet": str(each.said["auditid"])}
        for each in results
        if each.said.get("auditid") and outcome_word(each.said) in {"audit_approved", "audit_rejected", "stopped"}
    ]
    of_sheet = and_(
        _with(ledger, component_appid=component_appid, endpoint="submit_audit"),
        ledger.c.appid == bindparam("whose"),
        ledger.c.auditid == bindparam("sheet"),
        ledger.c.reviewed_at.is_(None),
    )
    if ended:
        connection.execute(update(ledger).where(of_sheet).values(reviewed_at=database_now()), ended)


def _columns(task: TaskRef, joined: Joined) -> dict[str, Any]:
    return {name: getattr(task, name) for name in _OF_TASK} | {"nonce": joined.nonce or None}


def _with(table: Table, **values: object) -> ColumnElement[bool]:
    """Pick the rows that hold these values."""
    return and_(*(table.c[name] == value for name, value in values.items()))


def _is_decision(row: Entry, task: TaskRef) -> bool:
    of_task = (row.endpoint, row.task.task_id, row.task.triggered_by)
    return of_task == (APPROVAL, task.task_id, task.triggered_by)


def _of_run(component_appid: str, task: TaskRef) -> ColumnElement[bool]:
    return _with(ledger, component_appid=component_appid, dag_id=task.dag_id, run_id=task.run_id)


def _pass_fence(connection: Connection, component_appid: str, call: Call, attempt: str) -> None:
    """Use the fence of a call up."""
    of_call = {"component_appid": component_appid, "appid": call.appid or THE_PLATFORM, "endpoint": call.endpoint.name}
    newest = update(fence).where(_with(fence, **of_call, attempt=attempt, sent=0))
    if not attempt:
        raise WxaStateError(Text("call_needs_a_fence", endpoint=call.endpoint.name), **call.named)
    if connection.execute(newest.values(sent=1)).rowcount != 1:
        raise WxaStateError(Text("newer_attempt_sends_the_call", endpoint=call.endpoint.name), **call.named)


def _left(connection: Connection, component_appid: str, appid: str, endpoint: Endpoint) -> int:
    budget = endpoint.budget
    assert budget is not None  # noqa: S101  (asked of such an endpoint only)
    counted = [name for name, row in CATALOGUE.items() if row.budget == budget]
    spent = _spent(component_appid, appid, counted, month_began(dt.datetime.now(dt.UTC)))
    return max(0, budget.a_month - connection.execute(spent).scalar_one())


def _spent(component_appid: str, appid: str, endpoints: Collection[str], since: dt.datetime) -> Select[int]:
    """Count the calls since a time that were accepted, or may have been."""
    return select(func.count()).where(
        _with(ledger, component_appid=component_appid, appid=appid),
        ledger.c.endpoint.in_(endpoints),
        or_(_unclear(), ledger.c.errcode == 0),
        ledger.c.sent_at >= since.timestamp(),
    )


def _was_released() -> ColumnElement[bool]:
    """Pick releases; one whose lost answer a later step found out about was one, too."""
    return and_(ledger.c.endpoint == "release", or_(ledger.c.errcode == 0, ledger.c.resolved_by.is_not(None)))


def _unclear() -> ColumnElement[bool]:
    """Pick rows of which nobody can say whether WeChat did the work: the answer was lost, or it was -1."""
    return or_(ledger.c.answered_at.is_(None), ledger.c.errcode == _SYSTEM_ERROR)


def _entry(row: Row[Any]) -> Entry:
    if row.answered_at is not None and row.errcode != _SYSTEM_ERROR:
        # By the text that only an error brings: 89019 and 85052 say that it is so already.
        result = "ok" if row.errmsg is None else "refused"
    else:
        result = "resolved" if row.resolved_by else "unknown"
    task = TaskRef(**{name: getattr(row, name) for name in _OF_TASK})
    return read_as(Entry, row, task=task, result=result)
