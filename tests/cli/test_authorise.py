"""A link for the merchant, and the exchange of the code that comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.healthy import Ended, SetUp

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
