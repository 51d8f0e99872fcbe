"""Runs as Airflow has them: whether each goes on, what it waits for, and of whom it asks something."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.hitl import HITLDetail
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from sqlalchemy import select, tuple_

from airflow_wxa.store.mini_programs import ENDED, HALTED, Runs

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Mapping
    from datetime import datetime

    from airflow_wxa.store.mini_programs import MiniPrograms, Run

T = TypeVar("T")

_KEPT_SECONDS: Final = 3.0
#: A task that no worker has taken for this long is stuck.
_QUEUED_SECONDS: Final = 600.0
#: State of a task that decides what its run does → the word for it; the first one that a task has counts.
_WORDS: Final = {"awaiting_input": "asks", "running": "goes_on", "deferred": "goes_on", "up_for_reschedule": "goes_on",
                 "up_for_retry": "retries"}  # fmt: skip
#: Words for runs that do no more, and did not fail.
OVER: Final = frozenset({"over", "gone"})
_TOLD: Final = (*_WORDS, "scheduled", "queued", "failed")


@dataclass(frozen=True, slots=True)
class Life:
    """A run, as Airflow has it.

    :param word: ``goes_on``, ``asks`` (waits for an answer), ``retries``; ``queued``: no worker takes it, ``paused``:
        its DAG; ``interrupted``: it failed; ``over``: it succeeded; ``gone``: Airflow has it no more.
    :param since: epoch seconds.
    :param task_id: of the task that it is about; ``""``: of none.
    :param asked_of: users who may answer; empty: all who may edit the run.
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
    """Runs that the store takes for under way, as Airflow has them.

    :param waiting: those that have asked about one Mini Program.
    """

    lives: Mapping[Run, Life]
    questions: tuple[Question, ...]
    waiting: Collection[Run]

    def runs(self, user_id: str) -> Runs:
        """Return what a reader's list needs."""
        of = {word: frozenset(run for run, life in self.lives.items() if life.word == word) for word in HALTED}
        over = frozenset(run for run, life in self.lives.items() if life.word in OVER)
        others = frozenset(each.run for each in self.questions if not each.is_for(user_id))
        return Runs(**of, over=over, alive=frozenset(self.lives) - of["interrupted"] - over, others=others)


def halted(outcome: str, who: str, life: Life | None) -> tuple[str, str]:
    """Return outcome and who acts, as the list has them: a run that does not go on came to no outcome any more."""
    if life is None or outcome in ENDED:
        return outcome, who
    if life.word in HALTED:
        return life.word, HALTED[life.word]
    if life.word in OVER and who != "nobody":
        return "interrupted", HALTED["interrupted"]
    return outcome, who


class Kept:
    """Answers that hold for a few seconds, for all readers who ask the same with the same rights."""

    def __init__(self) -> None:
        self._answers: dict[Hashable, tuple[float, Any]] = {}

    def get(self, asked: Hashable, answer: Callable[[], T]) -> T:
        """Return an answer as it is, or was a moment ago."""
        now = time.monotonic()
        answers = {each: kept for each, kept in self._answers.items() if now - kept[0] < _KEPT_SECONDS}
        self._answers = answers
        if asked not in answers:
            made = answer()
            self._answers = answers = {**self._answers, asked: (now, made)}  # it may have kept parts of it
        found: T = answers[asked][1]
        return found


def runs_under_way(store: MiniPrograms) -> UnderWay:
    """Return the runs that the store takes for under way, and all questions."""
    return UnderWay(lives_of(store.under_way()), _questions(), store.waiting())


def lives_of(runs: Collection[Run]) -> dict[Run, Life]:
    """Return what Airflow knows of runs."""
    if not runs:
        return {}
    columns = DagRun.dag_id, DagRun.run_id, DagRun.state, DagRun.queued_at, DagRun.end_date, DagModel.is_paused
    query = select(*columns).outerjoin(DagModel, DagModel.dag_id == DagRun.dag_id)
    query = query.where(_in(DagRun, runs))
    tasks: dict[Run, list[Any]] = {}
    of_task = (TaskInstance.dag_id, TaskInstance.run_id, TaskInstance.task_id, TaskInstance.state,
               TaskInstance.queued_dttm, TaskInstance.scheduled_dttm, TaskInstance.start_date, TaskInstance.end_date,
               HITLDetail.assignees, HITLDetail.created_at)  # fmt: skip
    told = select(*of_task).outerjoin(HITLDetail, HITLDetail.ti_id == TaskInstance.id)
    told = told.where(_in(TaskInstance, runs), TaskInstance.state.in_(_TOLD)).order_by(TaskInstance.start_date)
    with create_session() as session:
        found = {(row.dag_id, row.run_id): row for row in session.execute(query)}
        for row in session.execute(told):
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
