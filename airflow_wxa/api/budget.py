"""Budgets that WeChat counts by the month, and the error when one is used up."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from airflow_wxa.errors import WxaQuotaError

if TYPE_CHECKING:
    from airflow_wxa.api.endpoints import Endpoint

BEIJING: Final = dt.timezone(dt.timedelta(hours=8))  # WeChat's days and months begin at its midnight


@dataclass(frozen=True, slots=True)
class Budget:
    """A count of an account that several endpoints may share.

    :param name: the counted act.
    :param a_month: how often.
    """

    name: str
    a_month: int


def month_began(now: dt.datetime) -> dt.datetime:
    """Return when WeChat's month began that ``now`` is in."""
    return now.astimezone(BEIJING).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def budget_used_up(endpoint: Endpoint, appid: str | None, left: int, needed: int = 1) -> WxaQuotaError:
    """Return the error for calls that a budget does not hold any more; nothing was sent.

    :param left: how many there are this month.
    :param needed: how many it would take.
    """
    budget = endpoint.budget
    assert budget is not None  # noqa: S101  (only such an endpoint spends one)
    return WxaQuotaError(
        f"{endpoint.name} not sent: {left} of {budget.a_month} {budget.name} are left this month, it takes {needed}",
        errcode=0,
        values={"left this month": left, "of": budget.a_month},
        why="WeChat limits them by the month, and does not tell how many are left: the ledger counts those that were "
        "sent from here, also those whose answer was lost.",
        next_step="wait for the first of next month (Beijing time), and change everything in one call then",
        **endpoint.named(appid),
    )
