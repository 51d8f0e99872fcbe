from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from airflow_wxa.sandbox import MiniProgram, Platform, World
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID, MERCHANT_TOKEN, PLATFORM_TOKEN, REFRESH_TOKEN

if TYPE_CHECKING:
    from tests.sandbox.conftest import Wechat


@pytest.fixture
def lived_in(wechat: Wechat) -> World:
    wechat.platform.unverifiable = {"b.org", "a.org"}
    wechat.set_domains("add", "https://shop.example.com")
    wechat.submitted(polls=1, result="delayed_then_approved")
    wechat.get("/wxa/get_latest_auditstatus")
    wechat.world.expired_tokens = {"the-expired-one"}
    wechat.platform.rotate_refresh_tokens = "each"
    wechat.world.new_ticket(COMPONENT_APPID)
    wechat.platform_token()
    wechat.refresh()
    wechat.world.authorise(APPID)
    return wechat.world


def test_a_world_comes_back_from_json_with_its_tokens(lived_in: World) -> None:
    wire = json.dumps(lived_in.to_json(tokens=True))
    assert World.from_json(json.loads(wire)) == lived_in


def test_json_has_no_tokens_unless_asked(lived_in: World) -> None:
    shown = json.dumps(lived_in.to_json())
    assert {MERCHANT_TOKEN, PLATFORM_TOKEN, REFRESH_TOKEN, "the-expired-one"} < lived_in.tokens()
    assert [token for token in lived_in.tokens() if token in shown] == []
    assert World.from_json(json.loads(shown)).tokens() == set()


def test_sets_are_sorted_lists_in_json(lived_in: World) -> None:
    assert lived_in.to_json()["platforms"][0]["unverifiable"] == ["a.org", "b.org"]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"platform": []}, "platform: Unexpected"),
        ({"clock": 1}, "clock is no JSON value"),
        ({"generate": "x"}, "generate is no JSON value"),
        ({"platforms": [{}]}, "platforms.0.component_appid: Field required"),
        ({"platforms": [{"component_appid": "c", "unverifiable": 5}]}, "platforms.0.unverifiable: "),
        ({"platforms": [{"component_appid": "c", "rotate_refresh_tokens": "sometimes"}]}, "'never' or 'each'"),
        ({"platforms": 5, "leaves_out": ["status"]}, "platforms: .*; leaves_out.0: .*'exp_desc', 'user_desc'"),
        ({"mini_programs": [{"appid": "a", "component_appid": "c", "audit": {"result": "lost"}}]}, "audit.result: "),
        ({"mini_programs": [{"appid": "a", "component_appid": "c"}]}, r"without a platform: \['a'\]"),
        ({"platforms": [{"component_appid": "c"}] * 2}, r"used twice: \['c'\]"),
        ({"expired_tokens": {"canary": 1}}, r"^expired_tokens: Input should be a valid set$"),
        ([], "state: Input should be a dictionary"),
    ],
)
def test_json_that_is_no_world_is_refused_by_name(data: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        World.from_json(data)


def test_unknown_appids_are_key_errors(wxa_world: World) -> None:
    with pytest.raises(KeyError, match="wx9"):
        wxa_world.mini_program("wx9")
    with pytest.raises(KeyError, match="wx9"):
        wxa_world.platform("wx9")


def test_an_account_without_a_token_is_reached_by_none() -> None:
    world = World(
        platforms=[Platform(component_appid="c")],
        mini_programs=[MiniProgram(appid="a", component_appid="c")],
    )
    assert world.owner("") is None
    assert world.tokens() == set()


def test_a_month_starts_with_its_whole_quota() -> None:
    assert Platform(component_appid="c", audit_limit=27).audit_rest == 27
    assert Platform(component_appid="c", audit_limit=27, audit_rest=0).audit_rest == 0


def test_another_state_keeps_every_secret_it_came_without(wechat: Wechat) -> None:
    issued = wechat.refresh()["authorizer_access_token"]
    shown = wechat.world.to_json()
    wechat.sandbox.replace_world(shown)
    assert [wechat.quota_errcode(token) for token in (issued, MERCHANT_TOKEN)] == [0, 0]
    assert "errcode" not in wechat.platform_token()
    assert "errcode" not in wechat.refresh()


def test_a_reset_forgets_what_was_issued_and_the_time_that_passed(wechat: Wechat) -> None:
    issued = wechat.refresh()["authorizer_access_token"]
    wechat.world.advance(100)
    wechat.sandbox.reset()
    assert (wechat.quota_errcode(issued), wechat.world.seconds_ahead) == (40001, 0)


def test_a_mini_program_that_took_anothers_place_is_found(wechat: Wechat) -> None:
    assert wechat.world.mini_program(APPID).nick_name == ""
    successor = MiniProgram(appid=APPID, component_appid=COMPONENT_APPID, nick_name="next")
    wechat.world.mini_programs = [MiniProgram(appid="wx9", component_appid=COMPONENT_APPID), successor]
    assert wechat.world.mini_program(APPID) is successor
