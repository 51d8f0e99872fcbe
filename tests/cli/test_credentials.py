"""Credentials of platform and merchants: listed, imported, authorised, encrypted anew; never shown."""

import json
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.fernet import Fernet

from airflow_wxa.api.redaction import Secret
from airflow_wxa.cli.credentials import import_list, read_merchants
from airflow_wxa.cli.opening import in_words
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.sandbox import MiniProgram
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID, COMPONENT_APPSECRET, REFRESH_TOKEN
from airflow_wxa.store import Ledger, TaskRef
from airflow_wxa.store.engine import _head
from airflow_wxa.store.ledger import Result
from airflow_wxa.store.mini_programs import MiniPrograms
from tests.cli.healthy import Command, SetUp

OTHER = "wx0000000000000002"
THIRD = "wx0000000000000003"
NOBODY = "wx00000000000000ff"


def add(set_up: SetUp, appid: str, refresh_token: str) -> MiniProgram:
    account = MiniProgram(appid=appid, component_appid=COMPONENT_APPID, refresh_token=refresh_token)
    set_up.world.mini_programs.append(account)
    return account


def stored(set_up: SetUp, appid: str = "") -> str | None:
    """Return a merchant's refresh token, or the platform's ticket."""
    store = set_up.open_store()
    row = store.merchant(COMPONENT_APPID, appid) if appid else store.platform(COMPONENT_APPID)
    return row.renewal.reveal() if row is not None and row.renewal is not None else None


# Listing --------------------------------------------------------------------------------------------------------------
def test_a_merchant_is_listed_with_state_and_ages_and_without_a_token(set_up: SetUp, command: Command) -> None:
    set_up.work()
    set_up.open_store().note(COMPONENT_APPID, APPID, granted=[18, 30])
    ended = command("accounts", "--json")
    (row,) = json.loads(ended.out)
    ages = [row.pop(name) for name in ("access_token_age", "refresh_token_age", "access_token_seconds_left")]
    assert ages == pytest.approx([0, 0, 7200], abs=5)
    assert row == {"appid": APPID, "state": "authorised", "granted": [18, 30]}
    ended.hides(REFRESH_TOKEN, set_up.world.mini_programs[0].issued[-1].value)


def test_the_table_tells_what_is_granted_and_how_to_get_merchants(set_up: SetUp, command: Command) -> None:
    rows = {"authorised": None, "18, 30": [18, 30], "17 (18 missing)": [17], "none (18 missing)": []}
    for shown, granted in rows.items():
        set_up.open_store().note(COMPONENT_APPID, APPID, granted=granted)
        command("accounts").says(APPID, shown)
    set_up.sql("delete from wxa_credential where appid != ''")
    command("accounts").says("has no merchant in the store: --import-list")
    assert json.loads(command("accounts", "--json").out) == []


# From WeChat's list ---------------------------------------------------------------------------------------------------
def test_the_list_brings_new_merchants_and_newer_refresh_tokens_once(set_up: SetUp, command: Command) -> None:
    set_up.world.mini_programs[0].refresh_token = "rotated"
    add(set_up, OTHER, "of-another")
    add(set_up, THIRD, "")  # its code was never exchanged
    unlisted = "wx0000000000000004"
    set_up.open_store().put_renewals(COMPONENT_APPID, {unlisted: Secret("kept")})
    command("accounts", "--import-list").says("1 new, 1 changed, 0 as they were", "1 in the store are not on WeChat's")
    command("accounts", "--import-list").says("0 new, 0 changed, 2 as they were")
    tokens = [stored(set_up, appid) for appid in (APPID, OTHER, THIRD, unlisted)]
    assert tokens == ["rotated", "of-another", None, "kept"]


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
def test_granted_sets_are_read_and_a_withdrawal_is_noted(set_up: SetUp, command: Command) -> None:
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
    shown = MiniPrograms(set_up.store_url).of(APPID, ["wxa_release"])
    assert row is not None
    assert shown is not None
    assert row.user_name == "gh_000000000001"
    assert (shown.name, shown.errcode) == ("茶馆", 89021)  # on the board, though no release has asked for an approval


# From a CSV -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("source", ["file", "stdin"])
def test_a_csv_is_imported(set_up: SetUp, command: Command, source: str) -> None:
    content = f"\ufeffappid,nickname,refresh_token\r\n{OTHER},商户,first\r\n{THIRD},,second\r\n".encode()
    file = set_up.file.with_name("merchants.csv")
    file.write_bytes(content)
    ended = command("accounts", "--import-csv", str(file) if source == "file" else "-", stdin=content)
    assert (ended.code, "imported: 2 merchants" in ended.err) == (0, True)
    assert (stored(set_up, OTHER), stored(set_up, THIRD)) == ("first", "second")


HEADER = "appid,refresh_token\n"
NO_APPID = "line 2: appid is not wx"
BAD_FILES = {
    "empty": ("", ["no column appid", "no column refresh_token"]),
    "wrong separator": (f"appid;refresh_token\n{OTHER};canary-token\n", ["no column appid"]),
    "swapped columns": (f"{HEADER}canary-token,{OTHER}\n", ["line 2: refresh_token is an appid"]),
    "swapped, and no appid": (f"{HEADER}canary-token,x\n", [NO_APPID]),
    "separator of a header alone": (f"{HEADER}{OTHER};canary-token\n", [NO_APPID]),
    "no header": (f"{OTHER},canary-token\n", ["line 1: no column appid"]),
    "no merchant": (HEADER, ["no merchant"]),
    "bad appid": (f"{HEADER}{OTHER.upper()},canary-token\n", [NO_APPID]),
    "no appid": (f"{HEADER},canary-token\n", ["line 2: appid is empty"]),
    "no token": (f"{HEADER}{OTHER},\n", ["line 2: refresh_token is empty"]),
    "short line": (f"{HEADER}{OTHER}\n", ["line 2: refresh_token is empty"]),
    "blank in the token": (f"{HEADER}{OTHER},canary-token x\n", ["line 2: refresh_token holds blanks"]),
    "twice": (f"{HEADER}{OTHER},canary-token\n{OTHER},b\n", ["line 3: the same appid as in line 2"]),
    "too many cells": (f"{HEADER}{OTHER},canary-token,x\n", ["line 2: there are more cells"]),
    "open quote": (f'{HEADER}{OTHER},"canary-token\n', ["line"]),
    "several": (f"{HEADER}x,\n{OTHER},a b\n", ["line 2: appid is not", "line 2: refresh_token", "line 3:"]),
}


@pytest.mark.parametrize(("content", "problems"), BAD_FILES.values(), ids=BAD_FILES)
def test_every_problem_of_a_csv_is_named(content: str, problems: list[str]) -> None:
    with pytest.raises(WxaSpecError) as refused:
        read_merchants(content)
    assert [problem for problem in problems if problem not in str(refused.value)] == []
    assert "canary-token" not in str(refused.value)


def test_many_problems_are_counted_nothing_is_stored_and_a_file_that_cannot_be_read_is_named(
    set_up: SetUp, command: Command
) -> None:
    lines = "".join(f"{number},t\n" for number in range(100))
    command("accounts", "--import-csv", "-", stdin=f"{HEADER}{lines}").refuses("line 2: appid", "and 80 more")
    assert set_up.open_store().merchants(COMPONENT_APPID).keys() == {APPID}
    file = set_up.file.with_name("merchants.csv")
    command("accounts", "--import-csv", str(file)).refuses(f"{file} cannot be read", "No such file")
    file.write_bytes(b"\xff\xfeappid")
    command("accounts", "--import-csv", str(file)).refuses(f"{file} cannot be read", "no UTF-8")


BACK = "https://example.com/back?from=wechat"


@pytest.mark.parametrize("appid", ["", APPID])
def test_the_link_names_platform_way_back_and_mini_program(command: Command, appid: str) -> None:
    ended = command("authorise", "--redirect-uri", BACK, *(["--appid", appid] if appid else []))
    link = urlsplit(ended.out.strip())
    query = parse_qs(link.query)
    assert (ended.code, link.netloc, link.path) == (0, "mp.weixin.qq.com", "/cgi-bin/componentloginpage")
    assert (query["component_appid"], query["redirect_uri"]) == ([COMPONENT_APPID], [BACK])
    assert query.get("biz_appid") == ([appid] if appid else None)
    assert query["pre_auth_code"]


@pytest.mark.parametrize("source", ["argument", "stdin"])
def test_a_code_is_exchanged_and_what_it_gives_is_stored(set_up: SetUp, command: Command, source: str) -> None:
    set_up.world.withdraw(APPID)
    code = set_up.world.authorise(APPID)
    ended = command("authorise", "--code", "-" if source == "stdin" else code, stdin=f"{code}\n")
    ended.says(f"{APPID} has authorised {COMPONENT_APPID}", "18, 30")
    account = set_up.world.mini_programs[0]
    assert stored(set_up, APPID) == account.refresh_token
    ended.hides(code, account.refresh_token, account.issued[-1].value)


def test_a_code_that_does_not_serve_is_said(set_up: SetUp, command: Command) -> None:
    set_up.world.mini_programs[0].granted_sets = {17}
    code = set_up.world.authorise(APPID)
    ended = command("authorise", "--code", code, "--appid", NOBODY)
    ended.says(f"the code was {APPID}'s, not {NOBODY}'s", "did not grant permission set 18", code=1)
    used = command("authorise", "--code", code)
    used.refuses("61009", "accounts --import-list")
    used.hides(code)
    for words, problem in (
        ((), "neither --redirect-uri nor --code"),
        (("--redirect-uri", BACK, "--code", "c"), "both given"),
        (("--code", "-"), "authorization_code refused"),
    ):
        command("authorise", *words).refuses(problem)


# The ticket -----------------------------------------------------------------------------------------------------------
def test_the_age_is_shown_and_both_ways_to_get_a_ticket(set_up: SetUp, command: Command) -> None:
    for seconds, code, said in (
        (0, 0, r"\d s ago, good for 12 h more"),
        (4 * 3600, 0, "4 h ago, good for 8 h more"),
        (8 * 3600, 1, "12 h ago, it lives 12 h"),
    ):
        set_up.sql("update wxa_credential set renewal_at = renewal_at - ? where appid = ''", seconds)
        ended = command("ticket")
        assert ended.code == code
        assert re.search(said, ended.out)
    set_up.open_store().mark(COMPONENT_APPID, "", "refused")
    command("ticket").says("--restart", "--import", code=1)


@pytest.mark.parametrize("source", ["", "-", "file"])
def test_a_ticket_is_imported(set_up: SetUp, command: Command, source: str) -> None:
    set_up.sql("update wxa_credential set renewal_at = 0 where appid = ''")
    file = set_up.file.with_name("ticket")
    file.write_text("ticket@@@new")
    named = {"": [], "file": [str(file)]}.get(source, [source])
    ended = command("ticket", "--import", *named, stdin="ticket@@@new\n")
    assert (ended.code, stored(set_up)) == (0, "ticket@@@new")
    ended.hides("ticket@@@new")


def test_what_is_no_ticket_is_refused_the_old_one_kept_and_pushes_are_asked_for(
    set_up: SetUp, command: Command
) -> None:
    before = stored(set_up)
    for content in ("\n", "two words", "two\nlines"):
        command("ticket", "--import", stdin=content).refuses("component_verify_ticket refused")
    assert stored(set_up) == before
    ended = command("ticket", "--restart")
    ended.says("says: ok")
    ended.hides(COMPONENT_APPSECRET)
    assert set_up.running.journal.count("/cgi-bin/component/api_start_push_ticket") == 1


def test_durations_are_said_in_the_largest_unit_that_fits_twice() -> None:
    seconds = (-1, 0, 119, 120, 7199, 7200, 200000)
    assert [*map(in_words, seconds)] == ["0 s", "0 s", "119 s", "2 min", "120 min", "2 h", "2 d"]


# The store ------------------------------------------------------------------------------------------------------------
def test_after_a_rotation_the_new_key_alone_opens_the_store(
    set_up: SetUp, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    new, anothers = (Fernet.generate_key().decode() for _ in range(2))
    # A command that tells the URL, as ``…_CMD`` names one, ends its line.
    monkeypatch.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", f"{set_up.store_url}\n")
    monkeypatch.setenv("AIRFLOW__WXA__ENCRYPTION_KEYS", f"{new},{set_up.keys[0]}")
    command("rotate-keys").says("2 rows")
    with pytest.raises(WxaSpecError, match="another key"):
        set_up.open_store().merchant(COMPONENT_APPID, APPID)
    set_up.keys = [new]
    assert stored(set_up, APPID) == REFRESH_TOKEN
    monkeypatch.setenv("AIRFLOW__WXA__ENCRYPTION_KEYS", anothers)
    ended = command("rotate-keys")
    ended.refuses("another key")
    ended.hides(anothers)


@pytest.mark.usefixtures("from_migrations")
def test_migrating_says_from_where_to_where(tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", f"sqlite:///{tmp_path / 'new.db'}")
    for said in ("was created", "is up to date"):
        assert command("db", "migrate").out == f"the store {said}, revision {_head()}\n"
