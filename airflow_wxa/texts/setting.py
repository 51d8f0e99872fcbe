"""``[wxa] language``: the language of DAGs, forms, approvals, notifications, logs and commands."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from airflow_wxa.texts import ENGLISH, Text, in_language, languages

if TYPE_CHECKING:
    from collections.abc import Iterator

_OF_READER: Final = ContextVar("language of one reader", default="")


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Take another language for the one that is set, here and now."""
    token = _OF_READER.set(language)
    try:
        yield
    finally:
        _OF_READER.reset(token)


def language() -> str:
    """Return the language that is set; one without a file is English."""
    named: str = _OF_READER.get()
    if not named:
        from airflow.configuration import conf  # noqa: PLC0415  (a ledger is kept without Airflow as well)

        named = conf.get("wxa", "language", fallback="")
    return named if named in languages() else ENGLISH


def as_set(text: str) -> str:
    """Return a text in that language."""
    return in_language(text, language())


def phrase(key: str, **values: object) -> str:
    """Return a text of the catalogue in that language."""
    return as_set(Text(key, **values))
