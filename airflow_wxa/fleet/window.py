"""The calendar of a fleet: when releases may happen, and how long reviews may take.

WeChat reviews nothing but expedited sheets over Spring Festival: days on which reviews stop are added to a deadline.
"""

from __future__ import annotations

import datetime as dt
import math
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from airflow_wxa.errors import WxaSpecError, shown
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MAX_DAYS: Final = 800  # to look ahead; a calendar that is closed for longer is refused when it is read
_DAY: Final = dt.timedelta(days=1)


def opens_at(manifest: Mapping[str, Any], now: float) -> float:
    """Return when a release may happen next, epoch seconds; ``now`` while it may; infinite: not in the next two years.

    :param manifest: its ``window`` and ``freeze``; the day of hours over midnight is the one on which they begin.
    """
    zone = _zone(manifest)
    frozen = list(_spans(manifest.get("freeze") or (), zone))
    for opens, closes in _hours(manifest.get("window") or {}, dt.datetime.fromtimestamp(now, zone)):
        begin = max(now, opens)
        for start, end in frozen:
            begin = end if start <= begin < end else begin
        if begin < closes:
            return begin
    return math.inf


def audit_hours(manifest: Mapping[str, Any]) -> float:
    """Return how long a review is waited for."""
    return float(manifest.get("audit_timeout_hours", 264))


def deadline(manifest: Mapping[str, Any], since: float) -> float:
    """Return until when a review that began at a time is waited for, the days without reviews left out."""
    end = since + 3600 * audit_hours(manifest)
    for start, stop in _spans(manifest.get("reviews_stop") or (), _zone(manifest)):
        if since < stop and start <= end:
            end += stop - max(start, since)
    return end


def _zone(manifest: Mapping[str, Any]) -> ZoneInfo:
    return ZoneInfo((manifest.get("window") or {}).get("time_zone", "Asia/Shanghai"))


def _hours(window: Mapping[str, Any], now: dt.datetime) -> Iterator[tuple[float, float]]:
    """Yield when the window opens and closes, from yesterday on: its hours may have gone over midnight."""
    begin, end = (dt.time.fromisoformat(window.get(name, "00:00")) for name in ("from", "to"))
    days, dates = window.get("days", _DAYS), list(_spans(window.get("dates") or (), now.tzinfo))
    for ahead in range(-1, _MAX_DAYS):
        day = now.date() + ahead * _DAY
        opens, closes = (
            dt.datetime.combine(each, at, now.tzinfo).timestamp()
            for each, at in ((day, begin), (day if begin < end else day + _DAY, end))
        )
        is_dated = not dates or any(start <= opens < stop for start, stop in dates)
        if _DAYS[day.weekday()] in days and is_dated and now.timestamp() < closes:
            yield opens, closes


def _spans(days: Iterable[Mapping[str, str]], zone: dt.tzinfo | None) -> Iterator[tuple[float, float]]:
    """Yield first and last moment of days that a manifest names, in order; those that touch are one."""
    spans = sorted(
        tuple(
            dt.datetime.combine(dt.date.fromisoformat(each[name]) + more, dt.time(), zone).timestamp()
            for name, more in (("from", 0 * _DAY), ("to", _DAY))
        )
        for each in days
    )
    joined: list[tuple[float, float]] = []
    for start, end in spans:
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    yield from joined


def holidays_of(country: str) -> list[dict[str, str]]:
    """Return the public holidays of this year and the next two, by the library ``holidays``.

    :param country: its ISO code, such as ``CN``.
    :raises WxaSpecError: the library is not installed, or does not know the country.
    """
    this = dt.datetime.now(dt.UTC).year
    try:
        found = import_module("holidays").country_holidays(country, years=range(this, this + 3))
    except (ImportError, NotImplementedError) as error:
        wrong = Text("country_is_unknown", error=str(error))
        if isinstance(error, ImportError):
            wrong = Text("holidays_are_not_installed")
        raise WxaSpecError(
            Text("holidays_are_unknown"), [Text("problem_of_holidays", country=shown(repr(country)), wrong=wrong)]
        ) from None
    return [{"from": str(day), "to": str(day), "reason": name} for day, name in sorted(found.items())]
