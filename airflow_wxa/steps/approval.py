"""A step that only an approval lets do its work asks for it itself, just before it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from airflow_wxa.steps.outcome import Approved, Step


def approved(asked: Approved | None) -> Step[bool]:
    """Ask whether a person has approved exactly this; return whether that was needed.

    :param asked: ``None``: nobody is asked.
    :raises WxaStateError: no ledger is kept, nobody has answered, or something else was approved.
    :raises WxaTransportError: the ledger does not answer.
    """
    return asked is not None and cast("bool", (yield asked))
