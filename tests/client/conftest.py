"""Both clients behind one face, and a server that answers whatever a test tells it to."""

import asyncio
import logging
import pickle
import ssl
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from airflow_wxa.access.fixed import FixedTokens
from airflow_wxa.api.call import Call, Reply
from airflow_wxa.client import AsyncWxaClient, Egress, TokenSource, WxaClient, delivery
from airflow_wxa.errors import WxaError
from airflow_wxa.sandbox import RunningSandbox, World
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.steps import Step

T = TypeVar("T")
# Their letters survive any URL encoding, so a text that lacks "canary" holds neither token in any spelling.
CANARY = "canary+merchant/token=0123456789"
CANARY_PLATFORM = "canary+platform/token=0123456789"


@dataclass
class Twins:
    """One of the two clients, made anew for each piece of work.

    :param options: further arguments of the client.
    """

    kind: str
    tokens: TokenSource
    request: pytest.FixtureRequest
    options: dict[str, Any] = field(default_factory=dict)
    _seen: int = 0

    @property
    def sandbox(self) -> RunningSandbox:
        """The sandbox of this test, started when it is first wanted."""
        running: RunningSandbox = self.request.getfixturevalue("wxa_sandbox")
        return running

    def arrived(self) -> int:
        """Return how many requests have come to the sandbox since this was asked last."""
        before, self._seen = self._seen, len(self.sandbox.journal)
        return self._seen - before

    def send(self, call: Call, *, at: Egress | None = None) -> Reply:
        """Send one call.

        :param at: where to; ``None``: to the sandbox.
        """
        reply: Reply = self._work(at or Egress(self.sandbox.url), lambda client: client.send(call))
        return reply

    def run(self, step: Step[T], *, at: Egress | None = None) -> T:
        """Carry one step to its end; ``at`` as for a call."""
        outcome: T = self._work(at or Egress(self.sandbox.url), lambda client: client.run(step))
        return outcome

    def _work(self, egress: Egress, work: Callable[[Any], Any]) -> Any:
        try:
            return self._done(egress, work)
        except WxaError as error:
            if "canary" in everything_of(error):
                pytest.fail("the error shows a token")
            raise

    def _done(self, egress: Egress, work: Callable[[Any], Any]) -> Any:
        if self.kind == "requests":
            with WxaClient(egress, self.tokens, **self.options) as client:
                return work(client)

        async def carry() -> Any:
            async with AsyncWxaClient(egress, self.tokens, **self.options) as client:
                return await work(client)

        return asyncio.run(carry())


def everything_of(error: BaseException) -> str:
    """Return all that an error and its whole chain show: texts, arguments, attributes, traceback without locals."""
    shown = ["".join(traceback.format_exception(error)), pickle.dumps(error).decode("latin-1")]
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is not None:
            shown += [str(each), repr(each), repr(each.args), repr(getattr(each, "__dict__", {}))]
            shown += [repr(getattr(each, "__notes__", []))]
            waiting += [each.__cause__, each.__context__]
    return "\n".join(shown)


@pytest.fixture(params=["requests", "aiohttp"])
def twins(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[Twins]:
    """Give either client, with canary tokens, without waits between attempts; no error and no log line shows one."""
    monkeypatch.setattr(delivery, "PAUSES", (0, 0))
    caplog.set_level(logging.DEBUG)
    yield Twins(request.param, FixedTokens({APPID: CANARY}, CANARY_PLATFORM), request)
    logged = "\n".join(repr(record.__dict__) + record.getMessage() for record in caplog.get_records("call"))
    assert "canary" not in logged


@pytest.fixture
def wxa_world(wxa_world: World) -> World:
    """Return the usual world, which takes the canary tokens."""
    wxa_world.mini_programs[0].authorizer_access_token = CANARY
    wxa_world.platforms[0].component_access_token = CANARY_PLATFORM
    return wxa_world


@dataclass
class Elsewhere:
    """Something that answers in WeChat's place.

    :param url: scheme, host and port.
    :param answer: status, headers and body of every answer; ``{url}`` in a body becomes the path and query asked for.
    :param requests: method, path with query, and body of each request.
    :param authorizations: the header of each.
    """

    url: str
    server: ThreadingHTTPServer
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b'{"errcode":0,"errmsg":"ok"}'
    requests: list[tuple[str, str, bytes]] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)

    def behind(self, tls: ssl.SSLContext) -> None:
        """Speak TLS from now on, under the name ``localhost``."""
        self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.url = self.url.replace("http://127.0.0.1", "https://localhost")

    def answers(self, status: int, body: bytes, **headers: str) -> None:
        """Set what is answered from now on, and forget earlier requests; a header's ``_`` stands for ``-``."""
        self.status, self.body = status, body
        self.requests.clear()
        self.authorizations.clear()
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    """Serve fixed answers on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            told.requests.append((self.command, self.path, body))
            told.authorizations.append(self.headers.get("Authorization"))
            self.send_response(told.status)
            content = told.body.replace(b"{url}", self.path.encode())
            headers = {"Content-Length": str(len(content)), "Connection": "close"} | told.headers
            for name, value in headers.items():
                self.send_header(name, value.replace("{url}", self.path))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = answer  # noqa: N815  the names that the library looks for

        def log_message(self, *_args: object) -> None:
            """Keep quiet."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_args: object) -> None:
            """Let a client go that has read enough."""

    with Server(("127.0.0.1", 0), Handler) as server:
        told = Elsewhere(f"http://127.0.0.1:{server.server_port}", server)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield told
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return key and self-signed certificate of ``localhost`` in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + signed.public_bytes(pem))
    return path
