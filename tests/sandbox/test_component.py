from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_wxa.sandbox import MiniProgram, Platform
from airflow_wxa.sandbox.testing import (
    APPID,
    COMPONENT_APPID,
    COMPONENT_APPSECRET,
    MERCHANT_TOKEN,
    PLATFORM_TOKEN,
    REFRESH_TOKEN,
)

if TYPE_CHECKING:
    from tests.sandbox.conftest import Wechat


HOUR = 3600


def ticket(wechat: Wechat) -> str:
    return wechat.world.new_ticket(COMPONENT_APPID)


def test_the_whole_chain_from_ticket_to_merchant_call(wechat: Wechat) -> None:
    platform = wechat.platform_token(component_verify_ticket=ticket(wechat))
    assert (sorted(platform), platform["expires_in"]) == (["component_access_token", "expires_in"], 7200)
    token = platform["component_access_token"]
    assert sorted(wechat.component("api_create_preauthcode", token=token)) == ["expires_in", "pre_auth_code"]
    code = wechat.world.authorise(APPID)
    info = wechat.component("api_query_auth", token=token, authorization_code=code)["authorization_info"]
    assert (info["authorizer_appid"], info["func_info"]) == (APPID, [{"funcscope_category": {"id": 18}}])
    answer = wechat.refresh(info["authorizer_refresh_token"], token=token)
    assert sorted(answer) == ["authorizer_access_token", "authorizer_refresh_token", "expires_in"]
    assert wechat.quota_errcode(answer["authorizer_access_token"]) == 0


@pytest.mark.parametrize(
    ("changes", "errcode"),
    [
        ({"component_appid": ""}, 41018),
        ({"component_appid": "wx00000000000000c2"}, 40013),
        ({"component_appid": ["c"]}, 40013),
        ({"component_appsecret": ""}, 41004),
        ({"component_appsecret": "wrong"}, 40125),
        ({"component_appsecret": {"a": 1}}, 40125),
        ({"component_verify_ticket": ""}, 61006),
        ({"component_verify_ticket": "wrong"}, 61006),
        ({"component_verify_ticket": 5}, 61006),
    ],
)
def test_a_wrong_proof_is_refused_by_its_errcode(wechat: Wechat, changes: dict[str, Any], errcode: int) -> None:
    answer = wechat.platform_token(**changes)
    assert answer["errcode"] == errcode
    assert "rid: " in answer["errmsg"]


def test_a_platform_without_a_secret_proves_nothing(wechat: Wechat) -> None:
    wechat.platform.component_appsecret = ""
    assert wechat.platform_token()["errcode"] == 40125


@pytest.mark.parametrize("name", ["api_component_token", "api_start_push_ticket"])
def test_an_unlisted_ip_is_answered_61004_before_the_secret_is_asked(wechat: Wechat, name: str) -> None:
    wechat.platform.ip_allowed = False
    assert wechat.component(name)["errcode"] == 61004


@pytest.mark.parametrize(("age", "errcode"), [(0, 0), (12 * HOUR - 1, 0), (12 * HOUR, 61005), (99 * HOUR, 61005)])
def test_a_ticket_works_for_12_hours(wechat: Wechat, age: float, errcode: int) -> None:
    wechat.world.clock = lambda: 1640763902.0
    first = ticket(wechat)
    wechat.world.advance(age)
    ticket(wechat)
    assert wechat.platform_token(component_verify_ticket=first).get("errcode", 0) == errcode


def test_a_fixed_ticket_runs_out_only_by_hand(wechat: Wechat) -> None:
    wechat.world.advance(99 * HOUR)
    assert "errcode" not in wechat.platform_token()
    wechat.world.expired_tokens = {wechat.platform.component_verify_ticket}
    assert wechat.platform_token()["errcode"] == 61005


def test_the_daily_limit_is_answered_45009_until_the_next_day_in_beijing(wechat: Wechat) -> None:
    wechat.world.clock = lambda: 16 * HOUR - 60  # a minute before midnight there
    wechat.platform.daily_limits = {"/cgi-bin/component/api_component_token": 2}
    answers = [wechat.platform_token().get("errcode", 0) for _ in range(3)]
    wechat.world.advance(60)
    assert [*answers, wechat.platform_token().get("errcode", 0)] == [0, 0, 45009, 0]


def test_other_calls_of_the_family_can_be_limited_too(wechat: Wechat) -> None:
    wechat.platform.daily_limits = {"/cgi-bin/component/api_authorizer_token": 1}
    assert [wechat.refresh().get("errcode", 0) for _ in range(2)] == [0, 45009]


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({}, 41004),
        ({"component_appsecret": COMPONENT_APPSECRET}, 41004),
        ({"component_secret": "wrong"}, 40125),
        ({"component_secret": COMPONENT_APPSECRET, "component_appid": "wx1"}, 40013),
        ({"component_secret": COMPONENT_APPSECRET}, 0),
    ],
)
def test_starting_the_tickets_takes_component_secret(wechat: Wechat, body: dict[str, Any], errcode: int) -> None:
    assert wechat.component("api_start_push_ticket", **body)["errcode"] == errcode


@pytest.mark.parametrize(("age", "text"), [(0, "in a normal state"), (1199, "in a normal state"), (1200, "ok")])
def test_tickets_are_started_again_only_after_they_stopped(wechat: Wechat, age: float, text: str) -> None:
    wechat.world.clock = lambda: 1640763902.0
    ticket(wechat)
    wechat.world.advance(age)
    assert wechat.component("api_start_push_ticket", component_secret=COMPONENT_APPSECRET)["errmsg"] == text
    assert wechat.world.outbox == []


NAMES = ["api_create_preauthcode", "api_query_auth", "api_authorizer_token", "api_get_authorizer_list"]


@pytest.mark.parametrize("name", [*NAMES, "api_get_authorizer_info"])
def test_a_platform_may_only_speak_of_itself(wechat: Wechat, name: str) -> None:
    assert wechat.component(name, component_appid="wx00000000000000c2")["errcode"] == 40013
    assert wechat.component(name, component_appid="")["errcode"] == 41018


@pytest.mark.parametrize("name", ["api_authorizer_token", "api_get_authorizer_info"])
def test_a_merchant_that_is_unknown_or_withdrew_is_answered_61003(wechat: Wechat, name: str) -> None:
    assert wechat.component(name)["errcode"] == 41002
    assert wechat.component(name, authorizer_appid="wx9")["errcode"] == 61003
    wechat.world.withdraw(APPID)
    assert wechat.component(name, authorizer_appid=APPID)["errcode"] == 61003


def test_an_issued_token_expires_by_the_clock(wechat: Wechat) -> None:
    wechat.world.clock, wechat.platform.expires_in = (lambda: 1640763902.0), 60
    answer = wechat.refresh()
    assert answer["expires_in"] == 60
    wechat.world.advance(59)
    assert wechat.quota_errcode(answer["authorizer_access_token"]) == 0
    wechat.world.advance(1)
    assert wechat.quota_errcode(answer["authorizer_access_token"]) == 42001


@pytest.mark.parametrize("errcode", [42001, 42006])
def test_an_expired_platform_token_is_answered_as_the_world_says(wechat: Wechat, errcode: int) -> None:
    wechat.world.platform_expired_errcode = errcode
    token = wechat.platform_token()["component_access_token"]
    wechat.world.advance(7200)
    assert wechat.component("api_create_preauthcode", token=token)["errcode"] == errcode


@pytest.mark.parametrize(("overlap", "after", "errcode"), [(300, 299, 0), (300, 300, 40001), (0, 0, 40001)])
def test_a_newer_token_ends_the_earlier_one_after_the_overlap(
    wechat: Wechat, overlap: float, after: float, errcode: int
) -> None:
    wechat.platform.overlap_seconds = overlap
    wechat.world.clock = lambda: 1640763902.0
    earlier, newer = (wechat.refresh()["authorizer_access_token"] for _ in range(2))
    wechat.world.advance(after)
    assert (wechat.quota_errcode(earlier), wechat.quota_errcode(newer)) == (errcode, 0)


def test_a_token_that_expired_before_its_overlap_was_over_stays_expired(wechat: Wechat) -> None:
    wechat.world.clock, wechat.platform.expires_in = (lambda: 1640763902.0), 100
    earlier, _ = (wechat.refresh()["authorizer_access_token"] for _ in range(2))
    wechat.world.advance(400)
    assert wechat.quota_errcode(earlier) == 42001


def test_earlier_platform_tokens_end_likewise(wechat: Wechat) -> None:
    wechat.platform.overlap_seconds = 0
    earlier, newer = (wechat.platform_token()["component_access_token"] for _ in range(2))
    codes = [wechat.component("api_create_preauthcode", token=each).get("errcode", 0) for each in (earlier, newer)]
    assert codes == [40001, 0]


def test_every_token_in_its_overlap_works_and_dead_ones_are_forgotten(wechat: Wechat) -> None:
    first, *_, last = (wechat.refresh()["authorizer_access_token"] for _ in range(30))
    assert (wechat.quota_errcode(first), wechat.quota_errcode(last)) == (0, 0)
    wechat.world.advance(301)
    wechat.refresh()
    assert len(wechat.account.issued) == 9
    assert wechat.quota_errcode(first) == 40001


def test_fixed_tokens_are_not_touched_by_issued_ones(wechat: Wechat) -> None:
    wechat.platform.overlap_seconds = 0
    wechat.refresh()
    wechat.platform_token()
    wechat.world.advance(99 * HOUR)
    assert wechat.quota_errcode(MERCHANT_TOKEN) == 0
    assert "errcode" not in wechat.component("api_create_preauthcode", token=PLATFORM_TOKEN)


def test_tokens_come_from_the_worlds_generator(wechat: Wechat) -> None:
    canaries = iter(["canary-1", "canary-2"])
    wechat.world.generate = lambda: next(canaries)
    assert wechat.platform_token()["component_access_token"].endswith("canary-1")
    assert wechat.refresh()["authorizer_access_token"].endswith("canary-2")


def test_tokens_are_unpredictable_unless_told_otherwise(wechat: Wechat) -> None:
    tokens = {wechat.refresh()["authorizer_access_token"] for _ in range(20)}
    assert (len(tokens), min(map(len, tokens)) > 60) == (20, True)


def test_the_refresh_token_stays_where_nothing_rotates(wechat: Wechat) -> None:
    assert [wechat.refresh()["authorizer_refresh_token"] for _ in range(2)] == [REFRESH_TOKEN, REFRESH_TOKEN]


@pytest.mark.parametrize(("grace", "after", "errcode"), [(300, 299, 0), (300, 300, 61023), (0, 0, 61023)])
def test_a_rotated_refresh_token_works_for_its_grace_period(
    wechat: Wechat, grace: float, after: float, errcode: int
) -> None:
    wechat.platform.rotate_refresh_tokens, wechat.platform.refresh_grace_seconds = "each", grace
    wechat.world.clock = lambda: 1640763902.0
    newer = wechat.refresh()["authorizer_refresh_token"]
    assert newer != REFRESH_TOKEN
    wechat.world.advance(after)
    assert wechat.refresh(REFRESH_TOKEN).get("errcode", 0) == errcode
    assert "errcode" not in wechat.refresh(newer)


def test_an_earlier_refresh_token_is_told_the_current_one_and_rotates_nothing(wechat: Wechat) -> None:
    wechat.platform.rotate_refresh_tokens = "each"
    current = wechat.refresh()["authorizer_refresh_token"]
    assert wechat.refresh(REFRESH_TOKEN)["authorizer_refresh_token"] == current


def test_a_lost_refresh_token_is_found_in_the_list(wechat: Wechat) -> None:
    wechat.platform.rotate_refresh_tokens, wechat.platform.refresh_grace_seconds = "each", 0
    lost = wechat.refresh()["authorizer_refresh_token"]
    (row,) = wechat.component("api_get_authorizer_list", offset=0, count=500)["list"]
    assert row["refresh_token"] == lost
    assert "errcode" not in wechat.refresh(row["refresh_token"])


@pytest.mark.parametrize("refresh_token", ["", "wrong", None, 7, ["x"]])
def test_a_refresh_token_that_is_none_is_answered_61023(wechat: Wechat, refresh_token: Any) -> None:
    assert wechat.refresh(refresh_token)["errcode"] == 61023


def test_an_account_whose_code_was_never_exchanged_has_nothing_to_refresh(wechat: Wechat) -> None:
    wechat.account.refresh_token = ""
    assert wechat.refresh("")["errcode"] == 61023


LIST = "api_get_authorizer_list"
BASIC_INFO = "/cgi-bin/account/getaccountbasicinfo"
OTHER = "wx00000000000000c2"


def exchange(wechat: Wechat, code: object, **changes: str) -> Any:
    return wechat.component("api_query_auth", authorization_code=code, **changes)


def listed(wechat: Wechat) -> dict[str, str]:
    rows = wechat.component(LIST, offset=0, count=500)["list"]
    return {row["authorizer_appid"]: row["refresh_token"] for row in rows}


def test_a_code_is_exchanged_once(wechat: Wechat) -> None:
    code = wechat.world.authorise(APPID)
    assert exchange(wechat, code)["authorization_info"]["authorizer_appid"] == APPID
    assert exchange(wechat, code)["errcode"] == 61009


def test_a_newer_code_replaces_the_earlier_one(wechat: Wechat) -> None:
    earlier, newer = wechat.world.authorise(APPID), wechat.world.authorise(APPID)
    assert (exchange(wechat, earlier)["errcode"], "errcode" in exchange(wechat, newer)) == (61009, False)


def test_a_code_runs_out_by_the_clock(wechat: Wechat) -> None:
    code = wechat.world.authorise(APPID)
    wechat.world.advance(3600)
    assert [exchange(wechat, code)["errcode"] for _ in range(2)] == [61010, 61010]


def test_a_pre_auth_code_or_nonsense_is_answered_61009(wechat: Wechat) -> None:
    pre_auth_code = wechat.component("api_create_preauthcode")["pre_auth_code"]
    assert [exchange(wechat, code)["errcode"] for code in (pre_auth_code, "", None, 5, ["x"])] == [61009] * 5


def test_the_code_of_another_platform_is_answered_61009_and_stays_usable(wechat: Wechat) -> None:
    wechat.world.platforms.append(Platform(component_appid=OTHER, component_access_token="t2"))
    code = wechat.world.authorise(APPID)
    assert exchange(wechat, code, token="t2", component_appid=OTHER)["errcode"] == 61009
    assert "errcode" not in exchange(wechat, code)


def test_a_code_that_the_account_was_built_with_does_not_run_out(wechat: Wechat) -> None:
    wechat.account.code = "from-the-start"
    wechat.world.advance(10**6)
    assert "errcode" not in exchange(wechat, "from-the-start")


def test_authorising_again_keeps_the_refresh_token_and_withdrawing_changes_it(wechat: Wechat) -> None:
    again = exchange(wechat, wechat.world.authorise(APPID))["authorization_info"]
    assert again["authorizer_refresh_token"] == REFRESH_TOKEN
    wechat.world.withdraw(APPID)
    anew = exchange(wechat, wechat.world.authorise(APPID))["authorization_info"]
    assert anew["authorizer_refresh_token"] != REFRESH_TOKEN
    assert wechat.refresh(REFRESH_TOKEN)["errcode"] == 61023


def test_the_list_has_no_refresh_token_until_the_code_is_exchanged(wechat: Wechat) -> None:
    wechat.world.withdraw(APPID)
    assert listed(wechat) == {}
    code = wechat.world.authorise(APPID)
    assert listed(wechat) == {APPID: ""}
    token = exchange(wechat, code)["authorization_info"]["authorizer_refresh_token"]
    assert listed(wechat) == {APPID: token}


def test_withdrawing_ends_the_use_of_every_access_token(wechat: Wechat) -> None:
    issued = wechat.refresh()["authorizer_access_token"]
    wechat.world.withdraw(APPID)
    assert [wechat.quota_errcode(token) for token in (issued, MERCHANT_TOKEN)] == [61003, 61003]
    wechat.world.authorise(APPID)
    assert [wechat.quota_errcode(token) for token in (issued, MERCHANT_TOKEN)] == [40001, 0]


def test_the_time_of_an_authorisation_is_listed(wechat: Wechat) -> None:
    wechat.world.clock = lambda: 1640763902.9
    wechat.world.authorise(APPID)
    assert wechat.component(LIST, offset=0, count=1)["list"][0]["auth_time"] == 1640763902


def test_the_list_comes_in_pages_and_holds_no_other_platforms_merchants(wechat: Wechat) -> None:
    more = [MiniProgram(appid=f"wx{i}", component_appid=COMPONENT_APPID) for i in range(6)]
    wechat.world.platforms.append(Platform(component_appid=OTHER))
    wechat.world.mini_programs += [*more, MiniProgram(appid="wxo", component_appid=OTHER)]
    pages = [wechat.component(LIST, offset=offset, count=3) for offset in (0, 3, 6, 9)]
    assert [page["total_count"] for page in pages] == [7] * 4
    appids = [[row["authorizer_appid"] for row in page["list"]] for page in pages]
    assert appids == [[APPID, "wx0", "wx1"], ["wx2", "wx3", "wx4"], ["wx5"], []]


@pytest.mark.parametrize("page", [{}, {"offset": 0}, {"offset": -1, "count": 1}, {"offset": 0, "count": 501}])
def test_a_page_that_is_none_is_answered_40097(wechat: Wechat, page: dict[str, Any]) -> None:
    assert wechat.component(LIST, **page)["errcode"] == 40097
    assert wechat.component(LIST, offset=True, count="5")["errcode"] == 40097


def test_the_info_names_owner_domains_and_granted_sets(wechat: Wechat) -> None:
    wechat.account.granted_sets, wechat.account.effective_webviewdomain = {30, 18}, ["https://example.com"]
    answer = wechat.component("api_get_authorizer_info", authorizer_appid=APPID)
    info, granted = answer["authorizer_info"], answer["authorization_info"]
    assert (info["principal_name"], info["verify_type_info"]) == (f"Owner of {APPID}", {"id": -1})
    assert info["MiniProgramInfo"]["network"]["BizDomain"] == ["https://example.com"]
    assert info["user_name"].startswith("gh_")
    assert [each["funcscope_category"]["id"] for each in granted["func_info"]] == [18, 30]
    assert (granted["authorizer_appid"], granted["authorizer_refresh_token"]) == (APPID, REFRESH_TOKEN)


@pytest.mark.parametrize(("individual", "name", "kind"), [(True, "个人", 0), (False, f"Owner of {APPID}", 1)])
def test_an_individual_shows_in_both_account_calls(wechat: Wechat, individual: bool, name: str, kind: int) -> None:
    wechat.account.individual, wechat.account.granted_sets = individual, {30}
    info = wechat.component("api_get_authorizer_info", authorizer_appid=APPID)["authorizer_info"]
    basic = wechat.send("POST", BASIC_INFO)
    assert (info["principal_name"], basic["principal_name"], basic["principal_type"]) == (name, name, kind)
    assert (basic["errcode"], basic["appid"], basic["account_type"]) == (0, APPID, 3)


@pytest.mark.parametrize(
    ("method", "get", "post"), [("any", 0, 0), ("POST", 43002, 0), ("GET", 0, 43001)], ids=["any", "POST", "GET"]
)
def test_the_basic_info_is_asked_as_the_world_says(wechat: Wechat, method: Any, get: int, post: int) -> None:
    wechat.world.basicinfo_method, wechat.account.granted_sets = method, {30}
    assert wechat.get(BASIC_INFO)["errcode"] == get
    assert [wechat.send("POST", BASIC_INFO, raw)["errcode"] for raw in (b"", b"{}")] == [post, post]
    assert wechat.send("PUT", BASIC_INFO)["errcode"] in (43001, 43002)


def test_unknown_merchants_are_key_errors(wechat: Wechat) -> None:
    for act in (wechat.world.authorise, wechat.world.withdraw, wechat.world.new_ticket):
        with pytest.raises(KeyError, match="wx9"):
            act("wx9")
