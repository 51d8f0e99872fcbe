"""A staged release, call by call: lag, races and what WeChat leaves out."""

from dataclasses import asdict
from typing import Any

import pytest

from airflow_wxa.api.release import GrayPlan, GrayStatus
from airflow_wxa.errors import WxaBusyError, WxaStateError
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.steps import NOTHING_ACCEPTED, gray_release, revert_gray_release
from tests.steps.answers import APPROVED, LOST, VERSION
from tests.steps.conftest import Ending, Script, done, stops

NONE: dict[str, Any] = {"errcode": 0, "gray_release_plan": {"status": 0, "gray_percentage": 0}}
RAISED = done("raised", gray_percentage=30)


def plan(percentage: int, status: int = 1) -> dict[str, Any]:
    return {"errcode": 0, "gray_release_plan": {"status": status, "gray_percentage": percentage}}


#: The plan, look by look, what WeChat says to the write; and how a raise to 30 percent ends.
RISES: list[tuple[list[Any], Any, Ending]] = [
    ([plan(10), plan(10), plan(30)], 0, RAISED),  # an old plan right after the write is lag
    *[([plan(10), plan(30)], said, RAISED) for said in (LOST, -1)],
    ([plan(10), plan(10)], LOST, stops(LOST)),
    ([plan(10), plan(30)], 85082, RAISED),  # somebody who raised it to the same part did it for us
    ([plan(10), plan(60)], 85082, stops(WxaStateError, "85082")),  # and one who raised it further is left alone
    # A plan that WeChat does not tell is none.
    *[
        ([told, plan(30)], 0, RAISED)
        for told in ({"errcode": 0}, {"errcode": 0, "gray_release_plan": {"status": 9}}, NONE)
    ],
]


@pytest.mark.parametrize(("looks", "said", "ending"), RISES)
def test_the_part_rises_to_what_was_asked_for(script: Script, looks: Any, said: int, ending: Ending) -> None:
    step = gray_release(VERSION, 30)
    ending(lambda: script.play(step, getgrayreleaseplan=looks, sheets=APPROVED, grayrelease=said))


def test_a_retry_that_sees_the_plan_from_before_its_write_sends_nothing(script: Script) -> None:
    accepted = NOTHING_ACCEPTED.with_write("grayrelease", asdict(GrayPlan(GrayStatus.RUNNING, 10)))
    with pytest.raises(WxaBusyError, match="still shows the state from before it"):
        script.play(gray_release(VERSION, 30), known=accepted, getgrayreleaseplan=[plan(10)] * 6)


#: The plan behind the cancellation of one at 10 percent, what WeChat says to it; and how it ends.
CANCELLATIONS: list[tuple[Any, Any, Ending]] = [
    *[(plan(10, 4), said, done("reverted")) for said in (LOST, -1)],
    (plan(10), LOST, stops(LOST)),
    (plan(10), 87012, stops(WxaStateError, "87012")),
    # A plan that finished meanwhile was not taken back.
    (plan(100, 3), 87012, stops(WxaStateError)),
    (plan(100, 3), LOST, stops(LOST)),
]


@pytest.mark.parametrize(("after", "said", "ending"), CANCELLATIONS)
def test_a_cancellation_that_was_refused_or_lost_is_read_back(
    script: Script, after: Any, said: Any, ending: Ending
) -> None:
    looks = [plan(10), after]
    ending(lambda: script.play(revert_gray_release(APPID), getgrayreleaseplan=looks, revertgrayrelease=said))
