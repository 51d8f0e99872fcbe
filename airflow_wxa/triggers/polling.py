"""Poll WeChat until something is final. The event says only that: the sensor looks itself when it wakes.

So nothing that WeChat said travels through the database, and the text of an error is made where it is raised.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import random
import time
from abc import abstractmethod
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from airflow.triggers.base import BaseTrigger, TriggerEvent
from cachetools import TTLCache

from airflow_wxa.errors import WxaError, WxaQuotaError, WxaSpecError
from airflow_wxa.steps import audit_status, privacy_scan
from airflow_wxa.texts import Text
from airflow_wxa.triggers.sharing import shared_connection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from airflow_wxa.steps import AuditOutcome, PrivacyOutcome, Step
    from airflow_wxa.store import LoggedPush
    from airflow_wxa.triggers.sharing import SharedConnection

#: Of one Mini Program. ``final``: it ended. ``refused``: WeChat refuses to tell. ``unusable``: this triggerer cannot
#: ask, nothing was sent. ``waiting``: the time is over.
WaitState = Literal["final", "refused", "unusable", "waiting"]

#: State of a Mini Program → status of an event that tells of such a one; the first that fits counts.
STATUS_OF_EVENT: Final[Mapping[WaitState, str]] = {
    "waiting": "timeout",
    "unusable": "unusable",
    "refused": "refused",
    "final": "final",
}
#: Seconds: a review takes hours or days.
LONGEST_PAUSE: Final = 900.0
_GROWTH: Final = 1.5
_SHORTEST: Final = 0.75  # of a pause that jitter cut
_LOGGED_SECONDS: Final = 900.0
_LOGGED_TEXTS: Final = 256  # that are remembered
_BEGUN_AT_ONCE: Final = 25  # waits, each of which logs a line
_LAST_SECOND: Final = 253_402_300_799  # of the year 9999: who waits for ever may say so by timedelta.max


class _PollingTrigger(BaseTrigger):
    """Base of the triggers.

    All that wait in one event loop share one look-up of the Connection, one pool of connections and one watcher.

    :param wxa_conn_id: the Connection.
    :param poll_seconds: of the first pause between two looks.
    :param end_time: epoch seconds; absolute, since a trigger starts from zero when its triggerer restarts.
    """

    #: Outcomes that are worth waiting on.
    pending: ClassVar[frozenset[str]]
    #: Seconds that pauses grow to.
    longest_pause: ClassVar[float] = 0.0
    #: Whether pushes tell of what is waited for.
    heeds_pushes: ClassVar[bool] = False

    def __init__(self, *, wxa_conn_id: str, poll_seconds: float, end_time: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.wxa_conn_id = wxa_conn_id
        self.poll_seconds = poll_seconds
        self.end_time = end_time

    @abstractmethod
    def appids(self) -> Collection[str]:
        """Return the Mini Programs."""

    @abstractmethod
    def look(self, appid: str) -> Step[AuditOutcome | PrivacyOutcome]:
        """Look once where a Mini Program stands."""

    def arguments(self) -> dict[str, Any]:
        """Return what ``__init__`` takes; no secret among it."""
        return {"wxa_conn_id": self.wxa_conn_id, "poll_seconds": self.poll_seconds, "end_time": self.end_time}

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{type(self).__module__}.{type(self).__qualname__}", self.arguments()

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until every Mini Program's wait is over: its outcome is final, it is refused, or the time is over."""
        async with shared_connection(self.wxa_conn_id) as connection:
            states, cause = await self._wait_for_all(connection)
        reached = {*states.values(), "final"}
        status = next(status for state, status in STATUS_OF_EVENT.items() if state in reached)
        payload: dict[str, Any] = {"status": status, "end_time": self.end_time}
        payload |= {"cause": cause} if cause else {}
        payload |= {"appids": states} if len(states) > 1 else {}
        yield TriggerEvent(payload)  # type: ignore[no-untyped-call]

    async def _wait_for_all(self, connection: SharedConnection) -> tuple[dict[str, WaitState], str]:
        """Return what became of each, and why this triggerer could not ask for one; ``""``: it could."""
        appids = self.appids()
        try:
            client = await connection.client_with_patience()
            if len(appids) > 1:
                await client.preload(appids)
        except WxaSpecError as error:
            return dict.fromkeys(appids, "unusable"), "; ".join(error.problems)
        except WxaError:  # the store does not answer yet
            pass
        waits = _Waits(self, connection)
        await waits.until_over()
        return waits.states, waits.cause

    def about(self, appid: str) -> str:
        return appid


class WxaPrivacyScanTrigger(_PollingTrigger):
    """Waits until the privacy scan of the committed code has ended; it takes minutes, so pauses do not grow.

    :param appid: the Mini Program.
    :param privacy_api_not_use: as the submission will declare.
    """

    pending = frozenset({"scanning"})

    def __init__(self, *, appid: str, privacy_api_not_use: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.appid = appid
        self.privacy_api_not_use = privacy_api_not_use

    def appids(self) -> Collection[str]:
        return (self.appid,)

    def look(self, appid: str) -> Step[PrivacyOutcome]:
        return privacy_scan(appid, privacy_api_not_use=self.privacy_api_not_use)

    def arguments(self) -> dict[str, Any]:
        return super().arguments() | {"appid": self.appid, "privacy_api_not_use": self.privacy_api_not_use}


class WxaAuditTrigger(_PollingTrigger):
    """Waits until the review of every sheet has ended; ``delayed`` is not the end.

    Pauses grow to a quarter of an hour. A push about one of the Mini Programs, as the push receiver keeps it in the
    store, makes the trigger look at once.

    :param sheets: ``{"appid", "auditid"}`` each, one sheet a Mini Program; the event of several tells, under
        ``appids``, which are ``final``, which ``refused``, and which still ``waiting``. ``seen_by`` (epoch seconds) may
        stand beside them: until then WeChat may not know the sheet yet.
    :raises ValueError: two sheets of one Mini Program.
    """

    pending = frozenset({"auditing", "delayed"})
    longest_pause = LONGEST_PAUSE
    heeds_pushes = True

    def __init__(self, *, sheets: Iterable[Mapping[str, Any]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sheets: Sequence[dict[str, Any]] = [dict(sheet) for sheet in sheets]
        self._sheet_of = {each["appid"]: each for each in self.sheets}
        if len(self._sheet_of) < len(self.sheets):
            raise ValueError("sheets: two of one Mini Program, which has one sheet in audit at a time")

    def appids(self) -> Collection[str]:
        return self._sheet_of

    def look(self, appid: str) -> Step[AuditOutcome]:
        sheet = self._sheet_of[appid]
        just_submitted = time.time() < sheet.get("seen_by", 0.0)
        return audit_status(appid, sheet["auditid"], just_submitted=just_submitted)

    def about(self, appid: str) -> str:
        return f"sheet {self._sheet_of[appid]['auditid']} of {appid}"

    def arguments(self) -> dict[str, Any]:
        return super().arguments() | {"sheets": self.sheets}


def unusable_connection(wxa_conn_id: str, cause: str) -> WxaSpecError:
    """Return the error for a wait that the triggerer cannot keep, while the worker can."""
    return WxaSpecError(
        Text("triggerer_cannot_use_connection"),
        [Text("problem_of_connection", wxa_conn_id=repr(wxa_conn_id), cause=cause)],
    )


class _Waits:
    """All waits of a trigger, until the last of them is over.

    There are ten thousand at a time, and each garbage collection goes over all that they are made of while the loop
    stands still: so a wait is a timer of the loop, or an entry of a queue, and no task before it looks.

    :ivar cause: why this triggerer cannot ask for one; ``""``: it can.
    """

    def __init__(self, trigger: _PollingTrigger, connection: SharedConnection) -> None:
        self.trigger = trigger
        self.connection = connection
        self.cause = ""
        #: The trigger's own, by which Airflow files the log; one for all timers.
        self.context = copy_context()
        self._throttled = ThrottledLog(trigger.log.log)
        self._waits = {appid: _Wait(self, appid) for appid in trigger.appids()}
        self._left = len(self._waits)
        self._over = asyncio.get_running_loop().create_future()

    @property
    def states(self) -> dict[str, WaitState]:
        """Of each Mini Program."""
        return {appid: wait.state for appid, wait in self._waits.items()}

    async def until_over(self) -> None:
        """Return when all have ended, or the trigger's time has: a look is cut off then."""
        platform = self.connection.component_appid if self.trigger.heeds_pushes else ""
        with self.connection.watcher.watching(platform, {appid: wait.on_push for appid, wait in self._waits.items()}):
            try:
                for number, wait in enumerate(self._waits.values(), 1):
                    wait.sleep()
                    if number % _BEGUN_AT_ONCE == 0:  # every other trigger of this process waits meanwhile
                        await asyncio.sleep(0)
                if self._waits:
                    await asyncio.wait([self._over], timeout=max(self.trigger.end_time - time.time(), 0))
            finally:
                looks = [look for wait in self._waits.values() if (look := wait.stopped()) is not None]
                await asyncio.gather(*looks, return_exceptions=True)
        if self._over.done():
            self._over.result()

    def log(self, level: int, appid: str, said: str, more: str) -> None:
        """Log a text about a Mini Program, unless it was logged a moment ago."""
        self._throttled.log(level, f"{self.trigger.about(appid)}: {said}", more)

    def looked(self, look: asyncio.Task[WaitState]) -> None:
        """Note that a look has come to its end, and with it perhaps the wait."""
        if look.cancelled() or self._over.done():
            return
        if (error := look.exception()) is not None:
            self._over.set_exception(error)
        elif look.result() != "waiting":
            self._left -= 1
            if not self._left:
                self._over.set_result(None)


class _Wait:
    """The wait for one Mini Program: sleep, look, and again, until there is nothing left to wait for."""

    def __init__(self, waits: _Waits, appid: str) -> None:
        self.state: WaitState = "waiting"
        self._appid = appid
        self._waits = waits
        self._said = "waiting"
        self._seen_pushes: frozenset[tuple[str, int]] = frozenset()
        self._is_pushed = self._is_queued = False
        self._pauses = self._backoff()
        self._timer: asyncio.TimerHandle | None = None
        self._look: asyncio.Task[WaitState] | None = None

    def sleep(self) -> None:
        """Look after the next pause, or as soon as can be where a push has come since the last look began."""
        pause = next(self._pauses)
        self._waits.log(logging.INFO, self._appid, self._said, f"; next look at {clock(time.time() + pause)}")
        if self._is_pushed:
            self._queue_up()
        else:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(pause, self._queue_up, context=self._waits.context)

    def on_push(self, push: LoggedPush) -> None:
        """Look as soon as can be, one time for each push."""
        if (key := (push.kind, push.create_time)) in self._seen_pushes:
            return
        self._seen_pushes |= {key}
        if not self._is_pushed:
            self._is_pushed = True
            if self._timer is not None or self._is_queued:
                self._queue_up()

    def begin(self) -> asyncio.Task[WaitState] | None:
        if not self._is_queued:
            return None
        self._is_queued = False
        if self._is_pushed:
            self._is_pushed = False
            self._pauses = self._backoff()  # something is about to happen
        self._look = asyncio.get_running_loop().create_task(self._looked(), context=self._waits.context.copy())
        self._look.add_done_callback(self._waits.looked)
        return self._look

    def stopped(self) -> asyncio.Task[WaitState] | None:
        """Sleep and queue no more, and return the look that is under way, cancelled."""
        self._wake()
        self._is_queued = False
        if self._look is not None:
            self._look.cancel()
        return self._look

    def _queue_up(self) -> None:
        self._wake()
        self._is_queued = True
        self._waits.connection.turns.ask(self, hurried=self._is_pushed)

    def _wake(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _backoff(self) -> Iterator[float]:
        return backoff(self._waits.trigger.poll_seconds, self._waits.trigger.longest_pause)

    async def _looked(self) -> WaitState:
        self.state = await self._seen()
        self._look = None
        if self.state == "waiting":
            self.sleep()
        return self.state

    async def _seen(self) -> WaitState:
        trigger = self._waits.trigger
        try:
            async with await self._waits.connection.client_with_patience() as client:
                outcome = await client.run(trigger.look(self._appid))
        except WxaSpecError as error:
            self._waits.cause = self._waits.cause or "; ".join(error.problems)
            return "unusable"
        except WxaError as error:
            # A counter that is used up resets by the minute or the day, and this wait lasts days.
            is_worth_waiting = error.retryable or isinstance(error, WxaQuotaError)
            self._waits.log(logging.WARNING, self._appid, error.what, "; waits on" if is_worth_waiting else "")
            return "waiting" if is_worth_waiting else "refused"
        self._said = outcome.outcome
        return "waiting" if outcome.outcome in trigger.pending else "final"


def backoff(first: float, longest: float) -> Iterator[float]:
    """Yield the seconds of each pause: they grow by half, from ``first`` to ``longest``, cut by chance.

    Thousands of waits must not look at the same moment. The first pause is cut anywhere, since after a restart of the
    triggerer all waits begin at once; the others by up to a quarter.

    :param longest: at most ``first``: pauses do not grow.
    """
    seconds, shortest = first, 0.0
    while True:
        yield seconds * random.uniform(shortest, 1)  # noqa: S311  (spreads load, guards nothing)
        seconds, shortest = min(seconds * _GROWTH, max(first, longest)), _SHORTEST


class ThrottledLog:
    """Logs each text once in a quarter of an hour: a wait of days looks hundreds of times.

    :param log: takes a level of :mod:`logging` and the text.
    """

    def __init__(self, log: Callable[[int, str], object]) -> None:
        self._log = log
        self._logged: TTLCache[str, bool] = TTLCache(_LOGGED_TEXTS, _LOGGED_SECONDS)

    def log(self, level: int, text: str, more: str = "") -> None:
        """Log it, unless it was logged a moment ago.

        :param more: is logged behind it, and does not count when texts are compared.
        """
        if text not in self._logged:
            self._logged[text] = True
            self._log(level, f"{text}{more}")


def clock(at: float) -> str:
    """Return epoch seconds as the log shows a time."""
    return dt.datetime.fromtimestamp(min(at, _LAST_SECOND), dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
