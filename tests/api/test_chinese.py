"""Each error text has its Chinese twin, and both fit a task's log."""

from __future__ import annotations

import ast
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING
from unicodedata import east_asian_width

import pytest

import airflow_wxa
from airflow_wxa.api.chinese import both_languages, catalogue, in_chinese
from airflow_wxa.api.endpoints import CATALOGUE
from airflow_wxa.api.errcodes import errcodes, error_for
from airflow_wxa.errors import WxaError, WxaSpecError
from tests.tables import each_row

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(airflow_wxa.__file__).parent
#: Rooms whose errors end no task.
ELSEWHERE = {"sandbox", "cli", "plugins"}


def texts_of(node: ast.expr) -> list[str]:
    """Return each text that an expression can be, ``{}`` for each value in it."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr(values=values):
            text = "".join(str(each.value) if isinstance(each, ast.Constant) else "{}" for each in values)
            return [text, *(words for each in values for words in chosen(each))]
        case ast.IfExp(body=one, orelse=other):
            return texts_of(one) + texts_of(other)
        case ast.BoolOp(values=values):
            return [text for each in values for text in texts_of(each)]
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return ["".join(each) for each in product(texts_of(left), texts_of(right))]
        case ast.List(elts=elements):
            return [text for each in elements for text in texts_of(each)]
    return ["{}"]


def chosen(part: ast.expr) -> list[str]:
    """Return the words between which a value in a text chooses; one word may be a name, and needs no twin."""
    if not isinstance(part, ast.FormattedValue) or not isinstance(part.value, ast.IfExp | ast.BoolOp):
        return []
    return [text for text in texts_of(part.value) if " " in text]


def raised() -> Iterator[tuple[str, str]]:
    """Yield each text that an error of ours is made with, and where."""
    for path in sorted(ROOT.rglob("*.py")):
        if ELSEWHERE & set(path.relative_to(ROOT).parts):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", "")
                is_error = name.startswith("Wxa") and name.endswith(("Error", "Rejected"))
                parts = list(node.args[:2]) if is_error else []
                parts += [each.value for each in node.keywords if each.arg in ("what", "why", "next_step")]
                for text in (text for part in parts for text in texts_of(part)):
                    if any(character.isalpha() for character in text.replace("{}", "")):
                        yield text, f"{path.relative_to(ROOT)}:{node.lineno}"


def test_each_text_of_an_error_has_its_twin() -> None:
    found = dict(raised())
    assert len(found) > 100
    assert {text: where for text, where in found.items() if text not in catalogue()} == {}


def test_a_twin_has_the_values_of_its_text() -> None:
    odd = [text for text, twin in catalogue().items() if "{}" in text and twin.count("{}") != text.count("{}")]
    assert odd == []


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("commit refused: errcode 4711", "commit 被微信拒绝：错误码 4711"),  # noqa: RUF001
        ("commit refused: invalid credential", "commit 被微信拒绝：错误码 40001"),  # noqa: RUF001
        ("the store does not answer", "存储没有应答"),
        ("no such text", None),
        ("", ""),
    ],
)
def test_a_text_is_read_with_its_values(english: str, chinese: str | None) -> None:
    assert in_chinese(english) == chinese


def test_every_text_is_told_within_a_hundred_columns() -> None:
    told = {}
    for text in dict(raised()):
        said = text.replace("{}", "wx0123456789abcdef")
        lines = both_languages(WxaError(said, why=said, next_step=said)).splitlines()
        told[text] = [line for line in lines if width(line) > 100 and "://" not in line]
    assert [wide for wide in told.values() if wide] == []


@each_row("errcode", sorted(code for code in errcodes() if code))
def test_an_errcode_is_told_in_both_languages_within_a_hundred_columns(errcode: int) -> None:
    error = error_for(errcode, endpoint=CATALOGUE["commit"], appid="wx0123456789abcdef", errmsg="x" * 20, rid="1-2-3")
    lines = both_languages(error).splitlines()
    assert [line for line in lines if width(line) > 100 and "://" not in line] == []
    row = errcodes()[errcode]
    told = "".join(lines).replace(" ", "")
    assert row.meaning_zh.replace(" ", "") in told
    assert row.action.replace(" ", "") in told


def test_every_problem_and_the_source_are_told_once() -> None:
    error = WxaSpecError("this version cannot be committed", ["user_version = 1: must be a text"], source="https://a/b")
    told = both_languages(error)
    assert told.startswith("this version cannot be committed (nothing was sent)\n")
    assert told.count("user_version = 1") == 1
    assert told.endswith("\n  https://a/b")


def test_what_has_no_twin_is_told_in_english() -> None:
    assert both_languages(WxaError("no such text")) == "no such text"


def width(line: str) -> int:
    return sum(2 if east_asian_width(each) in "WF" else 1 for each in line)
