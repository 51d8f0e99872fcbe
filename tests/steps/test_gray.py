"""A staged release, call by call: lag, races and what WeChat leaves out."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from airflow_wxa.api.release import GrayPlan, GrayStatus
from airflow_wxa.errors import WxaBusyError, WxaStateError, WxaTransportError
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.steps import NOTHING_ACCEPTED, gray_release, revert_gray_release
from tests.steps.answers import APPROVED, OURS, VERSION, a_sheet

if TYPE_CHECKING:
    from tests.steps.conftest import Script

NONE: dict[str, Any] = {"errcode": 0, "gray_release_plan": {"status": 0, "gray_percentage": 0}}


def plan(percentage: int, status: int = 1) -> dict[str, Any]:
    return {"errcode": 0, "gray_release_plan": {"status": status, "gray_percentage": percentage}}


def to_gray(*looks: dict[str, Any], said: Any = 0) -> dict[str, list[Any]]:
    """Return the answers to a staged release of our approved sheet: each look at the plan, and what it says."""
    return {
        "getgrayreleaseplan": list(looks),
        "get_latest_auditstatus": [a_sheet(OURS, APPROVED)],
        "grayrelease": [said],
    }


def test_an_old_plan_right_after_the_write_is_lag(script: Script) -> None:
    outcome = script.play(gray_release(VERSION, 30), **to_gray(plan(10), plan(10), plan(30)))
    assert (outcome.outcome, outcome.gray_percentage) == ("raised", 30)


def test_a_retry_that_sees_the_plan_from_before_its_write_sends_nothing(script: Script) -> None:
    accepted = NOTHING_ACCEPTED.with_write("grayrelease", asdict(GrayPlan(GrayStatus.RUNNING, 10)))
    with pytest.raises(WxaBusyError, match="still shows the state from before it"):
        script.play(gray_release(VERSION, 30), known=accepted, getgrayreleaseplan=[plan(10)] * 6)
    assert "grayrelease" not in script.asked


def test_somebody_who_raised_it_to_the_same_part_did_it_for_us(script: Script) -> None:
    outcome = script.play(gray_release(VERSION, 30), **to_gray(plan(10), plan(30), said=85082))
    assert outcome.outcome == "raised"


def test_somebody_who_raised_it_further_is_left_alone(script: Script) -> None:
    with pytest.raises(WxaStateError, match="85082"):
        script.play(gray_release(VERSION, 30), **to_gray(plan(10), plan(60), said=85082))


@pytest.mark.parametrize("told", [{"errcode": 0}, {"errcode": 0, "gray_release_plan": {"status": 9}}, NONE])
def test_a_plan_that_wechat_does_not_tell_is_none(script: Script, told: dict[str, Any]) -> None:
    outcome = script.play(gray_release(VERSION, 30), **to_gray(told, plan(30)))
    assert outcome.outcome == "raised"


def test_a_cancellation_that_was_refused_while_the_plan_runs_says_why(script: Script) -> None:
    with pytest.raises(WxaStateError, match="87012"):
        script.play(revert_gray_release(APPID), getgrayreleaseplan=[plan(10), plan(10)], revertgrayrelease=[87012])


def test_a_cancellation_whose_answer_was_lost_is_read(script: Script) -> None:
    outcome = script.play(
        revert_gray_release(APPID),
        getgrayreleaseplan=[plan(10), plan(10, 4)],
        revertgrayrelease=[WxaTransportError("lost")],
    )
    assert outcome.outcome == "reverted"


@pytest.mark.parametrize("said", [87012, WxaTransportError("lost")])
def test_a_plan_that_finished_meanwhile_was_not_taken_back(script: Script, said: Any) -> None:
    with pytest.raises((WxaStateError, WxaTransportError)):
        script.play(revert_gray_release(APPID), getgrayreleaseplan=[plan(10), plan(100, 3)], revertgrayrelease=[said])
