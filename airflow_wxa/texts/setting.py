"""``[wxa] language``: the language of DAGs, forms, approvals, notifications, logs and commands."""

from __future__ import annotations

import os
import sys
from configparser import ConfigParser, Error
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache
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
    named = _OF_READER.get() or _set()
    return named if named in languages() else ENGLISH


def _set() -> str:
    """Return what is set; Airflow is not imported for it, which takes seconds and makes a home."""
    conf = getattr(sys.modules.get("airflow.configuration"), "conf", None)
    if conf is not None:
        return str(conf.get("wxa", "language", fallback=""))
    if named := os.environ.get("AIRFLOW__WXA__LANGUAGE"):
        return named
    home = os.environ.get("AIRFLOW_HOME", "~/airflow")
    path = os.path.expanduser(os.path.expandvars(os.environ.get("AIRFLOW_CONFIG") or f"{home}/airflow.cfg"))  # noqa: PTH111  (Path raises without a home)
    return _in_file(path)


@cache
def _in_file(path: str) -> str:
    """Read the setting once: every text asks for it."""
    file = ConfigParser(interpolation=None, strict=False)
    with suppress(Error, UnicodeError):  # a file that Airflow refuses must not stop a command that needs no Airflow
        file.read(path, "utf-8")
    return str(file.get("wxa", "language", fallback=""))


def as_set(text: str) -> str:
    """Return a text in that language."""
    return in_language(text, language())


def phrase(key: str, **values: object) -> str:
    """Return a text of the catalogue in that language."""
    return as_set(Text(key, **values))
