"""A run of ``wxa_release`` that stops where a test says, and takes what a person does to it meanwhile.

``DAG.test`` goes through in one go. This is its loop, cut open: up to a task, on from there, with Airflow's own Clear
and Mark in between, so that two runs can be interleaved and a run can be rescued.
"""
# ruff: noqa: PLC0415  (the page's own code takes seconds to import)

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
from airflow.models.dagrun import DagRun, get_or_create_dagrun
from airflow.models.taskinstance import TaskInstance
from airflow.sdk import timezone
from airflow.sdk.definitions.dag import _run_task
from airflow.serialization.serialized_objects import DagSerialization
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState, TaskInstanceState
from airflow.utils.types import DagRunTriggeredByType
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.airflow_session import PLAIN, load_release_dag, noting_errors

_numbers = count()


@dataclass(slots=True)
class Scheduled:
    """One run, with what :class:`~tests.dags.stepwise.Stepwise` says of each method."""

    params: Mapping[str, Any]
    triggered_by: str = "lin"
    run_id: str = field(init=False)
    errors: dict[str, BaseException] = field(init=False)
    _dag: Any = field(init=False)
    _scheduled: Any = field(init=False)

    def __post_init__(self) -> None:
        if self.params.get("approval"):
            skip_where_no_run_waits()
        self._dag = load_release_dag()
        self.errors = noting_errors(self._dag)
        self._scheduled = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(self._dag))
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

    def go_on(self, *, until: str | None = None) -> str:
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
        with create_session() as session:
            asked = self._run(session).get_task_instance("approve_release", session=session)
            assert asked is not None
            _answer_question(asked, choice, session)

    def clear(self, task_id: str, *, downstream: bool = True) -> None:
        behind = self._dag.task_dict[task_id].get_flat_relative_ids(upstream=False) if downstream else set()
        self._scheduled.clear(run_id=self.run_id, task_ids=[task_id, *behind])

    def mark(self, task_id: str, state: str) -> None:
        with create_session() as session:
            self._scheduled.set_task_instance_state(
                task_id=task_id, run_id=self.run_id, state=TaskInstanceState(state), session=session
            )

    @property
    def states(self) -> dict[str, str]:
        with create_session() as session:
            return {ti.task_id: str(ti.state) for ti in self._run(session).get_task_instances(session=session)}

    def xcom(self, task_id: str) -> Any:
        with create_session() as session:
            return self._run(session).get_task_instance(task_id, session=session).xcom_pull(task_ids=task_id)

    def _run(self, session: Session) -> DagRun:
        run = session.scalars(select(DagRun).where(DagRun.run_id == self.run_id)).one()
        run.dag = self._scheduled
        return run

    def _ready(self, run: DagRun, session: Session) -> list[Any]:
        """Return the task instances that may run now, scheduled."""
        session.expire_all()
        run.dag = self._scheduled
        schedulable, _ = run.update_state(session=session)
        for ti in schedulable:
            ti.try_number += ti.state != "up_for_reschedule"
            ti.state = "scheduled"
            ti.scheduled_dttm = timezone.utcnow()
        session.commit()
        return [ti for ti in run.get_task_instances(session=session) if ti.state == "scheduled"]


def skip_where_no_run_waits() -> None:
    if not hasattr(TaskInstanceState, "AWAITING_INPUT"):
        pytest.skip("a run in one process cannot wait for a person before Airflow 3.3: the demo shows an approval")


def answering(choice: str) -> Callable[[], None]:
    """Return a function that answers the question that comes up from now on; another test may have left one open."""
    skip_where_no_run_waits()
    since = datetime.now(UTC)

    def answer() -> None:
        waiting = select(TaskInstance).where(TaskInstance.start_date >= since, TaskInstance.state == "awaiting_input")
        with create_session() as session:
            if (asked := session.scalar(waiting)) is not None:
                _answer_question(asked, choice, session)

    return answer


def _answer_question(ti: TaskInstance, choice: str, session: Session) -> None:
    """Answer by the code behind Airflow's own page."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it takes two seconds, and its deprecations are not ours
        from airflow.api_fastapi.app import create_auth_manager
        from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
        from airflow.api_fastapi.core_api.datamodels.hitl import UpdateHITLDetailPayload
        from airflow.api_fastapi.core_api.routes.public.hitl import update_hitl_detail

    create_auth_manager()  # a test of the API server takes it away with its app; it says who may answer
    update_hitl_detail(
        dag_id=ti.dag_id,
        dag_run_id=ti.run_id,
        task_id=ti.task_id,
        update_hitl_detail_payload=UpdateHITLDetailPayload(chosen_options=[choice], params_input={}),
        user=SimpleAuthManagerUser(username="release-manager", role="admin"),
        session=session,
    )
