"""The connections that all async clients of one event loop share: one pool for each way out, closed by the last user.

A client of its own for each of thousands of waits would hold a pool each, read the certificates each time, and open
a connection for every look.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

import httpx

from airflow_wxa.client.wire import JSON_HEADERS

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
    """Return the running loop's pool for this way out; whoever joins must :func:`leave`."""
    pools = _pools.setdefault(asyncio.get_running_loop(), {})
    pool = pools.get(egress)
    if pool is None:
        pool = pools[egress] = Pool(_opened(egress), asyncio.Semaphore(_MOST_CONNECTIONS))
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
        verify=ssl.create_default_context(cafile=egress.ca_bundle) if egress.ca_bundle else True,
        follow_redirects=False,
    )
