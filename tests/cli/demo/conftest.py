"""The six releases, walked on the demo's emulated WeChat; an Airflow that is none; and processes that are left."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest
from cryptography.fernet import Fernet

from airflow_wxa.api.redaction import Secret
from airflow_wxa.cli.demo.airflow import AirflowApi, TaskInstance
from airflow_wxa.cli.demo.command import read_ledger
from airflow_wxa.cli.demo.releases import CONNECTIONS, RELEASES, connections, demo_world
from airflow_wxa.cli.demo.report import Report, read_row
from airflow_wxa.dags.wxa_release import release_dag
from airflow_wxa.hooks.connection import _platform
from airflow_wxa.sandbox import serve
from airflow_wxa.sandbox.pushes import TICKET, Delivery
from airflow_wxa.store import Store
from airflow_wxa.testing import Walk, walk


class WalkedAirflow(AirflowApi):
    """Tells of walks as Airflow tells of its runs, and of tasks in no order."""

    def __init__(self, walks: Mapping[str, Walk]) -> None:
        self.walks = walks

    def task_instances(self, _dag_id: str, run_id: str) -> list[TaskInstance]:
        return [TaskInstance(task_id, state, 1) for task_id, state in sorted(self.walks[run_id].states.items())]

    def xcom(self, _dag_id: str, run_id: str, task_id: str) -> Any:
        return self.walks[run_id].xcoms.get(task_id)

    def error_text(self, _dag_id: str, run_id: str, task: TaskInstance) -> str:
        return str(self.walks[run_id].errors[task.task_id])


def walked(home: Path, language: str) -> Report:
    """Walk the six releases, and return the report of them that the demo would make."""
    key, url = Fernet.generate_key().decode(), f"sqlite:///{home / 'wxa.db'}"
    settings = {"LANGUAGE": language, "SQL_ALCHEMY_CONN": url, "ENCRYPTION_KEYS": key}
    settings |= {"AUDIT_POLL_SECONDS": "0.01", "PRIVACY_POLL_SECONDS": "0.01"}
    with pytest.MonkeyPatch.context() as patch, serve(demo_world()) as wechat:
        environment = {f"AIRFLOW__WXA__{name}": value for name, value in settings.items()}
        for name, value in (environment | connections(wechat)).items():
            patch.setenv(name, value)
        for platform in wechat.world.platforms:
            platform.push_url = "http://127.0.0.1:1/taken"
            wechat.compose(TICKET, platform.component_appid)
            ticket = Secret(list(platform.tickets)[-1])
            Store(url, [key]).put_renewals(platform.component_appid, {"": ticket})
        api = WalkedAirflow({each.word: walk(release_dag(), each.conf) for each in RELEASES})
        effective = {each.appid: each.effective_webviewdomain for each in wechat.world.mini_programs}
        rows = [
            read_row(api, each, run_state=api.walks[each.word].state, effective=effective[each.appid])
            for each in RELEASES
        ]
        _platform.cache_clear()
        taken = [Delivery(event=TICKET, appid=appid, status=200, answer="success") for appid in CONNECTIONS.values()]
        return Report(rows=rows, journal=list(wechat.journal), deliveries=taken, ledger=read_ledger(home), seconds=48.6)


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Everything as it must be; a test spoils a copy."""
    return walked(tmp_path_factory.mktemp("walked"), "en")


@pytest.fixture
def no_airflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a program in Airflow's place that says why it fails, and ends; return its file, to be changed."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    program = folder / "airflow.py"
    program.write_text("import sys\nprint('no space left on device')\nsys.exit(3)\n", "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return program


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _seconds: None)


def living(pids: Iterable[int]) -> list[int]:
    """Return which of these processes run; an orphan whose new parent never asks for it stays a zombie."""
    return [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE]
