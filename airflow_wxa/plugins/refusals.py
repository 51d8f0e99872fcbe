"""How many pushes were refused, and why: for the log and for the doctor, without a word of what came."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["REFUSED_KIND", "WINDOW_SECONDS", "Refusals"]

log = logging.getLogger(__name__)

#: ``kind`` of the rows of the push log that say "pushes are refused"; their ``account`` is the reason.
REFUSED_KIND: Final = "refused"
WINDOW_SECONDS: Final = 600
_LOG_SECONDS: Final = 60.0


class Refusals:
    """Counts by Connection and reason; a line in the log at most once a minute for each.

    Anybody may knock at the receiver, so what a refusal costs is bounded: the store hears of a reason once in ten
    minutes.

    :param clock: seconds, for the pace.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._logged: dict[tuple[str, str], float] = {}
        self._noted: dict[tuple[str, str], float] = {}

    @property
    def counts(self) -> Mapping[tuple[str, str], int]:
        """Connection and reason → how many in this process; the Connection is ``""`` where none was meant."""
        with self._lock:
            return dict(self._counts)

    def count(self, wxa_conn_id: str, reason: str) -> bool:
        """Count one.

        :param wxa_conn_id: a Connection that exists, else ``""``: ids that somebody made up are not collected.
        :return: whether the store should hear of it.
        """
        key, now = (wxa_conn_id, reason), self._clock()
        with self._lock:
            self._counts[key] += 1
            total = self._counts[key]
            is_logged = now - self._logged.get(key, float("-inf")) >= _LOG_SECONDS
            is_noted = now - self._noted.get(key, float("-inf")) >= WINDOW_SECONDS
            self._logged |= {key: now} if is_logged else {}
            self._noted |= {key: now} if is_noted else {}
        if is_logged:
            log.warning("push refused: %s (Connection %s, %d so far)", reason, wxa_conn_id or "unknown", total)
        return is_noted
