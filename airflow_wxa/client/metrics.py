"""Counters and their names; without Airflow nothing is counted.

``airflow_wxa.hooks`` sets where it goes, see :mod:`airflow_wxa.hooks.metrics`: to Airflow's Stats.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Name → its tags. Names and tags are a promise to dashboards.
METRICS: Final[Mapping[str, tuple[str, ...]]] = {
    "wxa.calls": ("endpoint", "result"),
    "wxa.errcodes": ("endpoint", "errcode"),
    "wxa.refreshes": ("token", "result"),
    "wxa.audit_wait": ("outcome",),
    "wxa.outcomes": ("outcome",),
}


class Sink(Protocol):
    """Takes the metrics; must neither block nor raise."""

    def incr(self, name: str, tags: Mapping[str, str]) -> None:
        """Count one."""

    def timing(self, name: str, milliseconds: float, tags: Mapping[str, str]) -> None:
        """Take a duration."""


_sinks: Final[list[Sink]] = []


def send_to(sink: Sink) -> None:
    """Send the metrics of this process there from now on."""
    _sinks[:] = [sink]


def count(name: str, **tags: str) -> None:
    """Count one of :data:`METRICS`."""
    for sink in _sinks:
        sink.incr(name, tags)


def timing(name: str, seconds: float, **tags: str) -> None:
    """Take a duration of one of :data:`METRICS`."""
    for sink in _sinks:
        sink.timing(name, seconds * 1000, tags)
