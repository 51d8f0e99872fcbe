"""What a platform does around a release: other domains, staged release, rollback, templates, settings, quotas."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import requests

from airflow_wxa.sandbox import Looseness, Platform, World
from airflow_wxa.sandbox.exchange import Sandbox
from airflow_wxa.sandbox.gate import Request
from airflow_wxa.sandbox.handlers import ENDPOINTS
from airflow_wxa.sandbox.platforms import Draft
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID, COMPONENT_APPSECRET, MERCHANT_TOKEN, PLATFORM_TOKEN
from airflow_wxa.sandbox.values import SERVER_KINDS

if TYPE_CHECKING:
    from airflow_wxa.sandbox import RunningSandbox
    from tests.sandbox.conftest import Wechat

API = "https://api.example.com"
MODIFY, DIRECT_SERVER, EFFECTIVE = "/wxa/modify_domain", "/wxa/modify_domain_directly", "/wxa/get_effective_domain"
DIRECT, PLATFORM_SERVER = "/wxa/setwebviewdomain_directly", "/cgi-bin/component/modify_wxa_server_domain"
GRAY, GRAY_PLAN, ROLLBACK = "/wxa/grayrelease", "/wxa/getgrayreleaseplan", "/wxa/revertcoderelease"
PRIVACY, QUOTA, RESET = "/cgi-bin/component/setprivacysetting", "/cgi-bin/openapi/quota/get", "/cgi-bin/clear_quota"
COMPONENT = "/cgi-bin/component/"
OWNER = {"contact_email": "ops@example.com", "notice_method": "popup"}


@pytest.fixture
def wechat(wechat: Wechat) -> Wechat:
    wechat.platform.server_published = ["example.com"]
    return wechat


def released(wechat: Wechat, *versions: str) -> None:
    for version in versions:
        wechat.submitted(version)
        assert wechat.release() == 0


def errcodes(wechat: Wechat, path: str, *bodies: object) -> list[int]:
    return [wechat.post(path, body)["errcode"] for body in bodies]


def test_server_domains_are_changed_in_part_and_what_is_invalid_is_named_beside_errcode_0(wechat: Wechat) -> None:
    wechat.platform.without_icp = {"new.example.com"}
    asked = {"requestdomain": [API, "https://new.example.com"], "wsrequestdomain": ["https://ws.example.com"]}
    answer = wechat.post(MODIFY, {"action": "add", **asked})
    assert (answer["errcode"], answer["requestdomain"]) == (0, [API])
    assert answer["invalid_wsrequestdomain"] == ["wss://https://ws.example.com"]
    assert answer["no_icp_domain"] == ["https://new.example.com"]
    assert wechat.post(MODIFY, {"action": "get"})["requestdomain"] == [API]


@pytest.mark.parametrize(
    ("lists", "errcode"),
    [
        ({"requestdomain": []}, 85017),
        ({"requestdomain": ["https://api.other.org"]}, 85018),
        ({"requestdomain": ["https://1.2.3.4", "https://api.weixin.qq.com"]}, 85301),
        ({"requestdomain": ["https://icp.example.com"]}, 85302),
        ({"requestdomain": ["https://icp.example.com"], "udpdomain": ["x"]}, 85303),
        ({"requestdomain": [f"https://a{number}.example.com" for number in range(201)]}, 85016),
        ({"requestdomain": "https://api.example.com"}, 40097),
        ({}, 40101),
    ],
)
def test_a_change_of_nothing_is_refused_by_its_reason(wechat: Wechat, lists: Any, errcode: int) -> None:
    wechat.platform.without_icp = {"icp.example.com"}
    assert errcodes(wechat, MODIFY, {"action": "add", **lists}) == [errcode]
    assert wechat.account.third_domain == {}


@pytest.mark.parametrize(("path", "errcode"), [(MODIFY, 86102), (DIRECT_SERVER, 86102)])
def test_the_fifty_first_change_of_a_month_is_refused(wechat: Wechat, path: str, errcode: int) -> None:
    wechat.account.domain_changes = [wechat.world.time()] * 49
    body = {"action": "add", "requestdomain": [API]}
    more = {"action": "add", "requestdomain": ["https://b.example.com"]}
    assert errcodes(wechat, path, body, more) == [0, errcode]


@pytest.mark.parametrize(
    ("value", "errcode"),
    [("http://a.org", 86100), ("https://api.weixin.qq.com", 86101), ("https://icp.org", 45082), ("https://a.org", 0)],
)
def test_server_domains_of_the_direct_mode_ask_no_platform_list(wechat: Wechat, value: str, errcode: int) -> None:
    wechat.platform.without_icp = {"icp.org"}
    assert errcodes(wechat, DIRECT_SERVER, {"action": "set", "requestdomain": [value]}) == [errcode]


def test_server_domains_are_effective_after_a_release_while_the_platform_list_has_them(wechat: Wechat) -> None:
    wechat.post(MODIFY, {"action": "add", "requestdomain": [API], "tcpdomain": ["tcp://t.example.com:99"]})
    wechat.post(DIRECT_SERVER, {"action": "add", "requestdomain": ["https://own.org"]})
    assert wechat.post(EFFECTIVE, {})["effective_domain"]["requestdomain"] == []
    released(wechat, "1")
    effective = wechat.post(EFFECTIVE, {})["effective_domain"]
    assert set(effective) == set(SERVER_KINDS)
    assert (effective["requestdomain"], effective["tcpdomain"]) == (
        ["https://own.org", API],
        ["tcp://t.example.com:99"],
    )
    wechat.platform.server_published = []
    released(wechat, "2")
    assert wechat.post(EFFECTIVE, {})["effective_domain"]["requestdomain"] == ["https://own.org"]


def test_the_platforms_server_list_changes_both_versions_when_asked(wechat: Wechat) -> None:
    body = {"action": "add", "wxa_server_domain": "a.org;https://b.org", "is_modify_published_together": True}
    answer = wechat.post(PLATFORM_SERVER, body)
    assert answer["published_wxa_server_domain"] == "example.com;a.org"
    assert answer["invalid_wxa_server_domain"] == "https://b.org"
    assert wechat.post(PLATFORM_SERVER, {"action": "get"})["testing_wxa_server_domain"] == "a.org"
    wechat.platform.server_changes = [wechat.world.time()] * 50
    wechat.platform.server_published = None
    gone = {"action": "delete", "wxa_server_domain": "a.org"}
    together = {**gone, "is_modify_published_together": True}
    assert errcodes(wechat, PLATFORM_SERVER, gone, together, {"action": "fetch"}) == [45104, 61028, 40052]


def test_the_direct_mode_is_effective_after_a_release_and_a_set_ends_that(wechat: Wechat) -> None:
    own = {"webviewdomain": ["https://own.org"]}
    assert wechat.post(DIRECT, {"action": "add", **own})["webviewdomain"] == ["https://own.org"]
    released(wechat, "1")
    assert wechat.account.effective_webviewdomain == ["https://own.org"]
    assert wechat.post(DIRECT, {"action": "set", **own})["errcode"] == 0
    assert wechat.account.effective_webviewdomain == []
    assert wechat.post(DIRECT, {"action": "delete", **own})["webviewdomain"] == []


def test_the_direct_mode_refuses_by_host_and_by_owner(wechat: Wechat) -> None:
    wechat.platform.unverifiable, wechat.platform.bound_to_many = {"no-file.org"}, {"everywhere.org"}
    add = [{"action": "add", "webviewdomain": [f"https://{host}"]} for host in ("no-file.org", "everywhere.org")]
    assert errcodes(wechat, DIRECT, *add) == [86103, 506015]
    wechat.account.individual = True
    assert errcodes(wechat, DIRECT, {"action": "add", "webviewdomain": []}) == [89231]
    assert set(wechat.post("/wxa/get_webviewdomain_confirmfile", {})) >= {"file_name", "file_content"}


def test_a_staged_release_only_rises_and_holds_up_a_rollback(wechat: Wechat) -> None:
    assert errcodes(wechat, GRAY, {"gray_percentage": 5}) == [85079]
    released(wechat, "1")
    assert errcodes(wechat, GRAY, {"gray_percentage": 5}) == [85080]
    wechat.submitted("2")
    parts: list[Any] = [101, "5", 0, 5, 5, 20]
    bodies = [{"gray_percentage": part} for part in parts]
    assert errcodes(wechat, GRAY, *bodies) == [85081, 85081, 85081, 0, 85082, 0]
    assert wechat.get(GRAY_PLAN)["gray_release_plan"]["gray_percentage"] == 20
    assert wechat.get(ROLLBACK)["errcode"] == 87011
    assert (wechat.get("/wxa/revertgrayrelease")["errcode"], wechat.get("/wxa/revertgrayrelease")["errcode"]) == (
        0,
        87012,
    )
    assert wechat.get(GRAY_PLAN)["gray_release_plan"]["status"] == 4
    assert errcodes(wechat, GRAY, {"gray_percentage": 0, "support_debuger_first": True}) == [0]
    assert wechat.release() == 0
    assert wechat.get(GRAY_PLAN)["gray_release_plan"]["status"] == 3


def test_a_rollback_is_done_at_once_and_once(wechat: Wechat) -> None:
    assert wechat.get(ROLLBACK)["errcode"] == 87012
    released(wechat, "1", "2", "3")
    listed = wechat.get(ROLLBACK, action="get_history_version")["version_list"]
    assert [each["user_version"] for each in listed] == ["2", "1"]
    assert wechat.get(ROLLBACK, app_version="7")["errcode"] == 87012
    assert wechat.get(ROLLBACK, app_version=str(listed[1]["app_version"]))["errcode"] == 0
    assert wechat.post("/wxa/getversioninfo", {})["release_info"]["release_version"] == "1"
    assert wechat.get(ROLLBACK, action="get_history_version")["version_list"] == []
    assert wechat.get(ROLLBACK)["errcode"] == 87012
    assert wechat.release() == 85052


def test_five_versions_are_kept_and_a_rollback_lags_as_a_release_does(wechat: Wechat) -> None:
    released(wechat, *"1234567")
    assert [each["user_version"] for each in wechat.account.versions] == ["6", "5", "4", "3", "2"]
    wechat.world.loose = Looseness(lag={"online_version": 1})
    wechat.get(ROLLBACK)
    shown = [wechat.post("/wxa/getversioninfo", {})["release_info"]["release_version"] for _ in range(2)]
    assert shown == ["7", "6"]


def test_the_visit_status_is_closed_and_opened(wechat: Wechat) -> None:
    change, status = "/wxa/change_visitstatus", "/wxa/getvisitstatus"
    assert errcodes(wechat, change, {"action": "shut"}, {"action": "close"}) == [85022, 0]
    assert wechat.post(status, {})["status"] == 0
    wechat.post(change, {"action": "open"})
    assert wechat.post(status, {})["status"] == 1


def test_a_speed_up_is_spent_once_a_sheet(wechat: Wechat) -> None:
    path = "/wxa/speedupaudit"
    auditid = wechat.submitted(polls=50)
    assert errcodes(wechat, path, {"auditid": 1}, {"auditid": auditid}) == [85012, 89405]
    wechat.platform.speedup_rest = 2
    assert errcodes(wechat, path, {"auditid": auditid}, {"auditid": auditid}) == [0, 89404]
    assert wechat.platform.speedup_rest == 1
    assert [wechat.get("/wxa/get_latest_auditstatus")["status"] for _ in range(2)] == [2, 0]
    assert errcodes(wechat, path, {"auditid": auditid}) == [89402]


def test_a_template_is_made_of_a_draft_each_time_and_committed(wechat: Wechat) -> None:
    wechat.platform.drafts = [Draft(draft_id=12, user_version="2.0", user_desc="spring")]
    wechat.platform.most_templates = 2
    assert wechat.get("/wxa/gettemplatedraftlist")["draft_list"][0]["user_version"] == "2.0"
    add, ids = "/wxa/addtotemplate", {"draft_id": 12}
    assert errcodes(wechat, add, {"draft_id": 13}, ids, ids, ids) == [85064, 0, 0, 85065]
    listed = wechat.get("/wxa/gettemplatelist", template_type="0")["template_list"]
    assert [(each["template_id"], each["draft_id"]) for each in listed] == [(48, 12), (49, 12), (47, 0)]
    assert wechat.get("/wxa/gettemplatelist", template_type="1")["template_list"] == []
    assert wechat.commit(template_id=48) == 0
    assert errcodes(wechat, "/wxa/deletetemplate", {"template_id": 48}, {"template_id": 48}) == [0, 85064]


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({"owner_setting": {"notice_method": "popup"}, "setting_list": []}, 86069),
        ({"owner_setting": {"contact_qq": "1"}, "setting_list": []}, 86070),
        ({"owner_setting": OWNER, "privacy_ver": 1}, 86074),
        ({"owner_setting": OWNER}, 40097),
        ({"owner_setting": OWNER, "privacy_ver": 1, "setting_list": []}, 40097),
    ],
)
def test_a_privacy_guide_lacks_nothing(wechat: Wechat, body: Any, errcode: int) -> None:
    assert errcodes(wechat, PRIVACY, body) == [errcode]


def test_a_privacy_guide_is_live_after_a_release_and_can_be_asked_for_before_an_audit(wechat: Wechat) -> None:
    wechat.account.scan_polls = 0
    wechat.world.loose.needs_privacy_guide = True
    wechat.commit()
    assert wechat.submit()["errcode"] == 85086
    settings = [{"privacy_key": "Location", "privacy_text": "附近的店"}]
    wechat.post(PRIVACY, {"owner_setting": OWNER, "setting_list": settings})
    shown = wechat.post("/cgi-bin/component/getprivacysetting", {"privacy_ver": 2})
    assert shown["setting_list"] == [{**settings[0], "privacy_label": ""}]
    assert errcodes(wechat, PRIVACY, {"owner_setting": OWNER, "privacy_ver": 1}) == [86074]
    released(wechat, "1")
    assert errcodes(wechat, PRIVACY, {"owner_setting": OWNER, "privacy_ver": 1}) == [0]


def test_small_settings_are_kept_and_refused_by_their_errcodes(wechat: Wechat) -> None:
    apply = "/wxa/security/apply_privacy_interface"
    wanted = {"api_name": "wx.getLocation", "content": "shops nearby"}
    assert errcodes(wechat, apply, wanted, wanted, {}) == [0, 61031, 40097]
    assert errcodes(wechat, "/wxa/bind_tester", {"wechatid": "lin"}, {"wechatid": "lin"}, {}) == [0, 85004, 85001]
    version = "/cgi-bin/wxopen/setweappsupportversion"
    assert errcodes(wechat, version, {"version": "2.30.0"}, {"version": "two"}) == [0, 89014]
    assert wechat.account.support_version == "2.30.0"


def test_the_eleventh_reset_of_a_month_is_refused_whichever_call_makes_it(wechat: Wechat) -> None:
    wechat.platform.calls_today = {"/cgi-bin/component/api_component_token": 10_000}
    proof = {"component_appid": COMPONENT_APPID, "appsecret": COMPONENT_APPSECRET}
    merchant = [errcodes(wechat, RESET, {"appid": APPID})[0] for _ in range(10)]
    assert merchant == [0] * 10
    assert errcodes(wechat, f"{COMPONENT}clear_quota/v2", {**proof, "appid": APPID}, proof) == [48006, 0]
    assert wechat.platform.calls_today == {}
    assert errcodes(wechat, RESET, {"appid": COMPONENT_APPID}) == [40013]


def test_a_quota_is_told_to_the_token_that_the_path_wants(wechat: Wechat) -> None:
    path = "/cgi-bin/component/api_component_token"
    wechat.platform_token()
    body = json.dumps({"cgi_path": path}).encode()
    told = wechat.send("POST", QUOTA, body, token=PLATFORM_TOKEN)["quota"]
    assert told == {"daily_limit": 10_000, "used": 1, "remain": 9_999}
    assert errcodes(wechat, QUOTA, {"cgi_path": path}, {"cgi_path": "/wxa/none"}, {"cgi_path": "/wxa/commit"}) == [
        76022,
        76021,
        0,
    ]


def test_a_refusal_is_looked_up_by_its_rid(wechat: Wechat) -> None:
    rid = wechat.post("/wxa/release", {})["errmsg"].rpartition("rid: ")[2]
    assert wechat.post("/cgi-bin/openapi/rid/get", {"rid": rid})["request"]["request_url"] == "/wxa/release"
    assert errcodes(wechat, "/cgi-bin/openapi/rid/get", {"rid": "0-0-0"}) == [76001]


def test_media_are_uploaded_as_a_form(wxa_sandbox: RunningSandbox) -> None:
    url = f"{wxa_sandbox.url}/wxa/uploadmedia?access_token={MERCHANT_TOKEN}"
    answer = requests.post(url, files={"media": ("a.png", b"\x89PNG", "image/png")}, timeout=5).json()
    assert (answer["errcode"], answer["type"]) == (0, "image")
    assert requests.post(url, data=b"a=b", timeout=5).json()["errcode"] == 47001


def test_every_endpoint_answers_the_same_errcode_in_a_loose_world(wxa_world: World) -> None:
    """For an empty request: nothing breaks on the way to the wire."""
    seed = wxa_world.to_json(tokens=True)
    strict, loose = (Sandbox.of(World.from_json(seed)) for _ in range(2))
    loose.world.loose = Looseness.everything(undo_of_nothing=False)
    for path, endpoint in ENDPOINTS.items():
        token = PLATFORM_TOKEN if endpoint.account is Platform else MERCHANT_TOKEN
        request = Request(endpoint.method, path, {"access_token": token}, b"{}" if endpoint.method == "POST" else b"")
        expected, raw = strict.answer(request)[0], loose.encode(request, loose.answer(request)[0])
        read = json.loads(raw.decode("utf-8-sig", "replace"), strict=False)
        assert int(read.get("errcode", 0)) == expected.get("errcode", 0), path
