"""A triggerer that lacks the Connection which the workers have: the task fails soon, and says why."""

import sys
import time
from pathlib import Path

import pytest

from airflow_wxa.cli.demo.airflow import ThrowawayAirflow
from airflow_wxa.cli.demo.processes import Component
from airflow_wxa.sandbox import RunningSandbox
from airflow_wxa.sandbox.state import Stage
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.triggers.sharing import _PATIENCE_SECONDS
from tests.real_airflow.airflows import connection, end_of, sheet, started, until

pytestmark = pytest.mark.real_airflow

VARIABLE = "AIRFLOW_CONN_WXA_DEFAULT"
DAG = f"""
from airflow.sdk import DAG
from airflow_wxa.sensors import WxaAuditSensor

with DAG("waits", schedule=None, is_paused_upon_creation=False, default_args={{"retries": 2}}):
    WxaAuditSensor(task_id="wait_for_audit", appid="{APPID}", auditid="400000001")
"""


class OnTheWorkersOnly(ThrowawayAirflow):
    """An Airflow whose scheduler, and so its workers, has the Connection, and nothing else has."""

    def _spawn(self, name: str, arguments: tuple[str, ...]) -> Component:
        env = self.component_env()
        if name != "scheduler":
            del env[VARIABLE]
        command = (sys.executable, "-m", "airflow", *arguments)
        return self.processes.start(name, command, env, self.home / f"{name}.out")


def test_a_triggerer_without_the_connection_ends_the_wait_soon(tmp_path: Path, wxa_sandbox: RunningSandbox) -> None:
    wxa_sandbox.world.mini_program(APPID).sheets.append(sheet(Stage.AUDITING, 400000001))
    environment = {VARIABLE: connection(wxa_sandbox)}
    airflow = OnTheWorkersOnly(home=tmp_path, environment=environment, dags={"waits.py": DAG})
    with started(airflow, "waits"):
        airflow.api.trigger("waits", "run", {})
        until(lambda: wxa_sandbox.journal.count("/wxa/get_auditstatus"), "nobody looks")
        begin = time.monotonic()
        end_of(airflow, "waits", seconds=20 * _PATIENCE_SECONDS)
        took = time.monotonic() - begin
        [task] = airflow.api.task_instances("waits", "run")
        said = airflow.api.error_text("waits", "run", task)
    deferrals = len(wxa_sandbox.journal) - 1  # each look but the last one, all by workers, led to one
    sys.stdout.write(f"failed {took:.0f} s after the first look, {deferrals} deferrals:\n{said}\n")
    assert (task.state, task.try_number) == ("failed", 1)
    assert said.startswith("the triggerer cannot use this Connection")
    assert "Connection 'wxa_default': does not exist" in said
    assert 1 <= deferrals <= 2
    assert took < 3 * _PATIENCE_SECONDS
