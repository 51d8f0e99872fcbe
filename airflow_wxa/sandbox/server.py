"""Serve the sandbox over HTTP: in the background for tests, in the foreground for people."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import uvicorn

from airflow_wxa.sandbox.app import SandboxApp
from airflow_wxa.sandbox.exchange import Sandbox
from airflow_wxa.sandbox.pushes import TICKET, compose
from airflow_wxa.sandbox.worlds import connection_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    import httpx

    from airflow_wxa.sandbox.faults import Fault
    from airflow_wxa.sandbox.journal import Entries
    from airflow_wxa.sandbox.pushes import Delivery, Push, PushEvent
    from airflow_wxa.sandbox.world import World

LOOPBACK = "127.0.0.1"
START_SECONDS = 10.0
STOP_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class RunningSandbox:
    """A sandbox that listens."""

    url: str  #: scheme, host and port, without a slash at the end
    sandbox: Sandbox

    @property
    def world(self) -> World:
        """The state, to look at and to change."""
        return self.sandbox.world

    @property
    def journal(self) -> Entries:
        """Every call so far, oldest first; ``journal.count(path)`` tells how often one was made."""
        return self.sandbox.journal.entries

    def connection(self, component_appid: str = "") -> str:
        """Return a platform's Connection, as JSON for ``AIRFLOW_CONN_…``.

        :param component_appid: the first platform's when empty.
        """
        return connection_of(self.world, self.url, component_appid)

    def add_fault(self, fault: Fault) -> None:
        """Let a coming call go wrong."""
        self.sandbox.faults.add(fault)

    def reset(self) -> None:
        """Go back to the state it started with."""
        self.sandbox.reset()

    @property
    def deliveries(self) -> list[Delivery]:
        """Fate of every push so far, oldest first."""
        return self.sandbox.deliveries

    def compose(self, event: PushEvent, appid: str) -> Push:
        """Let something happen and return the push that tells of it, see :func:`airflow_wxa.sandbox.pushes.compose`.

        :raises KeyError: there is no such account.
        :raises ValueError: an event that is none, or a platform without push keys or address.
        """
        return compose(self.world, event, appid)

    def send(self, push: Push) -> httpx.Response:
        """Send a push, once more if it was sent before, and return the receiver's answer.

        :raises httpx.HTTPError: no answer within WeChat's five seconds.
        """
        return self.sandbox.push(push)

    def push(self, event: PushEvent, appid: str) -> httpx.Response:
        """Compose and send in one."""
        return self.send(self.compose(event, appid))

    def push_ticket(self, component_appid: str = "") -> httpx.Response:
        """Push a new ticket.

        :param component_appid: the first platform's when empty.
        """
        return self.push(TICKET, component_appid or self.world.platforms[0].component_appid)


class _Server(uvicorn.Server):
    """Uvicorn that stops at once.

    Its own loop looks every tenth of a second whether it should stop and waits another tenth for clients to leave;
    a suite that starts hundreds of sandboxes would spend most of its time there.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = asyncio.Event()

    async def main_loop(self) -> None:
        """Tell who waits that it listens, then serve until :meth:`stop`."""
        self._loop = asyncio.get_running_loop()
        self.listening.set()
        if not self.should_exit:
            await self._stopped.wait()

    def stop(self) -> None:
        """End :meth:`main_loop`; may be called from any thread or from a signal handler."""
        self.should_exit = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stopped.set)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop on Ctrl-C and on a request to terminate."""
        super().handle_exit(sig, frame)
        self.stop()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002
        """Cut every connection, idle or not, and let the handlers notice."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=STOP_SECONDS)


@contextmanager
def serve(world: World, *, host: str = LOOPBACK, port: int = 0) -> Iterator[RunningSandbox]:
    """Serve a world from a background thread while the block runs.

    :param port: 0 picks a free one.
    :raises OSError: the address cannot be bound.
    :raises RuntimeError: the server did not start.
    """
    sandbox = Sandbox.of(world)
    with _bound(host, port) as listener:
        server = _server(sandbox, listener)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="wxa-sandbox", daemon=True)
        thread.start()
        if not server.listening.wait(START_SECONDS):
            raise RuntimeError(f"the sandbox did not start within {START_SECONDS:.0f} s")
        try:
            yield RunningSandbox(url=_url(listener), sandbox=sandbox)
        finally:
            server.stop()
            thread.join()


def run(
    world: World, host: str = LOOPBACK, port: int = 0, *, announce: Callable[[RunningSandbox], object] | None = None
) -> None:
    """Serve a world until Ctrl-C.

    :param announce: called once with the running sandbox, its URL above all, before the first call is taken.
    :raises OSError: the address cannot be bound.
    """
    sandbox = Sandbox.of(world)
    with _bound(host, port) as listener, suppress(KeyboardInterrupt):
        if announce is not None:
            announce(RunningSandbox(url=_url(listener), sandbox=sandbox))
        _server(sandbox, listener).run(sockets=[listener])


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family)
    # Accepted connections inherit it. asyncio sets it on sockets of its own only: kept connections would wait 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _server(sandbox: Sandbox, listener: socket.socket) -> _Server:
    # No access log: its lines would carry the tokens of the query.
    config = uvicorn.Config(
        SandboxApp(sandbox),
        fd=listener.fileno(),
        lifespan="off",
        ws="none",
        access_log=False,
        date_header=False,
        log_config=None,
        log_level="error",
    )
    return _Server(config)
