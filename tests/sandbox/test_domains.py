from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_wxa.sandbox import MiniProgram
from airflow_wxa.sandbox.testing import COMPONENT_APPID
from airflow_wxa.sandbox.values import bare_host, covered, host_of_origin, still_covered

if TYPE_CHECKING:
    from tests.sandbox.conftest import Wechat


SET = "/wxa/setwebviewdomain"
EFFECTIVE = "/wxa/get_effective_webviewdomain"
WRITES = [{"action": action, "webviewdomain": ["https://example.com"]} for action in ("add", "set", "delete")] + [{}]


@pytest.fixture
def account(wechat: Wechat) -> MiniProgram:
    return wechat.account


def test_added_domains_are_read_back_and_not_yet_effective(wechat: Wechat) -> None:
    assert wechat.set_domains("add", "https://shop.example.com", "https://example.com") == 0
    assert set(wechat.post(SET, {"action": "get"})["webviewdomain"]) == {
        "https://shop.example.com",
        "https://example.com",
    }
    assert wechat.post(EFFECTIVE, {})["effective_webviewdomain"] == []


@pytest.mark.parametrize(
    "origin",
    [
        "example.com",
        "http://example.com",
        "https:/example.com",
        "https://example.com:443",
        "https://example.com/path",
        "https://example.com?x=1",
        "https://user@example.com",
        "https://*.example.com",
        "https://1.2.3.4",
        "https://example",
        "https://",
        "",
        "https://notexample.com",
        "https://example.com.evil.org",
        "https://other.org",
        None,
        7,
        ["https://example.com"],
    ],
)
def test_a_bad_or_uncovered_origin_is_answered_89021_and_fails_the_whole_call(
    wechat: Wechat, account: MiniProgram, origin: Any
) -> None:
    assert wechat.set_domains("add", "https://ok.example.com", origin) == 89021
    assert account.third_webviewdomain == []


@pytest.mark.parametrize("sent", ['["https://example.com"]', "https://example.com", {"0": "https://example.com"}, None])
def test_a_list_that_is_no_array_is_answered_89021(wechat: Wechat, sent: object) -> None:
    assert wechat.post(SET, {"action": "add", "webviewdomain": sent})["errcode"] == 89021


@pytest.mark.parametrize("origin", ["https://example.com", "https://a.b.example.com", "HTTPS://Shop.EXAMPLE.com/"])
def test_a_registered_domain_covers_itself_and_all_below(wechat: Wechat, origin: Any) -> None:
    assert wechat.set_domains("add", origin) == 0


def test_a_registered_subdomain_covers_no_sibling_and_no_parent(wechat: Wechat) -> None:
    wechat.platform.published = ["www.example.com"]
    assert wechat.set_domains("add", "https://app.example.com") == 89021
    assert wechat.set_domains("add", "https://example.com") == 89021
    assert wechat.set_domains("add", "https://x.www.example.com") == 0


@pytest.mark.parametrize("action", ["add", "set"])
def test_nothing_to_change_is_answered_89019(wechat: Wechat, account: MiniProgram, action: str) -> None:
    account.third_webviewdomain = ["https://example.com/"]
    assert wechat.set_domains(action, "https://EXAMPLE.com") == 89019
    assert account.third_webviewdomain == ["https://example.com/"]


def test_set_replaces_the_list(wechat: Wechat, account: MiniProgram) -> None:
    account.third_webviewdomain = ["https://a.example.com", "https://b.example.com"]
    assert wechat.set_domains("set", "https://c.example.com", "https://b.example.com") == 0
    assert account.third_webviewdomain == ["https://c.example.com", "https://b.example.com"]


def test_set_of_an_empty_list_empties_it(wechat: Wechat, account: MiniProgram) -> None:
    account.third_webviewdomain = ["https://a.example.com"]
    assert wechat.set_domains("set") == 0
    assert account.third_webviewdomain == []


def test_omitted_action_adds_every_platform_domain_once(wechat: Wechat, account: MiniProgram) -> None:
    wechat.platform.published = ["a.org", "b.org"]
    account.third_webviewdomain = ["https://b.org"]
    assert wechat.post(SET, {})["errcode"] == 0
    assert set(account.third_webviewdomain) == {"https://a.org", "https://b.org"}
    assert wechat.post(SET, {})["errcode"] == 89019


def test_deleting_takes_what_is_there(wechat: Wechat, account: MiniProgram) -> None:
    account.third_webviewdomain = ["https://a.example.com", "https://b.example.com"]
    assert wechat.set_domains("delete", "https://a.example.com/", "https://gone.example.com") == 0
    assert account.third_webviewdomain == ["https://b.example.com"]


def test_deleting_what_is_not_there_is_answered_89022(wechat: Wechat, account: MiniProgram) -> None:
    account.third_webviewdomain = ["https://a.example.com"]
    assert wechat.set_domains("delete", "https://example.com") == 89022


def test_a_domain_that_left_the_platform_list_can_still_be_deleted(wechat: Wechat, account: MiniProgram) -> None:
    account.third_webviewdomain = ["https://left.org"]
    assert wechat.set_domains("delete", "https://left.org") == 0


def test_deleting_without_a_scheme_is_answered_89021(wechat: Wechat, account: MiniProgram) -> None:
    account.third_webviewdomain = ["https://a.example.com"]
    assert wechat.set_domains("delete", "a.example.com") == 89021


@pytest.mark.parametrize("body", WRITES)
def test_more_domains_than_allowed_are_answered_89029(wechat: Wechat, account: MiniProgram, body: Any) -> None:
    wechat.world.webviewdomain_limit = 0
    account.third_webviewdomain = ["https://a.example.com"] * 2
    wechat.platform.published = ["example.com"]
    expected = 89022 if body.get("action") == "delete" else 89029
    assert wechat.post(SET, body)["errcode"] == expected


@pytest.mark.parametrize("body", WRITES)
def test_an_empty_platform_list_is_answered_89020(wechat: Wechat, body: Any) -> None:
    wechat.platform.published = []
    assert wechat.post(SET, body)["errcode"] == 89020


@pytest.mark.parametrize("body", WRITES)
def test_an_individual_is_answered_89231(wechat: Wechat, account: MiniProgram, body: Any) -> None:
    account.individual = True
    assert wechat.post(SET, body)["errcode"] == 89231


def test_an_individual_hears_of_the_empty_platform_list_first(wechat: Wechat, account: MiniProgram) -> None:
    account.individual, wechat.platform.published = True, []
    assert wechat.set_domains("add", "https://example.com") == 89020
    wechat.platform.published = ["example.com"]
    assert wechat.set_domains("add", "https://example.com") == 89231


@pytest.mark.parametrize(("refuses", "empty", "individual"), [(True, 89020, 89231), (False, 0, 0)])
def test_a_setting_decides_whether_get_refuses(
    wechat: Wechat, account: MiniProgram, refuses: bool, empty: int, individual: int
) -> None:
    wechat.world.get_refuses = refuses
    account.individual = True
    assert wechat.post(SET, {"action": "get"})["errcode"] == individual
    wechat.platform.published = []
    assert wechat.post(SET, {"action": "get"})["errcode"] == empty
    assert wechat.set_domains("add", "https://example.com") == 89020


def test_a_setting_leaves_the_list_out_of_get(wechat: Wechat) -> None:
    wechat.world.get_lists = False
    assert wechat.post(SET, {"action": "get"}) == {"errcode": 0, "errmsg": "ok"}


@pytest.mark.parametrize(("action", "errcode"), [("remove", 40097), (None, 40097), (["add"], 40097), ("ADD", 40097)])
def test_an_unknown_action_is_refused(wechat: Wechat, action: str, errcode: int) -> None:
    assert wechat.post(SET, {"action": action, "webviewdomain": []})["errcode"] == errcode


def test_a_write_without_its_list_is_refused(wechat: Wechat) -> None:
    assert wechat.post(SET, {"action": "add"})["errcode"] == 40101


def test_the_testing_list_counts_only_where_nothing_is_published(wechat: Wechat) -> None:
    wechat.platform.testing, wechat.platform.published = ["test.org"], ["live.org"]
    assert wechat.set_domains("add", "https://test.org") == 89021
    wechat.platform.published = None
    assert wechat.set_domains("add", "https://test.org") == 0


def test_effective_lists_start_with_what_the_owner_had() -> None:
    own = ["https://own.org"]
    fresh = MiniProgram(appid="wx1", component_appid=COMPONENT_APPID, mp_webviewdomain=own)
    assert fresh.effective_webviewdomain == own


def test_effective_lists_are_readable_for_an_individual(wechat: Wechat, account: MiniProgram) -> None:
    account.individual = True
    assert wechat.facts(wechat.post(EFFECTIVE, {})) == {
        "mp_webviewdomain": [],
        "third_webviewdomain": [],
        "direct_webviewdomain": [],
        "effective_webviewdomain": [],
    }


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://qq.com", "qq.com"),
        ("https://QQ.com/", "qq.com"),
        ("https://xn--fiqs8s.example.com", "xn--fiqs8s.example.com"),
        ("https://qq.com//", None),
        (" https://qq.com", None),
        ("https://qq.com\n", None),
        ("https://-qq.com", None),
        ("https://中国.cn", None),
        ("https://qq.com.", None),
        (b"https://qq.com", None),
    ],
)
def test_an_origin_is_scheme_and_host_alone(origin: object, host: str | None) -> None:
    assert host_of_origin(origin) == host


@pytest.mark.parametrize(
    ("entry", "host"), [("WX.qq.com", "wx.qq.com"), ("qq.com:443", None), ("127.0.0.1", None), ("qq", None)]
)
def test_a_platform_entry_is_a_bare_host(entry: str, host: str | None) -> None:
    assert bare_host(entry) == host


@pytest.mark.parametrize(
    ("host", "is_covered"),
    [("qq.com", True), ("a.b.qq.com", True), ("notqq.com", False), ("com", False), ("qq.com.cn", False), ("", False)],
)
def test_coverage_stops_at_labels(host: str, is_covered: bool) -> None:
    assert covered(host, ["qq.com"]) is is_covered


def test_an_origin_no_one_can_read_is_not_covered() -> None:
    assert still_covered(["https://a.qq.com/", "a.qq.com"], iter(["qq.com"])) == ["https://a.qq.com/"]
