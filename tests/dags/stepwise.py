"""A walk of ``wxa_release`` that stops where a test says, and takes Clear, marks, answers and written XComs meanwhile.

So two runs can be interleaved and a run can be rescued. ``scheduled.py`` is the same by Airflow's own scheduling, and
``test_whole_runs.py`` holds this one to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import Any
from uuid import UUID

from airflow.sdk import DAG
from airflow.sdk.exceptions import ParamValidationError
from airflow.sdk.execution_time import comms

from airflow_wxa.testing import _FAILED, _Run
from tests.airflow_session import PLAIN, load_release_dag


class _Asked(BaseException):
    """A question waits for its answer."""


class _Steps(_Run):
    """A run whose questions wait."""

    def answer(self, ti: Any, said: Any) -> dict[str, Any]:
        if not self.answers:
            raise _Asked(ti.id, ti.try_number, said)
        return super().answer(ti, said)

    def ask(self, msg: Any) -> Any:
        """Show the first question of a task, as Airflow does: apache/airflow#73235."""
        first = self.walk.questions.get(self.task_id)
        return comms.HITLDetailRequestResult(**first.model_dump(exclude={"type"})) if first else super().ask(msg)


@dataclass(slots=True)
class Stepwise:
    """One run.

    :param triggered_by: the user who triggered it.
    """

    params: Mapping[str, Any]
    triggered_by: str = "lin"
    _run: _Steps = field(init=False)
    _asked: dict[str, tuple[UUID, int, Any]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._run = _Steps(load_release_dag(), {**PLAIN, **self.params}, "", "release-manager", self.triggered_by)

    @property
    def run_id(self) -> str:
        return str(self._run.run.run_id)

    @property
    def errors(self) -> dict[str, BaseException]:
        """Task id → why it failed, the latest time."""
        return self._run.walk.errors

    def follow(self, dag: DAG) -> None:
        """Go on with this DAG, as after an edit of its file."""
        self._run.dag = dag

    def go_on(self, *, until: str | None = None) -> str:
        """Run what can run, and return the state of the run.

        :param until: stop before this task runs; everything that does not wait for it may have run.
        """
        run = self._run
        before = {task.task_id: task.upstream_task_ids for task in run.dag.tasks}
        for task_id in TopologicalSorter(before).static_order():
            if task_id != until and not run.indexes(task_id) and all(run.indexes(each) for each in before[task_id]):
                self._carry(task_id)
        if any(not run.indexes(task_id) for task_id in before):
            return "running"
        return "failed" if {run.states[task.task_id, -1] for task in run.dag.leaves} & _FAILED else "success"

    def _carry(self, task_id: str) -> None:
        run, task = self._run, self._run.dag.task_dict[task_id]
        try:
            if task_id in self._asked:
                ti_id, number, said = self._asked.pop(task_id)
                run.task_id = task_id
                event = run._resumed(type("Ti", (), {"id": ti_id, "try_number": number}), said, {})
                run.states[task_id, -1] = run._run(task, -1, (ti_id, number, event))
            else:
                run._carry(task, is_marked=False)
        except _Asked as asked:
            self._asked[task_id] = asked.args
        except ParamValidationError as error:  # the DAG was edited: a worker fails the task
            run.states[task_id, -1], run.walk.errors[task_id] = "failed", error

    def be_answered(self, choice: str) -> None:
        """Let somebody answer the question that this run waits with."""
        assert self._asked, "nobody is asked"
        self._run.answers = choice
        for task_id in list(self._asked):
            self._carry(task_id)
        self._run.answers = ""

    def clear(self, task_id: str, *, downstream: bool = True) -> None:
        """Press Clear, with the tasks behind it, as the button proposes."""
        task = self._run.dag.task_dict[task_id]
        cleared = {task_id, *(task.get_flat_relative_ids(upstream=False) if downstream else ())}
        for each in cleared:
            self._run.states.pop((each, -1), None)
            self._run.tried[each] = self._run.walk.tries.get(each, 0)
            self._asked.pop(each, None)
        # A skip stays with the task that decided it, where that one is directly before.
        self._run.skipped = {
            each: by
            for each, by in self._run.skipped.items()
            if each not in cleared or (by not in cleared and by in self._run.dag.task_dict[each].upstream_task_ids)
        }

    def mark(self, task_id: str, state: str) -> None:
        """Press Mark success or Mark failed; what failed behind the task is cleared."""
        behind = self._run.dag.task_dict[task_id].get_flat_relative_ids(upstream=False)
        for each in behind:
            if self._run.states.get((each, -1)) in _FAILED:
                self.clear(each, downstream=False)
        self._asked.pop(task_id, None)
        self._run.states[task_id, -1] = state

    @property
    def states(self) -> dict[str, str]:
        """Task id → state; ``None`` for one that has not run."""
        waiting = dict.fromkeys(self._asked, "awaiting_input")
        return {each: waiting.get(each, str(self._run.states.get((each, -1)))) for each in self._run.dag.task_dict}

    def xcom(self, task_id: str) -> Any:
        """Return what a task returned, the latest time."""
        return self._run.xcoms.get((task_id, -1), {}).get("return_value")

    @property
    def question(self) -> str:
        """The text of what ``approve_release`` asked."""
        return str(self._run.walk.questions["approve_release"].body)

    def write_xcom(self, task_id: str, value: Any, *, key: str = "return_value") -> None:
        """Write an XCom, as whoever may edit the run can."""
        self._run.xcoms.setdefault((task_id, -1), {})[key] = value

    def tries(self, task_id: str) -> int:
        """Return how often a task was tried."""
        return self._run.walk.tries.get(task_id, 0)
