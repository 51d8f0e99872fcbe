"""No text of WeChat's, of a merchant's or of a DAG author's steers a terminal that shows it."""

from __future__ import annotations

import json

import pytest
from rich.table import Table
from rich.text import Text

from airflow_wxa.cli.opening import print_rows
from airflow_wxa.cli.terminal import Terminal, say
from airflow_wxa.errors import WxaError, readable

STEERING = {
    "ESC": "\x1b[2J\x1b]0;owned\x07",
    "C1": "\x9b31m",
    "right to left": "\u202efdp.exe",
    "isolate": "\u2067x\u2069",
    "carriage return": "all is well\rrm -rf",
    "delete": "\x7f",
}


@pytest.fixture(params=list(STEERING))
def hostile(request: pytest.FixtureRequest) -> str:
    return f"shop {STEERING[request.param]} 商店"


def steers(text: str) -> bool:
    return any((ord(each) < 32 and each not in "\t\n") or 127 <= ord(each) < 160 for each in text) or any(
        each in text for each in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"
    )


def test_rows_are_shown_as_text(hostile: str, capsys: pytest.CaptureFixture[str]) -> None:
    for output in ("table", "plain", "yaml", "json"):
        print_rows([{"name": hostile}], output)
        shown = capsys.readouterr().out
        assert "商店" in shown or "\\u5546" in shown
        assert not steers(shown)
    assert json.loads(shown) == [{"name": hostile}]


def test_a_table_a_sentence_and_an_error_are_shown_as_text(hostile: str, capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(title=hostile)
    table.add_column(hostile)
    table.add_row(hostile)
    Terminal().print(table, Text(hostile), hostile)
    say(hostile, style="red")
    said = capsys.readouterr()
    assert not steers(said.out + said.err)
    assert not steers(str(WxaError(hostile, values={"errmsg": hostile}, why=hostile)))


def test_what_steers_nothing_and_styles_of_our_own_stay(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = "tab\there\nline, emoji \N{SHOPPING BAGS}, family \N{MAN}\N{ZERO WIDTH JOINER}\N{WOMAN}, 中文"
    assert readable(plain) == plain
    monkeypatch.setenv("FORCE_COLOR", "1")
    say("refused", style="red")
    assert capsys.readouterr().err == "\x1b[31mrefused\x1b[0m\n"
