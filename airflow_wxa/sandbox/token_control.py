"""Control paths of tokens and pushes: authorise, withdraw, let time pass, push."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse
from starlette.routing import Route

from airflow_wxa.sandbox.authorisation import CODE_SECONDS
from airflow_wxa.sandbox.pushes import TICKET, compose

if TYPE_CHECKING:
    from starlette.requests import Request as HttpRequest
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from airflow_wxa.sandbox.exchange import Sandbox


def token_routes(sandbox: Sandbox) -> list[BaseRoute]:
    """Return the routes that authorise, withdraw and let time pass; a bad request is answered HTTP 400."""

    async def authorise(http: HttpRequest) -> Response:
        try:
            code = sandbox.world.authorise(http.query_params.get("appid", ""))
        except KeyError as error:
            return bad_request(error)
        # What the merchant's browser brings along when it is sent back: for the caller's eyes, as at WeChat.
        return JSONResponse({"auth_code": code, "expires_in": CODE_SECONDS})

    async def withdraw(http: HttpRequest) -> Response:
        try:
            sandbox.world.withdraw(http.query_params.get("appid", ""))
        except KeyError as error:
            return bad_request(error)
        return JSONResponse({"withdrawn": True})

    async def advance(http: HttpRequest) -> Response:
        try:
            sandbox.world.advance(float(http.query_params.get("seconds", "")))
        except ValueError as error:
            return bad_request(error)
        return JSONResponse({"now": sandbox.world.now()})

    return [
        Route("/_sandbox/authorise", authorise, methods=["POST"]),
        Route("/_sandbox/withdraw", withdraw, methods=["POST"]),
        Route("/_sandbox/advance", advance, methods=["POST"]),
    ]


def push_routes(sandbox: Sandbox) -> list[BaseRoute]:
    """Return the routes that push; a receiver that does not answer is HTTP 502."""

    async def push_ticket(http: HttpRequest) -> Response:
        return await _pushed(sandbox, TICKET, http.query_params.get("component_appid", ""))

    async def push_event(http: HttpRequest) -> Response:
        event, appid = http.query_params.get("event", ""), http.query_params.get("appid", "")
        return await _pushed(sandbox, event, appid)

    async def pushes(http: HttpRequest) -> Response:  # noqa: ARG001
        return JSONResponse([each.to_json() for each in list(sandbox.deliveries)])

    return [
        Route("/_sandbox/push/ticket", push_ticket, methods=["POST"]),
        Route("/_sandbox/push/event", push_event, methods=["POST"]),
        Route("/_sandbox/pushes", pushes, methods=["GET"]),
    ]


def bad_request(error: ValueError | KeyError) -> Response:
    """Return the answer to a control request that makes no sense."""
    text = f"there is no account {error}" if isinstance(error, KeyError) else str(error)
    return JSONResponse({"error": text}, status_code=400)


async def _pushed(sandbox: Sandbox, event: Any, appid: str) -> Response:
    try:
        push = compose(sandbox.world, event, appid)
    except (KeyError, ValueError) as error:
        return bad_request(error)
    delivery = await sandbox.push_beside(push)
    return JSONResponse(delivery.to_json(), status_code=502 if delivery.status is None else 200)
