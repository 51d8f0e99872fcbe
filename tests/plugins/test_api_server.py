"""The receiver in a real API server that wants a login for everything else."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from airflow_wxa.cli.demo.airflow import ThrowawayAirflow
from airflow_wxa.sandbox import RunningSandbox
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID, COMPONENT_APPSECRET, ENCODING_AES_KEY, PUSH_TOKEN
from airflow_wxa.store import Store
from airflow_wxa.trial_link import PUSH_PREFIX

pytestmark = pytest.mark.real_airflow

START_SECONDS = 120


@pytest.fixture
def airflow(tmp_path: Path, wxa_sandbox: RunningSandbox) -> Iterator[ThrowawayAirflow]:
    """An API server alone, whose Connection has the sandbox's keys."""
    connection = {
        "conn_type": "wxa",
        "host": wxa_sandbox.url,
        "login": COMPONENT_APPID,
        "password": COMPONENT_APPSECRET,
        "extra": {"push_token": PUSH_TOKEN, "encoding_aes_key": ENCODING_AES_KEY},
    }
    environment = {
        "AIRFLOW_CONN_WXA_DEFAULT": json.dumps(connection),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
    }
    airflow = ThrowawayAirflow(home=tmp_path, environment=environment)
    with api_server(airflow):
        yield airflow


@contextmanager
def api_server(airflow: ThrowawayAirflow) -> Iterator[None]:
    """Run the ``airflow api-server`` of an Airflow on a free port while the block runs."""
    for name in ("dags", "tmp"):
        (airflow.home / name).mkdir(exist_ok=True)
    env, command = airflow.component_env(), [sys.executable, "-m", "airflow"]
    subprocess.run([*command, "db", "migrate"], env=env, check=True, capture_output=True)
    try:
        out = airflow.home / "api-server.out"
        server = airflow.processes.start("api-server", [*command, "api-server"], env, out)
        wait_until(lambda: answers(airflow.url) or server.process.poll() is not None)
        assert server.process.poll() is None, server.last_lines()
        yield
    finally:
        airflow.stop()


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api/v2/monitor/health", trust_env=False).is_success
    except httpx.TransportError:
        return False


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.1)


def test_pushes_need_no_login_and_everything_else_does(airflow: ThrowawayAirflow, wxa_sandbox: RunningSandbox) -> None:
    receiver = f"{airflow.url}{PUSH_PREFIX}"
    platform = wxa_sandbox.world.platforms[0]
    platform.push_url = f"{receiver}/wxa_default/authorisation"
    platform.message_url = f"{receiver}/wxa_default/message/$APPID$"

    ticket = wxa_sandbox.push_ticket()
    assert (ticket.status_code, ticket.text, ticket.headers["content-type"]) == (
        200,
        "success",
        "text/plain; charset=utf-8",
    )
    assert wxa_sandbox.push("authorized", APPID).text == "success"
    assert wxa_sandbox.push("weapp_audit_success", APPID).text == "success"

    store = Store(f"sqlite:///{airflow.home / 'wxa.db'}", [airflow.component_env()["AIRFLOW__CORE__FERNET_KEY"]])
    wait_until(lambda: APPID in store.merchants(COMPONENT_APPID))
    assert store.merchants(COMPONENT_APPID)[APPID].state == "authorised"
    assert [push.told["appid"] for push in store.pushes(COMPONENT_APPID, ["weapp_audit_success"])] == [APPID]

    with httpx.Client(trust_env=False) as stranger:
        assert stranger.post(f"{receiver}/wxa_default/authorisation", content=b"<xml/>").status_code == 403
        assert stranger.post(f"{receiver}/nobody/authorisation", content=b"<xml/>").status_code == 403
        assert stranger.post(f"{receiver}/wxa_default/authorisation", content=b"<" * 5_000_000).status_code == 403
        assert stranger.get(f"{receiver}/wxa_default/authorisation").status_code == 405
        for page in ("docs", "redoc", "openapi.json", ""):
            assert stranger.get(f"{receiver}/{page}").status_code == 404
        assert stranger.get(f"{airflow.url}/api/v2/dags").status_code == 401

    said = (airflow.home / "api-server.out").read_text("utf-8")
    assert [word for word in (PUSH_TOKEN, ENCODING_AES_KEY, *platform.tickets) if word in said] == []
