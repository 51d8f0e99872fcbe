from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

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
