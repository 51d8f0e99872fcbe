"""The sandbox as an ASGI app: WeChat's paths, and control paths for people and tests."""

from __future__ import annotations

import asyncio
import json
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from airflow_wxa.sandbox.control import control_routes
from airflow_wxa.sandbox.exchange import Request, Sandbox

if TYPE_CHECKING:
    from starlette.requests import Request as HttpRequest
    from starlette.types import Receive, Scope, Send

    from airflow_wxa.sandbox.faults import Fault
    from airflow_wxa.sandbox.gate import Answer
    from airflow_wxa.sandbox.pushes import Delivery
    from airflow_wxa.sandbox.world import World

# Any method reaches the gate, so that a wrong one is answered in WeChat's words instead of with HTTP 405.
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
BAD_GATEWAY = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
PICTURES = {"/wxa/get_qrcode": "QRCode.jpg", "/cgi-bin/material/get_material": "screenshot.jpg"}
TRANSPORT = "airflow_wxa.sandbox.transport"


class SandboxApp(FastAPI):
    """FastAPI with one layer outside all others, which finds the connection that a fault may have to break."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Remember the connection under a name in the scope; servers other than uvicorn have none to offer."""
        scope[TRANSPORT] = getattr(getattr(send, "__self__", None), "transport", None)
        await super().__call__(scope, receive, send)


class BrokenConnection(Response):
    """No answer: the connection is aborted, the client sees it reset or closed."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Abort and wait until the server has noticed.

        :raises ConnectionAbortedError: the server shows no connection; an in-process client gets this error.
        """
        transport = scope.get(TRANSPORT)
        if transport is None:
            raise ConnectionAbortedError("the sandbox was told to break this connection")
        transport.abort()
        while (await receive())["type"] != "http.disconnect":
            pass


class _Mail:
    """Pushes that calls set off; they are sent beside the answers, as WeChat does."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        # The loop itself keeps no hold on a task that nobody waits for.
        self._running: set[asyncio.Task[Delivery]] = set()

    def send_all(self) -> None:
        while self._sandbox.world.outbox:
            task = asyncio.create_task(self._sandbox.push_beside(self._sandbox.world.outbox.pop(0)))
            self._running.add(task)
            task.add_done_callback(self._running.discard)


def create_app(world: World) -> FastAPI:
    """Return an emulated WeChat around a world.

    :param world: changed in place by calls; its state now is what a reset goes back to.
    """
    return app_of(Sandbox.of(world))


def app_of(sandbox: Sandbox) -> FastAPI:
    """Return the app of a sandbox whose journal and faults the caller keeps in hand."""
    mail = _Mail(sandbox)

    async def answer(http: HttpRequest) -> Response:
        request = Request(
            method=http.method,
            path=http.scope["path"],
            token=http.query_params.get("access_token", ""),
            component_access_token=http.query_params.get("component_access_token", ""),
            raw=await http.body(),
        )
        answered, fault = sandbox.answer(request)
        mail.send_all()
        if fault is not None:
            response = await _faulty(http, answered, fault)
        else:
            response = _response(answered, request.path)
        # By the world's clock, so that a caller can see its own clock run ahead or behind.
        response.headers["Date"] = formatdate(sandbox.world.time(), usegmt=True)
        return response

    routes = [*control_routes(sandbox), Route("/{path:path}", answer, methods=METHODS)]
    app = SandboxApp(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False, routes=routes)
    app.state.sandbox = sandbox
    return app


def _response(answer: Answer | None, path: str) -> Response:
    if isinstance(answer, bytes):
        headers = {"Content-disposition": f"attachment; filename={PICTURES[path]}"}
        return Response(answer, media_type="image/jpeg", headers=headers)
    # Errors of a binary call were seen as text/plain, by a client that looks for it.
    media_type = "text/plain" if path in PICTURES else "application/json; encoding=utf-8"
    return Response(_wire(answer), media_type=media_type)


def _wire(answer: Any) -> bytes:
    # WeChat answers raw UTF-8; a lone surrogate that a caller smuggled in becomes a question mark.
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


async def _faulty(http: HttpRequest, answer: Answer | None, fault: Fault) -> Response:
    if fault.kind in ("drop_before", "drop_after"):
        return BrokenConnection()
    if fault.kind == "html_502":
        return HTMLResponse(BAD_GATEWAY, status_code=502)
    if fault.kind == "slow":
        await _held_back(http, fault.seconds)
    whole = _response(answer, http.scope["path"])
    if fault.kind in ("truncated", "empty"):
        kept = len(whole.body) // 2 if fault.kind == "truncated" else 0
        return Response(bytes(whole.body)[:kept], media_type=whole.media_type)
    return whole


async def _held_back(http: HttpRequest, seconds: float) -> None:
    """Wait, but no longer than the client does."""
    try:
        async with asyncio.timeout(seconds):
            while (await http.receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return
