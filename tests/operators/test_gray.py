"""A staged release: the part only rises, nothing but our approved version is shown, and it can be taken back."""

from dataclasses import replace
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException

from airflow_wxa.errors import WxaBusyError, WxaTransportError
from airflow_wxa.operators import (
    WxaApproveReleaseOperator,
    WxaGrayReleaseOperator,
    WxaReleaseOperator,
    WxaRevertGrayReleaseOperator,
)
from airflow_wxa.sandbox import Fault, MiniProgram, RunningSandbox
from airflow_wxa.sandbox.exchange import FaultKind
from airflow_wxa.sandbox.testing import APPID
from tests.airflow_session import calls, run_dag
from tests.operators.accounts import VERSION, either, run, submitted

GRAY, REVERT = "/wxa/grayrelease", "/wxa/revertgrayrelease"


@pytest.fixture(autouse=True)
def approved(account: MiniProgram, wxa_default: RunningSandbox) -> None:
    """Something is online, and our version is approved."""
    wxa_default.world.loose = replace(wxa_default.world.loose, lag={})
    account.release_info = {"release_time": 1, "release_version": "1.3.0", "release_desc": ""}
    submitted()


def gray(percentage: int) -> Any:
    return run(WxaGrayReleaseOperator, **VERSION, gray_percentage=percentage)


def revert() -> Any:
    return run(WxaRevertGrayReleaseOperator)


@either
def test_the_part_rises_and_is_taken_back(account: MiniProgram, wxa_default: RunningSandbox) -> None:
    assert run(WxaGrayReleaseOperator, **VERSION, gray_percentage=0, support_experiencer_first=True) == {
        "outcome": "raised",
        "appid": APPID,
        "gray_percentage": 0,
        "status": "running",
    }
    assert [gray(part)["outcome"] for part in (30, 30, 60)] == ["raised", "unchanged", "raised"]
    assert (account.gray["gray_percentage"], len(calls(wxa_default.journal, GRAY))) == (60, 3)
    assert [revert()["outcome"] for _ in range(2)] == ["reverted", "already_reverted"]
    assert (account.gray["status"], len(calls(wxa_default.journal, REVERT))) == (4, 1)
    assert account.release_info is not None
    assert account.release_info["release_version"] == "1.3.0"


def test_what_is_no_rise_and_nothing_to_take_back_is_not_sent(wxa_default: RunningSandbox) -> None:
    with pytest.raises(AirflowFailException, match="no staged release runs"):
        revert()
    gray(50)
    with pytest.raises(AirflowFailException, match="50 percent of the users see a version already"):
        gray(20)
    with pytest.raises(AirflowFailException, match="gray_percentage = 101: must be a whole number"):
        gray(101)
    assert len(calls(wxa_default.journal, GRAY, REVERT)) == 1


@either
@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "errcode_after"])
@pytest.mark.parametrize("path", [GRAY, REVERT])
def test_whatever_is_lost_a_rerun_ends_it_and_nothing_is_done_twice(
    account: MiniProgram, wxa_default: RunningSandbox, path: str, kind: FaultKind
) -> None:
    if path == REVERT:
        gray(30)
    wxa_default.add_fault(Fault(path=path, kind=kind))
    act = revert if path == REVERT else lambda: gray(30)
    try:
        act()
    except (WxaTransportError, WxaBusyError):
        act()
    assert (account.gray["gray_percentage"], account.gray["status"]) == (30, 4 if path == REVERT else 1)
    done = [entry for entry in calls(wxa_default.journal, path) if entry.errcode == 0]
    assert len(done) <= 1


def test_an_approved_version_goes_to_a_part_and_then_to_all(account: MiniProgram, wxa_default: RunningSandbox) -> None:
    auditid = str(account.sheets[-1].auditid)
    with DAG("staged", schedule=None) as dag:
        approve = WxaApproveReleaseOperator(task_id="approve", auditid=auditid, **VERSION)
        approved: dict[str, Any] = VERSION | {"auditid": auditid, "approval_task_id": "approve"}
        parts = [WxaGrayReleaseOperator(task_id=f"gray_{part}", gray_percentage=part, **approved) for part in (10, 50)]
        approve >> parts[0] >> parts[1] >> WxaReleaseOperator(task_id="release", **approved)
    run = run_dag(dag, answers="Approve")
    assert set(run.states.values()) == {"success"}, run.errors
    assert [entry.body["gray_percentage"] for entry in calls(wxa_default.journal, GRAY)] == [10, 50]
    assert account.release_info is not None
    assert account.release_info["release_version"] == "1.4.0"
