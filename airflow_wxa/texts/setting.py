"""``[wxa] language``: the language of DAGs, forms, approvals, notifications, logs and commands."""

from __future__ import annotations

from airflow_wxa.texts import ENGLISH, Text, in_language, languages


def language() -> str:
    """Return the language that is set; one without a file is English."""
    from airflow.configuration import conf  # noqa: PLC0415  (a ledger is kept without Airflow as well)

    named: str = conf.get("wxa", "language", fallback="") or ENGLISH
    return named if named in languages() else ENGLISH


def as_set(text: str) -> str:
    """Return a text in that language."""
    return in_language(text, language())


def phrase(key: str, **values: object) -> str:
    """Return a text of the catalogue in that language."""
    return as_set(Text(key, **values))
