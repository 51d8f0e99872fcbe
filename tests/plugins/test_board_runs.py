"""The board over Airflow's own runs: what goes on, what does not, and who is asked."""

from typing import Any, Final

import pytest

from airflow_wxa.hooks.store import open_fleets, open_ledger
from airflow_wxa.plugins.board.views import seconds_left, waves_of
from airflow_wxa.store import TaskRef
from airflow_wxa.store.fleets import RunKey
from airflow_wxa.store.questions import Question, told
from tests.plugins.airflow_runs import APPID, FLEET, OTHER, PLATFORM, AirflowRun, load_fleet, settle
from tests.plugins.browser import Browser, row_of, shows, text_of

pytestmark = pytest.mark.usefixtures("airflow_database", "url")
IN_AUDIT = {"outcome": "submitted", "user_version": "1.4.0", "auditid": "4711"}


def row(page: str, appid: str = APPID) -> str:
    return text_of(row_of(page, appid))


#: What Airflow has of a run → what is shown of it.
RUNS: Final[list[tuple[dict[str, Any] | None, list[str]]]] = [
    ({"tasks": {"wait_for_audit": "deferred"}}, ["in audit", "goes on wait_for_audit", "WeChat"]),
    ({"state": "failed", "tasks": {"wait_for_audit": "failed"}},
     ["interrupted", "wait_for_audit", "Release manager", "Clear the failed task"]),
    ({"state": "success"}, ["interrupted", "Release manager", "nobody goes on"]),
    ({"tasks": {"wait_for_audit": "queued"}, "hours": 3}, ["queued for long", "Platform team"]),
    ({"tasks": {"wait_for_audit": "queued"}}, ["goes on", "WeChat"]),
    ({"state": "queued", "hours": 3}, ["queued for long"]),
    ({"tasks": {"wait_for_audit": "scheduled"}, "paused": True}, ["DAG is paused", "Unpause", "Release manager"]),
    ({"tasks": {"wait_for_audit": "up_for_retry"}}, ["will be tried again", "WeChat"]),
    (None, ["interrupted", "Release manager"]),
]  # fmt: skip


def test_a_row_says_what_airflow_has_of_its_run(airflow: Browser, airflow_run: AirflowRun) -> None:
    for number, (airflow_has, _) in enumerate(RUNS):
        settle(f"wx{number:016x}", "monday", dag_id=f"dag_{number}", **IN_AUDIT | {"outcome": "auditing"})
        if airflow_has is not None:
            airflow_run(f"dag_{number}", "monday", **airflow_has)
    shown = airflow.shows("/")
    waiting = {who: airflow.shows(f"/?who={who.lower().replace(' ', '_')}") for who in ("Release manager", "WeChat")}
    for number, (_, said) in enumerate(RUNS):
        appid = f"wx{number:016x}"
        shows(row(shown, appid), *said)
        assert {who for who, page in waiting.items() if appid in page} == waiting.keys() & set(said)
        page = text_of(airflow.shows(f"/mini-program/{appid}"))
        shows(page, *(each for each in said if not each.startswith("Clear")))


def test_what_a_run_ended_with_stays_whatever_becomes_of_the_run(airflow: Browser, airflow_run: AirflowRun) -> None:
    settle(outcome="released", release_version="1.4.0")
    settle(OTHER, "domains only", outcome="configured")
    airflow_run("wxa_release", "monday", "failed")  # a task of theirs, behind the release
    airflow_run("wxa_release", "domains only", "success")
    page = airflow.shows("/")
    shows(row(page) + row(page, OTHER), hides=["interrupted"])
    shows(row(page), "Nobody")


def test_a_run_that_goes_on_stands_above_a_newer_one_that_has_ended(airflow: Browser, airflow_run: AirflowRun) -> None:
    settle(task_id="approve_release", outcome="asked", user_version="2.0.0")
    airflow_run("wxa_release", "monday", tasks={"approve_release": "awaiting_input"})
    settle(run_id="spring", dag_id=FLEET, outcome="released", release_version="1.9.0")
    shows(row(airflow.shows("/")), "2.0.0", "1.9.0", "waits for approval")  # one on its way, one online
    airflow_run(FLEET, "spring", "success")
    settle(outcome="stopped")
    shows(row(airflow.shows("/")), hides=["waits for approval"])


def test_what_waits_for_me_is_what_i_may_answer(airflow: Browser, airflow_run: AirflowRun) -> None:
    settle(task_id="approve_release", outcome="asked")
    settle(OTHER, "tuesday", "approve_release", outcome="asked")
    open_ledger().decided(PLATFORM, "", TaskRef(FLEET, "spring", "approve_plan"), {"outcome": "asked"})
    for dag_id, run_id, task_id, asked_of in (
        ("wxa_release", "monday", "approve_release", ["wang"]),
        ("wxa_release", "tuesday", "approve_release", ["lin", "wang"]),
        (FLEET, "spring", "approve_plan", []),
        ("somebody_elses", "x", "approve_x", []),
    ):
        airflow_run(dag_id, run_id, tasks={task_id: "awaiting_input"}, asked_of=asked_of)
    mine = (OTHER, "approve_plan of spring?", "<strong>2</strong> wait for me")
    airflow.shows("/?kind=mine", *mine, hides=[f"/mini-program/{APPID}", "approve_x"], role="user")  # lin
    viewers = airflow.shows("/", "<strong>0</strong> wait for me")  # a viewer answers nothing
    shows(row(viewers), "approve_release asks wang")


def test_a_decision_stands_beside_the_version_that_it_is_about(airflow: Browser, airflow_run: AirflowRun) -> None:
    task = TaskRef("wxa_release", "monday", "approve_release", triggered_by="li")
    decision = {"outcome": "approved", "by": "wang", "user_version": "1.4.0", "auditid": "4711"}
    open_ledger().decided(PLATFORM, APPID, task, decision)
    settle(run_id="tuesday", outcome="rejected", user_version="1.5.0", auditid="4712", reason="1: no")
    settle(run_id="wednesday", **IN_AUDIT | {"user_version": "2.0.0", "auditid": "4713"})
    airflow_run("wxa_release", "wednesday", tasks={"wait_for_audit": "deferred"})
    cards = airflow.shows(f"/mini-program/{APPID}").split("<article")[1:]
    where = {"2.0.0": [0], "1.5.0": [1], "1: no": [1], "1.4.0": [2], "4711": [2], "wang": [2]}
    assert {each: [at for at, card in enumerate(cards) if each in card] for each in where} == where
    # How far the latest has come.
    stages = "domains: done code: done review: under way approval: not reached online: not reached"
    shows(row(airflow.shows("/")), stages)


def fleet(run_id: str, *failed: dict[str, Any]) -> None:
    """Load a fleet of five and five, of which three are released, and some of the canary have failed."""
    apps = [(wave, f"wx{number:016x}") for number, wave in enumerate(["canary"] * 5 + ["rest"] * 5)]
    released = {"outcome": "released", "stage": "release_canary"}
    load_fleet(run_id, apps, *[released] * 3, *failed, waves={"canary": {"apps": 5, "max_failed_percent": 20}})


def fleet_page(airflow: Browser, run_id: str) -> str:
    return text_of(airflow.shows(f"/fleet?dag_id={FLEET}&run_id={run_id}"))


#: What Airflow has of a fleet, how many have failed, whether it was stopped → what is shown.
HEADLINES: Final[dict[str, tuple[dict[str, Any] | None, int, bool, list[str]]]] = {
    "waits": ({"tasks": {"release_canary": "deferred"}}, 1, False,
              ["Under way: release_canary", "gate waits: 1 of 5 failed"]),
    "stopped": ({"tasks": {"release_canary": "deferred"}}, 1, True,
                ["Stopped by wang", "May go on with it: whoever"]),
    "closed": ({"state": "failed", "tasks": {"canary_gate": "failed"}, "hours": 2}, 2, False,
               ["The gate of canary is closed: 2 of 5 failed (40.0%), 20% may.", "May go on with it: whoever"]),
    "asks": ({"tasks": {"approve_rest": "awaiting_input"}, "asked_of": ["zhao"]}, 0, False,
             ["approve_rest waits for an approval", "May go on with it: zhao"]),
    "failed": ({"state": "failed", "tasks": {"commit_code": "failed"}}, 0, False,
               ["Airflow ended the run at commit_code"]),
    "over": ({"state": "success"}, 0, False, ["The run has ended."]),
    "gone": (None, 0, False, ["Airflow has the run no more"]),
}  # fmt: skip


def test_a_fleets_headline_says_what_holds_it_and_who_may_go_on(airflow: Browser, airflow_run: AirflowRun) -> None:
    for run_id, (airflow_has, failed, is_stopped, _) in HEADLINES.items():
        fleet(run_id, *[{"outcome": "blocked", "stage": "release_canary"}] * failed)
        if is_stopped:
            open_fleets().stop(RunKey(FLEET, run_id), "wang")
        if airflow_has is not None:
            airflow_run(FLEET, run_id, **airflow_has)
    listed = airflow.shows("/fleets").split("<tr>")
    for run_id, (airflow_has, failed, _, shown) in HEADLINES.items():
        page = shows(fleet_page(airflow, run_id), *shown)
        assert ("By the pace so far" in page) is (airflow_has is not None and "state" not in airflow_has)
        (line,) = (text_of(each) for each in listed if f"run_id={run_id}" in each)
        shows(line, f"3 released · {7 - failed} not ended" + (f" · {failed} blocked" if failed else ""))


#: Mini Programs that have not ended, ``None`` once the gate was opened; the run's state → what is shown.
GATES: Final[list[tuple[int | None, str, list[str]]]] = [
    (0, "failed", ["The gate of canary is closed: 3 of 5 failed (60.0%), 20% may.", "go on with it: zhao"]),
    (1, "failed", ["canary is closed: 1 of 5 have not ended, a shard was lost", "go on with it: zhao"]),
    (0, "running", ["Under way: release_canary", "gate closed: 3 of 5"]),  # cleared before it
    (None, "running", ["Under way: release_canary", "gate opened by zhao: 3 of 5"]),  # as somebody wanted
]


@pytest.mark.parametrize(("unended", "state", "shown"), GATES)
def test_a_fleets_gate_is_as_it_has_decided(
    airflow: Browser, airflow_run: AirflowRun, unended: int | None, state: str, shown: list[str]
) -> None:
    fleet("spring")
    tasks = {"canary_gate": "failed"} if state == "failed" else {"release_canary": "running"}
    airflow_run(FLEET, "spring", state, tasks, hours=1)
    ledger, task = open_ledger(), TaskRef(FLEET, "spring", "canary_gate")
    figures = {"wave": "canary", "total": 5, "failed": 3, "unended": unended or 0, "max_failed_percent": 20.0}
    facts = told("ledger", named=True, **figures) | told("params", approvers=["zhao"], approver_must_differ=False)
    ledger.asked(PLATFORM, "", task, lambda nonce: Question("gate", facts, nonce))
    if unended is None:
        ledger.decided(PLATFORM, "", task, {"outcome": "opened", **figures, "by": "zhao", "why": "as agreed"})
    shows(fleet_page(airflow, "spring"), *shown)


def test_the_time_left_is_that_of_the_pace_so_far() -> None:
    fleet("spring")
    fleets, key = open_fleets(), RunKey(FLEET, "spring")
    run = fleets.run(key)
    assert run is not None
    waves, _ = waves_of(fleets.counts(key), run.manifest)
    assert seconds_left(run, waves, run.loaded_at + 300) == pytest.approx(700)  # three in 300 s, seven are left
