"""One reading of values that come as themselves or as text: Jinja makes ``"False"`` of a flag, and a list a text.

Each reader returns the value, the same when it is read again, or raises ``ValueError`` that says what it must be.
"""

from __future__ import annotations

import ast
import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from functools import wraps
from typing import Any, Final, TypeAlias

from airflow_wxa.errors import shown

#: ``wx`` and 16 hex digits in lower case; to be matched as a whole.
APPID: Final = re.compile(r"wx[0-9a-f]{16}")
#: Stands for the platform itself where others are named by their appid.
THE_PLATFORM: Final = ""
#: The same, as JSON Schema wants it.
APPID_PATTERN: Final = f"^{APPID.pattern}$"

Reader: TypeAlias = Callable[[Any], Any]

#: Says in a template that the platform itself is meant: one that renders to nothing is refused.
PLATFORM: Final = "platform"
#: Hours: no wait that one wants is longer, and one of a million hours is a mistake.
LONGEST_WAIT: Final = 24 * 365
_NOTHING: Final = "None"  # what Jinja makes of nothing
_NO_ENTRIES: Final = ("", _NOTHING, "True", "False")
_FLAGS: Final = {"true": True, "false": False}
_FORMULA_SIGNS: Final = tuple("=+-@\t\r＝＋－＠")  # noqa: RUF001  spreadsheets take the wide ones as well
_NUMBER: Final = re.compile(r"[0-9]+(\.[0-9]+)?")


def flag(value: Any) -> bool:
    """Read ``True``, ``False``, or either as text."""
    read = _FLAGS.get(value.strip().lower()) if isinstance(value, str) else value
    if not isinstance(read, bool):
        raise ValueError("true or false")  # noqa: TRY004  (one class for all that does not fit)
    return read


def number(value: Any) -> float:
    """Read a number, 0 or more."""
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ValueError("a number, 0 or more")
    return float(value)


def hours(value: Any) -> float:
    """Read a number of hours to wait: above 0, at most ``LONGEST_WAIT``."""
    try:
        read = number(value)
    except ValueError:
        read = 0
    if not 0 < read <= LONGEST_WAIT:
        raise ValueError(f"a number of hours above 0, at most {LONGEST_WAIT}")
    return read


def whole(value: Any) -> int:
    """Read a whole number, 0 or more."""
    try:
        read = number(value)
    except ValueError:
        read = math.nan
    if read != read // 1:
        raise ValueError("a whole number, 0 or more")
    return int(read)


def seconds(value: Any) -> float:
    """Read a number of seconds, 0 or more, or a ``timedelta``."""
    try:
        return number(value.total_seconds() if isinstance(value, timedelta) else value)
    except ValueError:
        raise ValueError("seconds, 0 or more, or a timedelta") from None


def text(value: Any) -> str:
    """Read a text; ``None`` is the empty one, and a whole number the text that it was before it was rendered."""
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or value == _NOTHING:
        raise ValueError("a text; param() keeps one that is empty")
    return value


def named(value: Any) -> str:
    """Read a text that is not empty, as it was written: of ``1.4`` and ``1_4`` native rendering makes numbers."""
    if not isinstance(value, str) or value.strip() in {"", _NOTHING}:
        raise ValueError("a text; native rendering makes a number of 1.4, which param() does not")
    return value


def appid(value: Any) -> str:
    """Read an appid."""
    if not isinstance(value, str) or not APPID.fullmatch(value):
        raise ValueError("wx and 16 hex digits in lower case")
    return value


def account(value: Any) -> str:
    """Read an appid, or the word for the platform."""
    if value == PLATFORM:
        return PLATFORM
    try:
        return appid(value)
    except ValueError as must:
        raise ValueError(f"{must}, or {PLATFORM}") from None


def digits(value: Any) -> str:
    """Read an id of digits, such as an ``auditid``; ``None`` and the empty text: there is none."""
    read = "" if value is None else value
    if isinstance(read, int) and not isinstance(read, bool):
        read = str(read)
    if not isinstance(read, str) or not re.fullmatch(r"[0-9]*", read):
        raise ValueError("digits")
    return read


def texts(value: Any) -> list[str]:
    """Read a list of texts, or one text as a list of one; a list that was rendered to text is the list."""
    read = _literal(value, "[") if isinstance(value, str) else value
    if read in _NO_ENTRIES or (isinstance(read, str) and read.startswith("{")):
        read = None
    if isinstance(read, str) or (isinstance(read, int) and not isinstance(read, bool)):
        read = [read]
    if not isinstance(read, list | tuple | set | frozenset):
        raise ValueError("a list of texts")  # noqa: TRY004
    items = [str(each) if type(each) is int else each for each in read]
    if not all(isinstance(each, str) and each.strip() for each in items):
        raise ValueError("a list of texts")
    return items


def json_list(value: Any) -> list[Any]:
    """Read a list, or one that was rendered to text."""
    read = _literal(value, "[") if isinstance(value, str) else value
    if not isinstance(read, list):
        raise ValueError("a list")  # noqa: TRY004
    return read


def json_object(value: Any) -> dict[str, Any]:
    """Read an object, or one that was rendered to text."""
    read = _literal(value, "{") if isinstance(value, str) else value
    if not isinstance(read, dict):
        raise ValueError("an object")  # noqa: TRY004
    return read


def csv_cell(value: Any) -> Any:
    """Return a value as a cell of CSV; before a text that a spreadsheet would take for a formula stands ``'``."""
    is_formula = isinstance(value, str) and value.lstrip(" ").startswith(_FORMULA_SIGNS)
    return f"'{value}" if is_formula else value


def csv_lines(rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    """Yield the lines of a CSV file; a spreadsheet takes no cell of it for a formula."""
    for row in rows:
        line = io.StringIO()
        csv.writer(line).writerow(map(csv_cell, row))
        yield line.getvalue()


def read_attributes(
    holder: object, reads: Mapping[str, Reader], put: Callable[[Any, str, Any], None] = setattr
) -> list[str]:
    """Put what each reader makes of an attribute in its place; return a line for each that cannot be what it is."""
    problems = []
    for name, read in reads.items():
        value = getattr(holder, name)
        try:
            put(holder, name, read(value))
        except ValueError as must:
            problems.append(f"{name} = {shown(repr(value))}: must be {must}")
    return problems


def optional(read: Reader) -> Reader:
    """Return a reader that leaves ``None`` as it is."""

    @wraps(read)
    def or_none(value: Any) -> Any:
        return None if value is None else read(value)

    return or_none


def choice(*words: str) -> Reader:
    """Return the reader of one of these words."""

    def read(value: Any) -> str:
        if value not in words:
            raise ValueError(f"one of {', '.join(words)}")
        return str(value)

    return read


def _literal(rendered: str, begin: str) -> Any:
    """Return what a text that begins so stands for, as JSON or as Python writes it; any other text as it is."""
    if not rendered.strip().startswith(begin):
        return rendered
    for parse in (json.loads, ast.literal_eval):
        try:
            return parse(rendered.strip())
        except (ValueError, SyntaxError, RecursionError):
            continue
    return None
