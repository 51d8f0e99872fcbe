"""The six releases, walked on the demo's emulated WeChat: each ends as the demo expects, in both languages."""

import re
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from rich.console import Console

from airflow_wxa.api.redaction import Secret
from airflow_wxa.cli.demo.airflow import AirflowApi, TaskInstance
from airflow_wxa.cli.demo.command import read_ledger
from airflow_wxa.cli.demo.releases import CONNECTIONS, RELEASES, connections, demo_world
from airflow_wxa.cli.demo.report import Report, read_row, show
from airflow_wxa.dags.wxa_release import release_dag
from airflow_wxa.hooks.connection import _platform
from airflow_wxa.sandbox import serve
from airflow_wxa.sandbox.pushes import TICKET, Delivery
from airflow_wxa.store import Store
from airflow_wxa.testing import Walk, walk
from tests.english import english_in

REASON = "the pages do not match the chosen category"


class WalkedAirflow(AirflowApi):
    """Tells of walks as Airflow tells of its runs."""

    def __init__(self, walks: Mapping[str, Walk]) -> None:
        self.walks = walks

    def task_instances(self, _dag_id: str, run_id: str) -> list[TaskInstance]:
        return [TaskInstance(task_id, state, 1) for task_id, state in sorted(self.walks[run_id].states.items())]

    def xcom(self, _dag_id: str, run_id: str, task_id: str) -> Any:
        return self.walks[run_id].xcoms.get(task_id)

    def error_text(self, _dag_id: str, run_id: str, task: TaskInstance) -> str:
        return str(self.walks[run_id].errors[task.task_id])


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_six_releases_end_as_the_demo_expects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    key, url = Fernet.generate_key().decode(), f"sqlite:///{tmp_path / 'wxa.db'}"
    settings = {"LANGUAGE": language, "SQL_ALCHEMY_CONN": url, "ENCRYPTION_KEYS": key}
    settings |= {"AUDIT_POLL_SECONDS": "0.01", "PRIVACY_POLL_SECONDS": "0.01"}
    for name, value in settings.items():
        monkeypatch.setenv(f"AIRFLOW__WXA__{name}", value)
    with serve(demo_world()) as wechat:
        for name, value in connections(wechat).items():
            monkeypatch.setenv(name, value)
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
        deliveries = [
            Delivery(event=TICKET, appid=appid, status=200, answer="success") for appid in CONNECTIONS.values()
        ]
        journal = list(wechat.journal)
    report = Report(rows=rows, journal=journal, deliveries=deliveries, ledger=read_ledger(tmp_path), seconds=1)
    _platform.cache_clear()
    assert {row.release.word: row.differences for row in rows} == {each.word: [] for each in RELEASES}
    assert (report.problems, report.exit_code) == ({"tickets": [], "order": [], "ledger": []}, 0)
    show(report, Console(file=(sink := StringIO()), width=120))
    assert REASON in sink.getvalue()
    if language == "zh":
        said = re.sub(r"errmsg.*?\n  (?=\S)", "", sink.getvalue().replace(REASON, ""), flags=re.DOTALL)
        assert english_in(re.sub(r"errmsg.*?\n    (?=\S)", "", said, flags=re.DOTALL)) == []
