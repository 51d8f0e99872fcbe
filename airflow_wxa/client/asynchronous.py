"""The client of triggers and fleets: the twin of :mod:`airflow_wxa.client.sync` but for the ``await``.

On ``httpcore``, which httpx stands on: httpx itself takes three quarters of the CPU of a call.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar
from urllib.parse import urlsplit

import httpcore
import httpx

from airflow_wxa.api.call import MAX_ANSWER_BYTES
from airflow_wxa.client import wire
from airflow_wxa.client.delivery import Answer, Deliverer, Note, Request, TokenOf
from airflow_wxa.client.per_loop import PerLoop
from airflow_wxa.errors import WxaError, WxaSpecError
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence

    from airflow_wxa.api.call import Call, Reply
    from airflow_wxa.api.redaction import Secret
    from airflow_wxa.client.delivery import Delivery, Observer, TokenSource
    from airflow_wxa.steps import Pause, Step

    _Connection = httpcore.AsyncHTTPConnection | httpcore.AsyncConnectionPool

T = TypeVar("T")

_MOST_CONNECTIONS: Final = 32
_KEPT_SECONDS: Final = 30.0
_LOOK_UPS: Final = 16
_HEADERS: Final = {"Accept": "*/*", "Accept-Encoding": "gzip", "User-Agent": "airflow-wxa"}
_GZIP: Final = 31  # zlib's word for its header
_FAILURES: Final = (
    httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, httpcore.ProxyError,
    ssl.SSLError,  # a record that was damaged on its way: httpcore leaves it as it is
)  # fmt: skip


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
        self._pool: _Pool | None = None
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
                return await self._answered(wanted)
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
    def _entered(self) -> _Pool:
        if self._pool is None:
            raise RuntimeError("an AsyncWxaClient is used inside its `async with` block only")
        return self._pool

    async def _answered(self, request: Request) -> Answer:
        """Send, and return the answer, cut off behind the limit."""
        pool = self._entered
        try:
            with wire.in_flight():
                async with pool.turn:
                    return await pool.answer(request)
        except (*_FAILURES, httpx.InvalidURL, ValueError, ImportError, zlib.error) as error:
            # InvalidURL, ValueError: a host, or a proxy, that is none. ImportError: SOCKS, and no package for it.
            return Answer(failure=_in_words(error, self._egress.timeout, proxied=pool.proxy is not None))
        except BaseException as error:  # noqa: BLE001  (the library's frames hold the URL, and the URL holds the token)
            raise error.with_traceback(None) from None


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


class _Pool:
    """Connections of one event loop to one host.

    A client of its own for each of thousands of waits would hold a pool each, read the certificates each time, and
    open a connection for every look.
    """

    def __init__(self, egress: wire.Egress) -> None:
        #: All that are open. httpcore's own pool goes over all its connections for every request, which costs more
        #: than the request itself. The one that was used last is used next, so that few stay open.
        self.connections: set[_Connection] = set()
        self._idle: dict[str, list[_Connection]] = {}  # by origin
        self._egress = egress
        self._seconds = {"timeout": dict.fromkeys(("connect", "read", "write"), egress.timeout)}
        self.proxy = wire.proxy_to(egress.host, egress)
        name, path = wire.ca_bundle_for(egress.host, egress)
        is_https = egress.host.startswith("https:")
        self._verify = _trusting(name, path) if path else httpx.create_ssl_context() if is_https else None
        #: Held while a request is under way. Those that wait for a connection queue up here, where waiting costs
        #: nothing and never ends in a ``PoolTimeout``.
        self.turn = asyncio.Semaphore(_MOST_CONNECTIONS)
        #: Where tokens are looked up and refreshed: so many at once, and the loop's own threads stay free.
        self.look_ups = ThreadPoolExecutor(_LOOK_UPS, "wxa-tokens")

    async def answer(self, request: Request) -> Answer:
        """Send on a connection that nobody else uses meanwhile, and return the answer, cut off behind the limit."""
        url, content = httpcore.URL(request.url), request.content or b""
        headers = {"Host": urlsplit(request.url).netloc, **_HEADERS, **request.headers}
        if request.method != "GET":
            headers["Content-Length"] = str(len(content))
        asked = httpcore.Request(
            request.method, url, headers=list(headers.items()), content=content, extensions=self._seconds
        )
        async with self._connection(url.origin) as connection:
            response = await connection.handle_async_request(asked)
            try:
                return Answer(response.status, await _read(response))
            finally:
                goes_on = _goes_on(response)
                await response.aclose()
                if goes_on:
                    await connection.aclose()

    @asynccontextmanager
    async def _connection(self, origin: httpcore.Origin) -> AsyncIterator[_Connection]:
        idle = self._idle.setdefault(str(origin), [])
        connection = idle.pop() if idle else self._opened(origin)
        # Behind a proxy it is a pool, which opens another one by itself.
        if isinstance(connection, httpcore.AsyncHTTPConnection) and (
            connection.is_closed() or connection.has_expired()
        ):
            self.connections.discard(connection)
            await connection.aclose()
            connection = self._opened(origin)
        self.connections.add(connection)
        try:
            yield connection
        except BaseException:
            # Cancelled between two steps of httpcore's, it stays in mid-request for ever: nobody else gets it.
            self.connections.discard(connection)
            await connection.aclose()
            raise
        idle.append(connection)

    async def aclose(self) -> None:
        """Close all connections."""
        self.look_ups.shutdown(wait=False)
        for connection in self.connections:
            await connection.aclose()

    def _opened(self, origin: httpcore.Origin) -> _Connection:
        if not self.proxy:
            return httpcore.AsyncHTTPConnection(origin, self._verify, _KEPT_SECONDS)
        proxy = httpx.Proxy(self.proxy)
        through = httpcore.Proxy(str(proxy.url), auth=proxy.raw_auth)
        return httpcore.AsyncConnectionPool(
            self._verify, max_connections=1, keepalive_expiry=_KEPT_SECONDS, proxy=through
        )


_pools: Final[PerLoop[wire.Egress, _Pool]] = PerLoop(_Pool)


async def _read(response: httpcore.Response) -> bytes:
    """Return the content of an answer, unpacked, cut off behind the limit."""
    is_packed = any(
        name.lower() == b"content-encoding" and value.lower() == b"gzip" for name, value in response.headers
    )
    unpacked, content = zlib.decompressobj(_GZIP) if is_packed else None, bytearray()
    async for chunk in response.aiter_stream():
        content += unpacked.decompress(chunk, MAX_ANSWER_BYTES + 1) if unpacked else chunk
        if len(content) > MAX_ANSWER_BYTES:
            break
    return bytes(content)


def _goes_on(response: httpcore.Response) -> bool:
    """Tell whether bytes came behind an answer: nobody asked for them, and the next call would be answered by them."""
    stream: Any = response.stream
    in_pool = getattr(stream, "_stream", stream)
    if in_pool._connection._h11_state.trailing_data[0]:  # noqa: SLF001  (httpcore tells it to nobody)
        return True
    tls = response.extensions["network_stream"].get_extra_info("ssl_object")
    try:  # what came in a TLS record of its own neither h11 nor the socket shows
        return tls is not None and tls.read(1) is not None
    except ssl.SSLError as error:
        return not isinstance(error, ssl.SSLWantReadError)


def _trusting(name: str, ca_bundle: str) -> ssl.SSLContext:
    """Return a context that trusts the certificates of a file or a folder."""
    is_folder = Path(ca_bundle).is_dir()
    try:
        return ssl.create_default_context(
            cafile=None if is_folder else ca_bundle, capath=ca_bundle if is_folder else None
        )
    except OSError as error:  # ssl.SSLError is one
        failure = error.strerror or type(error).__name__
    raise WxaSpecError(
        Text("certificates_are_refused"),
        [Text("certificate_file_is_refused", field=name, ca_bundle=repr(ca_bundle), failure=failure)],
    )


def _in_words(error: Exception, timeout: float, *, proxied: bool = False) -> str:
    """Return what failed without the exception's own text, which can name the URL."""
    words = {
        httpcore.ConnectTimeout: f"no connection within {timeout} s",
        httpcore.ReadTimeout: f"no answer within {timeout} s",
        httpcore.ProxyError: wire.NO_PROXY,
    }
    for kind, text in words.items():
        if isinstance(error, kind):
            return text
    cause: BaseException | None = error
    while cause is not None:  # httpcore says "ConnectError" of all of these
        if isinstance(cause, ssl.SSLError):
            return wire.NO_TLS
        if isinstance(cause, socket.gaierror):
            return wire.NO_PROXY if proxied else wire.NO_NAME
        cause = cause.__cause__ or cause.__context__
    if proxied and isinstance(error, httpcore.ConnectError):
        return wire.NO_PROXY
    if proxied and isinstance(error, (httpx.InvalidURL, ValueError, ImportError)):
        return wire.BAD_PROXY
    return f"the connection broke ({type(error).__name__})"
