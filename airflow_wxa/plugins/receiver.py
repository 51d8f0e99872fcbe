"""The push receiver: two routes that WeChat's servers call, and anybody else may.

``POST /{wxa_conn_id}/authorisation`` takes tickets and authorisation events, ``POST /{wxa_conn_id}/message/{appid}``
audit results. There is no login: a push proves itself by its signature, and one that does not is answered 403 without a
word. A push that another receiver forwards is taken as it is, if query and body are those that WeChat sent.
"""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from anyio import CapacityLimiter, fail_after, to_thread
from fastapi import FastAPI, Request, Response
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect

from airflow_wxa.api.push import MAX_PUSH_BYTES, Envelope
from airflow_wxa.api.values import APPID
from airflow_wxa.errors import WxaSpecError, WxaTransportError
from airflow_wxa.hooks.store import open_store as open_configured_store
from airflow_wxa.plugins.connections import PushConnections
from airflow_wxa.plugins.forwarding import FORWARDED, PushForwarder, forward_pushes_to
from airflow_wxa.plugins.push_handler import REFUSED, UNAVAILABLE, Answer, PushHandler

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_wxa.store import Store

log = logging.getLogger(__name__)

# WeChat waits five seconds for an answer: what takes longer is better refused and sent again.
_BODY_SECONDS: Final = 4.0
_QUEUE_SECONDS: Final = 4.0
# What proves nothing waits for its 403: whoever floods us gets fewer answers, and Airflow's pages more of the server.
_REFUSED_SECONDS: Final = 0.25
# Threads of our own: a flood of pushes must not take those that serve Airflow's pages, nor a slow exchange of codes
# those that take pushes.
_THREADS: Final = 8
_THREADS_AFTERWARDS: Final = 2


#: What a merchant reads whom WeChat sends back; the code comes by push, so the one in the address is not looked at.
_THANKS: Final = "授权已完成。可以关闭此页面。\nThe authorisation is done; you may close this page.\n"


def create_receiver(
    connections: PushConnections | None = None,
    *,
    open_store: Callable[[], Store] = open_configured_store,
    clock: Callable[[], float] = time.time,
) -> FastAPI:
    """Return the receiver as an app; ``app.state.refusals`` counts what it refused.

    :param connections: which Connections there are; default: Airflow's.
    :param open_store: opens the store; default: the one that Airflow's configuration names.
    :param clock: epoch seconds.
    """
    # No pages that describe it: they would be as public as its routes.
    app = FastAPI(title="WeChat push receiver", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    listed = connections or PushConnections()
    handler = PushHandler(listed, open_store, clock)
    app.state.refusals = handler.refusals
    forwarder = _forwarder()
    threads, threads_afterwards = CapacityLimiter(_THREADS), CapacityLimiter(_THREADS_AFTERWARDS)

    async def answer_to(wxa_conn_id: str, appid: str | None, request: Request) -> Answer:
        if not listed.is_listed(wxa_conn_id) or (appid is not None and not APPID.fullmatch(appid)):
            handler.refusals.count("", "connection")
            return REFUSED
        body = await _body(request)
        signed = {name: request.query_params.get(name, "") for name in ("msg_signature", "timestamp", "nonce")}
        handle = partial(handler.handle, wxa_conn_id, appid, Envelope(**signed, body=body))
        try:
            with fail_after(_QUEUE_SECONDS):  # only waiting for a thread can end so; what has begun is finished
                answer = await to_thread.run_sync(handle, limiter=threads)
        except TimeoutError:
            handler.refusals.count("", "busy")
            return UNAVAILABLE
        if forwarder is None or not answer.owner or FORWARDED in request.headers:
            return answer
        try:
            return Answer(answer.status, await forwarder.forward(answer.owner, request.query_params, body))
        except WxaTransportError as error:
            return handler.unavailable(wxa_conn_id, "forward", error)

    async def respond(wxa_conn_id: str, appid: str | None, request: Request) -> Response:
        answer = await answer_to(wxa_conn_id, appid, request)
        if answer is REFUSED:
            await asyncio.sleep(_REFUSED_SECONDS)
        background = answer.afterwards and BackgroundTask(
            partial(to_thread.run_sync, answer.afterwards, limiter=threads_afterwards)
        )
        return Response(answer.text, answer.status, media_type="text/plain", background=background)

    @app.post("/{wxa_conn_id:path}/authorisation")
    async def authorisation(wxa_conn_id: str, request: Request) -> Response:
        return await respond(wxa_conn_id, None, request)

    @app.post("/{wxa_conn_id:path}/message/{appid}")
    async def message(wxa_conn_id: str, appid: str, request: Request) -> Response:
        return await respond(wxa_conn_id, appid, request)

    app.add_api_route("/authorised", _authorised)
    return app


async def _authorised() -> Response:
    return Response(_THANKS, media_type="text/plain")


def _forwarder() -> PushForwarder | None:
    try:
        url = forward_pushes_to()
    except WxaSpecError as error:
        log.error("%s", error)  # noqa: TRY400  (its text says it all; tickets must be taken all the same)
        return None
    return PushForwarder(url) if url else None


async def _body(request: Request) -> bytes:
    """Return the body, cut off behind the limit or when it takes too long: a cut body is refused later."""
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk[: MAX_PUSH_BYTES + 1 - len(body)]
                if len(body) > MAX_PUSH_BYTES:
                    break
    except (TimeoutError, ClientDisconnect):
        body.clear()
    return bytes(body)
