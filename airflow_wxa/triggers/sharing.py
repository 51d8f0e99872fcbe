"""Common ground of the waits in one event loop: look-up of each Connection, its client, and the watcher of pushes."""

from __future__ import annotations

import asyncio
import gc
import logging
import math
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import Context
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final, Protocol
from weakref import WeakKeyDictionary

from airflow.sdk.exceptions import AirflowException, AirflowNotFoundException, AirflowRuntimeError
from tenacity import AsyncRetrying, retry_if_exception_type, wait_fixed

from airflow_wxa.client.per_loop import PerLoop
from airflow_wxa.errors import WxaError, WxaSpecError
from airflow_wxa.hooks.connection import read_connection, unknown_connection
from airflow_wxa.hooks.store import open_store
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractAsyncContextManager

    from airflow.sdk import Connection
    from tenacity import RetryCallState

    from airflow_wxa.client import AsyncWxaClient
    from airflow_wxa.hooks.connection import WxaConnection
    from airflow_wxa.store import LoggedPush, Store

    OnPush = Callable[[LoggedPush], None]

_KNOWN_SECONDS: Final = 30.0  # a Connection that was corrected is noticed after this
_FAILED_SECONDS: Final = 5.0
# A secrets backend that is down for a moment looks like a Connection that is not there, and must end no wait of days.
_PATIENCE_SECONDS: Final = 20.0
_PATIENCE_ONCE_USABLE_SECONDS: Final = 600.0
_LOOKS_AT_ONCE: Final = 32  # as many as the connections that a pool has
_POLLS_AT_ONCE: Final = 24  # of them: those that a push asked for find a free connection


class Looker(Protocol):
    """A wait that is to look."""

    def begin(self) -> asyncio.Task[Any] | None:
        """Begin to look; ``None``: it has begun, or was given up."""


class Turns:
    """Lets waits look, so many at a time: first those that a push hurries.

    A wait is no task before its turn: ten thousand pushes may come at once.
    """

    def __init__(self) -> None:
        self._hurried, self._polls = deque[Looker](), deque[Looker]()
        self._free, self._free_for_polls = _LOOKS_AT_ONCE, _POLLS_AT_ONCE

    def ask(self, wait: Looker, *, hurried: bool) -> None:
        """Let a wait begin when it is its turn; one that was in the queue and is hurried may ask again."""
        (self._hurried if hurried else self._polls).append(wait)
        self._go_on()

    def _go_on(self) -> None:
        while self._free and (self._hurried or (self._polls and self._free_for_polls)):
            is_poll = not self._hurried
            if (look := (self._hurried or self._polls).popleft().begin()) is not None:
                self._free -= 1
                self._free_for_polls -= is_poll
                look.add_done_callback(partial(self._give_back, is_poll=is_poll))

    def _give_back(self, _look: object, *, is_poll: bool) -> None:
        self._free += 1
        self._free_for_polls += is_poll
        self._go_on()


class SharedConnection:
    """One Connection in one event loop, looked up once in a while for all who wait with it."""

    def __init__(self, wxa_conn_id: str) -> None:
        _spare_the_loop()
        #: Of the loop, whatever the Connection.
        self.watcher = _watchers.setdefault(asyncio.get_running_loop(), PushWatcher())
        self.turns = Turns()
        self._hook = WxaHook(wxa_conn_id)
        self._one_at_a_time = asyncio.Lock()
        self._seen: Connection | None = None
        self._read: WxaConnection | None = None
        self._client: AsyncWxaClient | None = None
        self._failure: WxaError | None = None
        self._good_until = 0.0
        self._unusable_since = math.inf

    @property
    def component_appid(self) -> str:
        """The platform; empty when the Connection names none, or was not looked up yet."""
        return self._read.component_appid if self._read is not None else ""

    async def client(self) -> AsyncWxaClient:
        """Return the client, to be entered for each look: the Connection may be another one at the next.

        :raises WxaSpecError: this process cannot use the Connection: it is not there, or cannot be right here.
        :raises WxaTransportError: the store that it needs does not answer.
        """
        async with self._one_at_a_time:
            if time.monotonic() >= self._good_until:
                await self._look_up()
            if self._failure is not None:
                raise self._failure.with_traceback(None)
            assert self._client is not None  # noqa: S101  (a look-up ends with one or the other)
            return self._client

    async def client_with_patience(self) -> AsyncWxaClient:
        """Return the same; a Connection that cannot be used is looked up again for a while, longer if it once could."""
        again = AsyncRetrying(
            stop=self._is_given_up,
            wait=wait_fixed(_FAILED_SECONDS),
            retry=retry_if_exception_type(WxaSpecError),
            reraise=True,
        )
        return await again(self.client)

    def _is_given_up(self, _: RetryCallState) -> bool:
        """Tell whether it could not be used for too long: counted once for all its waits, which look by turns."""
        patience = _PATIENCE_SECONDS if self._seen is None else _PATIENCE_ONCE_USABLE_SECONDS
        return time.monotonic() >= self._unusable_since + patience

    async def aclose(self) -> None:
        """Leave the connections to their other users."""
        client, self._client = self._client, None
        if client is not None:
            await client.__aexit__(None, None, None)

    async def _look_up(self) -> None:
        self._failure = None
        try:
            seen = await self._connection()
            if self._client is None or seen != self._seen:
                self._read = read_connection(seen)
                client = await self._hook.aget_conn()
                await self.aclose()
                self._client = await client.__aenter__()
                self._seen = seen
        except WxaError as error:
            self._failure = error
        is_usable = not isinstance(self._failure, WxaSpecError)
        self._unusable_since = math.inf if is_usable else min(self._unusable_since, time.monotonic())
        self._good_until = time.monotonic() + (_FAILED_SECONDS if self._failure else _KNOWN_SECONDS)

    async def _connection(self) -> Connection:
        conn_id = self._hook.wxa_conn_id
        try:
            return await self._hook.aget_connection(conn_id)
        except AirflowNotFoundException:
            raise unknown_connection(conn_id) from None
        except (AirflowException, AirflowRuntimeError) as error:  # a text of Airflow's may hold anything
            failure = type(error).__name__
        raise WxaSpecError(
            Text("connection_cannot_be_looked_up", conn_id=repr(conn_id)), [Text("airflow_says", failure=failure)]
        )


@cache
def _spare_the_loop() -> None:
    """Keep all that a process has until now out of its garbage collections, once: they stop every trigger for 0.1 s.

    Thousands of waits set them off, and they mostly go over Airflow's own modules, which never end.
    """
    gc.freeze()


_watchers: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, PushWatcher]] = WeakKeyDictionary()
_connections: Final[PerLoop[str, SharedConnection]] = PerLoop(SharedConnection)


def shared_connection(wxa_conn_id: str) -> AbstractAsyncContextManager[SharedConnection]:
    """Give the running loop's Connection of this id while the block runs; the last to leave closes its client."""
    return _connections.using(wxa_conn_id)


log = logging.getLogger(__name__)

_AUDIT_EVENTS: Final = ("weapp_audit_success", "weapp_audit_fail", "weapp_audit_delay")
_EVERY_SECONDS: Final = 2.0
_TOLD_AT_ONCE: Final = 100
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
    def watching(self, component_appid: str, on_push: Mapping[str, OnPush]) -> Iterator[None]:
        """Tell of pushes while the block runs; of each several times.

        :param component_appid: empty: the Connection names no platform, so that no push can be told apart.
        :param on_push: by Mini Program.
        """
        if not component_appid or not on_push:
            yield
            return
        platform = self._waits.setdefault(component_appid, {})
        for appid, each in on_push.items():
            platform.setdefault(appid, set()).add(each)
        if self._task is None:
            # In a context of its own: Airflow would file its log under the trigger that happened to come first.
            self._task = asyncio.create_task(self._watch(), name="wxa-push-watcher", context=Context())
        try:
            yield
        finally:
            for appid, each in on_push.items():
                platform[appid].discard(each)
                if not platform[appid]:
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
                await self._tell(pushes)
            await asyncio.sleep(_EVERY_SECONDS)

    def _recent(self, platforms: list[str], seconds: float) -> dict[str, list[LoggedPush]]:
        if self._store is None:
            self._store = self._open_store()
        return {each: self._store.pushes(each, _AUDIT_EVENTS, seconds=seconds) for each in platforms}

    async def _tell(self, pushes: dict[str, list[LoggedPush]]) -> None:
        for component_appid, told in pushes.items():
            for number, push in enumerate(told, 1):
                for on_push in self._waits.get(component_appid, {}).get(push.told.get("appid", ""), ()):
                    on_push(push)
                if number % _TOLD_AT_ONCE == 0:  # every trigger of this process waits meanwhile
                    await asyncio.sleep(0)
