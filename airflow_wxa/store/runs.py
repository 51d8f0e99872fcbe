"""The nonce of a run: a run that is deleted and made again under its id has another one, and finds no decision.

A run's tasks join it: each (task id, map index) is noted with the task instance's id of its first try. Airflow keeps
that id through waits and answers, and gives a later try another one. So a first try with another id than the noted one
belongs to another run of the same name. Values are compared for equality, never with a clock.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import and_, delete, or_, select, update

from airflow_wxa.store.tables import database_now, ledger, run, run_task

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

    from airflow_wxa.store.engine import Database

_LATER: Final = "-"  # in place of the first try's id, where a later try joined first
_KEPT_SECONDS: Final = 31 * 86400.0  # as long as decisions are


@dataclass(frozen=True, slots=True)
class TaskRef:
    """The try of a task on whose behalf something is written; all fields empty: by hand.

    :param triggered_by: the user who triggered the run; ``""`` when nobody did.
    :param ti_id: the task instance's id, another one for each try.
    :param run_after: epoch seconds of the run's.
    :param wxa_conn_id: the Connection that it works with; ``""``: it is not known here.
    """

    dag_id: str = ""
    run_id: str = ""
    task_id: str = ""
    map_index: int = -1
    try_number: int = 0
    triggered_by: str = ""
    ti_id: str = ""
    run_after: float | None = None
    wxa_conn_id: str = ""


@dataclass(frozen=True, slots=True)
class Joined:
    """A run that a task belongs to.

    :param nonce: ``""`` outside of a run.
    :param is_older: the run began before nonces were noted: rows without one count in it.
    """

    nonce: str = ""
    is_older: bool = False

    @property
    def rows(self) -> ColumnElement[bool]:
        """The ledger's rows of this run and of no other of its name."""
        same = ledger.c.nonce == self.nonce
        return or_(same, ledger.c.nonce.is_(None)) if self.is_older or not self.nonce else same


def join(database: Database, connection: Connection, task: TaskRef) -> Joined:
    """Note that a task belongs to its run, and return the run; in a transaction."""
    if not task.run_id:
        return Joined()
    of_run = and_(run.c.dag_id == task.dag_id, run.c.run_id == task.run_id)
    found = connection.execute(select(run).where(of_run)).one_or_none()
    first = _first_try(connection, found.nonce, task) if found is not None else None
    if found is None or found.run_after != task.run_after or (first != task.ti_id and first and task.try_number <= 1):
        _begin(database, connection, task, found.nonce if found is not None else None)
        found, first = connection.execute(select(run).where(of_run)).one(), None
    if first is None:
        row = {"nonce": found.nonce, "task_id": task.task_id, "map_index": task.map_index}
        ti_id = task.ti_id if task.try_number <= 1 else _LATER
        connection.execute(database.insert(run_task).values(**row, ti_id=ti_id).on_conflict_do_nothing())
    return Joined(found.nonce, bool(found.is_older))


def forget_runs(connection: Connection) -> None:
    """Delete runs of which the ledger has nothing any more."""
    is_noted = select(ledger.c.id).where(ledger.c.nonce == run.c.nonce).exists()
    is_old = run.c.at < database_now() - _KEPT_SECONDS
    connection.execute(delete(run).where(run.c.run_id != "", is_old, ~is_noted))
    connection.execute(delete(run_task).where(run_task.c.nonce.not_in(select(run.c.nonce))))


def _first_try(connection: Connection, nonce: str, task: TaskRef) -> str | None:
    """Return the id that is noted of a task's first try; ``None``: the task has not joined."""
    place = (run_task.c.nonce == nonce, run_task.c.task_id == task.task_id, run_task.c.map_index == task.map_index)
    first: str | None = connection.execute(select(run_task.c.ti_id).where(*place)).scalar()
    return first


def _begin(database: Database, connection: Connection, task: TaskRef, seen: str | None) -> None:
    """Give a run a nonce in place of the seen one, unless another task of it was quicker."""
    began = {"nonce": uuid.uuid4().hex, "run_after": task.run_after, "at": database_now()}
    if seen is None:
        key = {"dag_id": task.dag_id, "run_id": task.run_id, "is_older": _began_before(connection, task)}
        connection.execute(database.insert(run).values(**key, **began).on_conflict_do_nothing())
    else:
        connection.execute(update(run).where(run.c.nonce == seen).values(**began, is_older=0))


def _began_before(connection: Connection, task: TaskRef) -> int:
    """Tell, as 0 or 1, whether a run is older than nonces: the migration noted its time in a row without a run."""
    since: float | None = connection.execute(select(run.c.run_after).where(run.c.run_id == "")).scalar()
    return int(None not in (since, task.run_after) and task.run_after < since)  # type: ignore[operator]
