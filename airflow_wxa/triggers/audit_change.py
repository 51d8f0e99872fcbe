"""Watch a Mini Program's audit for as long as a DAG is scheduled on it; pushes make a look come sooner."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any, Final

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_wxa.errors import WxaError
from airflow_wxa.steps import audit_seen
from airflow_wxa.store import LoggedPush
from airflow_wxa.triggers.polling import LONGEST_PAUSE, ThrottledLog, backoff
from airflow_wxa.triggers.sharing import SharedConnection, shared_connection

_SEEN: Final = "audit_seen"


class WxaAuditChangeTrigger(BaseEventTrigger):
    """Tells of each change of the latest sheet's status, by polls, and at once after a push; for an ``AssetWatcher``.

    The last look is kept with the asset (Airflow 3.3), so that a change while no triggerer ran is told afterwards. The
    first look of all tells nothing: it is what changes are measured against.

    :param appid: the Mini Program.
    :param wxa_conn_id: the Connection.
    :param poll_seconds: of the first pause between two looks; they grow to a quarter of an hour.
    """

    def __init__(self, *, appid: str, wxa_conn_id: str, poll_seconds: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.appid = appid
        self.wxa_conn_id = wxa_conn_id
        self.poll_seconds = poll_seconds
        self._pushes: set[tuple[str, int]] = set()

    def serialize(self) -> tuple[str, dict[str, Any]]:
        arguments = {"appid": self.appid, "wxa_conn_id": self.wxa_conn_id, "poll_seconds": self.poll_seconds}
        return f"{type(self).__module__}.{type(self).__qualname__}", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        throttled = ThrottledLog(self.log.log)
        async with shared_connection(self.wxa_conn_id) as connection:
            seen = await self._remembered()
            pauses = backoff(self.poll_seconds, LONGEST_PAUSE)
            while True:
                now = seen
                try:
                    async with await connection.client() as client:
                        now = await client.run(audit_seen(self.appid, seen))
                except WxaError as error:  # the next look may be answered; a watch has no end
                    throttled.log(logging.WARNING, f"the audit of {self.appid} could not be read: {error.what}")
                if now is not None and now != seen:
                    if seen is not None:
                        yield TriggerEvent({"appid": self.appid, **now})  # type: ignore[no-untyped-call]
                    seen = now
                    await self._remember(seen)
                    pauses = backoff(self.poll_seconds, LONGEST_PAUSE)
                if await self._is_pushed_during(connection, next(pauses)):
                    pauses = backoff(self.poll_seconds, LONGEST_PAUSE)

    async def _is_pushed_during(self, connection: SharedConnection, seconds: float) -> bool:
        """Sleep; one push cuts it short once."""
        pushed = asyncio.Event()

        def on_push(push: LoggedPush) -> None:
            if (key := (push.kind, push.create_time)) not in self._pushes:
                self._pushes.add(key)
                pushed.set()

        with connection.watcher.watching(connection.component_appid, {self.appid: on_push}):
            try:
                async with asyncio.timeout(seconds):
                    await pushed.wait()
            except TimeoutError:
                return False
        return True

    async def _remembered(self) -> dict[str, Any] | None:
        store = getattr(self, "asset_state_store", None)  # not before Airflow 3.3
        kept = await store.aget(_SEEN) if store is not None else None
        return kept if isinstance(kept, dict) else None

    async def _remember(self, seen: dict[str, Any]) -> None:
        store = getattr(self, "asset_state_store", None)
        if store is not None:
            await store.aset(_SEEN, seen)
