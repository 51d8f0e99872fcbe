"""What Airflow finds, and what it costs a task that needs none of it."""

import asyncio
import subprocess
import sys
from importlib.metadata import entry_points
from typing import Any

import pytest

from airflow_wxa.plugins.plugin import BuiltOnDemand, WxaPlugin
from airflow_wxa.trial_link import BOARD_PREFIX, PUSH_PREFIX, TRIAL_PREFIX

LOADED = """
import sys
from airflow.plugins_manager import AirflowPlugin
before = set(sys.modules)
import airflow_wxa.plugins.plugin
heavy = {"fastapi", "starlette", "defusedxml", "requests", "airflow_wxa.hooks"} & (set(sys.modules) - before)
assert not heavy, heavy
"""


def test_airflow_finds_the_plugin_by_its_entry_point() -> None:
    (found,) = entry_points(group="airflow.plugins", name="wxa")
    assert found.load() is WxaPlugin
    assert [app["url_prefix"] for app in WxaPlugin.fastapi_apps] == [PUSH_PREFIX, TRIAL_PREFIX, BOARD_PREFIX]


def test_a_process_that_only_loads_the_plugin_imports_no_web_framework() -> None:
    subprocess.run([sys.executable, "-c", LOADED], check=True)


def test_the_first_request_builds_the_app_and_the_next_one_finds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    mounted: BuiltOnDemand = WxaPlugin.fastapi_apps[0]["app"]
    monkeypatch.setattr(mounted, "_app", None)
    assert asyncio.run(status_of(mounted)) == 405
    built = mounted._app
    assert asyncio.run(status_of(mounted)) == 405
    assert mounted._app is built


async def status_of(app: BuiltOnDemand) -> int:
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    path = "/wxa_default/authorisation"
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": [], "root_path": ""}
    await app(scope, receive, send)
    return int(sent[0]["status"])
