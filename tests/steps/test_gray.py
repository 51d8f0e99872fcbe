"""A staged release, call by call: lag, races and what WeChat leaves out."""

from dataclasses import asdict
from typing import Any

import pytest

from airflow_wxa.api.release import GrayPlan, GrayStatus
from airflow_wxa.errors import WxaBusyError, WxaStateError, WxaTransportError
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.steps import NOTHING_ACCEPTED, gray_release, revert_gray_release
from tests.steps.answers import APPROVED, LOST, VERSION
from tests.steps.conftest import Script

NONE: dict[str, Any] = {"errcode": 0, "gray_release_plan": {"status": 0, "gray_percentage": 0}}


def plan(percentage: int, status: int = 1) -> dict[str, Any]:
    return {"errcode": 0, "gray_release_plan": {"status": status, "gray_percentage": percentage}}


def raises(script: Script, *looks: dict[str, Any], said: Any = 0) -> Any:
    """Raise a staged release to 30 percent: each look at the plan, and what it says."""
    return script.play(gray_release(VERSION, 30), getgrayreleaseplan=looks, sheets=APPROVED, grayrelease=said)


#: The plan, look by look, and what WeChat says to the write.
RISES = [
    ([plan(10), plan(10), plan(30)], 0),  # an old plan right after the write is lag
    ([plan(10), plan(30)], 85082),  # somebody who raised it to the same part did it for us
    # A plan that WeChat does not tell is none.
    *(([told, plan(30)], 0) for told in ({"errcode": 0}, {"errcode": 0, "gray_release_plan": {"status": 9}}, NONE)),
]


@pytest.mark.parametrize(("looks", "said"), RISES)
def test_the_part_rises_to_what_was_asked_for(script: Script, looks: Any, said: int) -> None:
    outcome = raises(script, *looks, said=said)
    assert (outcome.outcome, outcome.gray_percentage) == ("raised", 30)


def test_a_retry_that_sees_the_plan_from_before_its_write_sends_nothing(script: Script) -> None:
    accepted = NOTHING_ACCEPTED.with_write("grayrelease", asdict(GrayPlan(GrayStatus.RUNNING, 10)))
    with pytest.raises(WxaBusyError, match="still shows the state from before it"):
        script.play(gray_release(VERSION, 30), known=accepted, getgrayreleaseplan=[plan(10)] * 6)
    assert "grayrelease" not in script.asked


def test_somebody_who_raised_it_further_is_left_alone(script: Script) -> None:
    with pytest.raises(WxaStateError, match="85082"):
        raises(script, plan(10), plan(60), said=85082)


def test_a_cancellation_is_read_back_when_it_was_refused_or_its_answer_lost(script: Script) -> None:
    with pytest.raises(WxaStateError, match="87012"):
        script.play(revert_gray_release(APPID), getgrayreleaseplan=[plan(10), plan(10)], revertgrayrelease=87012)
    looks = [plan(10), plan(10, 4)]
    outcome = script.play(revert_gray_release(APPID), getgrayreleaseplan=looks, revertgrayrelease=LOST)
    assert outcome.outcome == "reverted"


@pytest.mark.parametrize("said", [87012, WxaTransportError("lost")])
def test_a_plan_that_finished_meanwhile_was_not_taken_back(script: Script, said: Any) -> None:
    with pytest.raises((WxaStateError, WxaTransportError)):
        script.play(revert_gray_release(APPID), getgrayreleaseplan=[plan(10), plan(100, 3)], revertgrayrelease=[said])
