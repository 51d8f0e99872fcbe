from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from airflow_wxa.sandbox import Template
from airflow_wxa.sandbox.handlers.code import USER_VERSION_LENGTH
from airflow_wxa.sandbox.testing import APPID

if TYPE_CHECKING:
    from tests.sandbox.conftest import Wechat


def ext(**parts: Any) -> dict[str, str]:
    return {"ext_json": json.dumps(parts)}


@pytest.mark.parametrize("template_id", [47, "47"])
def test_commit_makes_the_trial_version(wechat: Wechat, template_id: object) -> None:
    wechat.world.clock = lambda: 1640762988.7
    assert wechat.commit("1.4.0", template_id=template_id, user_desc="结账 [wxa:1a2b3c4d]") == 0
    assert wechat.facts(wechat.post("/wxa/getversioninfo", {})) == {
        "exp_info": {"exp_time": 1640762988, "exp_version": "1.4.0", "exp_desc": "结账 [wxa:1a2b3c4d]"}
    }
    assert wechat.get("/wxa/get_page")["page_list"] == ["pages/index/index", "pages/order/list"]


@pytest.mark.parametrize("template_id", [48, "48", "", "4 7", "47.0", 47.5, True, None, [47]])
def test_a_template_that_is_not_in_the_library_is_answered_85014(wechat: Wechat, template_id: object) -> None:
    wechat.world.templates.append(Template(template_id=1))
    assert wechat.commit(template_id=template_id) == 85014


def test_a_platform_has_templates_of_its_own(wechat: Wechat) -> None:
    wechat.platform.templates.append(Template(template_id=9, pages=["pages/own"]))
    assert wechat.commit(template_id=9) == 0
    assert wechat.account.trial_pages == ["pages/own"]


@pytest.mark.parametrize(
    ("changes", "errcode"),
    [
        ({"user_version": "v" * USER_VERSION_LENGTH}, 0),
        ({"user_version": "v" * (USER_VERSION_LENGTH + 1)}, 40097),
        ({"user_version": ""}, 40097),
        ({"user_version": 14}, 40097),
        ({"user_desc": None}, 40097),
    ],
)
def test_user_version_and_user_desc_are_checked(wechat: Wechat, changes: dict[str, Any], errcode: int) -> None:
    assert wechat.commit(**changes) == errcode


@pytest.mark.parametrize("missing", ["template_id", "ext_json", "user_version", "user_desc"])
def test_a_missing_field_is_answered_40101(wechat: Wechat, missing: str) -> None:
    body = {"template_id": 47, "ext_json": "{}", "user_version": "1", "user_desc": "d"}
    del body[missing]
    assert wechat.post("/wxa/commit", body)["errcode"] == 40101


@pytest.mark.parametrize(
    ("ext_json", "errcode"),
    [
        ({"extAppid": APPID}, 85048),
        (None, 85048),
        ("", 85048),
        ("{", 85048),
        ("{'a':1}", 85048),
        ("[" * 100_000, 85048),
        ("[]", 85013),
        ("null", 85013),
        ('{"pages":"pages/index/index"}', 85013),
        ('{"extPages":[]}', 85013),
        ('{"tabBar":[]}', 85013),
        ('{"subpackages":[{}]}', 85013),
        ('{"extAppid":"wx00000000000000ff"}', 49001),
        ('{"pages":[]}', 85047),
        ('{"pages":["pages/absent"]}', 85045),
        ('{"pages":[{}]}', 85045),
        ('{"extPages":{"pages/absent":{}}}', 85045),
        ('{"subpackages":[{"root":"pages/","pages":["absent"]}]}', 85045),
        ('{"tabBar":{"list":[{"text":"home"}]}}', 85046),
        ('{"tabBar":{"list":[{"pagePath":"pages/absent"}]}}', 85045),
        ('{"pages":["pages/index/index"],"tabBar":{"list":[{"pagePath":"pages/order/list"}]}}', 85045),
    ],
)
def test_a_bad_ext_json_is_refused_and_changes_nothing(wechat: Wechat, ext_json: object, errcode: int) -> None:
    assert wechat.commit(ext_json=ext_json) == errcode
    assert wechat.account.exp_info is None


def test_a_full_ext_json_is_taken_and_chooses_the_pages(wechat: Wechat) -> None:
    parts = {
        "extEnable": True,
        "extAppid": APPID,
        "ext": {"shop": "8016"},
        "pages": ["pages/index/index"],
        "extPages": {"pages/index/index": {"navigationBarTitleText": "shop"}},
        "subpackages": [{"root": "pages", "pages": ["order/list"]}],
        "tabBar": {"list": [{"pagePath": "pages/index/index", "text": "home"}]},
        "unknown": 1,
    }
    assert wechat.commit(**ext(**parts)) == 0
    assert wechat.get("/wxa/get_page")["page_list"] == ["pages/index/index"]


def test_a_standard_template_takes_three_keys_only(wechat: Wechat) -> None:
    wechat.world.templates.append(Template(template_id=50, template_type=1))
    assert wechat.commit(template_id=50, **ext(extAppid=APPID, ext={}, window={})) == 0
    assert wechat.commit(template_id=50, **ext(pages=["pages/index/index"])) == 9402203


def test_a_fresh_account_has_no_versions_no_pages_and_no_qrcode(wechat: Wechat) -> None:
    assert wechat.post("/wxa/getversioninfo", {}) == {"errcode": 0, "errmsg": "ok"}
    assert wechat.get("/wxa/get_page")["errcode"] == 86001
    assert wechat.get("/wxa/get_qrcode")["errcode"] == -1


def test_the_qrcode_is_a_whole_jpeg(wechat: Wechat) -> None:
    wechat.commit()
    picture = wechat.get("/wxa/get_qrcode")
    assert picture.startswith(b"\xff\xd8\xff")
    assert picture.endswith(b"\xff\xd9")


def test_categories_are_answered(wechat: Wechat) -> None:
    assert wechat.get("/wxa/get_category")["category_list"] == [
        {"first_class": "工具", "second_class": "备忘录", "first_id": 1, "second_id": 2}
    ]
