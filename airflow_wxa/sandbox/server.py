"""Serve the sandbox over HTTP: in the background for tests, in the foreground for people."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import uvicorn

from airflow_wxa.sandbox.app import app_of
from airflow_wxa.sandbox.exchange import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_wxa.sandbox.faults import Fault
    from airflow_wxa.sandbox.journal import Entry
    from airflow_wxa.sandbox.world import World

LOOPBACK = "127.0.0.1"
START_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class RunningSandbox:
    """A sandbox that listens.

    :param url: scheme, host and port, without a slash at the end.
    """

    url: str
    sandbox: Sandbox

    @property
    def world(self) -> World:
        """The state, to look at and to change."""
        return self.sandbox.world

    @property
    def journal(self) -> list[Entry]:
        """Every call so far, oldest first."""
        return self.sandbox.journal.entries

    def add_fault(self, fault: Fault) -> None:
        """Let a coming call go wrong."""
        self.sandbox.faults.add(fault)

    def reset(self) -> None:
        """Go back to the state it started with."""
        self.sandbox.reset()


class _Server(uvicorn.Server):
    """Uvicorn that reports when it listens and cuts what is still open when it stops."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell who waits."""
        await super().startup(sockets)
        self.listening.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop without waiting for clients that keep a connection open."""
        self.force_exit = True
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await super().shutdown(sockets)


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
        # Bound, not yet run: the thread below owns the loop, this one only asks it to stop.
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="wxa-sandbox", daemon=True)
        thread.start()
        if not server.listening.wait(START_SECONDS):
            raise RuntimeError(f"the sandbox did not start within {START_SECONDS:.0f} s")
        try:
            yield RunningSandbox(url=_url(listener), sandbox=sandbox)
        finally:
            server.should_exit = True
            thread.join()


def run(
    world: World,
    host: str = LOOPBACK,
    port: int = 0,
    *,
    announce: Callable[[RunningSandbox], object] | None = None,
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
    return socket.create_server((host, port), family=family)


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _server(sandbox: Sandbox, listener: socket.socket) -> _Server:
    # No access log: its lines would carry the tokens of the query.
    config = uvicorn.Config(
        app_of(sandbox),
        fd=listener.fileno(),
        lifespan="off",
        ws="none",
        access_log=False,
        log_config=None,
        log_level="error",
    )
    return _Server(config)
