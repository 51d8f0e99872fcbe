"""Runs as Airflow has them: whether each goes on, what it waits for, and of whom it asks something."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.hitl import HITLDetail
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from sqlalchemy import select, tuple_

from airflow_wxa.store.mini_programs import ENDED, HALTED, Runs, Wanted

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from sqlalchemy.orm import Session

    from airflow_wxa.store.mini_programs import MiniPrograms, Run, Tally

_KEPT_SECONDS: Final = 3.0
#: A task that no worker has taken for this long is stuck.
_QUEUED_SECONDS: Final = 600.0
#: State of a task that decides what its run does → the word for it; the first one that a task has counts.
_WORDS: Final = {"awaiting_input": "asks", "running": "goes_on", "deferred": "goes_on", "up_for_reschedule": "goes_on",
                 "up_for_retry": "retries"}  # fmt: skip
_TOLD: Final = (*_WORDS, "scheduled", "queued", "failed")


@dataclass(frozen=True, slots=True)
class Life:
    """A run, as Airflow has it.

    :param word: ``goes_on``, ``asks`` (waits for an answer), ``retries``; ``queued``: no worker takes it, ``paused``:
        its DAG; ``interrupted``: it failed; ``over``: it succeeded; ``gone``: Airflow has it no more.
    :param since: epoch seconds.
    :param task_id: of the task that it is about; ``""``: of none.
    :param asked_of: users who may answer; empty: whoever may edit the run.
    """

    word: str
    since: float | None = None
    task_id: str = ""
    asked_of: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """A question that waits for an answer in Airflow."""

    dag_id: str
    run_id: str
    task_id: str
    subject: str
    since: float
    asked_of: tuple[str, ...]

    @property
    def run(self) -> Run:
        """Its run."""
        return self.dag_id, self.run_id

    def is_for(self, user_id: str) -> bool:
        """Tell whether a person is asked, who may edit the run."""
        return not self.asked_of or user_id in self.asked_of


@dataclass(frozen=True, slots=True)
class UnderWay:
    """Runs that the store takes for under way, as Airflow has them."""

    lives: Mapping[Run, Life] = field(default_factory=dict)
    questions: tuple[Question, ...] = ()

    def runs(self, user_id: str) -> Runs:
        """Return what a reader's list needs."""
        of = {word: frozenset(run for run, life in self.lives.items() if life.word == word) for word in HALTED}
        over = frozenset(run for run, life in self.lives.items() if life.word in {"over", "gone"})
        others = frozenset(each.run for each in self.questions if not each.is_for(user_id))
        return Runs(**of, over=over, alive=frozenset(self.lives) - of["interrupted"] - over, others=others)


def halted(outcome: str, who: str, life: Life | None) -> tuple[str, str]:
    """Return outcome and who acts, as the list has them: a run that does not go on came to no outcome any more."""
    if life is None or outcome in ENDED:
        return outcome, who
    if life.word in HALTED:
        return life.word, HALTED[life.word]
    if life.word in {"over", "gone"} and who != "nobody":
        return "interrupted", HALTED["interrupted"]
    return outcome, who


class Watch:
    """Looks at the runs under way and counts, once in a few seconds for all readers of the same rights."""

    def __init__(self) -> None:
        self._seen = (0.0, UnderWay())
        self._tallies: dict[Any, tuple[float, Tally]] = {}

    def look(self, store: MiniPrograms) -> UnderWay:
        """Return them as they are, or were a moment ago."""
        at, seen = self._seen
        if time.monotonic() - at > _KEPT_SECONDS or not at:
            seen = UnderWay(lives_of(store.under_way()), _questions())
            self._seen = (time.monotonic(), seen)
        return seen

    def tally(self, store: MiniPrograms, dag_ids: frozenset[str], run: Run, mine: frozenset[str]) -> Tally:
        """Return how many there are of each kind, of a run's or, for two empty texts, of all."""
        now, key = time.monotonic(), (store.runs, dag_ids, run, mine)
        tallies = {asked: kept for asked, kept in self._tallies.items() if now - kept[0] < _KEPT_SECONDS}
        if key not in tallies:
            tallies[key] = (now, store.tally(dag_ids, Wanted(dag_id=run[0], run_id=run[1]), mine))
        self._tallies = tallies
        return tallies[key][1]


def lives_of(runs: Collection[Run]) -> dict[Run, Life]:
    """Return what Airflow knows of runs."""
    if not runs:
        return {}
    with create_session() as session:
        return _lives(session, runs)


def _lives(session: Session, runs: Collection[Run]) -> dict[Run, Life]:
    columns = DagRun.dag_id, DagRun.run_id, DagRun.state, DagRun.queued_at, DagRun.end_date, DagModel.is_paused
    query = select(*columns).outerjoin(DagModel, DagModel.dag_id == DagRun.dag_id)
    found = {(row.dag_id, row.run_id): row for row in session.execute(query.where(_in(DagRun, runs)))}
    tasks: dict[Run, list[Any]] = {}
    of_task = (TaskInstance.dag_id, TaskInstance.run_id, TaskInstance.task_id, TaskInstance.state,
               TaskInstance.queued_dttm, TaskInstance.scheduled_dttm, TaskInstance.start_date, TaskInstance.end_date,
               HITLDetail.assignees, HITLDetail.created_at)  # fmt: skip
    query = select(*of_task).outerjoin(HITLDetail, HITLDetail.ti_id == TaskInstance.id)
    told = _in(TaskInstance, runs), TaskInstance.state.in_(_TOLD)
    for row in session.execute(query.where(*told).order_by(TaskInstance.start_date)):
        tasks.setdefault((row.dag_id, row.run_id), []).append(row)
    return {run: _life(found.get(run), tasks.get(run, [])) for run in runs}


def _life(run: Any, tasks: list[Any]) -> Life:
    if run is None:
        return Life("gone")
    if run.state in {"success", "failed"}:
        failed = next((each.task_id for each in tasks if each.state == "failed"), "")
        return Life("over" if run.state == "success" else "interrupted", _epoch(run.end_date), failed)
    if run.is_paused:
        return Life("paused")
    for state, word in _WORDS.items():
        for each in tasks:
            if each.state == state:
                since = each.created_at or each.end_date or each.start_date
                return Life(word, _epoch(since), each.task_id, _ids(each.assignees))
    waits = [(since, each.task_id) for each in tasks if (since := each.queued_dttm or each.scheduled_dttm)]
    since, task_id = min(waits, default=(run.queued_at if run.state == "queued" else None, ""))
    is_stuck = since is not None and time.time() - since.timestamp() > _QUEUED_SECONDS
    return Life("queued" if is_stuck else "goes_on", _epoch(since), task_id)


def _questions() -> tuple[Question, ...]:
    """Return the questions that wait for an answer, the oldest first."""
    columns = (TaskInstance.dag_id, TaskInstance.run_id, TaskInstance.task_id, HITLDetail.subject,
               HITLDetail.created_at, HITLDetail.assignees)  # fmt: skip
    query = select(*columns).join(HITLDetail, HITLDetail.ti_id == TaskInstance.id)
    query = query.where(HITLDetail.responded_at.is_(None), TaskInstance.state.in_(("awaiting_input", "deferred")))
    with create_session() as session:
        rows = session.execute(query.order_by(HITLDetail.created_at)).all()
    return tuple(Question(*row[:4], row.created_at.timestamp(), _ids(row.assignees)) for row in rows)


def _ids(assignees: Any) -> tuple[str, ...]:
    return tuple(str(user["id"]) for user in assignees or ())


def _in(model: Any, runs: Collection[Run]) -> Any:
    return tuple_(model.dag_id, model.run_id).in_(list(runs))


def _epoch(at: datetime | None) -> float | None:
    return at.timestamp() if at else None
