"""The client of triggers and fleets: the twin of :mod:`airflow_wxa.client.sync` but for the ``await``.

How requests leave and answers come back stands in :mod:`airflow_wxa.client.connections`.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from airflow_wxa.client import wire
from airflow_wxa.client.delivery import Deliverer, Note, Request, TokenOf
from airflow_wxa.client.per_loop import PerLoop
from airflow_wxa.errors import WxaError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

    from airflow_wxa.api.call import Call, Reply
    from airflow_wxa.api.redaction import Secret
    from airflow_wxa.client.connections import Connections
    from airflow_wxa.client.delivery import Delivery, Observer, TokenSource
    from airflow_wxa.steps import Pause, Step

T = TypeVar("T")


class AsyncWxaClient:
    """Carries calls and steps to WeChat and back without blocking, inside ``async with``.

    All clients of one event loop that leave the same way share one pool of connections. A client may be entered several
    times at once: the pool stays open until all have left. Notes of concurrent tasks reach the observer in batches, in
    a thread; a method marked ``without_waiting`` gets each at once, in the event loop.

    :param egress: the API's host, and the way there.
    :param tokens: gives the token of each call.
    :param observer: sees each write before and after, and the end of each step.
    :param sleep: takes seconds.
    """

    def __init__(
        self,
        egress: wire.Egress,
        tokens: TokenSource,
        observer: Observer | None = None,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        wire.quiet_url_loggers()
        wire.check_ca_bundle(egress.host, egress)
        self._egress = egress
        self._tokens = tokens
        self._observer = observer
        self._sleep = sleep
        self._pool: Connections | None = None
        self._batches: dict[Callable[..., Any], _Batches] = {}

    async def __aenter__(self) -> Self:
        self._pool = _pools.join(self._egress)
        return self

    async def __aexit__(self, *raised: object) -> None:
        await _pools.leave(self._egress)

    async def run(self, step: Step[T]) -> T:
        """Carry a step to its end and return its outcome; errors are thrown into it first.

        :raises WxaError: an error that the step did not handle.
        """
        return await self._carry(Deliverer(self._egress.host, self._observer).step(step))

    async def send(self, call: Call) -> Reply:
        """Send one call, again where that is safe, and return its reply; raises as the sync twin does."""
        return await self._carry(Deliverer(self._egress.host, self._observer).call(call))

    async def preload(self, appids: Collection[str]) -> None:
        """Get the tokens of many Mini Programs at hand together; without it each call does so by itself."""
        await asyncio.to_thread(self._tokens.preload, appids)

    async def _carry(self, delivery: Delivery[T]) -> T:
        result: Any = None
        error: WxaError | None = None
        while True:
            try:
                wanted = delivery.throw(error) if error is not None else delivery.send(result)
            except StopIteration as stop:
                carried: T = stop.value
                return carried
            result = error = None
            try:
                result = await self._done(wanted)
            except WxaError as refused:
                error = refused

    async def _done(self, wanted: Request | TokenOf | Note | Pause) -> Any:
        match wanted:
            case Request():
                with wire.in_flight():
                    return await self._entered.answer(wanted)
            case TokenOf(owner, refused):
                return await self._token(owner, refused)
            case Note(write, what):
                if not getattr(write, "waits", True):
                    return write([what])[0]
                return await self._batches.setdefault(write, _Batches(write)).add(what)
        return await self._sleep(wanted.seconds)

    async def _token(self, owner: str, refused: Sequence[Secret]) -> Secret:
        known = self._tokens.known(owner)
        if known is not None and known not in refused:
            return known
        look_up = partial(self._tokens.token, owner, refused)
        return await asyncio.get_running_loop().run_in_executor(self._entered.look_ups, look_up)

    @property
    def _entered(self) -> Connections:
        if self._pool is None:
            raise RuntimeError("an AsyncWxaClient is used inside its `async with` block only")
        return self._pool


class _Batches:
    """Hands notes of tasks to the observer, in a thread; notes that come while a batch is written are the next."""

    def __init__(self, write: Callable[[Sequence[Any]], Sequence[Any]]) -> None:
        self._write = write
        self._gathered_seconds: float = getattr(write, "gathered_seconds", 0.0)
        self._turn = asyncio.Lock()
        self._waiting: list[tuple[Any, asyncio.Future[Any]]] = []

    async def add(self, what: Any) -> Any:
        """Return what the observer returned for ``what``, or raise what it raised."""
        mine: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((what, mine))
        async with self._turn:
            if self._waiting and not mine.done():  # else one that had the turn before has taken it along
                await asyncio.sleep(self._gathered_seconds)  # for those that come at the same moment
                batch, self._waiting = self._waiting, []
                # Shielded: whoever is cancelled here must not take the others along.
                await asyncio.shield(asyncio.create_task(self._written(batch)))
        return await mine

    async def _written(self, batch: list[tuple[Any, asyncio.Future[Any]]]) -> None:
        try:
            results = await asyncio.to_thread(self._write, [what for what, _ in batch])
            settled = list(zip(batch, results, strict=True))
        except Exception as error:  # noqa: BLE001  (whatever it is, those who wait must hear of it)
            # One of them may be at fault, and the others must not pay for it. But a store that does not answer is
            # nobody's fault, and asking it call by call would take its timeout as many times.
            if len(batch) > 1 and not getattr(error, "retryable", False):
                for each in batch:
                    await self._written([each])
                return
            settled = [(each, error) for each in batch]
        for (_, future), result in settled:
            _settle(future, result)


def _settle(future: asyncio.Future[Any], result: Any) -> None:
    if future.done():  # cancelled
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)


def _opened(egress: wire.Egress) -> Connections:
    from airflow_wxa.client.connections import Connections  # noqa: PLC0415  (aiohttp takes longer than a whole DAG)

    return Connections(egress)


_pools: Final[PerLoop[wire.Egress, Connections]] = PerLoop(_opened)
