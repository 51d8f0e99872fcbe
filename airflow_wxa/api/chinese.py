"""The errors' texts in Chinese: release managers read them at 3 a.m., in the language they think in.

Errors are written in English where they are raised. The catalogue holds each of those texts as a template, ``{}`` for
each value, with its Chinese twin: so a text that was stored, or came out of another process, can be read in both.
Meaning and action of WeChat's errcodes come from their own table.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Final
from unicodedata import east_asian_width

from airflow_wxa.api.errcodes import errcodes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airflow_wxa.errors import WxaError

_COLUMNS: Final = 96  # what a task's log shows without wrapping, less the indentation
_WIDE: Final = frozenset("WF")
_IDEOGRAPH: Final = r"[\u2e80-\u9fff\uff00-\uffef]"
_CLOSING: Final = r"[，。；：！？、）」』”]*"  # noqa: RUF001  (closing marks never begin a line)
_PIECES: Final = re.compile(rf"\s+|{_IDEOGRAPH}{_CLOSING}|(?:(?!{_IDEOGRAPH})\S)+{_CLOSING}")


def in_chinese(text: str) -> str | None:
    """Return a text of an error in Chinese; ``None`` when the catalogue has no twin of it."""
    if not text:
        return ""
    exact = catalogue().get(text)
    if exact is not None:
        return exact
    for pattern, twin in _patterns():
        if found := pattern.fullmatch(text):
            # A value can be a text of ours itself: why WeChat refused inside what that means here.
            return twin.format(*(_value(each) for each in found.groups()))
    return None


def _value(text: str) -> str:
    return in_chinese(text) or text if " " in text else text


def both_languages(error: WxaError) -> str:
    """Return an error's text as the end of a task's log: English, then Chinese, in lines that need no wrapping."""
    english = str(error).removesuffix(error.source).rstrip().split("\n  ")
    texts = [error.what, *getattr(error, "problems", ()), *map(str.strip, error.why.splitlines()), error.next_step]
    chinese = [twin for text in texts if (twin := in_chinese(text)) and twin != text]
    lines = [*english, *chinese, *([error.source] if error.source else [])]
    return "\n  ".join("\n    ".join(_wrapped(line)) for line in lines)  # what goes on stands further in


@cache
def catalogue() -> Mapping[str, str]:
    """Return English template → Chinese template."""
    own: dict[str, str] = json.loads(resources.files(__package__).joinpath("chinese.json").read_text("utf-8"))
    rows = [row for row in errcodes().values() if row.errcode]
    return (
        own
        | {row.name.replace("_", " "): f"错误码 {row.errcode}" for row in rows}  # its meaning has a line of its own
        | {row.meaning: row.meaning_zh for row in rows if row.meaning}
        | {row.action: row.action_zh for row in rows if row.action}
    )


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """Return the templates with values, those with the most words of their own first."""
    templates = sorted((each for each in catalogue() if "{}" in each), key=lambda each: -len(each))
    return [
        (re.compile("(.*?)".join(map(re.escape, each.split("{}"))), re.DOTALL), catalogue()[each]) for each in templates
    ]


def _wrapped(line: str) -> Iterable[str]:
    """Yield a line in pieces of at most 96 columns; an address is never cut."""
    piece = ""
    for part in _PIECES.findall(line):
        if piece.strip() and _width(piece + part) > _COLUMNS:
            yield piece.rstrip()
            piece = part.lstrip()
        else:
            piece += part
    if piece.strip():
        yield piece.rstrip()


def _width(text: str) -> int:
    return sum(2 if east_asian_width(each) in _WIDE else 1 for each in text)
