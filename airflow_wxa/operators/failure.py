"""How an error of ours ends a task: what a person must fix fails at once, what may pass is left to the retries."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow.sdk.exceptions import AirflowFailException

from airflow_wxa.errors import WxaError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["failing_at_once"]


@contextmanager
def failing_at_once() -> Iterator[None]:
    """Turn an error that no repetition helps into ``AirflowFailException``, with its whole text."""
    try:
        yield
    except WxaError as error:
        if error.retryable:
            raise
        raise AirflowFailException(str(error)) from error
