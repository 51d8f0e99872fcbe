"""Servers that strangers can reach: uvicorn, and connections that bring nothing keep nobody else out.

One is ``airflow-wxa receiver``: the push receiver alone, for sites whose API server must not face the internet.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import resource
import socket
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import uvicorn
from airflow.sdk.configuration import conf
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from airflow_wxa.cli.terminal import cannot_listen, say
from airflow_wxa.errors import WxaSpecError, WxaTransportError, problem_at
from airflow_wxa.hooks.store import open_store
from airflow_wxa.plugins.connections import PushConnections, read_push_connection
from airflow_wxa.plugins.receiver import create_receiver
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    import argparse
    import asyncio
    from collections.abc import Collection, Iterable, Sequence

    from starlette.types import ASGIApp

    Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_BACKLOG: Final = 2048
_STOP_SECONDS: Final = 5
_MAX_CONNECTIONS: Final = 1000
_MAX_CONNECTIONS_OF_ADDRESS: Final = 200
_MAX_FILES: Final = 8192  # a burst is accepted before the connections that it displaces are closed
_SILENT_SECONDS: Final = 2.0  # before a first byte
_IDLE_SECONDS: Final = 15.0  # a push is sent in one go; uvicorn itself waits for a whole first request for ever
_IPV6_SITE: Final = 64  # bits of an address that one subscriber holds


def bound(host: str, port: int) -> socket.socket:
    """Return a socket that listens there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise cannot_listen(host, port, error) from None


def url_of(listener: socket.socket, scheme: str = "http") -> str:
    """Return the address of a socket that listens."""
    host, port = listener.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def serve(app: ASGIApp, listener: socket.socket, **options: Any) -> None:
    """Serve until Ctrl-C.

    :param options: more of uvicorn's, certificates among them.
    :raises WxaSpecError: ``[wxa] trusted_proxies`` cannot be right.
    """
    files, allowed = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    wanted = _MAX_FILES if allowed == unlimited else min(allowed, _MAX_FILES)
    if files not in {unlimited, wanted} and files < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, allowed))
    config = uvicorn.Config(
        app,
        http=partial(ImpatientProtocol, trusted_proxies=trusted_proxies()),  # type: ignore[arg-type]  # a factory is enough
        access_log=False,
        log_config=None,
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        ws="none",
        lifespan="off",
        timeout_graceful_shutdown=_STOP_SECONDS,
        **options,
    )
    uvicorn.Server(config).run(sockets=[listener])


def trusted_proxies() -> list[Network]:
    """Return the networks of ``[wxa] trusted_proxies``.

    :raises WxaSpecError: an entry is no address and no network.
    """
    networks, problems = [], []
    for each in str(conf.get("wxa", "trusted_proxies", fallback="") or "").split(","):
        try:
            networks += [ipaddress.ip_network(each.strip())] if each.strip() else []
        except ValueError as error:
            problems.append(problem_at("[wxa] trusted_proxies", str(error)))
    if problems:
        raise WxaSpecError(Text("trusted_proxies_are_refused"), problems)
    return networks


class ImpatientProtocol(AutoHTTPProtocol):  # type: ignore[misc,valid-type]  # which one depends on what is installed
    """Drops a connection that brings no byte, or no whole request head, in time, and the oldest such when it is full.

    :param trusted_proxies: networks whose addresses speak for many, and may hold any number of connections.
    """

    def __init__(self, *arguments: Any, trusted_proxies: Iterable[Network] = (), **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._trusted_proxies = trusted_proxies
        self._heard = False
        self._since = self.loop.time()
        self._site: object = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Give the connection its time, and take it from the oldest one that waits when there are too many."""
        super().connection_made(transport)
        self._site = self._site_of(transport.get_extra_info("peername"))
        others = [each for each in self.connections if not each.transport.is_closing()]
        if self._site is not None:
            _make_room([each for each in others if each._site == self._site], _MAX_CONNECTIONS_OF_ADDRESS)  # noqa: SLF001
        _make_room(others, _MAX_CONNECTIONS)
        self.loop.call_later(_SILENT_SECONDS, self._drop_if_silent)
        self.loop.call_later(_IDLE_SECONDS, self._drop_if_idle, None)

    def data_received(self, data: bytes) -> None:
        """Note that something came."""
        self._heard = True
        super().data_received(data)

    @property
    def waits(self) -> bool:
        """Whether there is no whole request to be answered."""
        return self.cycle is None or self.cycle.response_complete or self.cycle.more_body

    def _site_of(self, peer: Sequence[Any] | None) -> object:
        """Return the address that a connection comes from, of IPv6 its network; ``None``: any number may come."""
        if not peer:
            return None
        address = ipaddress.ip_address(str(peer[0]).partition("%")[0])
        address = getattr(address, "ipv4_mapped", None) or address
        if any(address in network for network in self._trusted_proxies):
            return None
        return address if address.version == 4 else ipaddress.ip_network(f"{address}/{_IPV6_SITE}", strict=False)  # noqa: PLR2004

    def _drop_if_silent(self) -> None:
        if not self._heard:
            self.transport.close()

    def _drop_if_idle(self, seen: Any) -> None:
        """Drop it when there was no request since ``seen``, the latest one a moment ago."""
        if self.cycle is seen and self.waits:
            self.transport.close()
        elif not self.transport.is_closing():
            self.loop.call_later(_IDLE_SECONDS, self._drop_if_idle, self.cycle)


def _make_room(crowd: Sequence[ImpatientProtocol], most: int) -> None:
    """Drop the oldest connection that waits when there are too many; if all are busy, the newest."""
    if len(crowd) > most:
        oldest_first = sorted(crowd, key=lambda each: each._since)  # noqa: SLF001  (one of its own kind)
        next((each for each in oldest_first if each.waits), oldest_first[-1]).transport.close()


def receive(arguments: argparse.Namespace) -> int:
    """Serve ``arguments.conn_id`` on ``arguments.host`` and ``arguments.port`` until Ctrl-C."""
    # As Airflow's own commands do: only so are Connections looked up in its database, besides environment and backend.
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    if problems := _problems(arguments.conn_id):
        raise WxaSpecError(Text("receiver_cannot_start"), problems)
    with bound(arguments.host, arguments.port) as listener, suppress(KeyboardInterrupt):
        for wxa_conn_id in arguments.conn_id:
            url = f"{url_of(listener)}/{wxa_conn_id}"
            say(f"{url}/authorisation\n{url}/message/$APPID$")
        serve(create_receiver(PushConnections(arguments.conn_id)), listener)
    return 0


def _problems(wxa_conn_ids: Collection[str]) -> list[str]:
    """Return what cannot be right; a store that does not answer may yet come up, and pushes wait for it."""
    refused = (repr(each) for each in wxa_conn_ids if not _takes_pushes(each))
    problems: list[str] = [Text("connection_takes_no_pushes", wxa_conn_id=each) for each in refused]
    try:
        trusted_proxies()
        open_store()
    except WxaSpecError as error:
        problems.append(str(error))
    except WxaTransportError as error:
        logging.getLogger(__name__).warning("%s", error)
    return problems


def _takes_pushes(wxa_conn_id: str) -> bool:
    try:
        return read_push_connection(wxa_conn_id) is not None
    except WxaTransportError:
        return False
