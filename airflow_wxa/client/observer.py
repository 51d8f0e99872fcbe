"""What the client tells whoever keeps a record of writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from airflow_wxa.api.call import Call, Reply
    from airflow_wxa.errors import WxaError

__all__ = ["Observer"]


class Observer(Protocol):
    """Sees every write before and after."""

    def before(self, call: Call) -> int:
        """Note that ``call`` is about to be sent, and return what it is noted as.

        :raises WxaError: it cannot be noted; then it is not sent.
        """
        ...

    def answered(self, noted: int, reply: Reply) -> None:
        """Note that WeChat did it; must not raise, since the work is done."""
        ...

    def refused(self, noted: int, error: WxaError) -> None:
        """Note that WeChat refused, or that its answer was lost; must not raise, ``error`` is on its way."""
        ...
