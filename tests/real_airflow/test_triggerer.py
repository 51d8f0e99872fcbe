"""A triggerer without the Connection that the workers have: the task fails soon, and says why."""

import time
from pathlib import Path

import pytest

from airflow_wxa.sandbox import RunningSandbox
from airflow_wxa.sandbox.state import Stage
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.triggers.sharing import _PATIENCE_SECONDS
from tests.real_airflow.airflows import Run, Unforked, against, sheet, until

pytestmark = pytest.mark.real_airflow

VARIABLE = "AIRFLOW_CONN_WXA_DEFAULT"
DAG = f"""
from airflow.sdk import DAG
from airflow_wxa.sensors import WxaAuditSensor

with DAG("waits", schedule=None, is_paused_upon_creation=False, default_args={{"retries": 2}}):
    WxaAuditSensor(task_id="wait_for_audit", appid="{APPID}", auditid="400000001")
"""


class OnTheWorkersOnly(Unforked):
    """An Airflow whose scheduler, and so its workers, has the Connection, and nothing else has."""

    def env_of(self, name: str) -> dict[str, str]:
        env = self.component_env()
        return env if name == "scheduler" else {each: value for each, value in env.items() if each != VARIABLE}


def test_a_triggerer_without_the_connection_ends_the_wait_soon(tmp_path: Path, wxa_sandbox: RunningSandbox) -> None:
    wxa_sandbox.world.mini_program(APPID).sheets.append(sheet(Stage.AUDITING, 400000001))
    airflow = OnTheWorkersOnly(home=tmp_path, environment=against(wxa_sandbox), dags={"waits.py": DAG})
    with airflow.running("waits"):
        run = Run(airflow, "waits").triggered({})
        until(lambda: wxa_sandbox.journal.count("/wxa/get_auditstatus"), "nobody looks")
        begin = time.monotonic()
        run.ends(20 * _PATIENCE_SECONDS)
        took = time.monotonic() - begin
        task, said = run.task("wait_for_audit"), run.said("wait_for_audit")
    assert (task.state, task.try_number) == ("failed", 1)
    assert said.startswith("the triggerer cannot use this Connection")
    assert "Connection 'wxa_default': does not exist" in said
    assert 1 <= len(wxa_sandbox.journal) - 1 <= 2  # each look but the last one, all by workers, led to a deferral
    assert took < 3 * _PATIENCE_SECONDS
