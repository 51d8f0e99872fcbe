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
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from airflow.triggers.base import BaseTrigger, TriggerEvent
from cachetools import TTLCache

from airflow_wxa.errors import WxaError, WxaQuotaError, WxaSpecError
from airflow_wxa.steps import AuditOutcome, PrivacyOutcome, audit_status, privacy_scan
from airflow_wxa.texts import Text
from airflow_wxa.triggers.sharing import shared_connection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence

    from airflow_wxa.steps import Step
    from airflow_wxa.store import LoggedPush
    from airflow_wxa.triggers.sharing import SharedConnection

    Look = Callable[[], Step[AuditOutcome | PrivacyOutcome]]

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
    def looks(self) -> dict[str, Look]:
        """Return, by appid, the maker of the step that looks once."""

    def arguments(self) -> dict[str, Any]:
        """Return what ``__init__`` takes; no secret among it."""
        return {"wxa_conn_id": self.wxa_conn_id, "poll_seconds": self.poll_seconds, "end_time": self.end_time}

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{type(self).__module__}.{type(self).__qualname__}", self.arguments()

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until every Mini Program's wait is over: its outcome is final, it is refused, or the time is over."""
        async with shared_connection(self.wxa_conn_id) as connection:
            states, cause = await self._wait_for_all(connection)
        payload: dict[str, Any] = {
            "status": next(status for state, status in STATUS_OF_EVENT.items() if state in {*states.values(), "final"}),
            "end_time": self.end_time,
        }
        payload |= {"cause": cause} if cause else {}
        payload |= {"appids": dict(states)} if len(states) > 1 else {}
        yield TriggerEvent(payload)  # type: ignore[no-untyped-call]

    async def _wait_for_all(self, connection: SharedConnection) -> tuple[Mapping[str, WaitState], str]:
        """Return what became of each, and why this triggerer could not ask for one; ``""``: it could."""
        looks = self.looks()
        try:
            client = await connection.client_with_patience()
            if len(looks) > 1:
                await client.preload(looks)
        except WxaSpecError as error:
            return dict.fromkeys(looks, "unusable"), "; ".join(error.problems)
        except WxaError:  # the store does not answer yet
            pass
        throttled = ThrottledLog(self.log.log)
        waits: list[_Wait] = []
        tasks: dict[str, asyncio.Task[WaitState]] = {}
        try:
            for appid, look in looks.items():
                waits.append(wait := _Wait(self, connection, appid, look, throttled))
                tasks[appid] = asyncio.create_task(wait.until_ended())
                if len(waits) % _BEGUN_AT_ONCE == 0:  # every other trigger of this process waits meanwhile
                    await asyncio.sleep(0)
            if tasks:
                left = max(self.end_time - time.time(), 0)
                await asyncio.wait(tasks.values(), timeout=left, return_when=asyncio.FIRST_EXCEPTION)
        finally:  # a look is cut off where the time ends
            waiting = [task for task in tasks.values() if not task.done()]
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        cause = next((wait.cause for wait in waits if wait.cause), "")
        return {appid: "waiting" if task.cancelled() else task.result() for appid, task in tasks.items()}, cause

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

    def looks(self) -> dict[str, Look]:
        return {self.appid: partial(privacy_scan, self.appid, privacy_api_not_use=self.privacy_api_not_use)}

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
        self._auditids = {each["appid"]: each["auditid"] for each in self.sheets}
        if len(self._auditids) < len(self.sheets):
            raise ValueError("sheets: two of one Mini Program, which has one sheet in audit at a time")

    def looks(self) -> dict[str, Look]:
        return {each["appid"]: partial(look_at, each) for each in self.sheets}

    def about(self, appid: str) -> str:
        return f"sheet {self._auditids[appid]} of {appid}"

    def arguments(self) -> dict[str, Any]:
        return super().arguments() | {"sheets": self.sheets}


def look_at(sheet: Mapping[str, Any]) -> Step[AuditOutcome]:
    """Look once where the review of a sheet stands."""
    just_submitted = time.time() < sheet.get("seen_by", 0.0)
    return audit_status(sheet["appid"], sheet["auditid"], just_submitted=just_submitted)


def unusable_connection(wxa_conn_id: str, cause: str) -> WxaSpecError:
    """Return the error for a wait that the triggerer cannot keep, while the worker can."""
    return WxaSpecError(
        Text("triggerer_cannot_use_connection"),
        [Text("problem_of_connection", wxa_conn_id=repr(wxa_conn_id), cause=cause)],
    )


class _Wait:
    """The wait for one Mini Program: sleep, look, and again, until there is nothing left to wait for.

    There are ten thousand at a time, and a garbage collection goes over all that they are made of.

    :ivar cause: why this triggerer cannot ask; ``""``: it can.
    """

    def __init__(
        self, trigger: _PollingTrigger, connection: SharedConnection, appid: str, look: Look, throttled: ThrottledLog
    ) -> None:
        self.appid = appid
        self.cause = ""
        self._trigger = trigger
        self._connection = connection
        self._said = "waiting"
        self._look = look
        self._throttled = throttled
        self._seen_pushes: frozenset[tuple[str, int]] = frozenset()
        self._is_pushed = False
        self._pause: asyncio.Timeout | None = None

    async def until_ended(self) -> WaitState:
        """Look after each pause, or when a push says that it is worth it, until there is nothing left to wait for."""
        platform = self._connection.component_appid if self._trigger.heeds_pushes else ""
        with self._connection.watcher.watching(platform, self.appid, self.on_push):
            state: WaitState = "waiting"
            pauses = self._backoff()
            while state == "waiting":
                pause = next(pauses)
                self._log(logging.INFO, self._said, f"; next look at {clock(time.time() + pause)}")
                if await self._is_pushed_during(pause):
                    pauses = self._backoff()  # something is about to happen
                    state = await self._looked()
                else:
                    try:
                        state = await self._looked()
                    finally:
                        self._connection.polls.release()
            return state

    def _log(self, level: int, said: str, more: str) -> None:
        self._throttled.log(level, f"{self._trigger.about(self.appid)}: {said}", more)

    def on_push(self, push: LoggedPush) -> None:
        """Look at once, one time for each push."""
        if (key := (push.kind, push.create_time)) in self._seen_pushes:
            return
        self._seen_pushes |= {key}
        if self._pause is not None and not self._is_pushed:
            self._pause.reschedule(asyncio.get_running_loop().time())
        self._is_pushed = True

    def _backoff(self) -> Iterator[float]:
        return backoff(self._trigger.poll_seconds, self._trigger.longest_pause)

    async def _is_pushed_during(self, pause: float) -> bool:
        """Sleep, then queue up for a turn to poll; a push ends both, and needs no turn."""
        try:
            async with asyncio.timeout(0 if self._is_pushed else None) as self._pause:
                await asyncio.sleep(pause)
                await self._connection.polls.acquire()
        except TimeoutError:
            self._is_pushed = False
            return True
        finally:
            self._pause = None
        return False

    async def _looked(self) -> WaitState:
        try:
            async with await self._connection.client_with_patience() as client:
                outcome = await client.run(self._look())
        except WxaSpecError as error:
            self.cause = "; ".join(error.problems)
            return "unusable"
        except WxaError as error:
            # A counter that is used up resets by the minute or the day, and this wait lasts days.
            is_worth_waiting = error.retryable or isinstance(error, WxaQuotaError)
            self._log(logging.WARNING, error.what, "; waits on" if is_worth_waiting else "")
            return "waiting" if is_worth_waiting else "refused"
        self._said = outcome.outcome
        return "waiting" if outcome.outcome in self._trigger.pending else "final"


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
