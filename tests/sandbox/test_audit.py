"""The audit at the emulated WeChat: scan, submission, sheets, withdrawals, and the privacy guide."""

import datetime as dt
from typing import Any

import pytest

from airflow_wxa.sandbox import MiniProgram, World
from tests.sandbox.conftest import Wechat
from tests.tables import each_row

SCAN, STATUS, UNDO = "/wxa/security/get_code_privacy_info", "/wxa/get_auditstatus", "/wxa/undocodeaudit"
MATERIAL, PRIVACY = "/cgi-bin/material/get_material", "/cgi-bin/component/setprivacysetting"
ITEM = {"first_class": "工具", "second_class": "备忘录", "first_id": 1, "second_id": 2, "title": "shop"}
OWNER = {"contact_email": "ops@example.com", "notice_method": "popup"}
BEIJING = dt.timezone(dt.timedelta(hours=8))


@pytest.fixture
def account(wechat: Wechat) -> MiniProgram:
    wechat.account.scan_polls = 0
    return wechat.account


def submit(wechat: Wechat, **body: object) -> int:
    return wechat.submit(**body)["errcode"]


@pytest.mark.parametrize("polls", [0, 1, 3])
def test_each_commit_starts_a_scan_that_answers_61039_as_often_as_set(
    wechat: Wechat, account: MiniProgram, polls: int
) -> None:
    account.scan_polls = polls
    for _ in range(2):
        wechat.commit()
        assert [wechat.get(SCAN)["errcode"] for _ in range(polls + 1)] == [61039] * polls + [0]
    wechat.commit()
    assert [submit(wechat) for _ in range(polls + 1)] == [61039] * polls + [0]  # by either endpoint


def test_nothing_committed_is_answered_86001_by_the_scan_and_85086_by_the_submission(wechat: Wechat) -> None:
    assert (wechat.get(SCAN)["errcode"], submit(wechat)) == (86001, 85086)


@pytest.mark.parametrize("found", ["without_auth_list", "without_conf_list"])
def test_an_undeclared_privacy_api_is_answered_61040_unless_declared_unused(
    wechat: Wechat, account: MiniProgram, found: str
) -> None:
    setattr(account, found, ["wx.getLocation"])
    wechat.commit()
    assert wechat.get(SCAN)[found] == ["wx.getLocation"]
    assert submit(wechat) == 61040
    assert [submit(wechat, privacy_api_not_use=each) for each in (False, True)] == [61040, 0]


@pytest.mark.parametrize("plan", [{"polls": 9}, {"result": "delayed_then_approved", "delayed_polls": 9}])
def test_a_sheet_in_audit_is_the_only_one_until_it_is_withdrawn(wechat: Wechat, plan: dict[str, Any]) -> None:
    wechat.submitted("1.4.0", **plan)
    assert submit(wechat) == 85009
    wechat.commit("1.5.0")
    assert submit(wechat) == 85009
    assert wechat.get(UNDO) == {"errcode": 0, "errmsg": "ok"}
    assert (wechat.latest["status"], wechat.release()) == (3, 85020)
    assert wechat.versions["exp_info"]["exp_version"] == "1.5.0"  # the trial version is left alone
    assert [submit(wechat), submit(wechat)] == [0, 85009]
    assert len(wechat.account.sheets) == 2


def test_a_submission_takes_one_of_the_platforms_quota_until_that_is_used_up(wechat: Wechat) -> None:
    wechat.platform.audit_limit, wechat.platform.audit_rest = 27, 1
    wechat.submitted()
    quota = {"rest": 0, "limit": 27, "speedup_rest": 0, "speedup_limit": 0}
    assert wechat.facts(wechat.get("/wxa/queryquota")) == quota
    wechat.commit()
    assert submit(wechat) == 85085
    assert len(wechat.account.sheets) == 1


@pytest.mark.parametrize("items", [[ITEM], [ITEM] * 5, [{**ITEM, "address": "pages/order/list", "tag": "shop order"}]])
def test_good_items_are_taken(wechat: Wechat, account: MiniProgram, items: object) -> None:
    wechat.commit()
    assert submit(wechat, item_list=items) == 0


@each_row(
    "items, errcode",
    [
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
    assert submit(wechat, item_list=items) == errcode
    assert [submit(wechat, **body) for body in ({"privacy_api_not_use": "true"}, {"version_desc": 1})] == [40097] * 2
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
    assert [wechat.latest["status"] for _ in expected] == expected


def test_a_rejection_shows_reason_and_screenshots_in_both_spellings_and_as_jpegs(wechat: Wechat) -> None:
    auditid = wechat.submitted(result="rejected", reason="1: no", screenshot="a|b|")
    latest = wechat.latest
    assert (latest["status"], latest["reason"], latest["ScreenShot"]) == (1, "1: no", "a|b|")
    told = wechat.facts(wechat.post(STATUS, {"auditid": auditid}))
    assert told == {"status": 1, "reason": "1: no", "screenshot": "a|b|"}
    for media_id in ("a", "b"):
        assert wechat.post(MATERIAL, {"media_id": media_id}).startswith(b"\xff\xd8\xff")
    unknown: list[Any] = [{}, *({"media_id": each} for each in ("", "c", [], None))]
    assert wechat.errcodes(MATERIAL, *unknown) == [40007] * 5
    wechat.account.sheets.clear()
    wechat.submitted(result="approved", screenshot="a")
    assert wechat.errcodes(MATERIAL, {"media_id": "a"}) == [40007]


def test_the_latest_sheet_shows_what_was_submitted(wechat: Wechat) -> None:
    wechat.world.clock = lambda: 1640763673
    assert wechat.latest["errcode"] == 85058
    wechat.commit()
    assert wechat.latest["errcode"] == 85058
    ids = [wechat.submitted(version) for version in ("1.3.0", "1.4.0")]
    assert ids == [400000001, 400000002]
    assert wechat.facts(wechat.latest) == {
        "auditid": 400000002,
        "status": 0,
        "user_version": "1.4.0",
        "user_desc": "release 1.4.0",
        "submit_audit_time": 1640763673,
    }
    assert wechat.post(STATUS, {"auditid": str(ids[0])})["status"] == 0
    unknown: list[Any] = [{}, {"auditid": 1}, {"auditid": None}, {"auditid": []}]
    assert wechat.errcodes(STATUS, *unknown) == [85012] * 4


def test_a_field_that_the_world_leaves_out_is_missing_from_its_answer_and_no_other(wechat: Wechat) -> None:
    def told() -> set[str]:
        info = wechat.versions
        return {*info["exp_info"], *info["release_info"], *wechat.latest}

    wechat.released("1.4.0")
    everything = told()
    for name in ("exp_desc", "user_desc", "release_desc", "release_version"):
        wechat.world.leaves_out = {name}
        assert told() == everything - {name}
    assert World.from_json(World(leaves_out={"user_desc"}).to_json()).leaves_out == {"user_desc"}


def test_a_speed_up_is_spent_once_a_sheet(wechat: Wechat) -> None:
    path = "/wxa/speedupaudit"
    sheet = {"auditid": wechat.submitted(polls=50)}
    assert wechat.errcodes(path, {"auditid": 1}, sheet) == [85012, 89405]
    wechat.platform.speedup_rest = 2
    assert wechat.errcodes(path, sheet, sheet) == [0, 89404]
    assert wechat.platform.speedup_rest == 1
    assert [wechat.latest["status"] for _ in range(2)] == [2, 0]
    assert wechat.errcodes(path, sheet) == [89402]


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


@pytest.mark.parametrize("plan", [None, {}, {"result": "rejected"}, {"result": "withdrawn"}])
def test_nothing_in_audit_is_answered_87012_and_not_counted(wechat: Wechat, plan: dict[str, Any] | None) -> None:
    if plan is not None:
        wechat.submitted(**plan)
    assert [wechat.get(UNDO)["errcode"] for _ in range(6)] == [87012] * 6
    assert wechat.account.withdrawals == []


def test_the_sixth_withdrawal_of_a_day_is_answered_87013(wechat: Wechat) -> None:
    at(wechat, 3, 14, 23, 59)
    assert withdrawn(wechat, 5) == [0] * 5
    wechat.submitted(polls=9)
    assert (wechat.get(UNDO)["errcode"], wechat.latest["status"]) == (87013, 2)
    at(wechat, 3, 15, 0, 0)  # a day begins at midnight in Beijing
    assert wechat.get(UNDO)["errcode"] == 0


def test_the_eleventh_withdrawal_of_a_month_is_answered_87013_until_the_next(wechat: Wechat) -> None:
    for day in (14, 15):
        at(wechat, 3, day, 12, 0)
        assert withdrawn(wechat, 5) == [0] * 5
    at(wechat, 3, 31, 23, 59)
    wechat.submitted(polls=9)
    assert wechat.get(UNDO)["errcode"] == 87013
    at(wechat, 4, 1, 0, 0)
    assert wechat.get(UNDO)["errcode"] == 0
    wechat.sandbox.reset()  # which forgets withdrawals, time and again
    assert withdrawn(wechat, 5) == [0] * 5
    wechat.sandbox.reset()
    assert wechat.account.withdrawals == []


@each_row(
    "body, errcode",
    [
        ({"owner_setting": {"notice_method": "popup"}, "setting_list": []}, 86069),
        ({"owner_setting": {"contact_qq": "1"}, "setting_list": []}, 86070),
        ({"owner_setting": OWNER, "privacy_ver": 1}, 86074),
        ({"owner_setting": OWNER}, 40097),
        ({"owner_setting": OWNER, "privacy_ver": 1, "setting_list": []}, 40097),
    ],
)
def test_a_privacy_guide_lacks_nothing(wechat: Wechat, body: Any, errcode: int) -> None:
    assert wechat.errcodes(PRIVACY, body) == [errcode]


def test_a_privacy_guide_is_live_after_a_release_and_can_be_asked_for_before_an_audit(
    wechat: Wechat, account: MiniProgram
) -> None:
    live = {"owner_setting": OWNER, "privacy_ver": 1}
    wechat.world.loose.needs_privacy_guide = True
    wechat.commit()
    assert submit(wechat) == 85086
    settings = [{"privacy_key": "Location", "privacy_text": "附近的店"}]
    wechat.post(PRIVACY, {"owner_setting": OWNER, "setting_list": settings})
    shown = wechat.post("/cgi-bin/component/getprivacysetting", {"privacy_ver": 2})
    assert shown["setting_list"] == [{**settings[0], "privacy_label": ""}]
    assert wechat.errcodes(PRIVACY, live) == [86074]
    wechat.released("1")
    assert wechat.errcodes(PRIVACY, live) == [0]
