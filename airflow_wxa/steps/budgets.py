"""Calls that are counted, or that WeChat lets be sent twice: the ledger says whether one more may go.

A step asks behind its local checks and before the look that decides, since asking makes it the newest attempt: whatever
an older one did is seen by that look, and an older one may not send the call any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from airflow_wxa.api.audit import undocodeaudit
from airflow_wxa.steps.outcome import Left

if TYPE_CHECKING:
    from airflow_wxa.steps.outcome import Step


def changes_left(endpoint: str, appid: str | None) -> Step[int]:
    """Ask how often a call may still be sent this month.

    :param endpoint: its name, such as ``modify_domain``; one that WeChat does not guard may be sent by this step only.
    :param appid: the Mini Program; ``None``: the platform itself.
    :raises WxaStateError: no ledger is kept.
    :raises WxaTransportError: the ledger does not answer.
    """
    return cast("int", (yield Left(endpoint, appid or "")))


def withdrawals_left(appid: str) -> Step[int]:
    """Ask how often a sheet of a Mini Program may still be withdrawn, 5 a day and 10 a month; raises likewise."""
    return (yield from changes_left(undocodeaudit(appid).endpoint.name, appid))
