from __future__ import annotations

import json

from airflow_wxa.cli.demo.releases import RELEASES, connections, demo_world
from airflow_wxa.sandbox import RunningSandbox


def test_the_releases_are_six_roads_of_six_mini_programs() -> None:
    assert [(each.word, each.errcode) for each in RELEASES] == [
        ("plain", 0),
        ("unchanged", 89019),
        ("register", 89020),
        ("individual", 89231),
        ("unregistered", 89021),
        ("rejected", 0),
    ]
    assert [each.word for each in RELEASES if each.conf["approval"]] == ["plain"]


def test_one_demo_leaves_nothing_in_the_world_of_the_next() -> None:
    demo_world().mini_programs[0].mp_webviewdomain.clear()
    assert demo_world().mini_programs[0].mp_webviewdomain == ["https://old.example.net"]


def test_each_account_has_secrets_of_its_own_and_no_token_that_was_not_asked_for() -> None:
    world = demo_world()
    assert len(world.tokens()) == 3 * len(world.platforms) + len(RELEASES)
    assert world.tokens() & demo_world().tokens() == set()
    assert [each.component_access_token + each.component_verify_ticket for each in world.platforms] == ["", ""]
    assert {each.authorizer_access_token for each in world.mini_programs} == {""}
    renewals = [(each.rotate_refresh_tokens, each.refresh_grace_seconds) for each in world.platforms]
    assert renewals == [("each", 0)] * 2


def test_each_connection_holds_the_push_keys_of_its_platform() -> None:
    running = RunningSandbox(world=demo_world(), seed={}, url="http://127.0.0.1:1")
    found = {each["login"]: each["extra"] for each in map(json.loads, connections(running).values())}
    assert found == {
        each.component_appid: {"push_token": each.push_token, "encoding_aes_key": each.encoding_aes_key}
        for each in running.world.platforms
    }
