"""What Clear, Mark success and Mark failed do to each task: nothing is doubled, nothing unapproved goes online."""

import pytest

from airflow_wxa.sandbox import AuditPlan, MiniProgram, Platform, RunningSandbox
from tests.dags.stepwise import Stepwise
from tests.dags.worlds import ONCE, ORIGIN, accepted, empty_list, individual, writes

pytestmark = pytest.mark.usefixtures("wxa_default")

TASKS = (
    *("check_release", "configure_domains", "commit_code", "wait_for_privacy_scan"),
    *("submit_audit", "wait_for_audit", "release", "verify_release"),
)
EACH_ONCE = dict.fromkeys(ONCE, 1)


def marked(task_id: str, state: str = "success") -> Stepwise:
    """Return a run that went up to a task, was marked there, and went on as far as it could."""
    run = Stepwise({})
    run.go_on(until=task_id)
    run.mark(task_id, state)
    run.go_on()
    return run


def test_clearing_any_task_of_a_run_doubles_nothing(wxa_default: RunningSandbox, account: MiniProgram) -> None:
    account.audit = AuditPlan(polls=3)
    run = Stepwise({})
    run.go_on(until="wait_for_audit")
    run.clear("submit_audit")
    assert run.go_on() == "success"
    assert run.xcom("submit_audit")["outcome"] == "adopted"
    for task_id in TASKS:
        run.clear(task_id, downstream=False)
        assert run.go_on() == "success", task_id
    assert run.xcom("release")["outcome"] == "already_released"
    run.clear(TASKS[0])
    assert run.go_on() == "success"
    assert accepted(wxa_default) == EACH_ONCE
    assert len(account.sheets) == 1


# Mark success -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task_id", "stopped", "said"),
    [
        ("configure_domains", "release", "release not sent: it would leave wanted business domains offline"),
        ("commit_code", "wait_for_privacy_scan", "no committed code"),
        ("submit_audit", "wait_for_audit", "auditid"),
        ("wait_for_audit", "release", "the audit sheet of this version is not approved"),
        ("release", "verify_release", "another version is online than the one released"),
    ],
)
def test_a_mark_of_success_does_no_work_and_the_run_says_so(
    wxa_default: RunningSandbox, account: MiniProgram, task_id: str, stopped: str, said: str
) -> None:
    account.scan_polls, account.audit = 0, AuditPlan(polls=9)  # more looks than a run takes before it waits
    run = marked(task_id)
    assert list(run.errors) == [stopped]
    assert said in str(run.errors[stopped])
    assert accepted(wxa_default)["/wxa/release"] == 0


def test_marking_the_commit_success_never_submits_another_version(
    wxa_default: RunningSandbox, account: MiniProgram
) -> None:
    Stepwise({"user_version": "9.9.9"}).go_on(until="wait_for_privacy_scan")
    account.scan_polls = 0
    assert "trial version 9.9.9" in str(marked("commit_code").errors["submit_audit"])
    assert accepted(wxa_default)["/wxa/submit_audit"] == 0


@pytest.mark.parametrize("task_id", ["check_release", "wait_for_privacy_scan", "verify_release"])
def test_a_mark_of_success_on_a_task_that_only_looks_loses_nothing(
    wxa_default: RunningSandbox, account: MiniProgram, task_id: str
) -> None:
    account.scan_polls = 0
    assert marked(task_id).go_on() == "success"
    assert accepted(wxa_default) == EACH_ONCE


def test_marking_the_scan_success_while_it_goes_on_submits_nothing_and_clear_finishes_it(
    wxa_default: RunningSandbox, account: MiniProgram
) -> None:
    account.scan_polls = 20
    run = marked("wait_for_privacy_scan")
    assert "61039" in str(run.errors["submit_audit"])
    assert accepted(wxa_default)["/wxa/submit_audit"] == 0
    account.scan_polls = 0
    run.clear("wait_for_privacy_scan")
    assert run.go_on() == "success"


def test_marking_the_registration_success_writes_nothing_and_tries_again(
    wxa_default: RunningSandbox, platform: Platform
) -> None:
    empty_list(wxa_default)
    run = Stepwise({})
    assert run.go_on() == "failed"
    assert run.states["register_platform_domains"] == "failed"
    platform.testing, platform.published = ["example.com"], ["example.com"]  # somebody registers by hand
    run.mark("register_platform_domains", "success")
    assert run.go_on() == "success"
    assert writes(wxa_default) == []
    assert run.xcom("verify_release")["effective"] == [ORIGIN]


def test_marking_the_individuals_road_success_goes_on_without_domains(wxa_default: RunningSandbox) -> None:
    individual(wxa_default)
    run = Stepwise({"on_individual": "stop"})
    assert run.go_on() == "failed"
    run.mark("individual_account", "success")
    assert run.go_on() == "success"
    assert accepted(wxa_default)["/wxa/release"] == 1


# Mark failed --------------------------------------------------------------------------------------------------------


def test_a_mark_of_failed_ends_the_run_before_and_behind_any_task_and_clear_goes_on(
    wxa_default: RunningSandbox, account: MiniProgram
) -> None:
    run = Stepwise({})
    for task_id in TASKS:
        run.go_on(until=task_id)
        before = accepted(wxa_default)
        run.mark(task_id, "failed")
        assert run.go_on() == "failed"
        assert accepted(wxa_default) == before, f"nothing is sent behind {task_id}"
        run.clear(task_id)
    assert run.go_on() == "success"
    for task_id in ("submit_audit", "release"):  # what was done is not taken back
        run.mark(task_id, "failed")
        assert account.release_info is not None
        run.clear(task_id)
        assert run.go_on() == "success"
    assert accepted(wxa_default) == EACH_ONCE
