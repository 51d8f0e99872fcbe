"""Tokens, authorisations, owners and call quotas at the emulated WeChat."""

import json
from typing import Any

import pytest

from airflow_wxa.sandbox import MiniProgram, Platform
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID, MERCHANT_TOKEN, PLATFORM_TOKEN, REFRESH_TOKEN
from tests.sandbox.conftest import COMPONENT, Wechat

HOUR = 3600
OTHER = "wx00000000000000c2"
LIST, INFO, REFRESH = "api_get_authorizer_list", "api_get_authorizer_info", "api_authorizer_token"
START, BASIC_INFO = "api_start_push_ticket", "/cgi-bin/account/getaccountbasicinfo"
COMPONENT_TOKEN = COMPONENT + "api_component_token"


@pytest.fixture
def wechat(wechat: Wechat) -> Wechat:
    wechat.world.clock = lambda: 1640763902.0
    return wechat


def refreshed(wechat: Wechat) -> str:
    return wechat.refresh()["authorizer_access_token"]


def preauth_errcode(wechat: Wechat, token: str) -> int:
    return wechat.component("api_create_preauthcode", token=token).get("errcode", 0)


def exchange(wechat: Wechat, code: object, **changes: str) -> Any:
    return wechat.component("api_query_auth", authorization_code=code, **changes)


def listed(wechat: Wechat) -> dict[str, str]:
    rows = wechat.component(LIST, offset=0, count=500)["list"]
    return {row["authorizer_appid"]: row["refresh_token"] for row in rows}


def test_the_whole_chain_from_ticket_to_merchant_call(wechat: Wechat) -> None:
    platform = wechat.platform_token(component_verify_ticket=wechat.world.new_ticket(COMPONENT_APPID))
    assert (sorted(platform), platform["expires_in"]) == (["component_access_token", "expires_in"], 7200)
    token = platform["component_access_token"]
    assert sorted(wechat.component("api_create_preauthcode", token=token)) == ["expires_in", "pre_auth_code"]
    code = wechat.world.authorise(APPID)
    info = exchange(wechat, code, token=token)["authorization_info"]
    assert (info["authorizer_appid"], info["func_info"]) == (APPID, [{"funcscope_category": {"id": 18}}])
    answer = wechat.refresh(info["authorizer_refresh_token"], token=token)
    assert sorted(answer) == ["authorizer_access_token", "authorizer_refresh_token", "expires_in"]
    assert wechat.quota_errcode(answer["authorizer_access_token"]) == 0


def test_a_ticket_works_for_12_hours_beside_the_secret_from_a_listed_ip(wechat: Wechat) -> None:
    first = wechat.world.new_ticket(COMPONENT_APPID)
    answered = []
    for seconds in (0, 12 * HOUR - 1, 1, 87 * HOUR):
        wechat.world.advance(seconds)
        wechat.world.new_ticket(COMPONENT_APPID)
        answered.append(wechat.platform_token(component_verify_ticket=first).get("errcode", 0))
    assert answered == [0, 0, 61005, 61005]
    assert "errcode" not in wechat.platform_token()  # a fixed ticket runs out only by hand
    wechat.world.expired_tokens = {wechat.platform.component_verify_ticket}
    assert wechat.platform_token()["errcode"] == 61005
    wechat.platform.component_appsecret = ""  # with which nothing is proven
    assert wechat.platform_token()["errcode"] == 40125
    wechat.platform.ip_allowed = False
    assert [wechat.component(name)["errcode"] for name in ("api_component_token", START)] == [61004] * 2


def test_the_daily_limit_is_answered_45009_until_the_next_day_in_beijing(wechat: Wechat) -> None:
    wechat.world.clock = lambda: 16 * HOUR - 60  # a minute before midnight there
    wechat.platform.daily_limits = {COMPONENT_TOKEN: 2, COMPONENT + REFRESH: 1}
    answers = [wechat.platform_token().get("errcode", 0) for _ in range(3)]
    assert [wechat.refresh().get("errcode", 0) for _ in range(2)] == [0, 45009]
    wechat.world.advance(60)
    assert [*answers, wechat.platform_token().get("errcode", 0)] == [0, 0, 45009, 0]


def test_tickets_are_started_again_only_after_they_stopped(wechat: Wechat) -> None:
    wechat.world.new_ticket(COMPONENT_APPID)
    said = []
    for seconds in (0, 1199, 1):
        wechat.world.advance(seconds)
        said.append(wechat.component(START, component_secret=wechat.platform.component_appsecret)["errmsg"])
    assert said == ["in a normal state", "in a normal state", "ok"]
    assert wechat.world.outbox == []


def test_an_issued_token_expires_by_the_clock(wechat: Wechat) -> None:
    wechat.platform.expires_in = 60
    answer = wechat.refresh()
    token, platform_token = answer["authorizer_access_token"], wechat.platform_token()["component_access_token"]
    assert answer["expires_in"] == 60
    wechat.world.advance(59)
    assert wechat.quota_errcode(token) == 0
    wechat.world.advance(1)
    assert wechat.quota_errcode(token) == 42001
    assert preauth_errcode(wechat, platform_token) == 42001
    wechat.world.platform_expired_errcode = 42006
    assert preauth_errcode(wechat, platform_token) == 42006


#: Seconds of the overlap, of a token's life, and since a newer one; what the earlier one is answered.
OVERLAPS = [(300, 7200, 299, 0), (300, 7200, 300, 40001), (0, 7200, 0, 40001), (300, 100, 400, 42001)]


@pytest.mark.parametrize(("overlap", "lives", "after", "errcode"), OVERLAPS)
def test_a_newer_token_ends_the_earlier_one(wechat: Wechat, overlap: int, lives: int, after: int, errcode: int) -> None:
    wechat.platform.overlap_seconds, wechat.platform.expires_in = overlap, lives
    earlier, newer = (refreshed(wechat) for _ in range(2))
    platforms, newer_one = (wechat.platform_token()["component_access_token"] for _ in range(2))
    wechat.world.advance(after)
    assert (wechat.quota_errcode(earlier), preauth_errcode(wechat, platforms)) == (errcode, errcode)
    alive = 42001 if lives < after else 0
    assert (wechat.quota_errcode(newer), preauth_errcode(wechat, newer_one)) == (alive, alive)
    wechat.world.advance(99 * HOUR)  # which does nothing to fixed ones
    assert (wechat.quota_errcode(MERCHANT_TOKEN), preauth_errcode(wechat, PLATFORM_TOKEN)) == (0, 0)


def test_tokens_are_unpredictable_work_in_their_overlap_and_are_forgotten_after_it(wechat: Wechat) -> None:
    first, *rest = (refreshed(wechat) for _ in range(30))
    assert {wechat.quota_errcode(token) for token in (first, *rest)} == {0}
    assert (len({first, *rest}), min(map(len, rest)) > 60) == (30, True)  # nobody can guess one
    wechat.world.advance(301)
    wechat.refresh()
    assert len(wechat.account.issued) == 9
    assert wechat.quota_errcode(first) == 40001
    canaries = iter(["canary-1", "canary-2"])
    wechat.world.generate = lambda: next(canaries)
    assert wechat.platform_token()["component_access_token"].endswith("canary-1")
    assert refreshed(wechat).endswith("canary-2")


@pytest.mark.parametrize(("grace", "after", "errcode"), [(300, 299, 0), (300, 300, 61023), (0, 0, 61023)])
def test_a_rotated_refresh_token_works_for_its_grace(wechat: Wechat, grace: float, after: float, errcode: int) -> None:
    assert wechat.refresh()["authorizer_refresh_token"] == REFRESH_TOKEN  # it stays where nothing rotates
    wechat.platform.rotate_refresh_tokens, wechat.platform.refresh_grace_seconds = "each", grace
    newer = wechat.refresh()["authorizer_refresh_token"]
    assert newer != REFRESH_TOKEN
    wechat.world.advance(after)
    answer = wechat.refresh(REFRESH_TOKEN)
    assert answer.get("errcode", 0) == errcode
    assert answer.get("authorizer_refresh_token", newer) == newer  # the earlier one rotates nothing
    assert "errcode" not in wechat.refresh(newer)


def test_a_lost_refresh_token_is_found_in_the_list_unless_its_code_was_never_exchanged(wechat: Wechat) -> None:
    wechat.platform.rotate_refresh_tokens, wechat.platform.refresh_grace_seconds = "each", 0
    lost = wechat.refresh()["authorizer_refresh_token"]
    assert listed(wechat) == {APPID: lost}
    assert "errcode" not in wechat.refresh(lost)
    wechat.account.refresh_token = ""
    assert wechat.refresh("")["errcode"] == 61023


def test_a_code_is_exchanged_once_by_its_platform_until_it_runs_out_or_is_replaced(wechat: Wechat) -> None:
    wechat.world.platforms.append(Platform(component_appid=OTHER, component_access_token="t2"))
    pre_auth_code = wechat.component("api_create_preauthcode")["pre_auth_code"]
    earlier, code = wechat.world.authorise(APPID), wechat.world.authorise(APPID)
    assert [exchange(wechat, each)["errcode"] for each in (pre_auth_code, earlier)] == [61009] * 2
    assert exchange(wechat, code, token="t2", component_appid=OTHER)["errcode"] == 61009
    assert exchange(wechat, code)["authorization_info"]["authorizer_appid"] == APPID
    assert exchange(wechat, code)["errcode"] == 61009
    code = wechat.world.authorise(APPID)
    wechat.world.advance(HOUR)
    assert [exchange(wechat, code)["errcode"] for _ in range(2)] == [61010, 61010]
    wechat.account.code, wechat.account.code_expires_at = "from-the-start", None  # as it was built
    assert "errcode" not in exchange(wechat, "from-the-start")


def test_authorising_again_keeps_the_refresh_token_and_withdrawing_ends_it_with_all_tokens(wechat: Wechat) -> None:
    again = exchange(wechat, wechat.world.authorise(APPID))["authorization_info"]
    assert again["authorizer_refresh_token"] == REFRESH_TOKEN
    tokens = (again["authorizer_access_token"], MERCHANT_TOKEN)
    wechat.world.withdraw(APPID)
    assert [wechat.quota_errcode(token) for token in tokens] == [61003, 61003]
    assert [wechat.component(name, authorizer_appid=APPID)["errcode"] for name in (REFRESH, INFO)] == [61003] * 2
    assert listed(wechat) == {}
    code = wechat.world.authorise(APPID)
    assert [wechat.quota_errcode(token) for token in tokens] == [40001, 0]
    assert listed(wechat) == {APPID: ""}  # until the code is exchanged
    anew = exchange(wechat, code)["authorization_info"]["authorizer_refresh_token"]
    assert anew != REFRESH_TOKEN
    assert listed(wechat) == {APPID: anew}
    assert wechat.refresh(REFRESH_TOKEN)["errcode"] == 61023


def test_the_list_comes_in_pages_and_holds_no_other_platforms_merchants(wechat: Wechat) -> None:
    wechat.world.clock = lambda: 1640763902.9
    wechat.world.authorise(APPID)
    more = [MiniProgram(appid=f"wx{i}", component_appid=COMPONENT_APPID) for i in range(6)]
    wechat.world.platforms.append(Platform(component_appid=OTHER))
    wechat.world.mini_programs += [*more, MiniProgram(appid="wxo", component_appid=OTHER)]
    pages = [wechat.component(LIST, offset=offset, count=3) for offset in (0, 3, 6, 9)]
    assert [page["total_count"] for page in pages] == [7] * 4
    appids = [[row["authorizer_appid"] for row in page["list"]] for page in pages]
    assert appids == [[APPID, "wx0", "wx1"], ["wx2", "wx3", "wx4"], ["wx5"], []]
    assert pages[0]["list"][0]["auth_time"] == 1640763902


def test_an_account_is_told_with_its_owner_domains_and_granted_sets(wechat: Wechat) -> None:
    wechat.account.granted_sets, wechat.account.effective_webviewdomain = {30, 18}, ["https://example.com"]
    answer = wechat.component(INFO, authorizer_appid=APPID)
    info, granted = answer["authorizer_info"], answer["authorization_info"]
    assert info["verify_type_info"] == {"id": -1}
    assert info["MiniProgramInfo"]["network"]["BizDomain"] == ["https://example.com"]
    assert info["user_name"].startswith("gh_")
    assert [each["funcscope_category"]["id"] for each in granted["func_info"]] == [18, 30]
    assert (granted["authorizer_appid"], granted["authorizer_refresh_token"]) == (APPID, REFRESH_TOKEN)
    # An individual shows in both calls about an account.
    for individual, name, kind in ((True, "个人", 0), (False, f"Owner of {APPID}", 1)):
        wechat.account.individual = individual
        info = wechat.component(INFO, authorizer_appid=APPID)["authorizer_info"]
        basic = wechat.send("POST", BASIC_INFO)
        assert (info["principal_name"], basic["principal_name"], basic["principal_type"]) == (name, name, kind)
        assert (basic["errcode"], basic["appid"], basic["account_type"]) == (0, APPID, 3)


@pytest.mark.parametrize(("method", "get", "post"), [("any", 0, 0), ("POST", 43002, 0), ("GET", 0, 43001)])
def test_the_basic_info_is_asked_as_the_world_says(wechat: Wechat, method: Any, get: int, post: int) -> None:
    wechat.world.basicinfo_method, wechat.account.granted_sets = method, {30}
    assert wechat.get(BASIC_INFO)["errcode"] == get
    assert [wechat.send("POST", BASIC_INFO, raw)["errcode"] for raw in (b"", b"{}")] == [post, post]
    assert wechat.send("PUT", BASIC_INFO)["errcode"] in (43001, 43002)


def test_the_eleventh_reset_of_a_month_is_refused_whichever_call_makes_it(wechat: Wechat) -> None:
    reset = "/cgi-bin/clear_quota"
    wechat.platform.calls_today = {COMPONENT_TOKEN: 10_000}
    proof = {"component_appid": COMPONENT_APPID, "appsecret": wechat.platform.component_appsecret}
    assert wechat.errcodes(reset, *[{"appid": APPID}] * 10) == [0] * 10
    both = [{**proof, "appid": APPID}, proof]
    assert wechat.errcodes(COMPONENT + "clear_quota/v2", *both) == [48006, 0]
    assert wechat.platform.calls_today == {}


def test_a_quota_is_told_to_the_token_that_its_path_wants_and_a_refusal_is_looked_up_by_its_rid(wechat: Wechat) -> None:
    path = "/cgi-bin/openapi/quota/get"
    wechat.platform_token()
    told = wechat.send("POST", path, json.dumps({"cgi_path": COMPONENT_TOKEN}).encode(), token=PLATFORM_TOKEN)["quota"]
    assert told == {"daily_limit": 10_000, "used": 1, "remain": 9_999}
    assert wechat.errcodes(path, {"cgi_path": "/wxa/commit"}) == [0]
    rid = wechat.post("/wxa/release", {})["errmsg"].rpartition("rid: ")[2]
    assert wechat.post("/cgi-bin/openapi/rid/get", {"rid": rid})["request"]["request_url"] == "/wxa/release"
