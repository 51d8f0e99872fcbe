from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.sandbox.conftest import Wechat

UNDO = "/wxa/undocodeaudit"
LATEST = "/wxa/get_latest_auditstatus"
BEIJING = dt.timezone(dt.timedelta(hours=8))


def at(wechat: Wechat, *moment: int) -> None:
    """Set the clock to a moment of 2026 in Beijing: month, day, hour, minute."""
    seconds = dt.datetime(2026, *moment, tzinfo=BEIJING).timestamp()  # type: ignore[arg-type,misc]
    wechat.world.clock = lambda: seconds


def withdrawn(wechat: Wechat, times: int) -> list[int]:
    """Submit and withdraw as often, and return what each withdrawal was answered."""
    answers = []
    for _ in range(times):
        wechat.submitted(polls=9)
        answers.append(wechat.get(UNDO)["errcode"])
    return answers


@pytest.mark.parametrize("plan", [{"polls": 9}, {"result": "delayed_then_approved", "delayed_polls": 9}])
def test_a_sheet_in_audit_is_withdrawn(wechat: Wechat, plan: dict[str, Any]) -> None:
    wechat.submitted(**plan)
    assert wechat.get(UNDO) == {"errcode": 0, "errmsg": "ok"}
    assert wechat.get(LATEST)["status"] == 3
    assert wechat.release() == 85020
    assert wechat.submit()["errcode"] == 0


def test_a_withdrawal_leaves_the_trial_version_alone(wechat: Wechat) -> None:
    wechat.submitted("1.4.0", polls=9)
    wechat.get(UNDO)
    assert wechat.post("/wxa/getversioninfo", {})["exp_info"]["exp_version"] == "1.4.0"


@pytest.mark.parametrize("plan", [None, {}, {"result": "rejected"}, {"result": "withdrawn"}])
def test_nothing_in_audit_is_answered_87012_and_not_counted(wechat: Wechat, plan: dict[str, Any] | None) -> None:
    if plan is not None:
        wechat.submitted(**plan)
    assert [wechat.get(UNDO)["errcode"] for _ in range(6)] == [87012] * 6
    assert wechat.account.withdrawals == []


def test_the_sixth_withdrawal_of_a_day_is_answered_87013(wechat: Wechat) -> None:
    at(wechat, 3, 14, 12, 0)
    assert withdrawn(wechat, 5) == [0] * 5
    wechat.submitted(polls=9)
    assert wechat.get(UNDO)["errcode"] == 87013
    assert wechat.get(LATEST)["status"] == 2


def test_a_day_begins_at_midnight_in_beijing(wechat: Wechat) -> None:
    at(wechat, 3, 14, 23, 59)
    assert withdrawn(wechat, 5) == [0] * 5
    at(wechat, 3, 15, 0, 0)
    assert withdrawn(wechat, 1) == [0]


def test_the_eleventh_withdrawal_of_a_month_is_answered_87013_until_the_next(wechat: Wechat) -> None:
    for day in (14, 15):
        at(wechat, 3, day, 12, 0)
        assert withdrawn(wechat, 5) == [0] * 5
    at(wechat, 3, 31, 23, 59)
    wechat.submitted(polls=9)
    assert wechat.get(UNDO)["errcode"] == 87013
    at(wechat, 4, 1, 0, 0)
    assert wechat.get(UNDO)["errcode"] == 0


def test_a_reset_forgets_withdrawals_time_and_again(wechat: Wechat) -> None:
    for _ in range(3):
        assert withdrawn(wechat, 5) == [0] * 5
        wechat.sandbox.reset()
        assert wechat.account.withdrawals == []
