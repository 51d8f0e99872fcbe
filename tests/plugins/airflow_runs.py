"""Runs in Airflow's own database, as a scheduler would have left them."""
# ruff: noqa: PLC0415  (Airflow takes seconds to import: only where a test needs it)

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    AirflowRun = Callable[..., None]

__all__ = ["airflow_run", "put_run"]


def put_run(
    dag_id: str,
    run_id: str,
    state: str = "running",
    tasks: Mapping[str, str] = {},
    *,
    hours: float = 0.0,
    paused: bool = False,
    asked_of: Sequence[str] = (),
    subject: str = "",
) -> None:
    """Put a run there, whose tasks are in these states since some hours."""
    from airflow.models.dag import DagModel
    from airflow.models.dagbundle import DagBundleModel
    from airflow.models.dagrun import DagRun
    from airflow.models.hitl import HITLDetail
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session

    at = dt.datetime.now(dt.UTC) - dt.timedelta(hours=hours)
    ended = at if state in {"success", "failed"} else None
    run = {"dag_id": dag_id, "run_id": run_id, "state": state, "run_type": "manual", "span_status": "not_started"}
    with create_session() as session:
        session.execute(DagRun.__table__.insert().values(**run, run_after=at, queued_at=at, end_date=ended))
        for task_id, of_task in tasks.items():
            ti_id = uuid.uuid4()
            values = {"id": ti_id, "dag_id": dag_id, "run_id": run_id, "task_id": task_id, "state": of_task}
            times = {"queued_dttm": at, "start_date": None if of_task in {"queued", "scheduled"} else at}
            more = {"pool": "default_pool", "span_status": "not_started", "map_index": -1}
            session.execute(TaskInstance.__table__.insert().values(**values, **times, **more))
            if of_task == "awaiting_input":
                users = [{"id": each, "name": each} for each in asked_of] or None
                asked = {"ti_id": ti_id, "options": ["Approve", "Reject"], "assignees": users, "created_at": at}
                asked |= {"subject": subject or f"{task_id} of {run_id}?", "params": {}, "params_input": {}}
                session.execute(HITLDetail.__table__.insert().values(**asked))
        if paused:
            if session.get(DagBundleModel, "of-tests") is None:
                session.add(DagBundleModel(name="of-tests"))
                session.flush()
            session.merge(DagModel(dag_id=dag_id, bundle_name="of-tests", is_paused=True))


@pytest.fixture
def airflow_run(airflow_database: None) -> Iterator[AirflowRun]:
    """Return what puts a run there; all are gone afterwards."""
    from airflow.models.dag import DagModel
    from airflow.models.dagrun import DagRun
    from airflow.models.hitl import HITLDetail
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session

    def empty() -> None:
        with create_session() as session:
            for model in (HITLDetail, TaskInstance, DagRun):
                session.execute(model.__table__.delete())  # type: ignore[attr-defined]

    empty()
    yield put_run
    empty()
    with create_session() as session:
        for each in session.query(DagModel).filter(DagModel.bundle_name == "of-tests"):
            session.delete(each)
