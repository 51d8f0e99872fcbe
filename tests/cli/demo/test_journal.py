from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_wxa.cli.demo.journal import (
    MERCHANT_TOKEN,
    PLATFORM_TOKEN,
    first_calls,
    merchant_requests,
    order_problems,
    platform_requests,
    token_problems,
)
from airflow_wxa.cli.demo.stories import CALLS, FIRST_PLATFORM, STORIES
from airflow_wxa.sandbox import Entry

if TYPE_CHECKING:
    from collections.abc import Sequence

APPID = STORIES[0].appid


def entry_of(path: str, appid: str | None = APPID) -> Entry:
    return Entry(seq=1, method="POST", path=path, appid=appid, body={}, errcode=0, time=0.0)


def entries_of(appid: str, calls: Sequence[str]) -> list[Entry]:
    return [entry_of(f"/wxa/{call}", appid) for call in calls]


def test_only_the_first_of_each_of_the_four_calls_counts() -> None:
    paths = ["setwebviewdomain", "getversioninfo", "commit", "setwebviewdomain", "commit", "submit_audit", "release"]
    assert first_calls([entry_of(f"/wxa/{path}") for path in paths], APPID) == CALLS


def test_calls_of_others_do_not_count() -> None:
    other = [entry_of("/wxa/commit", STORIES[1].appid), entry_of("/wxa/commit", None)]
    assert first_calls(other, APPID) == ()


def test_what_all_stories_say_is_in_order() -> None:
    entries = [entry for story in STORIES for entry in entries_of(story.appid, story.calls)]
    assert order_problems(entries, STORIES) == []


@pytest.mark.parametrize(
    ("calls", "told"),
    [
        (("commit", "setwebviewdomain", "submit_audit", "release"), "called commit < setwebviewdomain < "),
        (("setwebviewdomain", "submit_audit", "commit", "release"), "called setwebviewdomain < submit_audit < "),
        (("setwebviewdomain", "commit", "submit_audit"), "called setwebviewdomain < commit < submit_audit; must be"),
        ((), "called none of the four; must be"),
    ],
)
def test_another_order_is_named(calls: tuple[str, ...], told: str) -> None:
    (problem,) = order_problems(entries_of(APPID, calls), STORIES[:1])
    assert problem.startswith(f"plain ({APPID}): {told}")


def test_a_stopped_mini_program_must_not_have_committed() -> None:
    (stopped,) = [story for story in STORIES if story.word == "unregistered"]
    assert order_problems(entries_of(stopped.appid, ["setwebviewdomain"]), [stopped]) == []
    (problem,) = order_problems(entries_of(stopped.appid, ["setwebviewdomain", "commit"]), [stopped])
    assert "must be setwebviewdomain" in problem


def test_each_token_that_is_asked_for_once_is_as_it_must_be(token_requests: list[Entry]) -> None:
    assert token_problems(token_requests, STORIES) == []
    assert platform_requests(token_requests, FIRST_PLATFORM) == 1
    assert merchant_requests(token_requests, APPID) == 1


@pytest.mark.parametrize(
    ("lost", "problem"),
    [
        (0, "wx100000000000000f: api_component_token asked 0 times; must be 1"),
        (1, "wx200000000000000f: api_component_token asked 0 times; must be 1"),
        (2, "plain (wx1000000000000001): api_authorizer_token asked 0 times; must be 1"),
        (7, "rejected (wx1000000000000005): api_authorizer_token asked 0 times; must be 1"),
    ],
)
def test_a_token_that_nobody_asked_for_is_named(token_requests: list[Entry], lost: int, problem: str) -> None:
    assert token_problems([*token_requests[:lost], *token_requests[lost + 1 :]], STORIES) == [problem]


@pytest.mark.parametrize("path", [PLATFORM_TOKEN, MERCHANT_TOKEN])
def test_every_further_request_is_named(token_requests: list[Entry], path: str) -> None:
    further = [entry for entry in token_requests if entry.path == path]
    problems = token_problems(token_requests + further + further, STORIES)
    assert [problem.partition(" asked ")[2] for problem in problems] == ["3 times; must be 1"] * len(further)
