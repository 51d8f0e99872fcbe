"""The audit at the emulated WeChat: scan, submission, sheets, withdrawals, and the privacy guide."""

import datetime as dt
from typing import Any

import pytest

from airflow_wxa.sandbox import World
from tests.sandbox.conftest import COMPONENT, Wechat
from tests.sandbox.test_refusals import ITEM, OWNER

SCAN, STATUS, UNDO = "/wxa/security/get_code_privacy_info", "/wxa/get_auditstatus", "/wxa/undocodeaudit"
SPEEDUP, MATERIAL, PRIVACY = "/wxa/speedupaudit", "/cgi-bin/material/get_material", COMPONENT + "setprivacysetting"
BEIJING = dt.timezone(dt.timedelta(hours=8))


def submit(wechat: Wechat, **body: object) -> int:
    return wechat.submit(**body)["errcode"]


def test_each_commit_starts_a_scan_that_answers_61039_as_often_as_set(wechat: Wechat) -> None:
    assert (wechat.get(SCAN)["errcode"], submit(wechat)) == (86001, 85086)  # nothing is committed
    for polls in (0, 1, 3):
        wechat.account.scan_polls = polls
        for _ in range(2):
            wechat.commit()
            assert [wechat.get(SCAN)["errcode"] for _ in range(polls + 1)] == [61039] * polls + [0]
        wechat.commit()
        assert [submit(wechat) for _ in range(polls + 1)] == [61039] * polls + [0]  # by either endpoint
        wechat.account.sheets.clear()


@pytest.mark.parametrize("found", ["without_auth_list", "without_conf_list"])
def test_an_undeclared_privacy_api_is_answered_61040_unless_declared_unused(wechat: Wechat, found: str) -> None:
    setattr(wechat.account, found, ["wx.getLocation"])
    wechat.commit()
    assert wechat.get(SCAN)[found] == ["wx.getLocation"]
    bodies: list[dict[str, Any]] = [{}, *({"privacy_api_not_use": each} for each in (False, True))]
    assert [submit(wechat, **body) for body in bodies] == [61040, 61040, 0]


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


def test_a_submission_takes_of_the_platforms_quota_and_a_sheet_one_speed_up(wechat: Wechat) -> None:
    wechat.platform.audit_limit, wechat.platform.audit_rest = 27, 1
    wechat.submitted()
    quota = {"rest": 0, "limit": 27, "speedup_rest": 0, "speedup_limit": 0}
    assert wechat.facts(wechat.get("/wxa/queryquota")) == quota
    wechat.commit()
    assert submit(wechat) == 85085
    assert len(wechat.account.sheets) == 1
    wechat.platform.audit_rest = 1
    sheet = {"auditid": wechat.submitted(polls=50)}
    assert wechat.errcodes(SPEEDUP, sheet) == [89405]
    wechat.platform.speedup_rest = 2
    assert wechat.errcodes(SPEEDUP, sheet, sheet) == [0, 89404]
    assert wechat.platform.speedup_rest == 1
    assert [wechat.latest["status"] for _ in range(2)] == [2, 0]
    assert wechat.errcodes(SPEEDUP, sheet) == [89402]


def test_good_items_are_taken(wechat: Wechat) -> None:
    wechat.commit()
    for items in ([ITEM], [ITEM] * 5, [ITEM | {"address": "pages/order/list", "tag": "shop order"}]):
        assert submit(wechat, item_list=items) == 0
        wechat.account.sheets.clear()


#: Plan of an audit, and the statuses that are told one after the other.
PLANS: list[tuple[dict[str, Any], list[int]]] = [
    ({"polls": 0}, [0, 0]),
    ({"polls": 2}, [2, 2, 0, 0]),
    ({"polls": 1, "result": "rejected"}, [2, 1, 1]),
    ({"polls": 1, "result": "withdrawn"}, [2, 3, 3]),
    ({"polls": 1, "result": "delayed_then_approved", "delayed_polls": 2}, [2, 4, 4, 0]),
    ({"polls": 0, "result": "delayed_then_rejected"}, [4, 1]),
]


@pytest.mark.parametrize(("plan", "expected"), PLANS)
def test_the_audit_goes_as_planned_to_its_end(wechat: Wechat, plan: dict[str, Any], expected: list[int]) -> None:
    assert wechat.get(UNDO)["errcode"] == 87012  # nothing is in audit yet
    wechat.submitted(**plan)
    assert [wechat.latest["status"] for _ in expected] == expected
    assert [wechat.get(UNDO)["errcode"] for _ in range(6)] == [87012] * 6
    assert wechat.account.withdrawals == []  # it counts for nothing


def test_a_rejection_shows_reason_and_screenshots_in_both_spellings_and_as_jpegs(wechat: Wechat) -> None:
    auditid = wechat.submitted(result="rejected", reason="1: no", screenshot="a|b|")
    latest = wechat.latest
    assert (latest["status"], latest["reason"], latest["ScreenShot"]) == (1, "1: no", "a|b|")
    told = wechat.facts(wechat.post(STATUS, {"auditid": auditid}))
    assert told == {"status": 1, "reason": "1: no", "screenshot": "a|b|"}
    for media_id in ("a", "b"):
        assert wechat.post(MATERIAL, {"media_id": media_id}).startswith(b"\xff\xd8\xff")
    assert wechat.errcodes(MATERIAL, {"media_id": "c"}) == [40007]
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
    shown = {"user_version": "1.4.0", "user_desc": "release 1.4.0", "submit_audit_time": 1640763673}
    assert wechat.facts(wechat.latest) == {"auditid": 400000002, "status": 0, **shown}
    assert wechat.post(STATUS, {"auditid": str(ids[0])})["status"] == 0


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


def test_a_day_in_beijing_has_five_withdrawals_and_a_month_ten(wechat: Wechat) -> None:
    def undone(times: int, *moment: int) -> list[int]:
        """Withdraw as often at a moment of 2026 (month, day, hour, minute), a sheet each time; return the answers."""
        seconds = dt.datetime(2026, *moment, tzinfo=BEIJING).timestamp()  # type: ignore[arg-type,misc]
        wechat.world.clock = lambda: seconds
        answers = []
        for _ in range(times):
            if wechat.latest.get("status") != 2:
                wechat.submitted(polls=99)
            answers.append(wechat.get(UNDO)["errcode"])
        return answers

    assert undone(6, 3, 14, 23, 59) == [0] * 5 + [87013]
    assert wechat.latest["status"] == 2
    assert undone(5, 3, 15, 0, 0) == [0] * 5
    assert undone(1, 3, 31, 23, 59) == [87013]
    assert undone(1, 4, 1, 0, 0) == [0]
    wechat.sandbox.reset()  # which forgets withdrawals, time and again
    assert undone(5, 3, 31, 12, 0) == [0] * 5
    wechat.sandbox.reset()
    assert wechat.account.withdrawals == []


def test_a_privacy_guide_is_live_after_a_release_and_can_be_asked_for_before_an_audit(wechat: Wechat) -> None:
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
