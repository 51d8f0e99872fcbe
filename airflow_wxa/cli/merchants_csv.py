"""A CSV of merchants and their refresh tokens, as another program exports it. No problem shows a token."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final

from airflow_wxa.api.appid import APPID
from airflow_wxa.api.redaction import Secret
from airflow_wxa.errors import WxaSpecError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["COLUMNS", "read_merchants"]

COLUMNS: Final = ("appid", "refresh_token")
_SHOWN: Final = 20  # problems; a file with the wrong separator has as many as lines


def read_merchants(text: str) -> dict[str, Secret]:
    """Return refresh tokens by appid.

    :param text: a header that names at least the two columns, then a merchant a line; other columns are ignored.
    :raises WxaSpecError: every problem of the file, by line.
    """
    reader = csv.DictReader(io.StringIO(text, newline=""), restkey="", strict=True)
    try:
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise _refused([f"line 1: no column {name}" for name in missing])
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise _refused([f"line {reader.line_num}: {error}"]) from None
    problems = [] if rows else ["there is no merchant in it"]
    found: dict[str, Secret] = {}
    for line, row in rows:
        problems += [f"line {line}: {problem}" for problem in _row_problems(row, found)]
        found.setdefault(row["appid"] or "", Secret(row["refresh_token"] or ""))
    if problems:
        raise _refused(problems)
    return found


def _row_problems(row: Mapping[str, str | None], before: Iterable[str]) -> list[str]:
    appid, token = row["appid"] or "", row["refresh_token"] or ""
    problems = []
    if not APPID.fullmatch(appid):
        problems.append(f"appid {appid!r} is not wx and 16 hex digits in lower case")
    elif appid in before:
        problems.append(f"appid {appid} stands there twice")
    if not token:
        problems.append("refresh_token is empty")
    elif len(token.split()) != 1 or token != token.strip():
        problems.append("refresh_token holds blanks or line breaks (it is not shown)")
    if "" in row:
        problems.append("there are more cells than columns")
    return problems


def _refused(problems: list[str]) -> WxaSpecError:
    rest = len(problems) - _SHOWN
    return WxaSpecError(
        "the CSV file is refused, nothing was stored",
        problems[:_SHOWN] + ([f"and {rest} more"] if rest > 0 else []),
        why="An import is all or nothing, so that it can be repeated after the file was corrected.",
        next_step=f"write a header {','.join(COLUMNS)} and one merchant a line, separated by commas",
        source="airflow-wxa docs credentials",
    )
