"""The provider's own ledger, read from the store that the demo's Airflow has used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import URL

from airflow_wxa.cli.demo.stories import RELEASE, SUBMIT
from airflow_wxa.store import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from airflow_wxa.cli.demo.stories import Story
    from airflow_wxa.store import Entry

#: Where the store is when nothing else is configured, inside AIRFLOW_HOME.
FILE: Final = "wxa.db"
MOST_ROWS: Final = 1000
ONCE: Final = (SUBMIT, RELEASE)


def read_ledger(home: Path) -> list[Entry]:
    """Return all rows of the ledger in an AIRFLOW_HOME, oldest first; none when there is no store.

    :raises WxaTransportError: the store does not answer.
    """
    file = home / FILE
    if not file.is_file():
        return []
    ledger = Ledger(URL.create("sqlite", database=str(file)).render_as_string())
    return ledger.entries(most=MOST_ROWS)[::-1]


def ledger_problems(rows: Sequence[Entry], stories: Iterable[Story]) -> list[str]:
    """Return what is wrong with the audits and releases that WeChat took, a line for each Mini Program concerned."""
    problems = []
    for story in stories:
        noted = [row.endpoint for row in rows if row.appid == story.appid and _is_taken(row)]
        if sorted(noted) != sorted(story.noted):
            problems.append(f"{story.word} ({story.appid}): holds {_shown(noted)}; must be {_shown(story.noted)}")
    return problems


def _is_taken(row: Entry) -> bool:
    return row.endpoint in ONCE and row.result == "ok"


def _shown(endpoints: Sequence[str]) -> str:
    return ", ".join(endpoints) or "neither audit nor release"
