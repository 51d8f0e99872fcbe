"""What the waits of one event loop share: a look-up of each Connection, its client, and the watcher of pushes."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from airflow.sdk.exceptions import AirflowException, AirflowNotFoundException, AirflowRuntimeError
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_fixed

from airflow_wxa.client.per_loop import PerLoop
from airflow_wxa.errors import WxaError, WxaSpecError
from airflow_wxa.hooks.connection import read_connection, unknown_connection
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.triggers.push_watcher import PushWatcher

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from airflow.sdk import Connection

    from airflow_wxa.client import AsyncWxaClient
    from airflow_wxa.hooks.connection import WxaConnection

_KNOWN_SECONDS: Final = 30.0  # a Connection that was corrected is noticed after this
_FAILED_SECONDS: Final = 5.0
# A secrets backend that is down for a moment looks like a Connection that is not there, and must end no wait of days.
_PATIENCE_SECONDS: Final = 20.0
_PATIENCE_ONCE_USABLE_SECONDS: Final = 600.0
_POLLS_AT_ONCE: Final = 24  # fewer than the connections that a pool has


class SharedConnection:
    """One Connection in one event loop, looked up once in a while for all who wait with it."""

    def __init__(self, wxa_conn_id: str) -> None:
        #: Of the loop, whatever the Connection.
        self.watcher = _watchers.setdefault(asyncio.get_running_loop(), PushWatcher())
        #: Held by looks that nothing hurries, so that those which a push asked for find a free connection.
        self.polls = asyncio.Semaphore(_POLLS_AT_ONCE)
        self._hook = WxaHook(wxa_conn_id)
        self._one_at_a_time = asyncio.Lock()
        self._seen: Connection | None = None
        self._read: WxaConnection | None = None
        self._client: AsyncWxaClient | None = None
        self._failure: WxaError | None = None
        self._good_until = 0.0

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
        patience = _PATIENCE_SECONDS if self._seen is None else _PATIENCE_ONCE_USABLE_SECONDS
        again = AsyncRetrying(
            stop=stop_after_delay(patience),
            wait=wait_fixed(_FAILED_SECONDS),
            retry=retry_if_exception_type(WxaSpecError),
            reraise=True,
        )
        return await again(self.client)

    async def aclose(self) -> None:
        """Leave the connections to whoever else uses them."""
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
        self._good_until = time.monotonic() + (_FAILED_SECONDS if self._failure else _KNOWN_SECONDS)

    async def _connection(self) -> Connection:
        conn_id = self._hook.wxa_conn_id
        try:
            return await self._hook.aget_connection(conn_id)
        except AirflowNotFoundException:
            raise unknown_connection(conn_id) from None
        except (AirflowException, AirflowRuntimeError) as error:  # a text of Airflow's may hold anything
            failure = type(error).__name__
        raise WxaSpecError(f"the Connection {conn_id!r} cannot be looked up", [f"Airflow says {failure}"])


_watchers: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, PushWatcher]] = WeakKeyDictionary()
_connections: Final[PerLoop[str, SharedConnection]] = PerLoop(SharedConnection)


def shared_connection(wxa_conn_id: str) -> AbstractAsyncContextManager[SharedConnection]:
    """Give the running loop's Connection of this id while the block runs; the last to leave closes its client."""
    return _connections.using(wxa_conn_id)
