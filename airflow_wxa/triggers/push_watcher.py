"""Pushes cut waits short: one watcher of an event loop asks the store for all waits, and tells those that are meant.

A push is a hint: it names a Mini Program, and whoever waits for that one looks at once. Polling stays the truth, so a
store that is missing or does not answer costs nothing but time.
"""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import Context
from typing import TYPE_CHECKING, Final

from airflow_wxa.errors import WxaError
from airflow_wxa.hooks.store import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_wxa.store import LoggedPush, Store

    OnPush = Callable[[LoggedPush], None]

log = logging.getLogger(__name__)

_AUDIT_EVENTS: Final = ("weapp_audit_success", "weapp_audit_fail", "weapp_audit_delay")
_EVERY_SECONDS: Final = 5.0
# Each question reaches back over the one before: a push that was being written then is not lost, nor is one that
# came between the sensor's look and the start of its trigger.
_LOOK_BACK_SECONDS: Final = 60.0


class PushWatcher:
    """Asks the store while there is a wait; for one event loop.

    :param open_store: blocks, and may raise what the store raises.
    """

    def __init__(self, open_store: Callable[[], Store] = open_store) -> None:
        self._open_store = open_store
        self._store: Store | None = None
        self._waits: dict[str, dict[str, set[OnPush]]] = {}  # component_appid → appid → who waits
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def watching(self, component_appid: str, appid: str, on_push: OnPush) -> Iterator[None]:
        """Tell of pushes about a Mini Program while the block runs; of each several times.

        :param component_appid: empty: the Connection names no platform, so that no push can be told apart.
        """
        if not component_appid:
            yield
            return
        waits = self._waits.setdefault(component_appid, {}).setdefault(appid, set())
        waits.add(on_push)
        if self._task is None:
            # In a context of its own: Airflow would file its log under the trigger that happened to come first.
            self._task = asyncio.create_task(self._watch(), name="wxa-push-watcher", context=Context())
        try:
            yield
        finally:
            waits.discard(on_push)
            self._tidy(component_appid, appid)

    def _tidy(self, component_appid: str, appid: str) -> None:
        platform = self._waits[component_appid]
        if not platform.get(appid, True):
            del platform[appid]
        if not platform:
            del self._waits[component_appid]
        if not self._waits and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _watch(self) -> None:
        # A thread of its own: those of the loop may all be busy renewing tokens.
        with_thread = ThreadPoolExecutor(1, thread_name_prefix="wxa-push-watcher")
        try:
            await self._ask_on(with_thread)
        finally:
            with_thread.shutdown(wait=False, cancel_futures=True)

    async def _ask_on(self, thread: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        answered, is_silent = time.monotonic(), False
        while True:
            begin = time.monotonic()
            seconds = begin - answered + _LOOK_BACK_SECONDS
            try:
                pushes = await loop.run_in_executor(thread, self._recent, list(self._waits), seconds)
            except WxaError as error:
                if not is_silent:
                    log.info("no pushes cut the waits short, polling goes on: %s", error.what)
                if not error.retryable:
                    return
                is_silent = True
            else:
                answered, is_silent = begin, False
                self._tell(pushes)
            await asyncio.sleep(_EVERY_SECONDS)

    def _recent(self, platforms: list[str], seconds: float) -> dict[str, list[LoggedPush]]:
        if self._store is None:
            self._store = self._open_store()
        return {each: self._store.pushes(each, _AUDIT_EVENTS, seconds=seconds) for each in platforms}

    def _tell(self, pushes: dict[str, list[LoggedPush]]) -> None:
        for component_appid, told in pushes.items():
            platform = self._waits.get(component_appid, {})
            for push in told:
                for on_push in platform.get(push.told.get("appid", ""), ()):
                    on_push(push)
