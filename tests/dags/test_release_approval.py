"""The approval in a run: who may, what a rejection leaves behind, and where it is written down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_wxa.api.code import CodeVersion
from airflow_wxa.dags.wxa_release import release_dag
from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.sandbox.testing import APPID
from tests.airflow_session import calls
from tests.dags.stepwise import Stepwise

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_wxa.sandbox import MiniProgram, RunningSandbox

pytestmark = pytest.mark.usefixtures("airflow_database", "wxa_default")

APPROVER = "release-manager"  # whoever answers in these tests


def answered(choice: str, *, triggered_by: str = "lin", **params: Any) -> Stepwise:
    """Return a run whose question was answered, and which went on as far as it could."""
    run = Stepwise({"approval": True, **params}, triggered_by=triggered_by)
    assert run.go_on() == "running"
    run.be_answered(choice)
    run.go_on()
    return run


def decisions(run: Stepwise) -> list[Any]:
    """Return what was decided; that it was asked stands in the ledger as well."""
    entries = open_ledger().entries(run_id=run.run_id)
    return [each for each in entries if each.endpoint == "approve_release" and each.after["outcome"] != "asked"]


def test_a_rejection_releases_nothing_and_outcome_and_ledger_say_who_and_when(wxa_default: RunningSandbox) -> None:
    run = answered("Reject")
    states = run.states
    assert (states["approve_release"], states["release"], states["verify_release"]) == ("success", "skipped", "skipped")
    assert calls(wxa_default.journal, "/wxa/release") == []
    (entry,) = decisions(run)
    assert (entry.appid, entry.task.triggered_by, entry.task.task_id) == (APPID, "lin", "approve_release")
    assert (entry.after["outcome"], entry.after["by"]) == ("rejected", APPROVER)
    assert open_ledger().outcome("wxa_release", run.run_id, APPID) == entry.after == run.xcom("approve_release")


def test_an_approval_is_followed_by_the_releases_own_outcome() -> None:
    run = answered("Approve")
    (entry,) = decisions(run)
    assert entry.after["outcome"] == "approved"
    assert (open_ledger().outcome("wxa_release", run.run_id, APPID) or {})["outcome"] == "released"


def test_who_triggered_the_run_cannot_approve_it_and_somebody_else_can_after_a_clear(
    wxa_default: RunningSandbox,
) -> None:
    run = answered("Approve", triggered_by=APPROVER, approver_must_differ=True)
    assert run.states["approve_release"] == "failed"
    assert f"{APPROVER} may not approve this" in str(run.errors["approve_release"])
    assert "clear this task and let somebody else approve" in str(run.errors["approve_release"])
    assert calls(wxa_default.journal, "/wxa/release") == []
    assert [entry.after["outcome"] for entry in decisions(run)] == ["refused"]
    run.clear("approve_release")
    assert run.go_on() == "running"
    run.be_answered("Reject")  # of one's own run, which is allowed
    assert run.go_on() == "success"


def test_another_persons_approval_counts_where_approvers_must_differ() -> None:
    run = answered("Approve", triggered_by="lin", approver_must_differ=True, approvers=[APPROVER])
    assert run.states["verify_release"] == "success"


def test_an_approval_asked_for_without_a_release_is_not_put() -> None:
    run = Stepwise({"approval": True, "release": False})
    assert run.go_on() == "success"
    assert run.states["approve_release"] == "skipped"


# What somebody tries who may not approve ----------------------------------------------------------------------------


def approved_by_hand(run: Stepwise) -> dict[str, Any]:
    """Return what an approval would have returned, as somebody with the right to edit XComs writes it."""
    submitted = run.xcom("submit_audit")
    return {
        "outcome": "approved",
        "appid": APPID,
        "user_version": "1.4.0",
        "fingerprint": CodeVersion.of(APPID, 47, "1.4.0").fingerprint,
        "auditid": submitted["auditid"],
        "domains": ["https://m.example.com"],
        "by": "wu",
        "at": "2026-05-04T03:02:01+00:00",
        "why": "",
    }


def test_a_forged_xcom_and_a_mark_release_nothing_and_the_ledger_names_the_attempt(wxa_default: RunningSandbox) -> None:
    run = Stepwise({"approval": True})
    assert run.go_on() == "running"
    run.write_xcom("approve_release", approved_by_hand(run))
    run.mark("approve_release", "success")

    assert run.go_on() == "failed"
    assert run.tries("release") == 1
    assert "nobody has approved it" in str(run.errors["release"])
    assert calls(wxa_default.journal, "/wxa/release") == []
    (attempt,) = decisions(run)
    assert (attempt.task.task_id, attempt.result, attempt.after["outcome"]) == ("release", "refused", "stopped")


def test_a_mark_after_a_rejection_is_skipped_whatever_the_xcoms_say(wxa_default: RunningSandbox) -> None:
    run = answered("Reject")
    run.write_xcom("approve_release", approved_by_hand(run))
    run.write_xcom("approve_release", {"skipped": []}, key="skipmixin_key")
    run.clear("release")
    assert run.go_on() == "success"
    assert run.states["release"] == "skipped"
    assert calls(wxa_default.journal, "/wxa/release") == []


@pytest.mark.parametrize(
    ("task_id", "change", "named"),
    [
        ("submit_audit", {"auditid": "999"}, "auditid '999', approved was"),
        ("configure_domains", {"outcome": "individual", "errcode": 89231}, "no business domains, this one has"),
    ],
)
def test_what_changed_between_approval_and_release_is_named_and_not_released(
    wxa_default: RunningSandbox, task_id: str, change: dict[str, Any], named: str
) -> None:
    run = Stepwise({"approval": True})
    run.go_on()
    run.be_answered("Approve")
    run.write_xcom(task_id, run.xcom(task_id) | change)

    assert run.go_on() == "failed"
    assert named in str(run.errors["release"])
    assert calls(wxa_default.journal, "/wxa/release") == []


def somebody_releases(account: MiniProgram) -> None:
    account.release_info = {"release_time": 9, "release_version": "9.9", "release_desc": "theirs"}


def a_domain_comes(account: MiniProgram) -> None:
    account.third_webviewdomain.append("https://other.example.com")


@pytest.mark.parametrize(("change", "named"), [(somebody_releases, "online"), (a_domain_comes, "configured")])
def test_a_state_that_changed_at_wechat_since_the_question_is_named_and_not_released(
    wxa_default: RunningSandbox, change: Callable[[MiniProgram], None], named: str
) -> None:
    run = Stepwise({"approval": True})
    run.go_on()
    run.be_answered("Approve")
    change(wxa_default.world.mini_program(APPID))

    assert run.go_on() == "failed"
    assert "something else was approved" in str(run.errors["release"])
    assert f"{named} " in str(run.errors["release"])
    assert decisions(run)[0].result == "refused"
    assert calls(wxa_default.journal, "/wxa/release") == []


def test_a_cleared_question_is_asked_again_while_its_facts_are_the_same_and_fails_at_once_when_they_are_not(
    wxa_default: RunningSandbox,
) -> None:
    run = answered("Reject")
    asked = run.shown("approve_release")
    run.clear("approve_release")
    assert run.go_on() == "running"
    assert run.shown("approve_release") == asked

    a_domain_comes(wxa_default.world.mini_program(APPID))
    run.clear("approve_release")
    assert run.go_on() == "failed"
    assert "Airflow shows the earlier question" in str(run.errors["approve_release"])
    assert decisions(run)[0].result == "refused"
    assert run.shown("approve_release") == asked  # as Airflow does: apache/airflow#73235
    assert calls(wxa_default.journal, "/wxa/release") == []


def test_a_key_that_no_param_of_the_dag_is_decides_nothing(wxa_default: RunningSandbox) -> None:
    dag = release_dag()
    del dag.params["approval"]
    dag.task_dict["approve_release"]._pre_execute_hook = None
    run = Stepwise({"approval": False})
    run.follow(dag)
    assert run.go_on(until="approve_release") == "running"
    run.mark("approve_release", "success")
    assert run.go_on() == "failed"
    assert "nobody has approved it" in str(run.errors["release"])
