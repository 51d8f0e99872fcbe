"""A run of ``wxa_release`` that stops where a test says, and takes what a person does to it meanwhile.

``DAG.test`` goes through in one go. This is its loop, cut open: up to a task, on from there, with Airflow's own Clear
and Mark in between, so that two runs can be interleaved and a run can be rescued.
"""
# ruff: noqa: PLC0415  (Airflow is imported where a test needs it)

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from tests.airflow_session import PLAIN, a_person_answers, load_release_dag

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.models.dagrun import DagRun
    from airflow.sdk import DAG
    from sqlalchemy.orm import Session

_numbers = count()


@dataclass(slots=True)
class Scheduled:
    """One run.

    :param triggered_by: the user who triggered it.
    :param errors: task id → why it failed, the latest time.
    """

    params: Mapping[str, Any]
    triggered_by: str = "lin"
    run_id: str = field(init=False)
    errors: dict[str, BaseException] = field(init=False, default_factory=dict)
    _since: datetime = field(init=False, default_factory=lambda: datetime.now(UTC))
    _dag: Any = field(init=False)
    _scheduled: Any = field(init=False)

    def __post_init__(self) -> None:
        from airflow.models.dagrun import get_or_create_dagrun
        from airflow.sdk import timezone
        from airflow.utils.session import create_session
        from airflow.utils.state import TaskInstanceState
        from airflow.utils.types import DagRunTriggeredByType

        if self.params.get("approval") and not hasattr(TaskInstanceState, "AWAITING_INPUT"):
            pytest.skip("a run in one process cannot wait for a person before Airflow 3.3: the demo shows an approval")

        self.follow(load_release_dag())
        self.run_id = f"scheduled-{next(_numbers)}"
        now = timezone.utcnow()
        with create_session() as session:
            get_or_create_dagrun(
                dag=self._scheduled,
                run_id=self.run_id,
                logical_date=now,
                data_interval=(now, now),
                run_after=now,
                conf=dict(PLAIN) | dict(self.params),
                triggered_by=DagRunTriggeredByType.TEST,
                triggering_user_name=self.triggered_by,
                start_date=now,
                session=session,
            )

    def follow(self, dag: DAG) -> None:
        """Go on with this DAG, as after an edit of its file."""
        from airflow.serialization.serialized_objects import DagSerialization

        self._dag = dag
        for task in dag.tasks:
            task.retry_delay = timedelta(0)
            task.on_failure_callback = [
                lambda context: self.errors.update({context["ti"].task_id: context["exception"]})
            ]
        self._scheduled = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))

    def go_on(self, *, until: str | None = None) -> str:
        """Run what can run, and return the state of the run.

        :param until: stop before this task runs; everything that does not wait for it may have run.
        """
        from airflow.sdk.definitions.dag import _run_task
        from airflow.utils.session import create_session
        from airflow.utils.state import DagRunState

        with create_session() as session:
            run = self._run(session)
            run.state = DagRunState.RUNNING
            session.commit()
            while run.state == DagRunState.RUNNING:
                ready = self._ready(run, session)
                for ti in ready:
                    if ti.task_id != until:
                        _run_task(ti=ti, task=self._dag.task_dict[ti.task_id], run_triggerer=True)
                waiting = [ti for ti in run.get_task_instances(session=session) if ti.state == "awaiting_input"]
                if (ready and {ti.task_id for ti in ready} == {until}) or (waiting and not ready):
                    break
            return str(run.state)

    def be_answered(self, choice: str) -> None:
        """Let somebody answer the question that this run waits with."""
        deadline = time.monotonic() + 30
        with a_person_answers(choice, since=self._since):
            while self.states["approve_release"] == "awaiting_input":
                assert time.monotonic() < deadline, "nobody answered"
                time.sleep(0.02)

    def clear(self, task_id: str, *, downstream: bool = True) -> None:
        """Press Clear, with the tasks behind it, as the button proposes."""
        behind = self._dag.task_dict[task_id].get_flat_relative_ids(upstream=False) if downstream else set()
        self._scheduled.clear(run_id=self.run_id, task_ids=[task_id, *behind])

    def mark(self, task_id: str, state: str) -> None:
        """Press Mark success or Mark failed."""
        from airflow.utils.session import create_session
        from airflow.utils.state import TaskInstanceState

        with create_session() as session:
            self._scheduled.set_task_instance_state(
                task_id=task_id, run_id=self.run_id, state=TaskInstanceState(state), session=session
            )

    @property
    def states(self) -> dict[str, str]:
        """Task id → state; ``None`` for one that has not run."""
        from airflow.utils.session import create_session

        with create_session() as session:
            return {ti.task_id: str(ti.state) for ti in self._run(session).get_task_instances(session=session)}

    def xcom(self, task_id: str) -> Any:
        """Return what a task returned, the latest time."""
        from airflow.utils.session import create_session

        with create_session() as session:
            return self._run(session).get_task_instance(task_id, session=session).xcom_pull(task_ids=task_id)

    def write_xcom(self, task_id: str, value: Any, *, key: str = "return_value") -> None:
        """Write an XCom, as whoever may edit the run can."""
        from airflow.models.xcom import XComModel
        from airflow.utils.session import create_session

        with create_session() as session:
            run = self._run(session)
            XComModel.set(
                key,
                value,
                dag_id=run.dag_id,
                task_id=task_id,
                run_id=self.run_id,
                map_index=-1,
                serialize=False,  # as a task's own
                session=session,
            )

    def tries(self, task_id: str) -> int:
        """Return how often a task was tried."""
        from airflow.utils.session import create_session

        with create_session() as session:
            return int(self._run(session).get_task_instance(task_id, session=session).try_number)

    def _run(self, session: Session) -> DagRun:
        from airflow.models.dagrun import DagRun
        from sqlalchemy import select

        run = session.scalars(select(DagRun).where(DagRun.run_id == self.run_id)).one()
        run.dag = self._scheduled
        return run

    def _ready(self, run: DagRun, session: Session) -> list[Any]:
        """Return the task instances that may run now, scheduled."""
        from airflow.sdk import timezone

        session.expire_all()
        run.dag = self._scheduled
        schedulable, _ = run.update_state(session=session)
        for ti in schedulable:
            ti.try_number += ti.state != "up_for_reschedule"
            ti.state = "scheduled"
            ti.scheduled_dttm = timezone.utcnow()
        session.commit()
        return [ti for ti in run.get_task_instances(session=session) if ti.state == "scheduled"]
