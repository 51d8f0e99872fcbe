"""Runs in Airflow's own database and in the store, as a scheduler and tasks would have left them."""

import datetime as dt
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.models.hitl import HITLDetail
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session

from airflow_wxa.api.webview_domain import WebviewDomain, setwebviewdomain
from airflow_wxa.hooks.store import open_fleets, open_ledger
from airflow_wxa.store import TaskRef
from airflow_wxa.store.fleets import NewApp, RunKey
from airflow_wxa.store.ledger import Result

AirflowRun = Callable[..., None]

PLATFORM, APPID, OTHER = "wx00000000000000c1", "wx00000000000000a1", "wx00000000000000a2"
DAG, FLEET = "wxa_release", "wxa_fleet_release"


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return that of an empty store, of which pages are as new as of Airflow."""
    named = f"sqlite:///{tmp_path / 'wxa.db'}"
    monkeypatch.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", named)
    monkeypatch.setattr("airflow_wxa.plugins.board.runs._KEPT_SECONDS", -1.0)
    monkeypatch.setattr("airflow_wxa.plugins.board.app._TURN_SECONDS", 0.0)
    return named


def settle(appid: str = APPID, run_id: str = "monday", task_id: str = "release", *, dag_id: str = DAG,
           platform: str = PLATFORM, wxa_conn_id: str = "", **said: Any) -> None:  # fmt: skip
    """Note what a task came to with a Mini Program."""
    task = TaskRef(dag_id=dag_id, run_id=run_id, task_id=task_id, triggered_by="li", wxa_conn_id=wxa_conn_id)
    open_ledger().settle(platform, task, [Result(appid, "release", {"appid": appid, **said}, resolves=False)])


def write_domains(run_id: str, *origins: str) -> None:
    """Note a write of domains that nobody has answered."""
    task = TaskRef(dag_id=DAG, run_id=run_id, task_id="configure_domains")
    call = setwebviewdomain(APPID, "add", [WebviewDomain.parse(each) for each in origins])
    open_ledger().intend(PLATFORM, [call], task)


def load_fleet(
    run_id: str, apps: Sequence[tuple[str, str]], *changes: Mapping[str, Any], dag_id: str = FLEET, **manifest: Any
) -> None:
    """Load a fleet of pairs of wave and appid, and change its first rows."""
    fleets, key = open_fleets(), RunKey(dag_id, run_id)
    new = [NewApp(appid, wave, 0, {}) for wave, appid in apps]
    fleets.load(key, PLATFORM, {"release": {"user_version": "3.2.0"}, **manifest}, "digest", new)
    fleets.change(key, dict(enumerate(changes)))


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
    """Put a run into Airflow, whose tasks are in these states since some hours."""
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
