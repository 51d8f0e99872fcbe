"""What the sandbox wrote down: domains first, then code, audit, release; and no token asked for twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from airflow_wxa.cli.demo.stories import CALLS, FIRST_PLATFORM, SECOND_PLATFORM

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow_wxa.cli.demo.stories import Story
    from airflow_wxa.sandbox import Entry

PLATFORM_TOKEN: Final = "/cgi-bin/component/api_component_token"  # noqa: S105  a path
MERCHANT_TOKEN: Final = "/cgi-bin/component/api_authorizer_token"  # noqa: S105  a path
#: Tokens live for two hours, a demo for minutes: one request each, whichever of Airflow's processes comes first.
PLATFORM_REQUESTS: Final[Mapping[str, int]] = {FIRST_PLATFORM: 1, SECOND_PLATFORM: 1}
MERCHANT_REQUESTS: Final = 1


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


def platform_requests(entries: Iterable[Entry], component_appid: str) -> int:
    """Return how often a platform's token was asked for."""
    return sum(entry.path == PLATFORM_TOKEN and entry.appid == component_appid for entry in entries)


def merchant_requests(entries: Iterable[Entry], appid: str) -> int:
    """Return how often a Mini Program's token was asked for."""
    return sum(entry.path == MERCHANT_TOKEN and entry.names({"authorizer_appid": appid}) for entry in entries)


def token_problems(entries: Sequence[Entry], stories: Iterable[Story]) -> list[str]:
    """Return whose token was asked for too often or never, a line for each; all stories make calls."""
    asked = [
        (component_appid, PLATFORM_TOKEN, platform_requests(entries, component_appid), must)
        for component_appid, must in PLATFORM_REQUESTS.items()
    ] + [
        (f"{story.word} ({story.appid})", MERCHANT_TOKEN, merchant_requests(entries, story.appid), MERCHANT_REQUESTS)
        for story in stories
    ]
    return [
        f"{whose}: {path.rpartition('/')[2]} asked {times} times; must be {must}"
        for whose, path, times, must in asked
        if times != must
    ]


def _shown(calls: tuple[str, ...]) -> str:
    return " < ".join(calls) or "none of the four"
