"""The hours in which releases may happen."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Mapping

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEK: Final = 8  # days to look ahead: today may be over


def opens_at(window: Mapping[str, Any] | None, now: float) -> float:
    """Return when the window is open next, epoch seconds; ``now`` while it is open.

    :param window: ``{"from", "to", "days", "time_zone"}`` as in a manifest; ``None``: always open.
    """
    if window is None:
        return now
    here = dt.datetime.fromtimestamp(now, ZoneInfo(window.get("time_zone", "Asia/Shanghai")))
    begin, end = (dt.time.fromisoformat(window[name]) for name in ("from", "to"))
    days = window.get("days", _DAYS)
    for ahead in range(_WEEK):
        day = here + dt.timedelta(days=ahead)
        opens, closes = (day.replace(hour=at.hour, minute=at.minute, second=0, microsecond=0) for at in (begin, end))
        if _DAYS[day.weekday()] in days and here < closes:
            return max(now, opens.timestamp())
    raise ValueError(f"a window without a day: {window}")
