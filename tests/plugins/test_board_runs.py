"""The board over Airflow's own runs: what goes on, what does not, and who is asked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from airflow_wxa.hooks.store import store_url
from airflow_wxa.plugins.board import runs
from airflow_wxa.plugins.board.views import seconds_left, waves_of
from airflow_wxa.store import Ledger, TaskRef
from airflow_wxa.store.fleets import Fleets, NewApp, RunKey
from airflow_wxa.store.ledger import Result
from airflow_wxa.store.questions import Question, told

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plugins.airflow_runs import AirflowRun
    from tests.plugins.browser import Browser

pytestmark = pytest.mark.usefixtures("airflow_database")
PLATFORM, APPID, OTHER = "wx00000000000000c1", "wx00000000000000a1", "wx00000000000000a2"
IN_AUDIT = {"outcome": "submitted", "user_version": "1.4.0", "auditid": "4711"}


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    monkeypatch.setattr(runs, "_KEPT_SECONDS", -1.0)  # what a test has put into Airflow is seen at once
    url = f"sqlite:///{tmp_path / 'wxa.db'}"
    monkeypatch.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", url)
    return Ledger(url)


def settle(ledger: Ledger, said: dict[str, Any], *, dag_id: str = "wxa_release", run_id: str = "monday",
           appid: str = APPID, task_id: str = "submit_audit", by: str = "li") -> None:  # fmt: skip
    task = TaskRef(dag_id=dag_id, run_id=run_id, task_id=task_id, triggered_by=by)
    ledger.settle(PLATFORM, task, [Result(appid, "submit_audit", {"appid": appid, **said}, resolves=False)])


def row(page: str, appid: str = APPID) -> str:
    (found,) = [part for part in page.split("<tr>") if f"/mini-program/{appid}" in part]
    return re.sub(r"<[^>]+>", " ", found)


@pytest.mark.parametrize(
    ("airflow_has", "shown"),
    [
        ({"tasks": {"wait_for_audit": "deferred"}}, ["in audit", "goes on wait_for_audit", "WeChat"]),
        (
            {"state": "failed", "tasks": {"wait_for_audit": "failed"}},
            ["interrupted", "wait_for_audit", "Release manager", "Clear the failed task"],
        ),
        ({"state": "success"}, ["interrupted", "Release manager", "nobody goes on"]),
        ({"state": "running", "tasks": {"wait_for_audit": "queued"}, "hours": 3}, ["queued for long", "Platform team"]),
        ({"state": "running", "tasks": {"wait_for_audit": "queued"}}, ["goes on", "WeChat"]),
        ({"state": "queued", "hours": 3}, ["queued for long"]),
        ({"state": "running", "tasks": {"wait_for_audit": "scheduled"}, "paused": True}, ["DAG is paused", "Unpause"]),
        ({"state": "running", "tasks": {"wait_for_audit": "up_for_retry"}}, ["will be tried again", "WeChat"]),
        (None, ["interrupted", "Release manager"]),
    ],
)  # fmt: skip
def test_a_row_says_what_airflow_has_of_its_run(
    airflow: Browser,
    ledger: Ledger,
    airflow_run: AirflowRun,
    airflow_has: dict[str, Any] | None,
    shown: list[str],
) -> None:
    settle(ledger, {**IN_AUDIT, "outcome": "auditing"})
    if airflow_has is not None:
        airflow_run("wxa_release", "monday", **airflow_has)
    text = row(airflow.get("/").text)
    assert [each for each in shown if each not in text] == []
    who = "release_manager" if "Release manager" in shown else "wechat"
    if {"Release manager", "WeChat"} & set(shown):
        assert APPID in airflow.get(f"/?who={who}").text
    page = re.sub(r"<[^>]+>", " ", airflow.get(f"/mini-program/{APPID}").text)
    assert [each for each in shown if each not in page and not each.startswith("Clear")] == []


def test_what_a_run_ended_with_stays_whatever_becomes_of_the_run(
    airflow: Browser,
    ledger: Ledger,
    airflow_run: AirflowRun,
) -> None:
    settle(ledger, {"outcome": "released", "release_version": "1.4.0"})
    settle(ledger, {"outcome": "configured"}, appid=OTHER, run_id="domains only")
    airflow_run("wxa_release", "monday", "failed")  # a task of theirs, behind the release
    airflow_run("wxa_release", "domains only", "success")
    page = airflow.get("/").text
    assert "interrupted" not in row(page) + row(page, OTHER)
    assert "Nobody" in row(page)


def test_a_run_that_goes_on_stands_above_a_newer_one_that_has_ended(
    airflow: Browser,
    ledger: Ledger,
    airflow_run: AirflowRun,
) -> None:
    settle(ledger, {"outcome": "asked", "user_version": "2.0.0"}, task_id="approve_release")
    airflow_run("wxa_release", "monday", tasks={"approve_release": "awaiting_input"})
    settle(ledger, {"outcome": "released", "release_version": "1.9.0"}, dag_id="wxa_fleet_release", run_id="spring")
    text = row(airflow.get("/").text)
    assert "2.0.0" in text
    assert "1.9.0" in text  # is online
    assert "waits for approval" in text
    airflow_run("wxa_fleet_release", "spring", "success")
    settle(ledger, {"outcome": "stopped"}, run_id="monday")
    assert "waits for approval" not in row(airflow.get("/").text)


def test_what_waits_for_me_is_what_i_may_answer(
    airflow: Browser,
    ledger: Ledger,
    airflow_run: AirflowRun,
) -> None:
    settle(ledger, {"outcome": "asked"}, task_id="approve_release")
    settle(ledger, {"outcome": "asked"}, task_id="approve_release", appid=OTHER, run_id="tuesday")
    ledger.decided(PLATFORM, "", TaskRef("wxa_fleet_release", "spring", "approve_plan"), {"outcome": "asked"})
    airflow_run("wxa_release", "monday", tasks={"approve_release": "awaiting_input"}, asked_of=["wang"])
    airflow_run("wxa_release", "tuesday", tasks={"approve_release": "awaiting_input"}, asked_of=["lin", "wang"])
    airflow_run("wxa_fleet_release", "spring", tasks={"approve_plan": "awaiting_input"})
    airflow_run("somebody_elses", "x", tasks={"approve_x": "awaiting_input"})
    mine = airflow.get("/?kind=mine", "user").text  # lin
    assert OTHER in mine
    assert f"/mini-program/{APPID}" not in mine
    assert "approve_plan of spring?" in mine
    assert "approve_x" not in mine
    assert re.search(r"<strong>2</strong> wait for me", mine)
    assert "approve_release asks wang" in row(airflow.get("/").text)
    assert re.search(r"<strong>0</strong> wait for me", airflow.get("/").text)  # a viewer answers nothing


def test_a_decision_stands_beside_the_version_that_it_is_about(
    airflow: Browser,
    ledger: Ledger,
    airflow_run: AirflowRun,
) -> None:
    task = TaskRef("wxa_release", "monday", "approve_release", triggered_by="li")
    decision = {"outcome": "approved", "by": "wang", "user_version": "1.4.0", "auditid": "4711"}
    ledger.decided(PLATFORM, APPID, task, decision)
    settle(
        ledger, {"outcome": "rejected", "user_version": "1.5.0", "auditid": "4712", "reason": "1: no"}, run_id="tuesday"
    )
    settle(ledger, {**IN_AUDIT, "user_version": "2.0.0", "auditid": "4713"}, run_id="wednesday")
    airflow_run("wxa_release", "wednesday", tasks={"wait_for_audit": "deferred"})
    cards = airflow.get(f"/mini-program/{APPID}").text.split("<article")[1:]
    found = {each: [number for number, card in enumerate(cards) if each in card] for each in
             ("2.0.0", "1.5.0", "1: no", "1.4.0", "4711", "wang")}  # fmt: skip
    assert found == {"2.0.0": [0], "1.5.0": [1], "1: no": [1], "1.4.0": [2], "4711": [2], "wang": [2]}


def test_a_pipeline_says_how_far_a_release_has_come(
    airflow: Browser,
    ledger: Ledger,
    airflow_run: AirflowRun,
) -> None:
    settle(ledger, IN_AUDIT)
    airflow_run("wxa_release", "monday", tasks={"wait_for_audit": "deferred"})
    assert "domains: done code: done review: under way approval: not reached online: not reached" in " ".join(
        row(airflow.get("/").text).split()
    )


FLEET = RunKey("wxa_fleet_release", "spring")
FLEET_PAGE = "/fleet?dag_id=wxa_fleet_release&run_id=spring"


@pytest.fixture
def fleets(ledger: Ledger) -> Fleets:
    """Return a fleet of five and five, of which two of the canary have failed."""
    found = Fleets(store_url())
    waves = ["canary"] * 5 + ["rest"] * 5
    apps = [NewApp(f"wx{number:016x}", wave, 0, {}) for number, wave in enumerate(waves)]
    manifest = {"release": {"user_version": "3.2.0"}, "waves": {"canary": {"apps": 5, "max_failed_percent": 20}}}
    found.load(FLEET, PLATFORM, manifest, "digest", apps)
    found.change(FLEET, {number: {"outcome": "released", "stage": "release_canary"} for number in range(3)})
    return found


def text_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


@pytest.mark.parametrize(
    ("airflow_has", "stopped", "failed", "shown"),
    [
        (
            {"tasks": {"release_canary": "deferred"}},
            False,
            1,
            ["Under way: release_canary", "gate waits: 1 of 5 failed"],
        ),
        ({"tasks": {"release_canary": "deferred"}}, True, 1, ["Stopped by wang", "May go on with it: whoever"]),
        (
            {"state": "failed", "tasks": {"canary_gate": "failed"}, "hours": 2},
            False,
            2,
            ["The gate of canary is closed: 2 of 5 failed (40.0%), 20% may.", "May go on with it: whoever"],
        ),
        (
            {"tasks": {"approve_rest": "awaiting_input"}, "asked_of": ["zhao"]},
            False,
            0,
            ["approve_rest waits for an approval", "May go on with it: zhao"],
        ),
        ({"state": "failed", "tasks": {"commit_code": "failed"}}, False, 0, ["Airflow ended the run at commit_code"]),
        ({"state": "success"}, False, 0, ["The run has ended."]),
        (None, False, 0, ["Airflow has the run no more"]),
    ],
)
def test_a_fleets_headline_says_what_holds_it_and_who_may_go_on(
    airflow: Browser,
    fleets: Fleets,
    airflow_run: AirflowRun,
    airflow_has: dict[str, Any] | None,
    stopped: bool,
    failed: int,
    shown: list[str],
) -> None:
    fleets.change(FLEET, {3 + number: {"outcome": "blocked", "stage": "release_canary"} for number in range(failed)})
    if stopped:
        fleets.stop(FLEET, "wang")
    if airflow_has is not None:
        airflow_run(FLEET.dag_id, FLEET.run_id, **airflow_has)
    page = text_of(airflow.get(FLEET_PAGE).text)
    assert [each for each in shown if each not in page] == []
    goes_on = airflow_has is not None and "state" not in airflow_has
    assert ("By the pace so far" in page) is goes_on
    listed = text_of(airflow.get("/fleets").text)
    assert "3 released" in listed
    assert f"{7 - failed} not ended" in listed
    assert (f"{failed} blocked" in listed) is bool(failed)


@pytest.mark.parametrize(
    ("unended", "state", "shown"),
    [
        (0, "failed", ["The gate of canary is closed: 3 of 5 failed (60.0%), 20% may.", "go on with it: zhao"]),
        (1, "failed", ["canary is closed: 1 of 5 have not ended, a shard was lost", "go on with it: zhao"]),
        (0, "running", ["Under way: release_canary", "gate closed: 3 of 5"]),  # cleared before it
        (None, "running", ["Under way: release_canary", "gate opened by zhao: 3 of 5"]),  # as somebody wanted
    ],
)
def test_a_fleets_gate_is_as_it_has_decided(
    ledger: Ledger, airflow: Browser, fleets: Fleets, airflow_run: AirflowRun, unended: int | None, state: str,
    shown: list[str],
) -> None:  # fmt: skip
    tasks = {"canary_gate": "failed"} if state == "failed" else {"release_canary": "running"}
    airflow_run(FLEET.dag_id, FLEET.run_id, state, tasks, hours=1)
    task = TaskRef(FLEET.dag_id, FLEET.run_id, "canary_gate")
    figures = {"wave": "canary", "total": 5, "failed": 3, "unended": unended or 0, "max_failed_percent": 20.0}
    facts = told("ledger", named=True, **figures) | told("params", approvers=["zhao"], approver_must_differ=False)
    ledger.asked(PLATFORM, "", task, lambda nonce: Question("gate", facts, nonce))
    if unended is None:
        ledger.decided(PLATFORM, "", task, {"outcome": "opened", **figures, "by": "zhao", "why": "as agreed"})
    page = text_of(airflow.get(FLEET_PAGE).text)
    assert [each for each in shown if each not in page] == []


def test_the_time_left_is_that_of_the_pace_so_far(ledger: Ledger, fleets: Fleets) -> None:
    run = fleets.run(FLEET)
    assert run is not None
    waves, _ = waves_of(fleets.counts(FLEET), run.manifest)
    assert seconds_left(run, waves, run.loaded_at + 300) == pytest.approx(700)  # three in 300 s, seven are left
