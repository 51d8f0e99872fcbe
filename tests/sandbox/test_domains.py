"""Business domains and server domains at the emulated WeChat: of a Mini Program, and of its platform."""

from typing import Any

import pytest

from airflow_wxa.sandbox import MiniProgram, Platform
from airflow_wxa.sandbox.testing import COMPONENT_APPID
from airflow_wxa.sandbox.values import SERVER_KINDS, still_covered
from tests.sandbox.conftest import COMPONENT, Wechat

SET, DIRECT, EFFECTIVE = "/wxa/setwebviewdomain", "/wxa/setwebviewdomain_directly", "/wxa/get_effective_webviewdomain"
SERVER, DIRECT_SERVER = "/wxa/modify_domain", "/wxa/modify_domain_directly"
PLATFORM = COMPONENT + "modify_wxa_jump_domain"
PLATFORM_SERVER = COMPONENT + "modify_wxa_server_domain"
API, EXAMPLE = "https://api.example.com", "https://example.com"
A, B, C = (f"https://{each}.example.com" for each in "abc")
WRITES = [{"action": action, "webviewdomain": [EXAMPLE]} for action in ("add", "set", "delete")] + [{}]


def test_added_domains_are_read_back_and_not_yet_effective(wechat: Wechat) -> None:
    assert wechat.set_domains("add", "https://shop.example.com", EXAMPLE) == 0
    told = wechat.post(SET, {"action": "get"})["webviewdomain"]
    assert set(told) == {"https://shop.example.com", EXAMPLE}
    assert wechat.post(EFFECTIVE, {})["effective_webviewdomain"] == []
    wechat.world.get_lists = False  # no page promises the list
    assert wechat.post(SET, {"action": "get"}) == {"errcode": 0, "errmsg": "ok"}


def test_a_registered_domain_covers_itself_and_all_below_and_no_sibling_and_no_parent(wechat: Wechat) -> None:
    origins = [EXAMPLE, "https://a.b.example.com", "HTTPS://Shop.EXAMPLE.com/", "https://xn--fiqs8s.example.com"]
    assert wechat.set_domains("add", *origins) == 0
    wechat.platform.published = ["www.example.com"]
    origins = ["https://app.example.com", EXAMPLE, "https://wwww.example.com", "https://x.www.example.com"]
    assert [wechat.set_domains("add", each) for each in origins] == [89021] * 3 + [0]
    assert still_covered([f"{A}/", "a.example.com"], iter(["example.com"])) == [f"{A}/"]  # no origin is not covered


#: Action, the list before it, domains that are sent, errcode, and the list afterwards.
CHANGES: list[tuple[str, list[str], list[str], int, list[str]]] = [
    ("add", [f"{EXAMPLE}/"], ["https://EXAMPLE.com"], 89019, [f"{EXAMPLE}/"]),
    ("add", [f"{EXAMPLE}/"], ["https://EXAMPLE.com", A], 0, [f"{EXAMPLE}/", A]),
    ("set", [f"{EXAMPLE}/"], ["https://EXAMPLE.com"], 89019, [f"{EXAMPLE}/"]),
    ("set", [A, B], [C, B], 0, [C, B]),
    ("set", [A], [], 0, []),
    ("delete", [A, B], [f"{A}/", "https://gone.example.com"], 0, [B]),
    ("delete", [A], [EXAMPLE], 89022, [A]),
    ("delete", ["https://left.org"], ["https://left.org"], 0, []),  # it left the platform list
    ("delete", [A], ["a.example.com"], 89021, [A]),
]


def test_a_list_is_changed_by_its_action(wechat: Wechat) -> None:
    for action, before, sent, errcode, after in CHANGES:
        wechat.account.third_webviewdomain = before
        assert (wechat.set_domains(action, *sent), wechat.account.third_webviewdomain) == (errcode, after), (
            action,
            sent,
        )


def test_omitted_action_adds_each_platform_domain_once_and_too_many_are_answered_89029(wechat: Wechat) -> None:
    wechat.platform.published = ["a.org", "example.com"]
    wechat.account.third_webviewdomain = [A]
    assert wechat.errcodes(SET, {}, {}) == [0, 89019]
    assert set(wechat.account.third_webviewdomain) == {"https://a.org", EXAMPLE, A}
    wechat.world.webviewdomain_limit, wechat.account.third_webviewdomain = 0, [A] * 2
    assert wechat.errcodes(SET, *WRITES) == [89029, 89029, 89022, 89029]


@pytest.mark.parametrize(("refuses", "empty", "individual"), [(True, 89020, 89231), (False, 0, 0)])
def test_individuals_and_empty_lists_are_told_apart(wechat: Wechat, refuses: bool, empty: int, individual: int) -> None:
    wechat.world.get_refuses, wechat.account.individual = refuses, True
    assert wechat.errcodes(SET, {"action": "get"}, *WRITES) == [individual, *[89231] * 4]
    wechat.platform.published = []  # which is heard of first
    assert wechat.errcodes(SET, {"action": "get"}, *WRITES) == [empty, *[89020] * 4]
    wechat.account.individual = False
    assert wechat.errcodes(SET, *WRITES) == [89020] * 4


def test_effective_lists_start_with_what_the_owner_had_and_are_readable_for_an_individual(wechat: Wechat) -> None:
    own = ["https://own.org"]
    fresh = MiniProgram(appid="wx1", component_appid=COMPONENT_APPID, mp_webviewdomain=own)
    assert fresh.effective_webviewdomain == own
    wechat.account.individual = True
    lists = ("mp_webviewdomain", "third_webviewdomain", "direct_webviewdomain", "effective_webviewdomain")
    assert wechat.facts(wechat.post(EFFECTIVE, {})) == {each: [] for each in lists}


def test_the_direct_mode_is_effective_after_a_release_and_a_set_ends_that(wechat: Wechat) -> None:
    own = {"webviewdomain": ["https://own.org"]}
    assert wechat.post(DIRECT, {"action": "add", **own})["webviewdomain"] == ["https://own.org"]
    wechat.released("1")
    assert wechat.account.effective_webviewdomain == ["https://own.org"]
    assert wechat.errcodes(DIRECT, {"action": "set", **own}) == [0]
    assert wechat.account.effective_webviewdomain == []
    assert wechat.post(DIRECT, {"action": "delete", **own})["webviewdomain"] == []
    wechat.account.individual = True
    assert wechat.errcodes(DIRECT, {"action": "add", "webviewdomain": []}) == [89231]
    assert set(wechat.post("/wxa/get_webviewdomain_confirmfile", {})) >= {"file_name", "file_content"}


# The platform's own list ------------------------------------------------------------------------------------------


@pytest.fixture
def platform(wechat: Wechat) -> Platform:
    wechat.platform.testing, wechat.platform.published = ["a.org"], ["a.org"]
    wechat.platform.server_published = ["example.com"]
    return wechat.platform


def modify(wechat: Wechat, action: str, hosts: str = "", **more: Any) -> Any:
    return wechat.post(PLATFORM, {"action": action, "wxa_jump_h5_domain": hosts, **more})


def test_get_answers_both_versions_without_errcode_or_the_one_there_is(wechat: Wechat, platform: Platform) -> None:
    assert modify(wechat, "get") == {"testing_wxa_jump_h5_domain": "a.org", "published_wxa_jump_h5_domain": "a.org"}
    platform.published, platform.testing = None, []
    assert modify(wechat, "get") == {"testing_wxa_jump_h5_domain": ""}
    assert modify(wechat, "add", "b.org", is_modify_published_together=True)["errcode"] == 0
    assert (platform.published, platform.registered) == (None, ["b.org"])


def test_only_the_testing_version_changes_by_default(wechat: Wechat, platform: Platform) -> None:
    lists = {"testing_wxa_jump_h5_domain": "a.org;b.org;c.org", "published_wxa_jump_h5_domain": "a.org"}
    assert wechat.facts(modify(wechat, "add", "b.org;c.org")) == lists
    assert platform.registered == ["a.org"]
    assert wechat.set_domains("add", "https://shop.b.org") == 89021
    assert modify(wechat, "add", "b.org", is_modify_published_together=True)["errcode"] == 0
    assert wechat.set_domains("add", "https://shop.b.org") == 0
    platform.published = None
    assert wechat.set_domains("add", "https://shop.c.org") == 0  # where nothing is published it counts


#: Action on a list of ``a.org``, hosts that are sent, and both lists afterwards.
TOGETHER: list[tuple[str, str, list[str]]] = [
    ("add", "B.org", ["a.org", "b.org"]),
    ("add", "A.org", ["a.org"]),
    ("set", "b.org;b.org;", ["b.org"]),
    ("set", "", []),
    ("delete", "a.org", []),
    ("delete", "absent.org", ["a.org"]),
]


def test_both_versions_change_together_when_asked(wechat: Wechat, platform: Platform) -> None:
    for action, hosts, after in TOGETHER:
        platform.testing, platform.published = ["a.org"], ["a.org"]
        assert modify(wechat, action, hosts, is_modify_published_together=True)["errcode"] == 0
        assert platform.testing == platform.published == after, (action, hosts)


def test_hosts_without_their_file_are_listed_and_the_others_added(wechat: Wechat, platform: Platform) -> None:
    platform.unverifiable = {"b.org", "c.org"}
    for action in ("add", "set"):
        assert wechat.facts(modify(wechat, action, "https://b.org")) == {"invalid_wxa_jump_h5_domain": "https://b.org"}
    assert platform.testing == ["a.org"]
    invalid = ["https://d.org", "e.org/x", "1.2.3.4", "f.org:443", "g", "c.org"]
    answer = modify(wechat, "add", ";".join(["x.org", *invalid]))
    assert (answer["errcode"], answer["invalid_wxa_jump_h5_domain"].split(";")) == (0, invalid)
    assert platform.testing == ["a.org", "x.org"]
    platform.unverifiable = {"a.org"}
    assert modify(wechat, "delete", "a.org")["errcode"] == 0
    assert platform.testing == ["x.org"]


# Server domains ---------------------------------------------------------------------------------------------------


def test_server_domains_are_changed_in_part_and_invalid_ones_named_beside_0(wechat: Wechat, platform: Platform) -> None:
    platform.without_icp = {"new.example.com"}
    asked = {"requestdomain": [API, "https://new.example.com"], "wsrequestdomain": ["https://ws.example.com"]}
    answer = wechat.post(SERVER, {"action": "add", **asked})
    assert (answer["errcode"], answer["requestdomain"]) == (0, [API])
    assert answer["invalid_wsrequestdomain"] == ["wss://https://ws.example.com"]
    assert answer["no_icp_domain"] == ["https://new.example.com"]
    assert wechat.post(SERVER, {"action": "get"})["requestdomain"] == [API]
    platform.without_icp = {"api.example.com"}
    assert wechat.post(SERVER, {"action": "delete", "requestdomain": [API]})["requestdomain"] == []  # it still can go


def test_the_fifty_first_change_of_a_month_is_refused(wechat: Wechat, platform: Platform) -> None:
    bodies = [{"action": "add", "requestdomain": [each]} for each in (API, B)]
    for path in (SERVER, DIRECT_SERVER):
        wechat.account.domain_changes = [wechat.world.time()] * 49
        assert wechat.errcodes(path, *bodies) == [0, 86102]


def test_server_domains_are_effective_by_a_release_while_the_list_has_them(wechat: Wechat, platform: Platform) -> None:
    def effective() -> Any:
        return wechat.post("/wxa/get_effective_domain", {})["effective_domain"]

    wechat.post(SERVER, {"action": "add", "requestdomain": [API], "tcpdomain": ["tcp://t.example.com:99"]})
    wechat.post(DIRECT_SERVER, {"action": "add", "requestdomain": ["https://own.org"]})
    assert effective()["requestdomain"] == []
    wechat.released("1")
    domains = {"requestdomain": ["https://own.org", API], "tcpdomain": ["tcp://t.example.com:99"]}
    assert effective() == {kind: [] for kind in SERVER_KINDS} | domains
    platform.server_published = []
    wechat.released("2")
    assert effective()["requestdomain"] == ["https://own.org"]


def test_the_platforms_server_list_changes_both_versions_when_asked(wechat: Wechat, platform: Platform) -> None:
    body = {"action": "add", "wxa_server_domain": "a.org;https://b.org", "is_modify_published_together": True}
    answer = wechat.post(PLATFORM_SERVER, body)
    assert answer["published_wxa_server_domain"] == "example.com;a.org"
    assert answer["invalid_wxa_server_domain"] == "https://b.org"
    assert wechat.post(PLATFORM_SERVER, {"action": "get"})["testing_wxa_server_domain"] == "a.org"
    platform.server_changes, platform.server_published = [wechat.world.time()] * 50, None
    gone = {"action": "delete", "wxa_server_domain": "a.org"}
    together = {**gone, "is_modify_published_together": True}
    assert wechat.errcodes(PLATFORM_SERVER, gone, together) == [45104, 61028]
