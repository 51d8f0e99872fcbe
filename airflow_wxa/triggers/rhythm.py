"""How long a wait sleeps between two looks."""

from __future__ import annotations

import random
from typing import Final

__all__ = ["LONGEST_PAUSE", "Rhythm"]

#: Seconds that pauses grow to: a review takes hours or days.
LONGEST_PAUSE: Final = 900.0
_GROWTH: Final = 1.5
_SHORTEST: Final = 0.75  # of a pause that jitter cut


class Rhythm:
    """Pauses that grow, cut by chance so that thousands of waits do not look at the same moment.

    :param first: seconds of the shortest pause. The very first is cut anywhere: after a restart of the triggerer all
        waits begin at once.
    :param longest: seconds that pauses grow to; at most ``first``: they do not grow.
    """

    def __init__(self, first: float, longest: float) -> None:
        self._first = first
        self._longest = max(first, longest)
        self._coming = first
        self._cut = 0.0

    def pause(self) -> float:
        """Return the seconds of the next pause, never more than the interval has grown to."""
        seconds = self._coming * random.uniform(self._cut, 1)  # noqa: S311  (spreads load, guards nothing)
        self._coming = min(self._coming * _GROWTH, self._longest)
        self._cut = _SHORTEST
        return seconds

    def restart(self) -> None:
        """Go back to the shortest pause: something is about to happen."""
        self._coming = self._first
