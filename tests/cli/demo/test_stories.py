from __future__ import annotations

import json
import re
from itertools import count

from airflow_wxa.cli.demo.airflow import dags_folder
from airflow_wxa.cli.demo.stories import CALLS, STORIES
from airflow_wxa.cli.demo.worlds import connections, demo_world
from airflow_wxa.sandbox import RunningSandbox
from airflow_wxa.sandbox.exchange import Sandbox


def numbered_tokens() -> RunningSandbox:
    numbers = count(1)
    world = demo_world(lambda: f"token-{next(numbers)}")
    return RunningSandbox(url="http://127.0.0.1:1", sandbox=Sandbox.of(world))


def test_the_stories_are_six_roads_of_six_mini_programs() -> None:
    assert [(each.word, each.must_end.errcode) for each in STORIES] == [
        ("plain", 0),
        ("unchanged", 89019),
        ("register", 89020),
        ("individual", 89231),
        ("unregistered", 89021),
        ("rejected", 0),
    ]
    assert len({each.appid for each in STORIES}) == len(STORIES)


def test_every_story_knows_the_same_tasks() -> None:
    assert len({frozenset(each.must_end.task_states) for each in STORIES}) == 1
    source = (dags_folder() / "wxa_release.py").read_text("utf-8")
    named = set(re.findall(r'task_id="(\w+)"', source)) | {"check_release", "individual_account"}
    assert set(STORIES[0].must_end.task_states) == named


def test_only_the_plain_release_asks_a_person() -> None:
    assert [each.word for each in STORIES if each.conf["approval"]] == ["plain"]


def test_a_story_that_ends_released_made_all_four_calls() -> None:
    assert [each.must_end.outcome == "released" for each in STORIES] == [each.calls == CALLS for each in STORIES]


def test_every_platform_and_mini_program_gets_a_token_of_its_own() -> None:
    assert len(numbered_tokens().world.tokens()) == len(STORIES) + 2


def test_each_run_finds_its_tokens_in_its_connections() -> None:
    running = numbered_tokens()
    extras = {name: json.loads(value)["extra"] for name, value in connections(running).items()}
    for story in STORIES:
        merchant = extras[f"AIRFLOW_CONN_{story.conf.get('wxa_conn_id', 'wxa_default').upper()}"]
        token = running.world.mini_program(story.appid).authorizer_access_token
        assert merchant["authorizer_access_tokens"][story.appid] == token
        if platform := story.conf.get("platform_conn_id"):
            assert extras[f"AIRFLOW_CONN_{platform.upper()}"]["component_access_token"]


def test_the_platform_wide_write_has_a_connection_without_any_merchant() -> None:
    extra = json.loads(connections(numbered_tokens())["AIRFLOW_CONN_WXA_SECOND_PLATFORM"])["extra"]
    assert list(extra) == ["component_access_token"]
