"""Sixty releases in audit at once on a real Airflow: all of them wait without a worker, and none is held back."""

import json
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from airflow_wxa.cli.demo.airflow import ThrowawayAirflow
from airflow_wxa.sandbox import AuditPlan, MiniProgram, Platform, RunningSandbox, Template, World
from airflow_wxa.sandbox.testing import COMPONENT_APPID, PLATFORM_TOKEN

pytestmark = pytest.mark.load

RUNS = 60
PATIENCE_SECONDS = 1500
APPIDS = [f"wx{number:016x}" for number in range(1, RUNS + 1)]


@pytest.fixture
def wxa_world() -> World:
    """Sixty Mini Programs whose reviewers do not decide before the test says so."""
    platform = Platform(
        component_appid=COMPONENT_APPID,
        component_access_token=PLATFORM_TOKEN,
        testing=["example.com"],
        published=["example.com"],
    )
    mini_programs = [
        MiniProgram(
            appid=appid,
            component_appid=COMPONENT_APPID,
            authorizer_access_token=f"token-of-{appid}",
            scan_polls=0,
            audit=AuditPlan(result="by_hand"),
        )
        for appid in APPIDS
    ]
    return World(platforms=[platform], mini_programs=mini_programs, templates=[Template(template_id=47)])


def test_sixty_runs_wait_for_their_reviews_at_once(tmp_path: Path, wxa_sandbox: RunningSandbox) -> None:
    tokens = {each.appid: each.authorizer_access_token for each in wxa_sandbox.world.mini_programs}
    connection = json.dumps(
        {"conn_type": "wxa", "host": wxa_sandbox.url, "extra": {"authorizer_access_tokens": tokens}}
    )
    environment = {"AIRFLOW_CONN_WXA_DEFAULT": connection, "AIRFLOW__WXA__AUDIT_POLL_SECONDS": "5"}
    airflow = ThrowawayAirflow(home=tmp_path, environment=environment)
    try:
        airflow.start("wxa_release")
        begin = time.monotonic()
        for appid in APPIDS:
            airflow.api.trigger("wxa_release", f"1.4.0_{appid}", conf(appid))
        waiting, runs = Counter[str](), Counter[str]()
        while waiting["deferred"] < RUNS:
            assert time.monotonic() - begin < PATIENCE_SECONDS, f"not all wait: {waiting}, runs: {runs}"
            time.sleep(2)
            waiting = Counter(states_of(airflow, "wait_for_audit"))
            runs = Counter(airflow.api.run_states("wxa_release").values())
        took = time.monotonic() - begin
        at_once = runs

        for each in wxa_sandbox.world.mini_programs:
            each.decide("approved")
        while set(runs) != {"success"}:
            assert time.monotonic() - begin < 2 * PATIENCE_SECONDS, f"not all went on: {runs}"
            time.sleep(2)
            runs = Counter(airflow.api.run_states("wxa_release").values())
        went_on = time.monotonic() - begin - took
    finally:
        airflow.stop()
    sys.stdout.write(
        f"{RUNS} runs triggered: {waiting['deferred']} waiting in audit at once after {took:.0f} s, "
        f"{at_once['queued']} queued; approved, all had gone on {went_on:.0f} s later\n"
    )
    assert at_once == {"running": RUNS}


def states_of(airflow: ThrowawayAirflow, task_id: str) -> list[str]:
    """Return the state that a task has in each run."""
    found = airflow.api._get("/dags/wxa_release/dagRuns/~/taskInstances", task_id=task_id, limit=RUNS)
    return [each["state"] or "none" for each in found["task_instances"]]


def conf(appid: str) -> dict[str, object]:
    """Return what a run that ends behind its review is triggered with."""
    return {
        "appid": appid,
        "webviewdomain": ["https://m.example.com"],
        "template_id": 47,
        "user_version": "1.4.0",
        "approval": False,
        "release": False,
    }
