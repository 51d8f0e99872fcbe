"""Seconds as people say them."""

from __future__ import annotations

from typing import Final

__all__ = ["in_words"]

_UNITS: Final = (("d", 86400), ("h", 3600), ("min", 60))
_FROM: Final = 2  # of a unit, so that what is shown is never off by half


def in_words(seconds: float) -> str:
    """Return a duration in the largest unit of which there are at least two: ``95 min``, ``30 h``, ``12 d``."""
    for name, size in _UNITS:
        if seconds >= _FROM * size:
            return f"{seconds / size:.0f} {name}"
    return f"{max(seconds, 0):.0f} s"
