"""An error's text as the end of a task's log: in lines that need no wrapping, for a reader at 3 a.m."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from unicodedata import east_asian_width

from airflow_wxa.texts import ENGLISH

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_wxa.errors import WxaError

_COLUMNS: Final = 96  # what a task's log shows without wrapping, less the indentation
_WIDE: Final = frozenset("WF")
_IDEOGRAPH: Final = r"[\u2e80-\u9fff\uff00-\uffef]"
_CLOSING: Final = r"[，。；：！？、）」』”]*"  # noqa: RUF001  (closing marks never begin a line)
_PIECES: Final = re.compile(rf"\s+|{_IDEOGRAPH}{_CLOSING}|(?:(?!{_IDEOGRAPH})\S)+{_CLOSING}")


def log_text(error: WxaError, language: str = ENGLISH) -> str:
    """Return an error's text in a language; if that is English, with the Chinese behind it."""
    lines = _lines(error.lines(language))
    if language == ENGLISH:
        more = _lines(error.lines("zh", values=False))
        source = lines.pop() if error.source else ""
        said = {line for line in (*lines, source) if not line.startswith(" ")}  # further in: it belongs to a line above
        lines += [line for line in more if line not in said] + ([source] if source else [])
    return "\n  ".join("\n    ".join(_wrapped(line)) for line in lines)  # what goes on stands further in


def _lines(parts: Iterable[str]) -> list[str]:
    """Return the lines of an error's parts; a line that stands further in than its part goes on doing so."""
    return [line.removeprefix("  ").rstrip() for part in parts for line in part.splitlines()]


def _wrapped(line: str) -> Iterable[str]:
    """Yield a line in pieces of at most 96 columns; an address is never cut."""
    piece, width = "", 0
    for part in _PIECES.findall(line):
        if piece.strip() and width + _width(part) > _COLUMNS:
            yield piece.rstrip()
            piece = part.lstrip()
            width = _width(piece)
        else:
            piece += part
            width += _width(part)
    if piece.strip():
        yield piece.rstrip()


def _width(text: str) -> int:
    return len(text) if text.isascii() else sum(2 if east_asian_width(each) in _WIDE else 1 for each in text)
