"""What Clear, Mark success and Mark failed do to each task: nothing is doubled, nothing unapproved goes online."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_wxa.sandbox import AuditPlan
from airflow_wxa.sandbox.testing import COMPONENT_APPID
from tests.airflow_session import calls
from tests.dags.stepwise import Stepwise
from tests.dags.test_release_roads import account, platform_list_is_empty, platform_writes

if TYPE_CHECKING:
    from airflow_wxa.sandbox import RunningSandbox

pytestmark = pytest.mark.usefixtures("airflow_database", "wxa_default")

TASKS = (
    *("check_release", "configure_domains", "commit_code", "wait_for_privacy_scan"),
    *("submit_audit", "wait_for_audit", "release", "verify_release"),
)
ONCE = ("/wxa/commit", "/wxa/submit_audit", "/wxa/release")


def accepted(sandbox: RunningSandbox) -> dict[str, int]:
    """How often each call of a release was accepted."""
    return {path: len([entry for entry in calls(sandbox.journal, path) if entry.errcode == 0]) for path in ONCE}


def marked(task_id: str, state: str = "success", **params: Any) -> Stepwise:
    """Return a run that went up to a task, was marked there, and went on as far as it could."""
    run = Stepwise(params)
    run.go_on(until=task_id)
    run.mark(task_id, state)
    run.go_on()
    return run


# Clear --------------------------------------------------------------------------------------------------------------


def test_clearing_any_task_of_a_finished_run_doubles_nothing(wxa_default: RunningSandbox) -> None:
    run = Stepwise({})
    assert run.go_on() == "success"
    for task_id in TASKS:
        run.clear(task_id, downstream=False)
        assert run.go_on() == "success", task_id
    run.clear(TASKS[0])
    assert run.go_on() == "success"
    assert set(accepted(wxa_default).values()) == {1}
    assert len(account(wxa_default).sheets) == 1


def test_clearing_submit_audit_adopts_its_own_sheet(wxa_default: RunningSandbox) -> None:
    account(wxa_default).audit = AuditPlan(polls=3)
    run = Stepwise({})
    run.go_on(until="wait_for_audit")
    run.clear("submit_audit")
    assert run.go_on() == "success"
    assert run.xcom("submit_audit")["outcome"] == "adopted"


def test_clearing_release_sees_that_it_is_online(wxa_default: RunningSandbox) -> None:
    run = Stepwise({})
    run.go_on()
    run.clear("release")
    run.go_on()
    assert run.xcom("release")["outcome"] == "already_released"


def test_clearing_a_rejected_approval_asks_again() -> None:
    run = Stepwise({"approval": True})
    run.go_on()
    run.be_answered("Reject")
    assert run.go_on() == "success"
    assert run.states["release"] == "skipped"
    run.clear("release")
    assert run.go_on() == "success"
    assert run.states["release"] == "skipped", "a rejection holds until somebody is asked again"
    run.clear("approve_release")
    assert run.go_on() == "running"
    run.be_answered("Approve")
    assert run.go_on() == "success"
    assert run.states["release"] == run.states["verify_release"] == "success"


# Mark success -------------------------------------------------------------------------------------------------------

# the task that is marked, the params, the task that fails behind it, what it says
MARKED_SUCCESS: list[tuple[str, dict[str, Any], str, str]] = [
    ("configure_domains", {}, "release", "release not sent: it would leave wanted business domains offline"),
    ("commit_code", {}, "wait_for_privacy_scan", "no committed code"),
    ("submit_audit", {}, "wait_for_audit", "auditid"),
    ("wait_for_audit", {}, "release", "the audit sheet of this version is not approved"),
    ("release", {}, "verify_release", "another version is online than the one released"),
    ("approve_release", {"approval": True}, "release", "nobody has approved it"),
]


@pytest.mark.parametrize(("task_id", "params", "stopped", "said"), MARKED_SUCCESS)
def test_a_mark_of_success_does_no_work_and_the_run_says_so(
    wxa_default: RunningSandbox, task_id: str, params: dict[str, Any], stopped: str, said: str
) -> None:
    account(wxa_default).scan_polls = 0
    # More looks than a run takes before it waits; a release that is asked for has its review behind it.
    account(wxa_default).audit = AuditPlan(polls=0 if params else 9)
    run = marked(task_id, **params)
    assert list(run.errors) == [stopped]
    assert said in str(run.errors[stopped])
    assert accepted(wxa_default)["/wxa/release"] == 0


def test_marking_the_commit_success_never_submits_another_version(wxa_default: RunningSandbox) -> None:
    theirs = Stepwise({"user_version": "9.9.9"})
    theirs.go_on(until="wait_for_privacy_scan")
    account(wxa_default).scan_polls = 0
    assert "trial version 9.9.9" in str(marked("commit_code").errors["submit_audit"])
    assert accepted(wxa_default)["/wxa/submit_audit"] == 0


@pytest.mark.parametrize("task_id", ["check_release", "wait_for_privacy_scan", "verify_release"])
def test_a_mark_of_success_on_a_task_that_only_looks_loses_nothing(wxa_default: RunningSandbox, task_id: str) -> None:
    account(wxa_default).scan_polls = 0
    assert marked(task_id).go_on() == "success"
    assert set(accepted(wxa_default).values()) == {1}


def test_marking_the_scan_success_while_it_goes_on_submits_nothing_and_clear_finishes_it(
    wxa_default: RunningSandbox,
) -> None:
    account(wxa_default).scan_polls = 20
    run = marked("wait_for_privacy_scan")
    assert "61039" in str(run.errors["submit_audit"])
    assert accepted(wxa_default)["/wxa/submit_audit"] == 0
    account(wxa_default).scan_polls = 0
    run.clear("wait_for_privacy_scan")
    assert run.go_on() == "success"


def test_marking_the_registration_success_writes_nothing_and_tries_again(wxa_default: RunningSandbox) -> None:
    platform_list_is_empty(wxa_default)
    run = Stepwise({})
    assert run.go_on() == "failed"
    assert run.states["register_platform_domains"] == "failed"
    platform = wxa_default.world.platform(COMPONENT_APPID)
    platform.testing, platform.published = ["example.com"], ["example.com"]  # somebody registers by hand
    run.mark("register_platform_domains", "success")
    assert run.go_on() == "success"
    assert platform_writes(wxa_default) == []
    assert run.xcom("verify_release")["effective"] == ["https://m.example.com"]


def test_marking_the_individuals_road_success_goes_on_without_domains(wxa_default: RunningSandbox) -> None:
    account(wxa_default).individual = True
    run = Stepwise({"on_individual": "stop"})
    assert run.go_on() == "failed"
    run.mark("individual_account", "success")
    assert run.go_on() == "success"
    assert accepted(wxa_default)["/wxa/release"] == 1


# Mark failed --------------------------------------------------------------------------------------------------------


def test_a_mark_of_failed_ends_the_run_before_any_task_and_clear_goes_on(wxa_default: RunningSandbox) -> None:
    run = Stepwise({})
    for task_id in TASKS:
        run.go_on(until=task_id)
        before = accepted(wxa_default)
        run.mark(task_id, "failed")
        assert run.go_on() == "failed"
        assert accepted(wxa_default) == before, f"nothing is sent behind {task_id}"
        run.clear(task_id)
    assert run.go_on() == "success"
    assert set(accepted(wxa_default).values()) == {1}


@pytest.mark.parametrize("task_id", ["submit_audit", "release"])
def test_a_mark_of_failed_on_what_was_done_takes_nothing_back(wxa_default: RunningSandbox, task_id: str) -> None:
    run = Stepwise({})
    run.go_on()
    run.mark(task_id, "failed")
    assert account(wxa_default).release_info is not None
    run.clear(task_id)
    assert run.go_on() == "success"
    assert set(accepted(wxa_default).values()) == {1}
