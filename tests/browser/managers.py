"""A store and an Airflow as a busy week leaves them: all that managers' questions need."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import update

from airflow_wxa.api.call import Call
from airflow_wxa.api.endpoints import BEIJING
from airflow_wxa.store import Ledger, TaskRef
from airflow_wxa.store.tables import ledger as table
from tests.airflow_session import ROOT
from tests.browser.board import PLATFORM, fill, settle

if TYPE_CHECKING:
    from airflow_wxa.cli.demo.airflow import ThrowawayAirflow

ME: Final = "wang"
ONLINE, WAITING, KILLED, DRIFTED = (f"wx00000000000000e{number}" for number in range(1, 5))
NAMES: Final = {
    ONLINE: "茶馆 Tea House of the Four Seasons, a merchant with a name that is as long as names may be",
    WAITING: "书店 Book Shop",
    KILLED: "电影院 Cinema",
    DRIFTED: "花店 Flower Shop",
}
LONG_RUN: Final = "manual__2026-11-29T08:15:30.123456+00:00__release_of_1.4.0_for_the_tea_house_after_the_second_review"
YESTERDAY: Final = dt.datetime.combine(dt.datetime.now(BEIJING).date() - dt.timedelta(1), dt.time(15), BEIJING)
RUNS: Final[list[dict[str, Any]]] = [
    {"dag_id": "wxa_release", "run_id": LONG_RUN, "state": "success"},
    {"dag_id": "wxa_release", "run_id": "waiting", "tasks": {"approve_release": "awaiting_input"}, "hours": 3,
     "asked_of": [ME], "subject": f"Release 2.1.0 of {WAITING}?"},
    {"dag_id": "wxa_release", "run_id": "killed", "state": "failed", "tasks": {"wait_for_audit": "failed"}, "hours": 5},
    {"dag_id": "wxa_fleet_release", "run_id": "autumn", "tasks": {"approve_plan": "awaiting_input"},
     "subject": "Release 4.0.0 on 120 Mini Programs?"},
    {"dag_id": "wxa_fleet_release", "run_id": "spring sale 2026", "state": "failed", "hours": 2,
     "tasks": {"canary_gate": "failed"}},
]  # fmt: skip


def fill_week(url: str) -> None:
    """Fill the store."""
    fill(url)
    ledger = Ledger(url)
    drift = TaskRef("wxa_domain_drift", "daily", "compare_domains")
    for appid, name in NAMES.items():
        ledger.know(PLATFORM, drift, {appid: {"name": name}})
    task = TaskRef("wxa_release", LONG_RUN, "release", triggered_by="li")
    sheet = {"outcome": "submitted", "user_version": "1.4.0", "auditid": "9001", "quota": {"rest": 12, "limit": 30}}
    _sent(ledger, task, ONLINE, "submit_audit", sheet)
    settle(ledger, task, ONLINE, "get_auditstatus", {"outcome": "approved", "auditid": "9001"})
    decided = {"outcome": "approved", "by": "zhao", "user_version": "1.4.0", "auditid": "9001"}
    ledger.decided(PLATFORM, ONLINE, task, decided)
    online = {"outcome": "released", "release_version": "1.4.0", "release_time": int(YESTERDAY.timestamp())}
    lost = ["https://h5.a-merchant-with-a-long-domain.example.com"]
    _sent(ledger, task, ONLINE, "release", {**online, "effective": ["https://m.example.com"], "lost": lost})
    at = YESTERDAY.timestamp()
    with ledger._database.writing() as connection:
        of_run = update(table).where(table.c.run_id == LONG_RUN)
        connection.execute(of_run.values(sent_at=at, answered_at=at - 7200))
    waiting = TaskRef("wxa_release", "waiting", "approve_release", triggered_by="li")
    ledger.decided(PLATFORM, WAITING, waiting, {"outcome": "asked", "user_version": "2.1.0", "auditid": "9002"})
    ledger.decided(PLATFORM, "", TaskRef("wxa_fleet_release", "autumn", "approve_plan"), {"outcome": "asked"})
    killed = {"outcome": "submitted", "user_version": "3.0.0", "auditid": "9003"}
    settle(ledger, TaskRef("wxa_release", "killed", "submit_audit"), KILLED, "submit_audit", killed)
    differs = {"outcome": "differs", "missing": ["https://pay.example.com"], "release_version": "1.3.0"}
    differs |= {"own": ["https://m.example.com"], "effective": ["https://m.example.com"]}
    ledger.know(PLATFORM, drift, {DRIFTED: differs})


def _sent(ledger: Ledger, task: TaskRef, appid: str, endpoint: str, said: dict[str, Any]) -> None:
    (noted,) = ledger.intend(PLATFORM, [Call.to(endpoint, appid)], task)
    ledger.answered({noted: 0}, {noted: said.get("auditid", "")})
    settle(ledger, task, appid, endpoint, said)


def put_runs(airflow: ThrowawayAirflow) -> None:
    """Put the runs into the database of an Airflow."""
    script = "import json, sys; from tests.plugins.airflow_runs import put_run\n"
    script += "for each in json.loads(sys.argv[1]): put_run(each.pop('dag_id'), each.pop('run_id'), **each)"
    env = airflow.component_env() | {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", script, json.dumps(RUNS)], env=env, check=True, cwd=ROOT)
