"""The pace of a shard's calls to WeChat, and their stop: a limit that one shard meets holds for all of them.

45011 is a limit by the minute, 45009 one by the day, 9402202 says that too many commits run at once. A hold in the
store keeps every shard from such calls before their time, reads and writes of an endpoint apart. WeChat counts a day's
calls for the account whose token is used: 45009 holds that Mini Program only, and all of the platform when three Mini
Programs in a row are answered it. ``quota/get`` shows both counters (``quota`` and ``component_rate_limit``).
"""

from __future__ import annotations

import asyncio
import datetime as dt
import random
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from cachetools import TTLCache

from airflow_wxa.api.call import Call
from airflow_wxa.api.endpoints import BEIJING
from airflow_wxa.api.errcodes import error_for
from airflow_wxa.client.delivery import carried
from airflow_wxa.errors import WxaApiError, WxaError
from airflow_wxa.steps import Pause, Recall
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Mapping

    from airflow_wxa.api.call import Reply
    from airflow_wxa.steps import AcceptedWrites, Step
    from airflow_wxa.steps.outcome import Effect
    from airflow_wxa.store.fleets import FleetRun, Fleets, Held

T = TypeVar("T")

_BY_THE_MINUTE: Final = 45011
CALLS_OF_THE_DAY: Final = 45009
_TOO_MANY_AT_ONCE: Final = 9402202
_MERCHANTS_IN_A_ROW: Final = 3  # answered 45009 on an endpoint: then it is the platform's counter
_SLEPT_OUT: Final = 65.0  # seconds: a longer hold is left to the caller
_LOOK_SECONDS: Final = 1.0
_PLATFORM_LIST_SECONDS: Final = 10.0  # the platform's list serves all Mini Programs for so long
_TURN_SECONDS: Final = 0.05
_NAMED_AT_MOST: Final = 5_000  # Mini Programs in one question: SQLite takes 32,766 values at most, PostgreSQL 65,535


class HeldError(Exception):
    """WeChat takes no such call before a time.

    :param until: epoch seconds.
    """

    def __init__(self, endpoint: str, until: float) -> None:
        super().__init__(f"{endpoint} is held until {until:.0f}")
        self.until = until


class StoppedError(Exception):
    """The run was stopped: no new write starts."""


class Pace:
    """The pace of one shard.

    :param manifest: says how much is done at a time.
    :param fleets: the store, in which all shards note WeChat's limits; ``None``: there is no run.
    :param known: answers a question to the ledger beforehand; ``None``: the ledger is asked.
    """

    def __init__(
        self,
        manifest: Mapping[str, Any],
        fleets: Fleets | None = None,
        run: FleetRun | None = None,
        known: Callable[[Recall], AcceptedWrites | None] = lambda _: None,
    ) -> None:
        self._fleets = fleets
        self._known = known
        self._run = run
        asked: Mapping[str, int] = manifest.get("pace") or {}
        self.concurrency = asked.get("concurrency", 16)
        self._at_once = {"commit": asked.get("commit", 4)}
        self._under_way: dict[str, int] = {}
        self._held: dict[Held, float] = {}
        self._taught: dict[Held, tuple[float, int]] = {}  # not in the store yet
        self._platform_lists: TTLCache[str, Reply] = TTLCache(maxsize=8, ttl=_PLATFORM_LIST_SECONDS)
        #: Mini Programs that were answered 45009 in a row, by endpoint and whether it was a write.
        self._in_a_row: dict[tuple[str, bool], set[str]] = {}
        self.is_stopped = run is not None and run.stopped_by is not None
        #: Mini Programs that may be written to; ``None``: any of the run.
        self.appids: Collection[str] | None = None
        self._superseded: frozenset[str] = frozenset()  # those of them that a later run has taken over

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Look once a second, while the block runs, at the limits that other shards met and at the run's stop."""
        watch = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch
            with suppress(WxaError):
                await asyncio.to_thread(self._teach)

    def paced(self, step: Step[T]) -> Step[T]:
        """Carry a step, and let each of its calls wait for its turn.

        :raises HeldError: the turn is too far away, or WeChat has just refused the call by a limit.
        :raises StoppedError: a write of a run that was stopped.
        """
        return carried(step, self._done)

    def _done(self, wanted: Effect) -> Step[Any]:
        if isinstance(wanted, Call):
            return (yield from self._sent(wanted))
        known = self._known(wanted) if isinstance(wanted, Recall) else None
        return known or (yield wanted)

    def _sent(self, call: Call) -> Step[Reply]:
        name = call.endpoint.name
        of_platform = call.appid is None and call.only_reads
        if of_platform and (known := self._platform_lists.get(name)) is not None:
            return known
        while (seconds := self._wait(call)) > 0:
            yield Pause(seconds)
        self._under_way[name] = self._under_way.get(name, 0) + 1
        try:
            reply = yield call
        except WxaApiError as error:
            until = _held_until(error.errcode, time.time())
            held = self._concerned(call, error)
            if until is None:
                raise
            # Refused before any work was done: the step need not look what became of it.
            self._held[held] = max(until, self._held.get(held, 0.0))
            self._taught[held] = (self._held[held], error.errcode)
            if held[0]:
                raise _used_up(call, until, error) from None
            raise HeldError(name, until) from error
        finally:
            self._under_way[name] -= 1
        self._in_a_row.pop((name, call.writes), None)
        if of_platform:
            self._platform_lists[name] = reply
        return reply

    def _concerned(self, call: Call, error: WxaApiError) -> Held:
        """Return the calls that a refusal concerns: of one Mini Program, or with ``""`` of all."""
        kind = call.endpoint.name, call.writes
        if error.errcode != CALLS_OF_THE_DAY:
            self._in_a_row.pop(kind, None)
            return "", *kind
        if call.appid is None or error.endpoint != call.endpoint.name:  # the platform's token was refused
            return "", *kind
        tired = self._in_a_row.setdefault(kind, set())
        tired.add(call.appid)
        return ("" if len(tired) >= _MERCHANTS_IN_A_ROW else call.appid), *kind

    def _wait(self, call: Call) -> float:
        """Return the seconds to wait before looking again whether a call may be sent; 0: it may.

        :raises WxaQuotaError: the Mini Program has no call to that endpoint left today.
        """
        if call.writes and (self.is_stopped or call.appid in self._superseded):
            raise StoppedError
        name, now = call.endpoint.name, time.time()
        if call.appid and (until := self._held.get((call.appid, name, call.writes), 0.0)) > now:
            raise _used_up(call, until)
        until = self._held.get(("", name, call.writes), 0.0)
        if until - now > _SLEPT_OUT:
            raise HeldError(name, until)
        if until > now:
            return min(until - now, _LOOK_SECONDS) + random.uniform(0, _TURN_SECONDS)  # noqa: S311  (spreads load)
        is_full = self._under_way.get(name, 0) >= self._at_once.get(name, self._under_way.get(name, 0) + 1)
        return _TURN_SECONDS if is_full else 0.0

    async def _watch(self) -> None:
        while True:
            with suppress(WxaError):  # the store is away: the next note of a write says so
                await asyncio.to_thread(self._look)
            await asyncio.sleep(_LOOK_SECONDS)

    def _look(self) -> None:
        if self._fleets is None or self._run is None:
            return
        self._teach()
        for held, (until, _) in self._fleets.held(self._run.component_appid).items():
            self._held[held] = max(until, self._held.get(held, 0.0))
        # A copy: this is a thread, and the shard takes Mini Programs up meanwhile.
        appids = None if self.appids is None or len(self.appids) > _NAMED_AT_MOST else frozenset(self.appids)
        self._superseded = self._fleets.superseded(self._run.key, appids)
        run = self._fleets.run(self._run.key)
        self.is_stopped = run is None or run.stopped_by is not None

    def _teach(self) -> None:
        while self._taught and self._fleets is not None and self._run is not None:
            held, (until, errcode) = self._taught.popitem()
            self._fleets.hold(self._run.component_appid, held, until, errcode)


def _used_up(call: Call, until: float, refused: WxaApiError | None = None) -> WxaApiError:
    """Return the error for a Mini Program that has no call to an endpoint left today.

    :param refused: WeChat's answer; ``None``: nothing was sent.
    """
    free, state = moment(until), Text("call_refused") if refused else Text("call_not_sent")
    told = {"endpoint": call.endpoint.name, "state": state, "free": free, "path": call.endpoint.path}
    return error_for(
        CALLS_OF_THE_DAY,
        endpoint=call.endpoint,
        appid=call.appid,
        errmsg=refused.errmsg if refused else "",
        rid=refused.rid if refused else "",
        what=Text("calls_of_the_day_are_used_up", **told),
        values={"free at": free},
    )


def moment(at: float) -> str:
    """Return a time of WeChat's, in its time zone."""
    return f"{dt.datetime.fromtimestamp(at, BEIJING):%Y-%m-%d %H:%M} (UTC+8)"


def _held_until(errcode: int, now: float) -> float | None:
    """Return when a call that was refused so may be sent again; ``None``: that is no question of time."""
    if errcode == _BY_THE_MINUTE:
        return now - now % 60 + 60
    if errcode == CALLS_OF_THE_DAY:
        midnight = dt.datetime.fromtimestamp(now, BEIJING).replace(hour=0, minute=0, second=0, microsecond=0)
        return (midnight + dt.timedelta(days=1)).timestamp()
    if errcode == _TOO_MANY_AT_ONCE:
        return now + random.uniform(1, 3)  # noqa: S311  (spreads load, guards nothing)
    return None
