"""Poll WeChat until something is final. The event says only that: the sensor looks itself when it wakes.

So nothing that WeChat said travels through the database, and the text of an error is made where it is raised.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_wxa.errors import WxaError
from airflow_wxa.steps import AuditOutcome, PrivacyOutcome, audit_status, privacy_scan
from airflow_wxa.triggers.rhythm import LONGEST_PAUSE, Rhythm
from airflow_wxa.triggers.sharing import NO_CONNECTION, shared_connection
from airflow_wxa.triggers.waiting import Mentions, Wait

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence

    from airflow_wxa.steps import Step
    from airflow_wxa.triggers.sharing import SharedConnection
    from airflow_wxa.triggers.waiting import Word

    Look = Callable[[], Step[AuditOutcome | PrivacyOutcome]]

__all__ = ["WxaAuditTrigger", "WxaPrivacyScanTrigger", "woken_by"]


class _PollingTrigger(BaseTrigger):
    """What the triggers share.

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
        """Return, by appid, what makes the step that looks once."""

    def arguments(self) -> dict[str, Any]:
        """Return what ``__init__`` takes; no secret among it."""
        return {"wxa_conn_id": self.wxa_conn_id, "poll_seconds": self.poll_seconds, "end_time": self.end_time}

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and its arguments."""
        return f"{type(self).__module__}.{type(self).__qualname__}", self.arguments()

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until every Mini Program's wait is over: its outcome is final, it is refused, or the time is over."""
        async with shared_connection(self.wxa_conn_id) as connection:
            words = await self._words(connection)
        yield self._event(words)

    async def _words(self, connection: SharedConnection) -> Mapping[str, Word]:
        looks = self.looks()
        try:
            await connection.client()
        except NO_CONNECTION:  # the sensor meets the same error, where its text is seen
            return dict.fromkeys(looks, "refused")
        except WxaError as error:
            if not error.retryable:
                return dict.fromkeys(looks, "refused")
        if len(looks) > 1:
            await connection.preload(list(looks))
        mentions = Mentions(self.log.log)
        with ExitStack() as hints:
            platform = connection.component_appid if self.heeds_pushes else ""
            async with asyncio.TaskGroup() as group:
                tasks = {
                    appid: group.create_task(
                        Wait(
                            connection, appid, look, pending=self.pending, end_time=self.end_time, mentions=mentions
                        ).until_over(
                            Rhythm(self.poll_seconds, self.longest_pause),
                            hints.enter_context(connection.watcher.hint(platform, appid)),
                        )
                    )
                    for appid, look in looks.items()
                }
        return {appid: task.result() for appid, task in tasks.items()}

    def _event(self, words: Mapping[str, Word]) -> TriggerEvent:
        status = next((status for word, status in _WORST_FIRST.items() if word in words.values()), "final")
        payload: dict[str, Any] = {"status": status, "end_time": self.end_time}
        if len(words) > 1:
            payload["appids"] = dict(words)
        return TriggerEvent(payload)  # type: ignore[no-untyped-call]


#: Word of a Mini Program → status of an event that holds such a one.
_WORST_FIRST: Mapping[Word, str] = {"waiting": "timeout", "refused": "refused"}


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
        """Return the look at the scan."""
        return {self.appid: partial(privacy_scan, self.appid, privacy_api_not_use=self.privacy_api_not_use)}

    def arguments(self) -> dict[str, Any]:
        """Return what ``__init__`` takes."""
        return super().arguments() | {"appid": self.appid, "privacy_api_not_use": self.privacy_api_not_use}


class WxaAuditTrigger(_PollingTrigger):
    """Waits until the review of every sheet has ended; ``delayed`` is not the end.

    Pauses grow to a quarter of an hour. A push about one of the Mini Programs, as the push receiver keeps it in the
    store, makes the trigger look at once.

    :param sheets: ``{"appid", "auditid"}`` each, one sheet a Mini Program; the event of several tells, under
        ``appids``, which are ``final``, which ``refused``, and which still ``waiting``.
    :raises ValueError: two sheets of one Mini Program.
    """

    pending = frozenset({"auditing", "delayed"})
    longest_pause = LONGEST_PAUSE
    heeds_pushes = True

    def __init__(self, *, sheets: Iterable[Mapping[str, str]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sheets: Sequence[dict[str, str]] = [dict(sheet) for sheet in sheets]
        if len(self.looks()) < len(self.sheets):
            raise ValueError("sheets: two of one Mini Program, which has one sheet in audit at a time")

    def looks(self) -> dict[str, Look]:
        """Return the look at each sheet."""
        return {each["appid"]: partial(audit_status, each["appid"], each["auditid"]) for each in self.sheets}

    def arguments(self) -> dict[str, Any]:
        """Return what ``__init__`` takes."""
        return super().arguments() | {"sheets": self.sheets}


def woken_by(event: Any) -> tuple[str, float]:
    """Return status and end time of an event.

    :raises ValueError: not an event of these triggers.
    """
    if isinstance(event, dict) and event.get("status") in ("final", "refused", "timeout"):
        end_time = event.get("end_time")
        if isinstance(end_time, int | float):
            return event["status"], float(end_time)
    raise ValueError(f"not an event of a Wxa trigger: {event!r}")
