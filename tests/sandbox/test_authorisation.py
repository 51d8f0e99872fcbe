from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_wxa.sandbox import MiniProgram, Platform
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID, MERCHANT_TOKEN, REFRESH_TOKEN

if TYPE_CHECKING:
    from tests.sandbox.conftest import Wechat

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
