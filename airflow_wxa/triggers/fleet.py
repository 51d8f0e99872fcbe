"""Wait for a whole shard of a fleet in one trigger."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from airflow.triggers.base import TriggerEvent

from airflow_wxa.errors import WxaError
from airflow_wxa.hooks.store import open_fleets
from airflow_wxa.store.fleets import RunKey
from airflow_wxa.triggers.polling import WxaAuditTrigger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from airflow_wxa.steps import AuditOutcome, Step

_SETTLE_SECONDS: Final = 300.0
_STOP_SECONDS: Final = 3.0


class WxaFleetTrigger(WxaAuditTrigger):
    """Waits until a shard has something to do.

    That is when the reviews of all its sheets have ended, five minutes after the first that did, at ``end_time``, when
    its wave has released enough, or when its run is stopped. The event says nothing: the task looks itself.

    :param dag_id: of the run.
    :param sheets: may be none: then it is a wait until ``end_time``.
    :param settle_seconds: from the first result until the event, so that results which come together wake a task once.
    :param wave: of the shard.
    :param released_percent: of the wave that is enough; ``None``: all are waited for.
    """

    def __init__(
        self,
        *,
        dag_id: str,
        run_id: str,
        settle_seconds: float = _SETTLE_SECONDS,
        wave: str = "",
        released_percent: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.dag_id = dag_id
        self.run_id = run_id
        self.settle_seconds = settle_seconds
        self.wave = wave
        self.released_percent = released_percent
        self._has_result = asyncio.Event()
        self._reviews: dict[str, Any] = {}

    def arguments(self) -> dict[str, Any]:
        mine = ("dag_id", "run_id", "settle_seconds", "wave", "released_percent")
        return super().arguments() | {name: getattr(self, name) for name in mine}

    def look(self, appid: str) -> Step[AuditOutcome]:
        outcome = yield from super().look(appid)
        if outcome.outcome not in self.pending:
            self._has_result.set()
        return outcome

    async def run(self) -> AsyncIterator[TriggerEvent]:
        ends = [asyncio.create_task(each) for each in (self._settled(), self._called_off())]
        if self.sheets:
            ends.append(asyncio.create_task(self._reviewed()))
        left = max(self.end_time - time.time(), 0)
        try:
            await asyncio.wait(ends, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in ends:
                each.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
        yield TriggerEvent(self._reviews or {"status": "final", "end_time": self.end_time})  # type: ignore[no-untyped-call]

    async def _settled(self) -> None:
        await self._has_result.wait()
        await asyncio.sleep(self.settle_seconds)

    async def _reviewed(self) -> None:
        async for event in super().run():
            payload = event.payload
            # By appid it says nothing that the task does not look at itself, and is as long as the shard.
            self._reviews = {name: value for name, value in payload.items() if name != "appids"}
            return

    async def _called_off(self) -> None:
        while True:
            with suppress(WxaError):
                if await asyncio.to_thread(self._is_called_off):
                    return
            await asyncio.sleep(_STOP_SECONDS)

    def _is_called_off(self) -> bool:
        """Tell whether the run was stopped, or the wave has released enough."""
        fleets, key = open_fleets(), RunKey(self.dag_id, self.run_id)
        run = fleets.run(key)
        if run is not None and run.stopped_by is not None:
            return True
        return self.released_percent is not None and fleets.released_percent(key, self.wave) >= self.released_percent
