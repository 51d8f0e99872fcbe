"""The connections that all async clients of one event loop share: one pool for each way out, closed by the last user.

A client of its own for each of thousands of waits would hold a pool each, read the certificates each time, and open
a connection for every look.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

import httpx

from airflow_wxa.client.wire import JSON_HEADERS
from airflow_wxa.errors import WxaSpecError

if TYPE_CHECKING:
    from airflow_wxa.client.wire import Egress

__all__ = ["Pool", "join", "leave"]

# httpcore goes over all its connections for every request: more would cost more than they bring.
_MOST_CONNECTIONS: Final = 32
_KEPT_SECONDS: Final = 30.0


@dataclass(slots=True)
class Pool:
    """Connections of one event loop to one host.

    :param turn: held while a request is under way. Those that wait for a connection queue up here, where waiting
        costs nothing and never ends in a ``PoolTimeout``.
    :param users: how many have joined and not left.
    """

    http: httpx.AsyncClient
    turn: asyncio.Semaphore
    users: int = 0


_pools: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Egress, Pool]]] = WeakKeyDictionary()


def join(egress: Egress) -> Pool:
    """Return the running loop's pool for this way out; whoever joins must :func:`leave`.

    :raises WxaSpecError: what ``ca_bundle`` names holds no certificates.
    """
    loop = asyncio.get_running_loop()
    pool = _pools.get(loop, {}).get(egress)
    if pool is None:
        pool = Pool(_opened(egress), asyncio.Semaphore(_MOST_CONNECTIONS))
        _pools.setdefault(loop, {})[egress] = pool
    pool.users += 1
    return pool


async def leave(egress: Egress, pool: Pool) -> None:
    """Give the pool up; the last user closes it."""
    pool.users -= 1
    if pool.users:
        return
    loop = asyncio.get_running_loop()
    pools = _pools[loop]
    del pools[egress]  # before anything is awaited: whoever joins meanwhile gets a new one
    if not pools:
        del _pools[loop]
    await pool.http.aclose()


def _opened(egress: Egress) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        headers=JSON_HEADERS,
        timeout=httpx.Timeout(egress.timeout, pool=None),
        limits=httpx.Limits(
            max_connections=_MOST_CONNECTIONS,
            max_keepalive_connections=_MOST_CONNECTIONS,
            keepalive_expiry=_KEPT_SECONDS,
        ),
        proxy=egress.proxy,
        verify=_trusting(egress.ca_bundle) if egress.ca_bundle else True,
        follow_redirects=False,
    )


def _trusting(ca_bundle: str) -> ssl.SSLContext:
    """Return a context that trusts the certificates of a file or a folder."""
    is_folder = Path(ca_bundle).is_dir()
    try:
        return ssl.create_default_context(
            cafile=None if is_folder else ca_bundle, capath=ca_bundle if is_folder else None
        )
    except OSError as error:  # ssl.SSLError is one
        failure = error.strerror or type(error).__name__
    raise WxaSpecError(
        "the Connection's certificates are refused",
        [f"extra ca_bundle = {ca_bundle!r}: {failure}"],
        next_step="name a PEM file or a folder of certificates, or leave ca_bundle empty for the usual ones",
    )
