"""The sandbox over HTTP: WeChat's paths and the control paths as an ASGI app, and the server around it."""

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.utils import formatdate
from types import FrameType
from urllib.parse import parse_qsl, urlsplit

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from airflow_wxa.sandbox.control import CONTROL, control_routes
from airflow_wxa.sandbox.exchange import Fault, Sandbox
from airflow_wxa.sandbox.gate import Answer, Request
from airflow_wxa.sandbox.pushes import TICKET, Delivery, Push, compose
from airflow_wxa.sandbox.values import PushEvent
from airflow_wxa.sandbox.world import World
from airflow_wxa.sandbox.worlds import connection_of

LOOPBACK = "127.0.0.1"
START_SECONDS = 10.0
STOP_SECONDS = 1.0
COMMIT = "/wxa/commit"
BAD_GATEWAY = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
PICTURES = {"/wxa/get_qrcode": "QRCode.jpg", "/cgi-bin/material/get_material": "screenshot.jpg"}


class SandboxApp:
    """An emulated WeChat.

    WeChat's paths are answered without a router and without middleware: a suite makes thousands of calls, and any
    method on any path has to be answered in WeChat's words.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._control = Starlette(routes=control_routes(sandbox))
        # The loop itself keeps no hold on a task that nobody waits for.
        self._pushing: set[asyncio.Task[Delivery]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope["path"]
        if path == "/" or path.startswith(CONTROL):
            asked = HttpRequest(scope)
            refused = _foreign_page(asked.headers.get("host", ""), asked.headers.get("origin"))
            await (PlainTextResponse(refused, 403) if refused else self._control)(scope, receive, send)
            return
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        request = Request(method=scope["method"], path=path, query=query, raw=await _body(receive))
        answer, fault = await self._answered(request)
        self._push_all()
        whole = _response(self.sandbox.encode(request, answer), path, picture=isinstance(answer, bytes))
        response = whole if fault is None else await _faulty(whole, fault, receive)
        if response is None:
            await _break(receive, send)
            return
        # By the world's clock, so that a caller can see its own clock run ahead or behind.
        response.headers["Date"] = formatdate(self.sandbox.world.time(), usegmt=True)
        await response(scope, receive, send)

    async def _answered(self, request: Request) -> tuple[Answer | None, Fault | None]:
        """Answer a call after as long as the world says, other calls beside it."""
        world, commits = self.sandbox.world, int(request.path == COMMIT)
        world.commits_under_way += commits
        try:
            if seconds := world.latency.get(request.path, world.latency.get("*", 0)):
                await asyncio.sleep(seconds)
            return self.sandbox.answer(request)
        finally:
            world.commits_under_way -= commits

    def _push_all(self) -> None:
        """Send what calls set off beside the answers, as WeChat does."""
        while self.sandbox.world.outbox:
            push = compose(self.sandbox.world, *self.sandbox.world.outbox.pop(0))
            task = asyncio.create_task(self.sandbox.send_beside(push))
            self._pushing.add(task)
            task.add_done_callback(self._pushing.discard)


def create_app(world: World) -> SandboxApp:
    """Return an emulated WeChat around a world, whose state now is what a reset goes back to."""
    return SandboxApp(Sandbox.of(world))


def _foreign_page(host: str, origin: str | None) -> str:
    """Return why a request to page or control paths may come from a page of somebody else; ``""``: it does not.

    A browser reaches a server on loopback by the page's own name for it, which its DNS server points here, or across
    origins.
    """
    if not _is_local(host):
        return "Host: call the sandbox by its IP address, localhost, or a name without a dot\n"
    if origin is not None and urlsplit(origin).netloc != host:
        return f"Origin: only the sandbox's own page, http://{host}, and programs may steer it\n"
    return ""


def _is_local(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or "."
        return "." not in name or bool(ipaddress.ip_address(name))
    except ValueError:
        return False


async def _body(receive: Receive) -> bytes:
    chunks = []
    while True:
        message = await receive()
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(chunks)


def _response(wire: bytes, path: str, *, picture: bool) -> Response:
    if picture:
        headers = {"Content-disposition": f"attachment; filename={PICTURES[path]}"}
        return Response(wire, media_type="image/jpeg", headers=headers)
    # Errors of a binary call were seen as text/plain, by a client that looks for it.
    return Response(wire, media_type="text/plain" if path in PICTURES else "application/json; encoding=utf-8")


async def _faulty(whole: Response, fault: Fault, receive: Receive) -> Response | None:
    """Return the answer as a fault leaves it; None when the connection is to break."""
    if fault.kind in ("drop_before", "drop_after"):
        return None
    if fault.kind == "html_502":
        return HTMLResponse(BAD_GATEWAY, status_code=502)
    if fault.kind == "slow":
        await _held_back(receive, fault.seconds)
    if fault.kind in ("truncated", "empty"):
        kept = len(whole.body) // 2 if fault.kind == "truncated" else 0
        return Response(bytes(whole.body)[:kept], media_type=whole.media_type)
    return whole


async def _break(receive: Receive, send: Send) -> None:
    """Abort the connection, and wait until the server has noticed; an in-process client gets an error."""
    # What uvicorn passes as `send` is a method of the object that holds the connection; other servers offer none.
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        raise ConnectionAbortedError("the sandbox was told to break this connection")
    transport.abort()
    await _disconnected(receive)


async def _held_back(receive: Receive, seconds: float) -> None:
    """Wait, but no longer than the client does."""
    try:
        async with asyncio.timeout(seconds):
            await _disconnected(receive)
    except TimeoutError:
        return


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


@dataclass(kw_only=True, slots=True)
class RunningSandbox(Sandbox):
    """A sandbox that listens."""

    url: str = ""  #: scheme, host and port, without a slash at the end

    def connection(self, component_appid: str = "") -> str:
        """Return the Connection of a platform, the first one by default, as JSON for ``AIRFLOW_CONN_…``."""
        return connection_of(self.world, self.url, component_appid)

    def compose(self, event: PushEvent, appid: str) -> Push:
        """Let something happen and return the push that tells of it, see :func:`airflow_wxa.sandbox.pushes.compose`."""
        return compose(self.world, event, appid)

    def push(self, event: PushEvent, appid: str) -> httpx.Response:
        """Compose and send in one."""
        return self.send(self.compose(event, appid))

    def push_ticket(self, component_appid: str = "") -> httpx.Response:
        """Push a new ticket of a platform, the first one by default."""
        return self.push(TICKET, component_appid or self.world.platforms[0].component_appid)


class _Server(uvicorn.Server):
    """Uvicorn that stops at once: its own loop looks every tenth of a second, and suites start hundreds."""

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
    sandbox = RunningSandbox.of(world)
    with _bound(host, port) as listener:
        server = _server(sandbox, listener)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="wxa-sandbox", daemon=True)
        thread.start()
        if not server.listening.wait(START_SECONDS):
            raise RuntimeError(f"the sandbox did not start within {START_SECONDS:.0f} s")
        try:
            yield sandbox
        finally:
            server.stop()
            thread.join()


def run(
    world: World, host: str = LOOPBACK, port: int = 0, *, announce: Callable[[RunningSandbox], object] | None = None
) -> None:
    """Serve a world until Ctrl-C.

    :param announce: called with the running sandbox before the first call is taken.
    :raises OSError: the address cannot be bound.
    """
    sandbox = RunningSandbox.of(world)
    with _bound(host, port) as listener, suppress(KeyboardInterrupt):
        server = _server(sandbox, listener)
        if announce is not None:
            announce(sandbox)
        server.run(sockets=[listener])


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family)
    # Accepted connections inherit it. asyncio sets it on sockets of its own only: kept connections would wait 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _server(sandbox: RunningSandbox, listener: socket.socket) -> _Server:
    host, port = listener.getsockname()[:2]
    sandbox.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
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
