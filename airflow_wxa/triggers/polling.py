"""Poll WeChat until something is final. The event says only that: the sensor looks itself when it wakes.

So nothing that WeChat said travels through the database, and the text of an error is made where it is raised.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_wxa.errors import WxaError
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.steps import AuditOutcome, PrivacyOutcome, audit_status, privacy_scan

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from airflow_wxa.steps import Step

__all__ = ["WxaAuditTrigger", "WxaPrivacyScanTrigger", "woken_by"]


class _PollingTrigger(BaseTrigger):
    """What the triggers share.

    :param appid: the Mini Program.
    :param wxa_conn_id: the Connection.
    :param poll_seconds: between two looks.
    :param end_time: epoch seconds; absolute, since a trigger starts from zero when its triggerer restarts.
    """

    #: Outcomes that are worth waiting on.
    pending: ClassVar[frozenset[str]]

    def __init__(self, *, appid: str, wxa_conn_id: str, poll_seconds: float, end_time: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.appid = appid
        self.wxa_conn_id = wxa_conn_id
        self.poll_seconds = poll_seconds
        self.end_time = end_time

    def look(self) -> Step[AuditOutcome | PrivacyOutcome]:
        """Return the step that looks once."""
        raise NotImplementedError

    def arguments(self) -> dict[str, Any]:
        """Return what ``__init__`` takes; no secret among it."""
        return {
            "appid": self.appid,
            "wxa_conn_id": self.wxa_conn_id,
            "poll_seconds": self.poll_seconds,
            "end_time": self.end_time,
        }

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and its arguments."""
        return f"{type(self).__module__}.{type(self).__qualname__}", self.arguments()

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look every ``poll_seconds`` until the outcome is final, refused, or the time is over."""
        try:
            connected = await WxaHook(self.wxa_conn_id).aget_conn()
        except (WxaError, AirflowNotFoundException):
            yield self._event("refused")  # the sensor meets the same error, where its text is seen
            return
        async with connected as client:
            while time.time() < self.end_time:
                await asyncio.sleep(min(self.poll_seconds, max(0.0, self.end_time - time.time())))
                try:
                    outcome = await client.run(self.look())
                except WxaError as error:
                    if not error.retryable:
                        yield self._event("refused")
                        return
                    self.log.warning("still waiting for %s: %s", self.appid, error.what)
                else:
                    self.log.info("%s: %s", self.appid, outcome.outcome)
                    if outcome.outcome not in self.pending:
                        yield self._event("final")
                        return
        yield self._event("timeout")

    def _event(self, status: str) -> TriggerEvent:
        return TriggerEvent({"status": status, "end_time": self.end_time})  # type: ignore[no-untyped-call]


class WxaPrivacyScanTrigger(_PollingTrigger):
    """Waits until the privacy scan of the committed code has ended.

    :param privacy_api_not_use: as the submission will declare.
    """

    pending = frozenset({"scanning"})

    def __init__(self, *, privacy_api_not_use: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.privacy_api_not_use = privacy_api_not_use

    def look(self) -> Step[AuditOutcome | PrivacyOutcome]:
        """Look once at the scan."""
        return privacy_scan(self.appid, privacy_api_not_use=self.privacy_api_not_use)

    def arguments(self) -> dict[str, Any]:
        """Return what ``__init__`` takes."""
        return super().arguments() | {"privacy_api_not_use": self.privacy_api_not_use}


class WxaAuditTrigger(_PollingTrigger):
    """Waits until the review of a sheet has ended; ``delayed`` is not the end.

    :param auditid: as ``submit_audit`` returned it.
    """

    pending = frozenset({"auditing", "delayed"})

    def __init__(self, *, auditid: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.auditid = auditid

    def look(self) -> Step[AuditOutcome | PrivacyOutcome]:
        """Look once at the sheet."""
        return audit_status(self.appid, self.auditid)

    def arguments(self) -> dict[str, Any]:
        """Return what ``__init__`` takes."""
        return super().arguments() | {"auditid": self.auditid}


def woken_by(event: Any) -> tuple[str, float]:
    """Return status and end time of an event.

    :raises ValueError: not an event of these triggers.
    """
    if isinstance(event, dict) and event.get("status") in ("final", "refused", "timeout"):
        end_time = event.get("end_time")
        if isinstance(end_time, int | float):
            return event["status"], float(end_time)
    raise ValueError(f"not an event of a Wxa trigger: {event!r}")
