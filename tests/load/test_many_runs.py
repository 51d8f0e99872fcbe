"""Sixty releases in audit at once on a real Airflow: all of them wait without a worker, and none is held back."""

import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from airflow_wxa.cli.demo.airflow import ThrowawayAirflow
from airflow_wxa.sandbox import AuditPlan, RunningSandbox, World, seeded_fleet

pytestmark = pytest.mark.load

RUNS = 60
PATIENCE_SECONDS = 1500


@pytest.fixture
def wxa_world() -> World:
    """Sixty Mini Programs whose reviewers do not decide before the test says so."""
    world = seeded_fleet(RUNS).world
    for each in world.mini_programs:
        each.scan_polls, each.audit = 0, AuditPlan(result="by_hand")
    return world


def test_sixty_runs_wait_for_their_reviews_at_once(tmp_path: Path, wxa_sandbox: RunningSandbox) -> None:
    environment = {"AIRFLOW_CONN_WXA_DEFAULT": wxa_sandbox.connection(), "AIRFLOW__WXA__AUDIT_POLL_SECONDS": "5"}
    conf = {"webviewdomain": ["https://m.example.com"], "template_id": 47, "user_version": "1.4.0"}
    conf |= {"approval": False, "release": False}  # ends behind its review
    airflow = ThrowawayAirflow(home=tmp_path, environment=environment)
    try:
        airflow.start("wxa_release")
        begin = time.monotonic()
        for each in wxa_sandbox.world.mini_programs:
            airflow.api.trigger("wxa_release", f"1.4.0_{each.appid}", {**conf, "appid": each.appid})
        waiting, at_once = Counter[str](), Counter[str]()
        while waiting["deferred"] < RUNS:
            assert time.monotonic() - begin < PATIENCE_SECONDS, f"not all wait: {waiting}, runs: {at_once}"
            time.sleep(2)
            waiting, at_once = states_of(airflow, "wait_for_audit"), runs_of(airflow)
        took = time.monotonic() - begin
        for each in wxa_sandbox.world.mini_programs:
            each.decide("approved")
        while set(runs := runs_of(airflow)) != {"success"}:
            assert time.monotonic() - begin < 2 * PATIENCE_SECONDS, f"not all went on: {runs}"
            time.sleep(2)
        went_on = time.monotonic() - begin - took
    finally:
        airflow.stop()
    sys.stdout.write(
        f"{RUNS} runs triggered: {waiting['deferred']} waiting in audit at once after {took:.0f} s, "
        f"{at_once['queued']} queued; approved, all had gone on {went_on:.0f} s later\n"
    )
    assert at_once == {"running": RUNS}


def runs_of(airflow: ThrowawayAirflow) -> Counter[str]:
    return Counter(airflow.api.run_states("wxa_release").values())


def states_of(airflow: ThrowawayAirflow, task_id: str) -> Counter[str]:
    """Return how many runs a task has which state in."""
    found = airflow.api._get("/dags/wxa_release/dagRuns/~/taskInstances", task_id=task_id, limit=RUNS)
    return Counter(each["state"] or "none" for each in found["task_instances"])
