"""Credentials of platform and merchants: listed, imported, authorised, encrypted anew; never shown."""

from __future__ import annotations

import argparse
import json
import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.fernet import Fernet

from airflow_wxa.api.audit import queryquota
from airflow_wxa.api.redaction import Secret
from airflow_wxa.cli.airflow_group import DB_COMMANDS
from airflow_wxa.cli.credentials import import_list, read_merchants
from airflow_wxa.cli.opening import in_words
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.sandbox import MiniProgram
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID, COMPONENT_APPSECRET, REFRESH_TOKEN
from airflow_wxa.store import Ledger, TaskRef
from airflow_wxa.store.engine import _head
from airflow_wxa.store.ledger import Result
from airflow_wxa.store.mini_programs import MiniPrograms

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.healthy import Ended, SetUp

OTHER = "wx0000000000000002"


THIRD = "wx0000000000000003"


def add(set_up: SetUp, appid: str, refresh_token: str) -> MiniProgram:
    account = MiniProgram(appid=appid, component_appid=COMPONENT_APPID, refresh_token=refresh_token)
    set_up.world.mini_programs.append(account)
    return account


def stored(set_up: SetUp, appid: str) -> str | None:
    row = set_up.open_store().merchant(COMPONENT_APPID, appid)
    return row.renewal.reveal() if row is not None and row.renewal is not None else None


# Listing --------------------------------------------------------------------------------------------------------------
def test_a_merchant_is_listed_with_state_and_ages_and_without_a_token(
    set_up: SetUp, command: Callable[..., Ended]
) -> None:
    worker = set_up.platform
    worker.client.send(queryquota(APPID))
    worker.client.close()
    set_up.open_store().note(COMPONENT_APPID, APPID, granted=[18, 30])
    ended = command("accounts", "--json")
    (row,) = json.loads(ended.out)
    assert row | {"access_token_seconds_left": 7200} == {
        "appid": APPID,
        "state": "authorised",
        "granted": [18, 30],
        "access_token_age": pytest.approx(0, abs=5),
        "access_token_seconds_left": 7200,
        "refresh_token_age": pytest.approx(0, abs=5),
    }
    assert REFRESH_TOKEN not in ended.out + ended.err
    assert set_up.world.mini_programs[0].issued[-1].value not in ended.out + ended.err


@pytest.mark.parametrize(
    ("granted", "shown"),
    [(None, "authorised"), ([18, 30], "18, 30"), ([17], "17 (18 missing)"), ([], "none (18 missing)")],
)
def test_the_table_tells_what_is_granted(
    set_up: SetUp, command: Callable[..., Ended], granted: list[int] | None, shown: str
) -> None:
    set_up.open_store().note(COMPONENT_APPID, APPID, granted=granted)
    ended = command("accounts")
    assert ended.code == 0
    assert APPID in ended.out
    assert shown in ended.out


def test_a_platform_without_merchants_says_how_to_get_them(set_up: SetUp, command: Callable[..., Ended]) -> None:
    with closing(sqlite3.connect(set_up.file)) as connection, connection:
        connection.execute("delete from wxa_credential where appid != ''")
    assert "has no merchant in the store: --import-list" in command("accounts").err
    assert json.loads(command("accounts", "--json").out) == []


# From WeChat's list ---------------------------------------------------------------------------------------------------
def test_the_list_brings_new_merchants_and_newer_refresh_tokens(set_up: SetUp, command: Callable[..., Ended]) -> None:
    set_up.world.mini_programs[0].refresh_token = "rotated"
    add(set_up, OTHER, "of-another")
    add(set_up, THIRD, "")  # its code was never exchanged
    ended = command("accounts", "--import-list")
    assert "1 new, 1 changed, 0 as they were" in ended.err
    assert (stored(set_up, APPID), stored(set_up, OTHER), stored(set_up, THIRD)) == ("rotated", "of-another", None)


def test_importing_the_list_again_changes_nothing(set_up: SetUp) -> None:
    add(set_up, OTHER, "of-another")
    platform = set_up.platform
    import_list(platform)
    again = import_list(platform)
    platform.client.close()
    assert again == "imported: 0 new, 0 changed, 2 as they were"


def test_merchants_that_the_list_lacks_are_counted_and_kept(set_up: SetUp) -> None:
    set_up.open_store().put_renewals(COMPONENT_APPID, {OTHER: Secret("gone")})
    platform = set_up.platform
    imported = import_list(platform)
    platform.client.close()
    assert "1 in the store are not on WeChat's list" in imported
    assert stored(set_up, OTHER) == "gone"


def test_a_row_that_changes_while_the_list_is_read_is_kept(set_up: SetUp, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list was read before another process stored what it was given: that is newer."""
    set_up.world.mini_programs[0].refresh_token = "on-the-list"
    platform = set_up.platform
    read = platform.client.run

    def read_and_be_overtaken(step: object) -> object:
        listed = read(step)  # type: ignore[arg-type]
        set_up.open_store().put_renewals(COMPONENT_APPID, {APPID: Secret("newer")})
        return listed

    monkeypatch.setattr(platform.client, "run", read_and_be_overtaken)
    assert "0 changed" in import_list(platform)
    platform.client.close()
    assert stored(set_up, APPID) == "newer"


# What is granted ------------------------------------------------------------------------------------------------------
def test_granted_sets_are_read_and_a_withdrawal_is_noted(set_up: SetUp, command: Callable[..., Ended]) -> None:
    add(set_up, OTHER, "of-another").authorised = False
    set_up.world.mini_program(APPID).nick_name = "茶馆"
    stopped = Result(APPID, "setwebviewdomain", {"appid": APPID, "outcome": "stopped", "errcode": 89021})
    Ledger(set_up.store_url).settle(COMPONENT_APPID, TaskRef("wxa_release", "monday", "configure_domains"), [stopped])
    set_up.open_store().put_renewals(COMPONENT_APPID, {OTHER: Secret("of-another")})
    ended = command("accounts", "--read-granted", "--json")
    assert "1 merchants have withdrawn" in ended.err
    rows = {row["appid"]: (row["state"], row["granted"]) for row in json.loads(ended.out)}
    assert rows == {APPID: ("authorised", [18, 30]), OTHER: ("withdrawn", None)}
    row = set_up.open_store().merchant(COMPONENT_APPID, APPID)
    assert row is not None
    assert row.user_name == "gh_000000000001"
    shown = MiniPrograms(set_up.store_url).of(APPID, ["wxa_release"])
    assert shown is not None
    assert (shown.name, shown.errcode) == ("茶馆", 89021)  # on the board, though no release has asked for an approval


# From a CSV -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("source", ["file", "stdin"])
def test_a_csv_is_imported(set_up: SetUp, command: Callable[..., Ended], source: str) -> None:
    content = f"\ufeffnickname,appid,refresh_token\r\n商户,{OTHER},first\r\n,{THIRD},second\r\n".encode()
    file = set_up.file.with_name("merchants.csv")
    file.write_bytes(content)
    ended = command("accounts", "--import-csv", str(file) if source == "file" else "-", stdin=content)
    assert (ended.code, "imported: 2 merchants" in ended.err) == (0, True)
    assert (stored(set_up, OTHER), stored(set_up, THIRD)) == ("first", "second")


BAD_FILES = {
    "empty": ("", ["no column appid", "no column refresh_token"]),
    "wrong separator": (f"appid;refresh_token\n{OTHER};canary-token\n", ["no column appid"]),
    "swapped columns": (f"appid,refresh_token\ncanary-token,{OTHER}\n", ["line 2: refresh_token is an appid"]),
    "swapped, and no appid": ("appid,refresh_token\ncanary-token,x\n", ["line 2: appid is not wx"]),
    "separator of a header alone": (f"appid,refresh_token\n{OTHER};canary-token\n", ["line 2: appid is not wx"]),
    "tabs": (f"appid,refresh_token\n{OTHER}\tcanary-token\n", ["line 2: appid is not wx"]),
    "no header": (f"{OTHER},canary-token\n", ["line 1: no column appid"]),
    "no merchant": ("appid,refresh_token\n", ["no merchant"]),
    "bad appid": (f"appid,refresh_token\n{OTHER.upper()},canary-token\n", ["line 2: appid is not wx"]),
    "no appid": ("appid,refresh_token\n,canary-token\n", ["line 2: appid is empty"]),
    "no token": (f"appid,refresh_token\n{OTHER},\n", ["line 2: refresh_token is empty"]),
    "short line": (f"appid,refresh_token\n{OTHER}\n", ["line 2: refresh_token is empty"]),
    "blank in the token": (f"appid,refresh_token\n{OTHER},canary-token x\n", ["line 2: refresh_token holds blanks"]),
    "twice": (f"appid,refresh_token\n{OTHER},canary-token\n{OTHER},b\n", ["line 3: the same appid as in line 2"]),
    "too many cells": (f"appid,refresh_token\n{OTHER},canary-token,x\n", ["line 2: there are more cells"]),
    "open quote": (f'appid,refresh_token\n{OTHER},"canary-token\n', ["line"]),
    "several": (
        f"appid,refresh_token\nx,\n{OTHER},a b\n",
        ["line 2: appid is not", "line 2: refresh_token", "line 3:"],
    ),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_every_problem_of_a_csv_is_named_and_nothing_is_stored(
    set_up: SetUp, command: Callable[..., Ended], name: str
) -> None:
    content, problems = BAD_FILES[name]
    ended = command("accounts", "--import-csv", "-", stdin=content)
    assert (ended.code, ended.out) == (1, "")
    assert [problem for problem in problems if problem not in ended.err] == []
    assert "canary-token" not in ended.err
    assert "Traceback" not in ended.err
    assert set_up.open_store().merchants(COMPONENT_APPID).keys() == {APPID}


def test_many_problems_are_counted() -> None:
    lines = "".join(f"{number},t\n" for number in range(100))
    with pytest.raises(WxaSpecError, match="and 80 more"):
        read_merchants(f"appid,refresh_token\n{lines}")


@pytest.mark.parametrize(("content", "reason"), [(b"\xff\xfeappid", "no UTF-8"), (None, "No such file")])
def test_a_file_that_cannot_be_read_is_named(
    set_up: SetUp, command: Callable[..., Ended], content: bytes | None, reason: str
) -> None:
    file = set_up.file.with_name("merchants.csv")
    if content is not None:
        file.write_bytes(content)
    ended = command("accounts", "--import-csv", str(file))
    assert ended.code == 1
    assert f"{file} cannot be read" in ended.err
    assert reason in ended.err


BACK = "https://example.com/back?from=wechat"


@pytest.mark.parametrize("appid", ["", APPID])
def test_the_link_names_platform_way_back_and_mini_program(command: Callable[..., Ended], appid: str) -> None:
    ended = command("authorise", "--redirect-uri", BACK, *(["--appid", appid] if appid else []))
    link = urlsplit(ended.out.strip())
    query = parse_qs(link.query)
    assert (ended.code, link.netloc, link.path) == (0, "mp.weixin.qq.com", "/cgi-bin/componentloginpage")
    assert (query["component_appid"], query["redirect_uri"]) == ([COMPONENT_APPID], [BACK])
    assert query.get("biz_appid") == ([appid] if appid else None)
    assert query["pre_auth_code"]


@pytest.mark.parametrize("source", ["argument", "stdin"])
def test_a_code_is_exchanged_and_what_it_gives_is_stored(
    set_up: SetUp, command: Callable[..., Ended], source: str
) -> None:
    set_up.world.withdraw(APPID)
    code = set_up.world.authorise(APPID)
    ended = command("authorise", "--code", "-" if source == "stdin" else code, stdin=f"{code}\n")
    assert ended.code == 0
    assert f"{APPID} has authorised {COMPONENT_APPID}" in ended.out
    assert "18, 30" in ended.out
    row = set_up.open_store().merchant(COMPONENT_APPID, APPID)
    assert row is not None
    assert row.renewal is not None
    assert row.renewal.reveal() == set_up.world.mini_programs[0].refresh_token
    secrets = [code, row.renewal.reveal(), set_up.world.mini_programs[0].issued[-1].value]
    assert [secret for secret in secrets if secret in ended.out + ended.err] == []


def test_a_code_of_another_mini_program_is_said(set_up: SetUp, command: Callable[..., Ended]) -> None:
    ended = command("authorise", "--code", set_up.world.authorise(APPID), "--appid", "wx00000000000000ff")
    assert ended.code == 1
    assert f"the code was {APPID}'s, not wx00000000000000ff's" in ended.err


def test_a_missing_set_18_is_said(set_up: SetUp, command: Callable[..., Ended]) -> None:
    set_up.world.mini_programs[0].granted_sets = {17}
    ended = command("authorise", "--code", set_up.world.authorise(APPID))
    assert ended.code == 1
    assert "did not grant permission set 18" in ended.err


def test_a_used_code_is_refused_with_what_to_do(set_up: SetUp, command: Callable[..., Ended]) -> None:
    code = set_up.world.authorise(APPID)
    command("authorise", "--code", code)
    ended = command("authorise", "--code", code)
    assert ended.code == 1
    assert "61009" in ended.err
    assert "accounts --import-list" in ended.err
    assert code not in ended.err


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ([], "neither --redirect-uri nor --code"),
        (["--redirect-uri", BACK, "--code", "c"], "both given"),
        (["--code", "-"], "authorization_code refused"),
    ],
)
def test_what_is_wanted_must_be_clear(command: Callable[..., Ended], words: list[str], problem: str) -> None:
    ended = command("authorise", *words)
    assert (ended.code, ended.out) == (1, "")
    assert problem in ended.err


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


def test_after_a_rotation_the_new_key_alone_opens_the_store(
    set_up: SetUp, command: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    new = Fernet.generate_key().decode()
    monkeypatch.setenv("AIRFLOW__WXA__ENCRYPTION_KEYS", f"{new},{set_up.keys[0]}")
    ended = command("rotate-keys")
    assert (ended.code, "2 rows" in ended.out) == (0, True)
    with pytest.raises(WxaSpecError, match="another key"):
        set_up.open_store().merchant(COMPONENT_APPID, APPID)
    set_up.keys = [new]
    row = set_up.open_store().merchant(COMPONENT_APPID, APPID)
    assert row is not None
    assert row.renewal is not None


def test_a_store_of_another_key_is_refused_without_a_traceback(
    command: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = Fernet.generate_key().decode()
    monkeypatch.setenv("AIRFLOW__WXA__ENCRYPTION_KEYS", key)
    ended = command("rotate-keys")
    assert (ended.code, ended.out) == (1, "")
    assert "another key" in ended.err
    assert key not in ended.err


def test_a_line_break_behind_the_url_is_dropped(
    set_up: SetUp, command: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that tells the URL, as ``…_CMD`` names one, ends its line."""
    monkeypatch.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", f"{set_up.store_url}\n")
    assert command("rotate-keys").code == 0


@pytest.mark.usefixtures("from_migrations")
def test_migrating_says_from_where_to_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", f"sqlite:///{tmp_path / 'wxa.db'}")
    (migrate,), nothing = DB_COMMANDS, argparse.Namespace()
    for said in ("was created", "is up to date"):
        migrate.func(nothing)
        assert capsys.readouterr().out == f"the store {said}, revision {_head()}\n"
