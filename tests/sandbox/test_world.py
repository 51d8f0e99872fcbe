import json
from collections import Counter
from typing import Any

import pytest

from airflow_wxa.sandbox import Introduction, MiniProgram, Platform, RunningSandbox, World, default_world, seeded_fleet
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID, MERCHANT_TOKEN, PLATFORM_TOKEN, REFRESH_TOKEN
from airflow_wxa.sandbox.worlds import Kind
from tests.sandbox.conftest import Wechat
from tests.tables import each_row


def test_a_world_comes_back_from_json_with_its_tokens_only_if_they_were_asked_for(wechat: Wechat) -> None:
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
    lived_in = wechat.world
    wire = json.dumps(lived_in.to_json(tokens=True))
    assert World.from_json(json.loads(wire)) == lived_in
    shown = json.dumps(lived_in.to_json())
    assert {MERCHANT_TOKEN, PLATFORM_TOKEN, REFRESH_TOKEN, "the-expired-one"} < lived_in.tokens()
    assert [token for token in lived_in.tokens() if token in shown] == []
    assert World.from_json(json.loads(shown)).tokens() == set()
    assert lived_in.to_json()["platforms"][0]["unverifiable"] == ["a.org", "b.org"]


#: JSON, and what makes it none of a world.
NO_WORLDS: list[tuple[Any, str]] = [
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
]


@each_row("data, text", NO_WORLDS)
def test_json_that_is_no_world_is_refused_by_name(data: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        World.from_json(data)


def test_unknown_appids_are_key_errors_and_a_mini_program_that_took_anothers_place_is_found(wxa_world: World) -> None:
    world = wxa_world
    for act in (world.mini_program, world.platform, world.authorise, world.withdraw, world.new_ticket):
        with pytest.raises(KeyError, match="wx9"):
            act("wx9")
    successor = MiniProgram(appid=APPID, component_appid=COMPONENT_APPID, nick_name="next")
    assert world.mini_program(APPID).nick_name == ""
    world.mini_programs = [MiniProgram(appid="wx9", component_appid=COMPONENT_APPID), successor]
    assert world.mini_program(APPID) is successor


def test_an_account_without_a_token_is_reached_by_none_and_a_month_starts_with_its_whole_quota() -> None:
    world = World(
        platforms=[Platform(component_appid="c", audit_limit=27), Platform(component_appid="d", audit_rest=0)],
        mini_programs=[MiniProgram(appid="a", component_appid="c")],
    )
    assert (world.owner(""), world.tokens()) == (None, set())
    assert [each.audit_rest for each in world.platforms] == [27, 0]


def test_another_state_keeps_secrets_it_came_without_and_a_reset_forgets_later_ones(wechat: Wechat) -> None:
    issued = wechat.refresh()["authorizer_access_token"]
    wechat.sandbox.replace_world(wechat.world.to_json())
    assert [wechat.quota_errcode(token) for token in (issued, MERCHANT_TOKEN)] == [0, 0]
    assert "errcode" not in wechat.platform_token()
    newer = wechat.refresh()["authorizer_access_token"]
    wechat.world.advance(100)
    wechat.sandbox.reset()
    assert [wechat.quota_errcode(token) for token in (issued, newer)] == [0, 40001]
    assert wechat.world.seconds_ahead == 0


SHARES: dict[Kind, float] = {"individual": 0.03, "unauthorised": 0.02, "rejected": 0.05, "lost_answer": 0.01}


def test_a_seed_makes_the_same_fleet_again_with_as_many_of_each_kind_as_its_shares_say() -> None:
    fleet, again, other = (seeded_fleet(100, seed=seed, shares=SHARES) for seed in (7, 7, 8))
    assert (fleet.world, fleet.faults, fleet.kinds) == (again.world, again.faults, again.kinds)
    assert fleet.kinds != other.kinds
    shares = {"individual": 3, "unauthorised": 2, "rejected": 5, "lost_answer": 1}
    assert Counter(fleet.kinds.values()) == {"ordinary": 89} | shares
    of = fleet.world.mini_program
    assert all(of(appid).individual for appid in fleet.of_kind("individual"))
    assert not any(of(appid).authorised for appid in fleet.of_kind("unauthorised"))
    assert {of(appid).audit.result for appid in fleet.of_kind("rejected")} == {"rejected"}
    assert [fault.appid for fault in fleet.faults] == fleet.of_kind("lost_answer")


def test_a_cold_fleet_has_no_token_that_works_and_every_way_to_one() -> None:
    world = seeded_fleet(3, cold=True).world
    assert [account.access_tokens() for account in world.accounts()] == [[], [], [], []]
    assert all(each.refresh_token for each in world.mini_programs)
    assert world.platforms[0].component_appsecret


def test_the_default_world_has_a_mini_program_on_each_road_and_a_connection_for_each_platform() -> None:
    wechat = Wechat(default_world())
    for url, allow_http in (("http://127.0.0.1:8099", None), ("http://[::1]:1", None), ("http://0.0.0.0:8099", True)):
        connection = json.loads(Introduction.of(wechat.world, url).connection)
        assert connection["extra"].get("allow_http") is allow_http  # only where it must be
    shown = repr(Introduction.of(wechat.world, "http://127.0.0.1:1"))
    assert [token for token in wechat.world.tokens() if token in shown] == []
    raw = b'{"action":"add","webviewdomain":["https://m.example.com"]}'
    tokens = [each.authorizer_access_token for each in wechat.world.mini_programs]
    answers = [wechat.send("POST", "/wxa/setwebviewdomain", raw, token=token)["errcode"] for token in tokens]
    assert answers == [0, 89019, 89231, 89020, 0, 61003]
    assert [each.audit.result for each in wechat.world.mini_programs].count("rejected") == 1
    first, second = wechat.world.platforms
    running = RunningSandbox(world=wechat.world, seed={}, url="http://127.0.0.1:1")
    own, other = (json.loads(running.connection(appid))["extra"] for appid in ("", second.component_appid))
    assert own["component_access_token"] == first.component_access_token
    assert list(other["authorizer_access_tokens"]) == ["wx1000000000000004"]
    assert other["component_access_token"] == second.component_access_token
    with pytest.raises(KeyError, match="wx9"):
        running.connection("wx9")
