"""What Clear, Mark success and Mark failed do to each task: nothing is doubled, nothing unapproved goes online."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_wxa.sandbox import AuditPlan
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID
from tests.airflow_session import calls
from tests.dags.stepwise import Stepwise

if TYPE_CHECKING:
    from airflow_wxa.sandbox import MiniProgram, RunningSandbox

pytestmark = pytest.mark.usefixtures("airflow_database", "wxa_default")

TASKS = (
    "check_release",
    "configure_domains",
    "commit_code",
    "wait_for_privacy_scan",
    "submit_audit",
    "wait_for_audit",
    "release",
    "verify_release",
)
PLATFORM_LIST = "/cgi-bin/component/modify_wxa_jump_domain"
ONCE = ("/wxa/commit", "/wxa/submit_audit", "/wxa/release")


def account(sandbox: RunningSandbox) -> MiniProgram:
    return sandbox.world.mini_program(APPID)


def accepted(sandbox: RunningSandbox) -> dict[str, int]:
    """How often each call of a release was accepted."""
    return {path: len([entry for entry in calls(sandbox.journal, path) if entry.errcode == 0]) for path in ONCE}


def platform_writes(sandbox: RunningSandbox) -> list[Any]:
    return [entry for entry in calls(sandbox.journal, PLATFORM_LIST) if entry.body["action"] != "get"]


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

# the task that is marked, the task that fails behind it, what it says
MARKED_SUCCESS = [
    ("configure_domains", "release", "release not sent: it would leave wanted business domains offline"),
    ("commit_code", "wait_for_privacy_scan", "no committed code"),
    ("submit_audit", "wait_for_audit", "auditid"),
    ("wait_for_audit", "release", "the audit sheet of this version is not approved"),
    ("release", "verify_release", "another version is online than the one released"),
]


@pytest.mark.parametrize(("task_id", "stopped", "said"), MARKED_SUCCESS)
def test_a_mark_of_success_does_no_work_and_the_run_says_so(
    wxa_default: RunningSandbox, task_id: str, stopped: str, said: str
) -> None:
    account(wxa_default).scan_polls = 0
    account(wxa_default).audit = AuditPlan(polls=9)  # more looks than a run takes before it waits
    run = Stepwise({})
    run.go_on(until=task_id)
    run.mark(task_id, "success")
    assert run.go_on() == "failed"
    assert list(run.errors) == [stopped]
    assert said in str(run.errors[stopped])
    assert accepted(wxa_default)["/wxa/release"] == 0


def test_marking_the_commit_success_never_submits_another_version(wxa_default: RunningSandbox) -> None:
    theirs = Stepwise({"user_version": "9.9.9"})
    theirs.go_on(until="wait_for_privacy_scan")
    account(wxa_default).scan_polls = 0
    run = Stepwise({})
    run.go_on(until="commit_code")
    run.mark("commit_code", "success")
    assert run.go_on() == "failed"
    assert "trial version 9.9.9" in str(run.errors["submit_audit"])
    assert accepted(wxa_default)["/wxa/submit_audit"] == 0


@pytest.mark.parametrize("task_id", ["check_release", "wait_for_privacy_scan"])
def test_a_mark_of_success_on_a_task_that_only_looks_loses_nothing(wxa_default: RunningSandbox, task_id: str) -> None:
    account(wxa_default).scan_polls = 0
    run = Stepwise({})
    run.go_on(until=task_id)
    run.mark(task_id, "success")
    assert run.go_on() == "success"
    assert set(accepted(wxa_default).values()) == {1}


def test_marking_the_scan_success_while_it_goes_on_submits_nothing_and_clear_finishes_it(
    wxa_default: RunningSandbox,
) -> None:
    account(wxa_default).scan_polls = 20
    run = Stepwise({})
    run.go_on(until="wait_for_privacy_scan")
    run.mark("wait_for_privacy_scan", "success")
    assert run.go_on() == "failed"
    assert "61039" in str(run.errors["submit_audit"])
    assert accepted(wxa_default)["/wxa/submit_audit"] == 0
    account(wxa_default).scan_polls = 0
    run.clear("wait_for_privacy_scan")
    assert run.go_on() == "success"


def test_marking_the_branch_success_writes_nothing_platform_wide(wxa_default: RunningSandbox) -> None:
    platform = wxa_default.world.platform(COMPONENT_APPID)
    platform.testing, platform.published = [], []
    run = Stepwise({"on_platform_list_empty": "register"})
    run.go_on(until="configure_domains")
    run.mark("configure_domains", "success")
    run.go_on()
    assert run.states["register_platform_domains"] == "skipped"
    assert platform_writes(wxa_default) == []
    assert accepted(wxa_default)["/wxa/release"] == 0


def test_marking_the_registration_success_writes_nothing_and_tries_again(wxa_default: RunningSandbox) -> None:
    platform = wxa_default.world.platform(COMPONENT_APPID)
    platform.testing, platform.published = [], []
    run = Stepwise({})
    assert run.go_on() == "failed"
    assert run.states["register_platform_domains"] == "failed"
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


def test_marking_the_approval_success_approves_nothing(wxa_default: RunningSandbox) -> None:
    run = Stepwise({"approval": True})
    run.go_on(until="approve_release")
    run.mark("approve_release", "success")
    assert run.go_on() == "failed"
    assert "nobody has approved it" in str(run.errors["release"])
    assert accepted(wxa_default)["/wxa/release"] == 0


def test_marking_the_proof_success_leaves_the_run_green() -> None:
    run = Stepwise({})
    run.go_on(until="verify_release")
    run.mark("verify_release", "success")
    assert run.go_on() == "success"


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
