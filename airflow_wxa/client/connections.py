"""How the async client's requests leave: aiohttp, which takes a tenth of the CPU that httpx takes for a call."""

from __future__ import annotations

import asyncio
import select
import ssl
import zlib
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast
from weakref import WeakSet

import aiohttp
import certifi
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from airflow_wxa.api.call import MAX_ANSWER_BYTES
from airflow_wxa.client import wire
from airflow_wxa.client.delivery import Answer
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from airflow_wxa.client.delivery import Request

MAX_CONNECTIONS: Final = 32
_KEPT_SECONDS: Final = 30.0
_LOOK_UPS: Final = 16
#: An answer that comes in drops ends after so many time-outs.
_MAX_TIMEOUTS: Final = 6
_HEADERS: Final = {"Accept": "*/*", "Accept-Encoding": "gzip", "User-Agent": "airflow-wxa"}
_GZIP: Final = 31  # zlib's word for its header


class Connections:
    """Connections of one event loop to one host.

    A client of its own for each of thousands of waits would read the certificates each time, and open a connection for
    every look.
    """

    def __init__(self, egress: wire.Egress) -> None:
        self._timeout = egress.timeout
        self._proxy = wire.proxy_to(egress.host, egress)
        if self._proxy and not self._proxy.startswith(("http://", "https://")):  # aiohttp would speak http to it
            raise WxaSpecError(Text("proxy_is_refused"), [Text("connecting", "bad_proxy")])
        name, path = wire.ca_bundle_for(egress.host, egress)
        self.verify = _trusting(name, path or certifi.where()) if path or egress.host.startswith("https:") else None
        #: Held while a request is under way. Those that wait for a connection queue up here, where waiting costs
        #: nothing and never ends in a time-out.
        self._turn = asyncio.Semaphore(MAX_CONNECTIONS)
        #: Where tokens are looked up and refreshed: so many at once, and the loop's own threads stay free.
        self.look_ups = ThreadPoolExecutor(_LOOK_UPS, "wxa-tokens")
        self.connector = _Connector(limit=MAX_CONNECTIONS, ssl=self.verify or True, keepalive_timeout=_KEPT_SECONDS)
        self._http = aiohttp.ClientSession(
            connector=self.connector,
            headers=_HEADERS,
            skip_auto_headers=("Content-Type",),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,  # it unpacks whatever comes, of any size
            timeout=aiohttp.ClientTimeout(
                total=_MAX_TIMEOUTS * egress.timeout, connect=egress.timeout, sock_read=egress.timeout
            ),
        )
        self._http.trace_configs.clear()  # Sentry's older SDKs stumble there over a request that they may not see
        # Else it sends a GET a second time where a kept connection breaks, and WeChat takes some writes by GET. It is
        # read first, so that an aiohttp that calls it otherwise is refused here.
        if self._http._retry_connection:  # noqa: SLF001
            self._http._retry_connection = False  # noqa: SLF001

    async def answer(self, request: Request) -> Answer:
        """Send, and return the answer, cut off behind the limit; no redirect is followed, the URL is secret."""
        try:
            async with (
                self._turn,
                self._http.request(
                    request.method,
                    URL(request.url, encoded=True),
                    data=request.content,
                    headers=request.headers,
                    proxy=self._proxy,
                    allow_redirects=False,
                ) as response,
            ):
                return Answer(response.status, await _read(response))
        except (aiohttp.ClientError, TimeoutError, ssl.SSLError, ValueError, zlib.error) as error:
            # ValueError: a host, or a proxy, that is none.
            return Answer(failure=in_words(error, self._timeout, proxied=self._proxy is not None))
        except BaseException as error:  # noqa: BLE001  (the library's frames hold the URL, and the URL holds the token)
            raise error.with_traceback(None) from None

    async def aclose(self) -> None:
        """Close all connections."""
        self.look_ups.shutdown(wait=False)
        await self._http.close()


class _Responses(ResponseHandler):
    """Tells the reader of a body as well that a chunk of it is broken; left alone it would wait for all time-outs."""

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        super().set_exception(exc, *cause)
        if isinstance(exc, HttpProcessingError) and self._payload is not None:
            self._payload.set_exception(aiohttp.ClientPayloadError())


class _Connector(aiohttp.TCPConnector):
    """Uses no connection again on which bytes have come that nobody asked for: they would answer the next call."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._factory = partial(cast("type[ResponseHandler]", _Responses), loop=self._loop)
        self._used: WeakSet[ResponseHandler] = WeakSet()

    async def connect(self, *asked: Any, **how: Any) -> aiohttp.connector.Connection:
        """Return a connection that is new or silent."""
        while True:
            connection = await super().connect(*asked, **how)
            protocol: Any = connection.protocol
            is_new = protocol not in self._used
            self._used.add(protocol)
            if is_new or not (protocol.should_close or _has_begun(protocol) or _is_readable(connection)):
                return connection
            connection.close()


def _has_begun(protocol: Any) -> bool:
    """Tell whether the parser holds the beginning of another answer; the next call brings a parser of its own."""
    parser = getattr(protocol, "_parser", None)
    return parser is not None and parser.feed_eof() is not None


def _is_readable(connection: aiohttp.connector.Connection) -> bool:
    """Tell whether the kernel holds something, an end included, that the loop has not read yet."""
    transport = connection.transport
    known = None if transport is None else transport.get_extra_info("socket")
    if known is None:
        return True
    poll = select.poll()
    poll.register(known.fileno(), select.POLLIN)
    return bool(poll.poll(0))


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """Return the content of an answer, unpacked, cut off behind the limit."""
    is_packed = response.headers.get("Content-Encoding", "").lower() == "gzip"
    unpacked, content = zlib.decompressobj(_GZIP) if is_packed else None, bytearray()
    async for chunk in response.content.iter_any():
        content += unpacked.decompress(chunk, MAX_ANSWER_BYTES + 1) if unpacked else chunk
        if len(content) > MAX_ANSWER_BYTES:
            break
    return bytes(content)


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


def in_words(error: Exception, timeout: float, *, proxied: bool = False) -> str:
    """Return what failed without the exception's own text, which can name the URL."""
    words: dict[type[Exception], str] = {
        aiohttp.ClientProxyConnectionError: Text("connecting", "no_proxy"),
        aiohttp.ClientHttpProxyError: Text("connecting", "no_proxy"),
        aiohttp.ClientConnectorDNSError: Text("connecting", "no_proxy" if proxied else "no_name"),
        aiohttp.ClientSSLError: Text("connecting", "no_tls"),
        ssl.SSLError: Text("connecting", "no_tls"),
        aiohttp.ConnectionTimeoutError: Text("no_answer_within", "connection", seconds=timeout),
        aiohttp.SocketTimeoutError: Text("no_answer_within", "answer", seconds=timeout),
        TimeoutError: Text("no_answer_within", "whole", seconds=_MAX_TIMEOUTS * timeout),
    }
    if proxied:
        words[ValueError] = Text("connecting", "bad_proxy")
    for kind, text in words.items():
        if isinstance(error, kind):
            return text
    return Text("connection_broke", error=type(error).__name__)
