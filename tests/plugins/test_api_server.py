"""The receiver in a real API server that wants a login for everything else."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from airflow_wxa.cli.demo.airflow import ThrowawayAirflow
from airflow_wxa.cli.demo.processes import Component
from airflow_wxa.sandbox import RunningSandbox
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID, ENCODING_AES_KEY, PUSH_TOKEN
from airflow_wxa.store import Store
from airflow_wxa.trial_link import PUSH_PREFIX
from tests.plugins.receiving import connection
from tests.real_airflow.airflows import until

pytestmark = pytest.mark.real_airflow


@pytest.fixture
def airflow(tmp_path: Path, wxa_sandbox: RunningSandbox) -> Iterator[ThrowawayAirflow]:
    """An API server alone, whose Connection has the sandbox's keys."""
    environment = {
        "AIRFLOW_CONN_WXA_DEFAULT": connection(wxa_sandbox.url),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
    }
    airflow = ThrowawayAirflow(tmp_path, environment, {})
    with api_server(airflow):
        yield airflow


@contextmanager
def api_server(airflow: ThrowawayAirflow) -> Iterator[Component]:
    """Run the ``airflow api-server`` of an Airflow, which knows its DAGs, on a free port while the block runs."""
    for name in ("dags", "tmp"):
        (airflow.home / name).mkdir()
    for name, text in airflow.dags.items():
        (airflow.home / "dags" / name).write_text(text, "utf-8")
    if airflow.account is not None:
        airflow._passwords.write_text(json.dumps({airflow.account["username"]: airflow.account["password"]}), "utf-8")
    env, command = airflow.component_env(), [sys.executable, "-m", "airflow"]
    for words in (["db", "migrate"], ["dags", "reserialize"])[: 2 if airflow.dags else 1]:
        subprocess.run([*command, *words], env=env, check=True, capture_output=True)
    try:
        out = airflow.home / "api-server.out"
        server = airflow.processes.start("api-server", [*command, "api-server"], env, out)
        until(lambda: answers(airflow.url) or server.process.poll() is not None, "the API server")
        assert server.process.poll() is None, server.last_lines()
        yield server
    finally:
        airflow.stop()


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api/v2/monitor/health", trust_env=False).is_success
    except httpx.TransportError:
        return False


def test_pushes_need_no_login_and_everything_else_does(airflow: ThrowawayAirflow, wxa_sandbox: RunningSandbox) -> None:
    receiver = f"{airflow.url}{PUSH_PREFIX}"
    platform = wxa_sandbox.world.platforms[0]
    platform.push_url = f"{receiver}/wxa_default/authorisation"
    platform.message_url = f"{receiver}/wxa_default/message/$APPID$"

    ticket = wxa_sandbox.push_ticket()
    assert (ticket.status_code, ticket.text) == (200, "success")
    assert ticket.headers["content-type"] == "text/plain; charset=utf-8"
    # What becomes of pushes holds tests/plugins/test_sandbox_pushes.py.
    assert wxa_sandbox.push("authorized", APPID).text == "success"
    assert wxa_sandbox.push("weapp_audit_success", APPID).text == "success"
    store = Store(f"sqlite:///{airflow.home / 'wxa.db'}", [airflow.component_env()["AIRFLOW__CORE__FERNET_KEY"]])
    until(lambda: APPID in store.merchants(COMPONENT_APPID), "the authorisation")

    with httpx.Client(trust_env=False) as stranger:
        for conn_id, content in (("wxa_default", b"<xml/>"), ("nobody", b"<xml/>"), ("wxa_default", b"<" * 5_000_000)):
            assert stranger.post(f"{receiver}/{conn_id}/authorisation", content=content).status_code == 403
        assert stranger.get(f"{receiver}/wxa_default/authorisation").status_code == 405
        assert stranger.get(f"{receiver}/docs").status_code == 404
        assert stranger.get(f"{airflow.url}/api/v2/dags").status_code == 401

    said = (airflow.home / "api-server.out").read_text("utf-8")
    assert [word for word in (PUSH_TOKEN, ENCODING_AES_KEY, *platform.tickets) if word in said] == []
