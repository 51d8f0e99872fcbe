from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_wxa.cli.demo.journal import first_calls, order_problems
from airflow_wxa.cli.demo.stories import CALLS, STORIES
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
