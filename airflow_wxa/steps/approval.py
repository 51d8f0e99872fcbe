"""A step that only an approval lets do its work asks for it itself, just before it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_wxa.steps.outcome import Approved, Step


def approved(asked: Approved | None) -> Step[Mapping[str, Any] | None]:
    """Ask whether a person has approved exactly this; return the decision, ``None`` where none was needed.

    :param asked: ``None``: nobody is asked.
    :raises WxaStateError: no ledger is kept, nobody has answered, or something else was approved.
    :raises WxaTransportError: the ledger does not answer.
    """
    return None if asked is None else cast("Mapping[str, Any] | None", (yield asked))
