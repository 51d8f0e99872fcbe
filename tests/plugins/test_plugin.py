"""What Airflow finds, and what it costs a task that needs none of it."""

import subprocess
import sys
from importlib.metadata import entry_points

import pytest

from airflow_wxa.plugins.plugin import BuiltOnDemand, WxaPlugin
from airflow_wxa.trial_link import BOARD_PREFIX, PUSH_PREFIX, TRIAL_PREFIX
from tests.plugins.browser import Browser

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
    built = []
    for _ in range(2):
        answer = Browser(mounted).send("GET", "/wxa_default/authorisation")
        assert answer.status_code == 405
        built.append(mounted._app)
    assert built[0] is built[1] is not None
