from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from airflow_wxa.sandbox import World

if TYPE_CHECKING:
    from airflow_wxa.sandbox import MiniProgram
    from tests.sandbox.conftest import Wechat


LATEST = "/wxa/get_latest_auditstatus"
SCAN = "/wxa/security/get_code_privacy_info"
ITEM = {"first_class": "工具", "second_class": "备忘录", "first_id": 1, "second_id": 2, "title": "shop"}


@pytest.fixture
def account(wechat: Wechat) -> MiniProgram:
    wechat.account.scan_polls = 0
    return wechat.account


def statuses(wechat: Wechat, polls: int) -> list[int]:
    return [wechat.get(LATEST)["status"] for _ in range(polls)]


@pytest.mark.parametrize("polls", [0, 1, 3])
def test_the_scan_answers_61039_as_often_as_set(wechat: Wechat, account: MiniProgram, polls: int) -> None:
    account.scan_polls = polls
    wechat.commit()
    assert [wechat.get(SCAN)["errcode"] for _ in range(polls + 1)] == [61039] * polls + [0]


def test_submitting_while_scanning_is_answered_61039_and_the_scan_goes_on(wechat: Wechat, account: MiniProgram) -> None:
    account.scan_polls = 1
    wechat.commit()
    assert wechat.submit()["errcode"] == 61039
    assert wechat.submit()["errcode"] == 0


def test_a_new_commit_starts_a_new_scan(wechat: Wechat, account: MiniProgram) -> None:
    account.scan_polls = 1
    wechat.commit()
    wechat.get(SCAN)
    wechat.commit()
    assert wechat.get(SCAN)["errcode"] == 61039


def test_nothing_committed_is_answered_86001_by_the_scan_and_85086_by_the_submission(wechat: Wechat) -> None:
    assert wechat.get(SCAN)["errcode"] == 86001
    assert wechat.submit()["errcode"] == 85086


@pytest.mark.parametrize("found", ["without_auth_list", "without_conf_list"])
def test_an_undeclared_privacy_api_is_answered_61040_unless_declared_unused(
    wechat: Wechat, account: MiniProgram, found: str
) -> None:
    setattr(account, found, ["wx.getLocation"])
    wechat.commit()
    assert wechat.get(SCAN)[found] == ["wx.getLocation"]
    assert wechat.submit()["errcode"] == 61040
    assert wechat.submit(privacy_api_not_use=False)["errcode"] == 61040
    assert wechat.submit(privacy_api_not_use=True)["errcode"] == 0


def test_a_second_sheet_while_one_is_open_is_answered_85009(wechat: Wechat) -> None:
    wechat.submitted(polls=9)
    assert wechat.submit()["errcode"] == 85009
    wechat.commit("1.5.0")
    assert wechat.submit()["errcode"] == 85009
    assert len(wechat.account.sheets) == 1


def test_a_delayed_sheet_is_still_open(wechat: Wechat) -> None:
    wechat.submitted(polls=0, result="delayed_then_approved", delayed_polls=9)
    assert wechat.submit()["errcode"] == 85009


def test_a_used_up_quota_is_answered_85085(wechat: Wechat, account: MiniProgram) -> None:
    wechat.platform.audit_rest = 0
    wechat.commit()
    assert wechat.submit()["errcode"] == 85085
    assert account.sheets == []


def test_a_submission_takes_one_of_the_platforms_quota(wechat: Wechat) -> None:
    wechat.platform.audit_limit, wechat.platform.audit_rest = 27, 8
    wechat.submitted()
    assert wechat.facts(wechat.get("/wxa/queryquota")) == {
        "rest": 7,
        "limit": 27,
        "speedup_rest": 0,
        "speedup_limit": 0,
    }


@pytest.mark.parametrize(
    ("items", "errcode"),
    [
        ([ITEM], 0),
        ([ITEM] * 5, 0),
        ([{**ITEM, "address": "pages/order/list", "tag": "shop order"}], 0),
        ([], 85023),
        ([ITEM] * 6, 85023),
        ("[]", 85023),
        (None, 85023),
        ([{**ITEM, "title": ""}], 85010),
        ([{key: ITEM[key] for key in ITEM if key != "title"}], 85010),
        (["shop"], 85010),
        ([{**ITEM, "title": "t" * 33}], 85011),
        ([{**ITEM, "tag": "t" * 21}], 85006),
        ([{**ITEM, "tag": "t " * 11}], 85006),
        ([{**ITEM, "address": "pages/absent"}], 85007),
        ([{**ITEM, "second_id": 99}], 85008),
        ([{**ITEM, "first_id": []}], 85008),
    ],
)
def test_items_are_checked_when_sent(wechat: Wechat, account: MiniProgram, items: object, errcode: int) -> None:
    wechat.commit()
    assert wechat.submit(item_list=items)["errcode"] == errcode
    assert len(account.sheets) == (errcode == 0)


@pytest.mark.parametrize("body", [{"privacy_api_not_use": "true"}, {"version_desc": 1}])
def test_a_field_of_the_wrong_type_is_refused(wechat: Wechat, account: MiniProgram, body: Any) -> None:
    wechat.commit()
    assert wechat.submit(**body)["errcode"] == 40097
    assert account.sheets == []


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        ({"polls": 0}, [0, 0]),
        ({"polls": 2}, [2, 2, 0, 0]),
        ({"polls": 1, "result": "rejected"}, [2, 1, 1]),
        ({"polls": 1, "result": "withdrawn"}, [2, 3, 3]),
        ({"polls": 1, "result": "delayed_then_approved", "delayed_polls": 2}, [2, 4, 4, 0]),
        ({"polls": 0, "result": "delayed_then_rejected"}, [4, 1]),
    ],
)
def test_the_audit_goes_as_planned(wechat: Wechat, plan: dict[str, Any], expected: list[int]) -> None:
    wechat.submitted(**plan)
    assert statuses(wechat, len(expected)) == expected


def test_a_rejection_shows_reason_and_screenshot_in_both_spellings(wechat: Wechat) -> None:
    auditid = wechat.submitted(result="rejected", reason="1: no", screenshot="a|b")
    latest = wechat.get(LATEST)
    assert (latest["status"], latest["reason"], latest["ScreenShot"]) == (1, "1: no", "a|b")
    assert wechat.facts(wechat.post("/wxa/get_auditstatus", {"auditid": auditid})) == {
        "status": 1,
        "reason": "1: no",
        "screenshot": "a|b",
    }


def test_the_latest_sheet_shows_what_was_submitted(wechat: Wechat) -> None:
    wechat.world.clock = lambda: 1640763673
    wechat.submitted("1.4.0")
    assert wechat.facts(wechat.get(LATEST)) == {
        "auditid": 400000001,
        "status": 0,
        "user_version": "1.4.0",
        "user_desc": "release 1.4.0",
        "submit_audit_time": 1640763673,
    }


def test_no_sheet_is_answered_85058(wechat: Wechat) -> None:
    assert wechat.get(LATEST)["errcode"] == 85058
    wechat.commit()
    assert wechat.get(LATEST)["errcode"] == 85058


def test_auditids_count_up_and_are_taken_as_number_or_text(wechat: Wechat) -> None:
    ids = [wechat.submitted(version) for version in ("1", "2")]
    assert ids == [400000001, 400000002]
    assert wechat.post("/wxa/get_auditstatus", {"auditid": str(ids[0])})["status"] == 0


@pytest.mark.parametrize("body", [{}, {"auditid": 1}, {"auditid": None}, {"auditid": []}])
def test_an_unknown_auditid_is_answered_85012(wechat: Wechat, body: Any) -> None:
    wechat.submitted()
    assert wechat.post("/wxa/get_auditstatus", body)["errcode"] == 85012


@pytest.mark.parametrize("name", ["exp_desc", "user_desc", "release_desc", "release_version"])
def test_a_field_that_the_world_leaves_out_is_missing_from_its_answer_and_no_other(wechat: Wechat, name: Any) -> None:
    wechat.submitted()
    wechat.release()
    versions, sheet = "/wxa/getversioninfo", "/wxa/get_latest_auditstatus"

    def told() -> set[str]:
        info = wechat.post(versions, {})
        return {*info["exp_info"], *info["release_info"], *wechat.get(sheet)}

    everything = told()
    wechat.world.leaves_out = {name}
    assert told() == everything - {name}


def test_what_is_left_out_survives_json() -> None:
    assert World.from_json(World(leaves_out={"user_desc"}).to_json()).leaves_out == {"user_desc"}


MATERIAL = "/cgi-bin/material/get_material"


@pytest.mark.parametrize("media_id", ["a", "b"])
def test_a_screenshot_of_a_rejected_sheet_is_a_jpeg(wechat: Wechat, media_id: str) -> None:
    wechat.submitted(result="rejected", screenshot="a|b")
    assert wechat.post(MATERIAL, {"media_id": media_id}).startswith(b"\xff\xd8\xff")


@pytest.mark.parametrize("body", [{}, {"media_id": ""}, {"media_id": "c"}, {"media_id": []}, {"media_id": None}])
def test_an_unknown_media_id_is_answered_40007(wechat: Wechat, body: Any) -> None:
    wechat.submitted(result="rejected", screenshot="a|b|")
    assert wechat.post(MATERIAL, body)["errcode"] == 40007


def test_a_sheet_that_was_not_rejected_has_no_screenshots(wechat: Wechat) -> None:
    wechat.submitted(result="approved", screenshot="a")
    assert wechat.post(MATERIAL, {"media_id": "a"})["errcode"] == 40007


UNDO = "/wxa/undocodeaudit"
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
