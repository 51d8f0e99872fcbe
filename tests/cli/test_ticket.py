"""The ticket's age, its import from outside, and the call that makes WeChat push again."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from airflow_wxa.cli.opening import in_words
from airflow_wxa.sandbox.testing import COMPONENT_APPID, COMPONENT_APPSECRET

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.healthy import Ended, SetUp


def grow_old(set_up: SetUp, seconds: int) -> None:
    with closing(sqlite3.connect(set_up.file)) as connection, connection:
        connection.execute("update wxa_credential set renewal_at = renewal_at - ? where appid = ''", [seconds])


def ticket(set_up: SetUp) -> str | None:
    row = set_up.open_store().platform(COMPONENT_APPID)
    return row.renewal.reveal() if row is not None and row.renewal is not None else None


@pytest.mark.parametrize(
    ("seconds", "code", "said"),
    [
        (0, 0, r"\d s ago, good for 12 h more"),
        (4 * 3600, 0, "4 h ago, good for 8 h more"),
        (12 * 3600, 1, "12 h ago, it lives 12 h"),
    ],
)
def test_the_age_is_shown(set_up: SetUp, command: Callable[..., Ended], seconds: int, code: int, said: str) -> None:
    grow_old(set_up, seconds)
    ended = command("ticket")
    assert ended.code == code
    assert re.search(said, ended.out)


def test_no_ticket_is_said_with_both_ways_to_get_one(set_up: SetUp, command: Callable[..., Ended]) -> None:
    set_up.open_store().mark(COMPONENT_APPID, "", "refused")
    ended = command("ticket")
    assert ended.code == 1
    assert "--restart" in ended.out
    assert "--import" in ended.out


@pytest.mark.parametrize("words", [["--import"], ["--import", "-"]])
def test_a_ticket_is_imported_from_standard_input(
    set_up: SetUp, command: Callable[..., Ended], words: list[str]
) -> None:
    grow_old(set_up, 20 * 3600)
    ended = command("ticket", *words, stdin="ticket@@@new\n")
    assert (ended.code, ticket(set_up)) == (0, "ticket@@@new")
    assert "ticket@@@new" not in ended.out + ended.err


def test_a_ticket_is_imported_from_a_file(set_up: SetUp, command: Callable[..., Ended]) -> None:
    file = set_up.file.with_name("ticket")
    file.write_text("ticket@@@new")
    assert (command("ticket", "--import", str(file)).code, ticket(set_up)) == (0, "ticket@@@new")


@pytest.mark.parametrize("content", ["", "\n", "two words", "two\nlines"])
def test_what_is_no_ticket_is_refused_and_the_old_one_kept(
    set_up: SetUp, command: Callable[..., Ended], content: str
) -> None:
    before = ticket(set_up)
    ended = command("ticket", "--import", stdin=content)
    assert (ended.code, ended.out, ticket(set_up)) == (1, "", before)
    assert "component_verify_ticket refused" in ended.err


def test_pushes_are_asked_for(set_up: SetUp, command: Callable[..., Ended]) -> None:
    ended = command("ticket", "--restart")
    assert (ended.code, "says: ok" in ended.out) == (0, True)
    assert set_up.running.journal.count("/cgi-bin/component/api_start_push_ticket") == 1
    assert COMPONENT_APPSECRET not in ended.out + ended.err


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-1, "0 s"), (0, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "120 min"), (7200, "2 h"), (200000, "2 d")],
)
def test_durations_are_said_in_the_largest_unit_that_fits_twice(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
