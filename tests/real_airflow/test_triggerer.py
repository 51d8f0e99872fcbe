"""A triggerer that lacks the Connection which the workers have: the task fails soon, and says why."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

import pytest

from airflow_wxa.cli.demo.airflow import ThrowawayAirflow
from airflow_wxa.sandbox.state import AuditPlan, AuditSheet, Stage
from airflow_wxa.sandbox.testing import APPID, MERCHANT_TOKEN
from airflow_wxa.triggers.sharing import _PATIENCE_SECONDS

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_wxa.cli.demo.processes import Component
    from airflow_wxa.sandbox import RunningSandbox

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
    sheet = AuditSheet(
        auditid=400000001,
        user_version="1.4.0",
        user_desc="",
        submit_audit_time=0,
        plan=AuditPlan(polls=10**6),
        stage=Stage.AUDITING,
    )
    wxa_sandbox.world.mini_program(APPID).sheets.append(sheet)
    tokens = {"authorizer_access_tokens": {APPID: MERCHANT_TOKEN}}
    connection = json.dumps({"conn_type": "wxa", "host": wxa_sandbox.url, "extra": tokens})
    airflow = OnTheWorkersOnly(home=tmp_path, environment={VARIABLE: connection}, dags={"waits.py": DAG})
    try:
        airflow.start("waits")
        airflow.api.trigger("waits", "run", {})
        while wxa_sandbox.journal.count("/wxa/get_auditstatus") == 0:
            time.sleep(0.1)
        begin = time.monotonic()
        while airflow.api.run_states("waits")["run"] not in {"success", "failed"}:
            assert time.monotonic() - begin < 20 * _PATIENCE_SECONDS, "it goes on and on"
            time.sleep(0.5)
        took = time.monotonic() - begin
        [task] = airflow.api.task_instances("waits", "run")
        said = airflow.api.error_text("waits", "run", task)
    finally:
        airflow.stop()
    deferrals = len(wxa_sandbox.journal) - 1  # each look but the last one, all by workers, led to one
    sys.stdout.write(f"failed {took:.0f} s after the first look, {deferrals} deferrals:\n{said}\n")
    assert (task.state, task.try_number) == ("failed", 1)
    assert said.startswith("the triggerer cannot use this Connection")
    assert "Connection 'wxa_default': does not exist" in said
    assert 1 <= deferrals <= 2
    assert took < 3 * _PATIENCE_SECONDS
