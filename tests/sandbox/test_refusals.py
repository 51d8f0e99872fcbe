"""Calls that make no sense: what each is answered, and that nothing has changed."""

from typing import Any

import pytest

from airflow_wxa.sandbox import Template
from airflow_wxa.sandbox.handlers.code import USER_VERSION_LENGTH
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID, COMPONENT_APPSECRET
from tests.sandbox.conftest import COMMIT, COMPONENT, PROOF, Wechat
from tests.tables import each_row

OTHER = "wx00000000000000c2"
EXAMPLE = "https://example.com"
NO_ORIGINS: list[Any] = [
    "example.com", "http://example.com", "https:/example.com", "https://example.com:443", "https://example.com/path",
    "https://example.com?x=1", "https://user@example.com", "https://*.example.com", "https://1.2.3.4",
    "https://example", "https://", "", "https://example.com//", f" {EXAMPLE}", f"{EXAMPLE}\n", "https://-a.example.com",
    "https://中国.cn", "https://example.com.", None, 7, [EXAMPLE],
    "https://notexample.com", "https://com", "https://example.com.evil.org", "https://other.org",  # not covered
]  # fmt: skip
TAB_OF_NO_PAGE = '{"pages":["pages/index/index"],"tabBar":{"list":[{"pagePath":"pages/order/list"}]}}'
ITEM = {"first_class": "工具", "second_class": "备忘录", "first_id": 1, "second_id": 2, "title": "shop"}
OWNER = {"contact_email": "ops@example.com", "notice_method": "popup"}
OWN, MERCHANTS = {"component_appid": COMPONENT_APPID}, {"component_appid": COMPONENT_APPID, "authorizer_appid": APPID}
TOKEN, REFRESH = COMPONENT + "api_component_token", COMPONENT + "api_authorizer_token"
CODE, INFO, LIST = (
    COMPONENT + name for name in ("api_query_auth", "api_get_authorizer_info", "api_get_authorizer_list")
)
TICKET, JUMP, GUIDE = (
    COMPONENT + name for name in ("api_start_push_ticket", "modify_wxa_jump_domain", "setprivacysetting")
)
DOMAINS, DIRECT = "/wxa/setwebviewdomain", "/wxa/setwebviewdomain_directly"
SERVER, DIRECT_SERVER = "/wxa/modify_domain", "/wxa/modify_domain_directly"
SUBMIT = "/wxa/submit_audit"


def each(name: str, *values: Any, **beside: Any) -> list[dict[str, Any]]:
    """Return a body for each value of a field."""
    return [{**beside, name: value} for value in values]


def commits(name: str, *values: Any) -> list[dict[str, Any]]:
    return each(name, *values, **COMMIT)


def adds(name: str, *values: Any, **beside: Any) -> list[dict[str, Any]]:
    return each(name, *values, action="add", **beside)


#: Path, errcode, and the bodies that it answers.
REFUSED: list[tuple[str, int, list[dict[str, Any]]]] = [
    # Accounts
    (TOKEN, 41018, each("component_appid", "", **PROOF)),
    (TOKEN, 40013, each("component_appid", OTHER, ["c"], **PROOF)),
    (TOKEN, 41004, each("component_appsecret", "", **PROOF)),
    (TOKEN, 40125, each("component_appsecret", "wrong", {"a": 1}, **PROOF)),
    (TOKEN, 61006, each("component_verify_ticket", "", "wrong", 5, ["t"], **PROOF)),
    (TICKET, 41004, [OWN, OWN | {"component_appsecret": COMPONENT_APPSECRET}]),
    (TICKET, 40125, each("component_secret", "wrong", **OWN)),
    (TICKET, 40013, each("component_appid", "wx1", component_secret=COMPONENT_APPSECRET)),
    *((path, 40013, each("component_appid", OTHER)) for path in (COMPONENT + "api_create_preauthcode", CODE, LIST)),
    *((path, 41018, [{}]) for path in (COMPONENT + "api_create_preauthcode", CODE, LIST, REFRESH, INFO)),
    *((path, 40013, each("component_appid", OTHER, authorizer_appid=APPID)) for path in (REFRESH, INFO)),
    *((path, 41002, [OWN]) for path in (REFRESH, INFO)),
    *((path, 61003, each("authorizer_appid", "wx9", **OWN)) for path in (REFRESH, INFO)),
    (CODE, 61009, each("authorization_code", "", None, 5, ["x"], **OWN)),
    (REFRESH, 61023, each("authorizer_refresh_token", "", "wrong", None, 7, ["x"], **MERCHANTS)),
    (LIST, 40097, [OWN, *each("offset", 0, **OWN), *each("offset", -1, True, count=1, **OWN)]),
    (LIST, 40097, each("count", 0, 501, "5", offset=0, **OWN)),
    ("/cgi-bin/clear_quota", 40013, each("appid", COMPONENT_APPID)),
    ("/cgi-bin/openapi/quota/get", 76022, each("cgi_path", TOKEN)),
    ("/cgi-bin/openapi/quota/get", 76021, each("cgi_path", "/wxa/none")),
    ("/cgi-bin/openapi/rid/get", 76001, each("rid", "0-0-0")),
    # Code
    ("/wxa/commit", 40101, [{name: COMMIT[name] for name in COMMIT if name != missing} for missing in COMMIT]),
    ("/wxa/commit", 40097, commits("user_version", "v" * (USER_VERSION_LENGTH + 1), "", 14)),
    ("/wxa/commit", 40097, commits("user_desc", None)),
    ("/wxa/commit", 85014, commits("template_id", 48, "48", "", "4 7", "47.0", 47.5, True, None, [47])),
    ("/wxa/commit", 85048, commits("ext_json", {"extAppid": APPID}, None, "", "{", "{'a':1}", "[" * 100_000)),
    ("/wxa/commit", 85013, commits("ext_json", "[]", "null", '{"pages":"pages/index/index"}', '{"extPages":[]}')),
    ("/wxa/commit", 85013, commits("ext_json", '{"tabBar":[]}', '{"subpackages":[{}]}')),
    ("/wxa/commit", 49001, commits("ext_json", '{"extAppid":"wx00000000000000ff"}')),
    ("/wxa/commit", 85047, commits("ext_json", '{"pages":[]}')),
    ("/wxa/commit", 85045, commits("ext_json", '{"pages":["pages/absent"]}', '{"pages":[{}]}')),
    ("/wxa/commit", 85045, commits("ext_json", '{"extPages":{"pages/absent":{}}}')),
    ("/wxa/commit", 85045, commits("ext_json", '{"subpackages":[{"root":"pages/","pages":["absent"]}]}')),
    ("/wxa/commit", 85045, commits("ext_json", '{"tabBar":{"list":[{"pagePath":"pages/absent"}]}}')),
    ("/wxa/commit", 85045, commits("ext_json", TAB_OF_NO_PAGE)),
    ("/wxa/commit", 85046, commits("ext_json", '{"tabBar":{"list":[{"text":"home"}]}}')),
    ("/wxa/addtotemplate", 85064, each("draft_id", 13)),
    ("/wxa/deletetemplate", 85064, each("template_id", 48)),
    ("/wxa/change_visitstatus", 85022, each("action", "shut")),
    ("/wxa/bind_tester", 85001, [{}]),
    ("/cgi-bin/wxopen/setweappsupportversion", 89014, each("version", "two")),
    ("/wxa/security/apply_privacy_interface", 40097, [{}]),
    # Audit
    (SUBMIT, 85023, each("item_list", [], [ITEM] * 6, "[]", None)),
    (SUBMIT, 85010, each("item_list", [ITEM | {"title": ""}], [dict(list(ITEM.items())[:-1])], ["shop"])),
    (SUBMIT, 85011, each("item_list", [ITEM | {"title": "t" * 33}])),
    (SUBMIT, 85006, each("item_list", [ITEM | {"tag": "t" * 21}], [ITEM | {"tag": "t " * 11}])),
    (SUBMIT, 85007, each("item_list", [ITEM | {"address": "pages/absent"}])),
    (SUBMIT, 85008, each("item_list", [ITEM | {"second_id": 99}], [ITEM | {"first_id": []}])),
    (SUBMIT, 40097, [{"privacy_api_not_use": "true"}, {"version_desc": 1}]),
    ("/wxa/get_auditstatus", 85012, [{}, *each("auditid", 1, None, [])]),
    ("/wxa/speedupaudit", 85012, each("auditid", 1)),
    ("/cgi-bin/material/get_material", 40007, [{}, *each("media_id", "", "c", [], None)]),
    (GUIDE, 86069, [{"owner_setting": {"notice_method": "popup"}, "setting_list": []}]),
    (GUIDE, 86070, [{"owner_setting": {"contact_qq": "1"}, "setting_list": []}]),
    (GUIDE, 86074, each("privacy_ver", 1, owner_setting=OWNER)),
    (GUIDE, 40097, [{"owner_setting": OWNER}, {"owner_setting": OWNER, "privacy_ver": 1, "setting_list": []}]),
    # Domains
    (DOMAINS, 40097, each("action", "remove", None, ["add"], "ADD", webviewdomain=[])),
    (DOMAINS, 40101, each("action", "add")),
    (DOMAINS, 89021, adds("webviewdomain", f'["{EXAMPLE}"]', EXAMPLE, {"0": EXAMPLE}, None)),
    (DOMAINS, 89021, adds("webviewdomain", *(["https://ok.example.com", origin] for origin in NO_ORIGINS))),
    (DIRECT, 86103, adds("webviewdomain", ["https://no-file.org"])),
    (DIRECT, 506015, adds("webviewdomain", ["https://everywhere.org"])),
    (JUMP, 40052, [{}, {"action": "remove"}]),
    (JUMP, 40101, each("action", "add", "set")),
    (JUMP, 40097, adds("wxa_jump_h5_domain", ["b.org"])),
    (JUMP, 40097, adds("is_modify_published_together", "true", wxa_jump_h5_domain="b.org")),
    (JUMP, 65316, adds("wxa_jump_h5_domain", "b.org;c.org")),
    (JUMP, -1, adds("wxa_jump_h5_domain", "no-file.org")),  # no host has its file
    (COMPONENT + "modify_wxa_server_domain", 40052, each("action", "fetch")),
    (SERVER, 85017, adds("requestdomain", [])),
    (SERVER, 85018, adds("requestdomain", ["https://api.other.org"])),
    (SERVER, 85301, adds("requestdomain", ["https://1.2.3.4", "https://api.weixin.qq.com"])),
    (SERVER, 85302, adds("requestdomain", ["https://icp.example.com"])),
    (SERVER, 85303, adds("requestdomain", ["https://icp.example.com"], udpdomain=["x"])),
    (SERVER, 85016, adds("requestdomain", [f"https://a{number}.example.com" for number in range(201)])),
    (SERVER, 40097, adds("requestdomain", "https://api.example.com")),
    (SERVER, 40101, each("action", "add")),
    (DIRECT_SERVER, 86100, adds("requestdomain", ["http://a.org"])),
    (DIRECT_SERVER, 86101, adds("requestdomain", ["https://api.weixin.qq.com"])),
    (DIRECT_SERVER, 45082, adds("requestdomain", ["https://icp.example.com"])),
]


@pytest.fixture
def wechat(wechat: Wechat) -> Wechat:
    """Return a world with committed code, and with limits and lists that each of the bodies offends."""
    world, platform = wechat.world, wechat.platform
    world.clock, world.platform_domain_limit = (lambda: 0.0), 2
    world.templates = [Template(template_id=number) for number in (47, 1)]
    platform.testing, platform.server_published = ["a.org"], ["example.com"]
    platform.without_icp, platform.unverifiable = {"icp.example.com"}, {"no-file.org"}
    platform.bound_to_many = {"everywhere.org"}
    assert wechat.commit() == 0
    return wechat


def state(wechat: Wechat) -> Any:
    wechat.platform.calls_today = {}  # refused calls are counted, too
    return wechat.world.to_json(tokens=True)


@each_row("path, errcode, body", [(path, errcode, body) for path, errcode, bodies in REFUSED for body in bodies])
def test_a_senseless_call_is_refused_and_changes_nothing(wechat: Wechat, path: str, errcode: int, body: Any) -> None:
    before, answer = state(wechat), wechat.post(path, body)
    assert (answer.get("errcode", 0), "rid: " in answer["errmsg"]) == (errcode, True)
    assert state(wechat) == before
