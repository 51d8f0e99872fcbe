"""The order of calls, as the sandbox wrote it down: domains first, then code, audit, release."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_wxa.cli.demo.stories import CALLS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airflow_wxa.cli.demo.stories import Story
    from airflow_wxa.sandbox import Entry


def first_calls(entries: Iterable[Entry], appid: str) -> tuple[str, ...]:
    """Return which of the four calls a Mini Program made, in the order of the first of each.

    :param entries: oldest first.
    """
    names = (entry.path.rpartition("/")[2] for entry in entries if entry.appid == appid)
    return tuple(dict.fromkeys(name for name in names if name in CALLS))


def order_problems(entries: Sequence[Entry], stories: Iterable[Story]) -> list[str]:
    """Return what is wrong with the order of calls, a line for each Mini Program concerned.

    A stopped Mini Program must not have come further than its story says: no commit after a refused domain.
    """
    problems = []
    for story in stories:
        called = first_calls(entries, story.appid)
        if called != story.calls:
            problems.append(f"{story.word} ({story.appid}): called {_shown(called)}; must be {_shown(story.calls)}")
    return problems


def _shown(calls: tuple[str, ...]) -> str:
    return " < ".join(calls) or "none of the four"
