"""The sandbox as an ASGI app: WeChat's paths, and control paths for people and tests."""

from __future__ import annotations

import asyncio
import ipaddress
from email.utils import formatdate
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from airflow_wxa.sandbox.control import CONTROL, control_routes
from airflow_wxa.sandbox.exchange import Sandbox
from airflow_wxa.sandbox.gate import Request

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from airflow_wxa.sandbox.faults import Fault
    from airflow_wxa.sandbox.gate import Answer
    from airflow_wxa.sandbox.pushes import Delivery
    from airflow_wxa.sandbox.world import World

COMMIT = "/wxa/commit"
BAD_GATEWAY = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
PICTURES = {"/wxa/get_qrcode": "QRCode.jpg", "/cgi-bin/material/get_material": "screenshot.jpg"}


class SandboxApp:
    """An emulated WeChat.

    WeChat's paths are answered without a router and without middleware: a suite makes thousands of calls, and any
    method on any path has to be answered in WeChat's words.

    :param sandbox: the world, and the journal and faults that the caller keeps in hand.
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
            task = asyncio.create_task(self.sandbox.push_beside(self.sandbox.world.outbox.pop(0)))
            self._pushing.add(task)
            task.add_done_callback(self._pushing.discard)


def create_app(world: World) -> SandboxApp:
    """Return an emulated WeChat around a world.

    :param world: changed in place by calls; its state now is what a reset goes back to.
    """
    return SandboxApp(Sandbox.of(world))


def _foreign_page(host: str, origin: str | None) -> str:
    """Return why a request to page or control paths may come from a page of somebody else; ``""``: it does not.

    A browser that shows such a page reaches a server on loopback: by the page's own name for it, which its DNS server
    has pointed here, or across origins.
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
    """Abort the connection, so that the client sees it reset or closed, and wait until the server has noticed.

    :raises ConnectionAbortedError: the server shows no connection; an in-process client gets this error.
    """
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
