"""What the client repeats by itself, and when. Everything else is the step's or the task's decision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tenacity import retry_if_exception, stop_after_attempt, wait_random_exponential

from airflow_wxa.errors import WxaApiError, WxaCredentialError, WxaTransportError

if TYPE_CHECKING:
    from airflow_wxa.api.call import Call

__all__ = ["STOP_AGAIN", "WAIT", "is_repeated", "repeated", "wants_another_token"]

_SYSTEM_BUSY: Final = -1
#: A token that WeChat does not take (any more): invalid or not the latest, not valid, expired, platform's expired.
_TOKEN_REFUSED: Final = frozenset({40001, 40014, 42001, 42006})
STOP_AGAIN: Final = stop_after_attempt(2)  # after the first attempt: three in all
WAIT: Final = wait_random_exponential(multiplier=0.25, max=2)  # seconds


def is_repeated(call: Call, error: BaseException) -> bool:
    """Tell whether the same call is sent again: it is safe to, and its answer was lost or "busy" (-1).

    ``commit``, ``submit_audit`` and ``release`` are never repeated blindly: their step reads the state and decides.
    61039 and the like are for sensors to wait on.
    """
    if not call.endpoint.safe_to_repeat:
        return False
    if isinstance(error, WxaApiError):
        return error.errcode == _SYSTEM_BUSY
    return isinstance(error, WxaTransportError)


def repeated(call: Call) -> retry_if_exception:
    """Return :func:`is_repeated` for one call, as tenacity wants it."""
    return retry_if_exception(lambda error: is_repeated(call, error))


def wants_another_token(error: BaseException) -> bool:
    """Tell whether WeChat refused the token before it did anything, so that even a write is sent again, once."""
    return isinstance(error, WxaCredentialError) and error.errcode in _TOKEN_REFUSED
