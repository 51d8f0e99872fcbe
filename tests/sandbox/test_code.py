"""Code at the emulated WeChat: templates, commits, releases, staged ones, and the way back."""

import json
from typing import Any

import pytest

from airflow_wxa.sandbox import Looseness, Template
from airflow_wxa.sandbox.handlers.code import USER_VERSION_LENGTH
from airflow_wxa.sandbox.platforms import Draft
from airflow_wxa.sandbox.state import STAGES, Stage
from airflow_wxa.sandbox.testing import APPID
from tests.sandbox.conftest import Wechat

GRAY, ROLLBACK = "/wxa/grayrelease", "/wxa/revertcoderelease"
SHOP = ["https://shop.example.com"]


@pytest.mark.parametrize("template_id", [47, "47"])
def test_commit_makes_the_trial_version(wechat: Wechat, template_id: object) -> None:
    wechat.world.clock = lambda: 1640762988.7
    assert wechat.commit("1.4.0", template_id=template_id, user_desc="结账 [wxa:1a2b3c4d]") == 0
    trial = {"exp_time": 1640762988, "exp_version": "1.4.0", "exp_desc": "结账 [wxa:1a2b3c4d]"}
    assert wechat.facts(wechat.versions) == {"exp_info": trial}
    assert wechat.get("/wxa/get_page")["page_list"] == ["pages/index/index", "pages/order/list"]


def test_a_full_ext_json_is_taken_and_chooses_the_pages(wechat: Wechat) -> None:
    page = "pages/index/index"
    pages = {"pages": [page], "extPages": {page: {}}, "subpackages": [{"root": "pages", "pages": ["order/list"]}]}
    bar = {"tabBar": {"list": [{"pagePath": page, "text": "home"}]}}
    ext_json = json.dumps({"extEnable": True, "extAppid": APPID, "ext": {"shop": "8016"}, "unknown": 1} | pages | bar)
    assert wechat.commit("v" * USER_VERSION_LENGTH, ext_json=ext_json) == 0
    assert wechat.get("/wxa/get_page")["page_list"] == ["pages/index/index"]


def test_a_platform_has_templates_of_its_own_and_a_standard_one_takes_three_keys_only(wechat: Wechat) -> None:
    own, standard = Template(template_id=9, pages=["pages/own"]), Template(template_id=50, template_type=1)
    wechat.platform.templates = [own, standard]
    assert wechat.commit(template_id=9) == 0
    assert wechat.account.trial_pages == ["pages/own"]
    assert wechat.commit(template_id=50, ext_json=json.dumps({"extAppid": APPID, "ext": {}, "window": {}})) == 0
    assert wechat.commit(template_id=50, ext_json='{"pages":["pages/index/index"]}') == 9402203


def test_a_fresh_account_has_no_version_page_or_qrcode_and_each_version_another_jpeg(wechat: Wechat) -> None:
    assert wechat.versions == {"errcode": 0, "errmsg": "ok"}
    assert [wechat.get(f"/wxa/{name}")["errcode"] for name in ("get_page", "get_qrcode")] == [86001, -1]
    category = {"first_class": "工具", "second_class": "备忘录", "first_id": 1, "second_id": 2}
    assert wechat.get("/wxa/get_category")["category_list"] == [category]
    pictures = set()
    for version in ("1", "2"):
        wechat.commit(version)
        picture = wechat.get("/wxa/get_qrcode")
        assert (picture[:3], picture[-2:]) == (b"\xff\xd8\xff", b"\xff\xd9")
        pictures.add(picture)
    assert len(pictures) == 2


def test_release_publishes_the_approved_sheet_once(wechat: Wechat) -> None:
    wechat.world.clock = lambda: 1640763902
    wechat.commit("1.4.0")
    assert wechat.release() == 85019
    wechat.released("1.4.0")
    online = {"release_time": 1640763902, "release_version": "1.4.0", "release_desc": "release 1.4.0"}
    assert wechat.versions["release_info"] == online
    assert wechat.release() == 85052
    wechat.commit("1.5.0")
    assert wechat.release() == 85052


@pytest.mark.parametrize("result", ["approved", "delayed_then_approved", "rejected", "withdrawn"])
def test_a_sheet_that_is_not_approved_is_answered_85020_and_nothing_is_pruned(wechat: Wechat, result: str) -> None:
    wechat.account.mp_webviewdomain = ["https://own.org"]
    wechat.submitted(result=result, polls=5 if result == "approved" else 0, delayed_polls=5)
    assert wechat.release() == 85020
    assert (wechat.account.release_info, wechat.account.mp_webviewdomain) == (None, ["https://own.org"])


def test_a_commit_during_the_audit_leaves_it_releasable_and_one_after_it_is_answered_85020(wechat: Wechat) -> None:
    wechat.submitted("1.4.0", polls=1)
    wechat.commit("1.5.0")
    assert (wechat.latest["status"], wechat.release()) == (2, 0)
    told = wechat.versions
    assert (told["release_info"]["release_version"], told["exp_info"]["exp_version"]) == ("1.4.0", "1.5.0")
    wechat.submitted("1.6.0")
    wechat.commit("1.7.0")
    assert (wechat.latest["status"], wechat.release()) == (0, 85020)  # though the status says that it is approved
    wechat.released("1.8.0")  # a new sheet supersedes it
    assert wechat.versions["release_info"]["release_version"] == "1.8.0"


def test_release_makes_configured_and_direct_domains_effective_and_drops_those_off_the_list(wechat: Wechat) -> None:
    wechat.account.mp_webviewdomain = ["https://own.org", "https://kept.example.com"]
    wechat.account.direct_webviewdomain = ["https://direct.org"]
    wechat.platform.published = ["example.com", "left.org"]
    wechat.set_domains("set", *SHOP, "https://left.org")
    wechat.submitted()
    wechat.platform.published = ["example.com"]
    assert wechat.release() == 0
    told = wechat.post("/wxa/get_effective_webviewdomain", {})
    assert (told["mp_webviewdomain"], told["third_webviewdomain"]) == (["https://kept.example.com"], SHOP)
    assert told["effective_webviewdomain"] == ["https://direct.org", *SHOP, "https://kept.example.com"]


def test_every_stage_has_a_rule_and_only_one_is_releasable() -> None:
    assert set(STAGES) == set(Stage)
    assert [stage for stage, rule in STAGES.items() if rule.release is None] == [Stage.APPROVED]


def test_a_staged_release_only_rises_and_holds_up_a_rollback(wechat: Wechat) -> None:
    def plan(name: str) -> Any:
        return wechat.get("/wxa/getgrayreleaseplan")["gray_release_plan"][name]

    def share(*parts: object) -> list[int]:
        return wechat.errcodes(GRAY, *({"gray_percentage": part} for part in parts))

    assert share(5) == [85079]
    wechat.released("1")
    assert share(5) == [85080]
    wechat.submitted("2")
    assert share(101, "5", 0, 5, 5, 20) == [85081, 85081, 85081, 0, 85082, 0]
    assert plan("gray_percentage") == 20
    assert wechat.get(ROLLBACK)["errcode"] == 87011
    assert [wechat.get("/wxa/revertgrayrelease")["errcode"] for _ in range(2)] == [0, 87012]
    assert plan("status") == 4
    assert wechat.errcodes(GRAY, {"gray_percentage": 0, "support_debuger_first": True}) == [0]
    assert wechat.release() == 0
    assert plan("status") == 3


def test_a_rollback_is_done_once_to_one_of_five_versions_and_lags_as_a_release_does(wechat: Wechat) -> None:
    def listed() -> Any:
        return wechat.get(ROLLBACK, action="get_history_version")["version_list"]

    assert wechat.get(ROLLBACK)["errcode"] == 87012
    wechat.released(*"1234567")
    assert [each["user_version"] for each in listed()] == ["6", "5", "4", "3", "2"]
    assert wechat.get(ROLLBACK, app_version="7")["errcode"] == 87012
    assert wechat.get(ROLLBACK, app_version=str(listed()[1]["app_version"]))["errcode"] == 0
    assert wechat.versions["release_info"]["release_version"] == "5"
    assert listed() == []
    assert wechat.get(ROLLBACK)["errcode"] == 87012
    assert wechat.release() == 85052
    wechat.released("8")
    wechat.world.loose = Looseness(lag={"online_version": 1})
    wechat.get(ROLLBACK)
    assert [wechat.versions["release_info"]["release_version"] for _ in range(2)] == ["8", "5"]


def test_a_template_is_made_of_a_draft_each_time_and_committed(wechat: Wechat) -> None:
    wechat.platform.drafts = [Draft(draft_id=12, user_version="2.0", user_desc="spring")]
    wechat.platform.most_templates = 2
    assert wechat.get("/wxa/gettemplatedraftlist")["draft_list"][0]["user_version"] == "2.0"
    ids = {"draft_id": 12}
    assert wechat.errcodes("/wxa/addtotemplate", ids, ids, ids) == [0, 0, 85065]
    listed = wechat.get("/wxa/gettemplatelist", template_type="0")["template_list"]
    assert [(each["template_id"], each["draft_id"]) for each in listed] == [(48, 12), (49, 12), (47, 0)]
    assert wechat.get("/wxa/gettemplatelist", template_type="1")["template_list"] == []
    assert wechat.commit(template_id=48) == 0
    assert wechat.errcodes("/wxa/deletetemplate", {"template_id": 48}, {"template_id": 48}) == [0, 85064]


def test_small_settings_are_kept_and_refused_by_their_errcodes(wechat: Wechat) -> None:
    for action, status in (("close", 0), ("open", 1)):
        assert wechat.errcodes("/wxa/change_visitstatus", {"action": action}) == [0]
        assert wechat.post("/wxa/getvisitstatus", {})["status"] == status
    wanted = {"api_name": "wx.getLocation", "content": "shops nearby"}
    assert wechat.errcodes("/wxa/security/apply_privacy_interface", wanted, wanted) == [0, 61031]
    assert wechat.errcodes("/wxa/bind_tester", {"wechatid": "lin"}, {"wechatid": "lin"}) == [0, 85004]
    assert wechat.errcodes("/cgi-bin/wxopen/setweappsupportversion", {"version": "2.30.0"}) == [0]
    assert wechat.account.support_version == "2.30.0"
