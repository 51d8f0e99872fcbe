"""The approval in a run: who may, what a rejection leaves behind, and where it is written down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.sandbox.testing import APPID
from tests.airflow_session import calls
from tests.dags.stepwise import Stepwise

if TYPE_CHECKING:
    from airflow_wxa.sandbox import RunningSandbox

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
    return [entry for entry in open_ledger().entries(run_id=run.run_id) if entry.endpoint == "approve_release"]


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
    assert f"{APPROVER} triggered this run" in str(run.errors["approve_release"])
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
