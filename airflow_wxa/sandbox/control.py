"""Control paths below ``/_sandbox`` and the page at ``/``; none of them is WeChat's."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route

from airflow_wxa.sandbox.faults import Fault
from airflow_wxa.sandbox.handlers import ENDPOINTS
from airflow_wxa.sandbox.pushes import TICKET, compose
from airflow_wxa.sandbox.tokens import CODE_SECONDS

if TYPE_CHECKING:
    from starlette.requests import Request as HttpRequest
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from airflow_wxa.sandbox.exchange import Sandbox

MOST_ROWS = 200
CONTROL = "/_sandbox/"

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Emulated WeChat</title>
<style>body{{font:16px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}}
td,th{{text-align:left;padding:.2em 1em .2em 0}}</style></head><body>
<h1>Emulated WeChat</h1>
<p><strong>What this does not imitate:</strong> WeChat's reviewers, its rendering and its real accounts; the page where
a merchant authorises; server domains and the direct mode; staged releases and rollback; call limits a
minute, and a day outside the token calls; the time things take (audits and scans take a number of polls, tickets come
when they are pushed). It checks what WeChat's pages and
developers' reports say WeChat checks, and nothing here ever reaches WeChat.</p>
<h2>Mini Programs</h2>
<p>{shown} of {total}</p>
<table><tr><th>appid</th><th>platform</th><th>trial</th><th>audit</th><th>online</th><th>effective domains</th></tr>
{rows}</table>
<h2>Control</h2>
<table>
<tr><td>GET /_sandbox/journal</td><td>method, path, appid, body and errcode of each call</td></tr>
<tr><td>GET /_sandbox/counts</td><td>number of calls by path</td></tr>
<tr><td>GET /_sandbox/pushes</td><td>what became of each push</td></tr>
<tr><td>POST /_sandbox/push/ticket?component_appid=…</td><td>push a new ticket</td></tr>
<tr><td>POST /_sandbox/push/event?event=…&amp;appid=…</td><td>authorized, updateauthorized, unauthorized,
weapp_audit_success, weapp_audit_fail, weapp_audit_delay</td></tr>
<tr><td>POST /_sandbox/authorise?appid=…, /_sandbox/withdraw?appid=…</td><td>the same without a push</td></tr>
<tr><td>POST /_sandbox/advance?seconds=…</td><td>let time pass</td></tr>
<tr><td>GET, PUT /_sandbox/world</td><td>the state, without tokens; a new state</td></tr>
<tr><td>POST /_sandbox/faults</td><td>what goes wrong next</td></tr>
<tr><td>POST /_sandbox/reset</td><td>back to the state it started with</td></tr>
</table>
<h2>Endpoints</h2>
<ul>{endpoints}</ul>
</body></html>
"""


def control_routes(sandbox: Sandbox) -> list[BaseRoute]:
    """Return the routes that steer a sandbox; a bad request is answered HTTP 400 and ``error``."""

    async def reset(http: HttpRequest) -> Response:  # noqa: ARG001
        sandbox.reset()
        return JSONResponse({"reset": True})

    async def world(http: HttpRequest) -> Response:
        if http.method == "PUT":
            try:
                sandbox.replace_world(await http.json())
            except ValueError as error:
                return _bad_request(error)
        return JSONResponse(sandbox.world.to_json())

    async def faults(http: HttpRequest) -> Response:
        try:
            added = _faults_of(await http.json())
        except ValueError as error:
            return _bad_request(error)
        for fault in added:
            sandbox.faults.add(fault)
        return JSONResponse({"added": len(added)})

    async def page(http: HttpRequest) -> Response:  # noqa: ARG001
        return HTMLResponse(_page(sandbox))

    return [
        Route("/", page, methods=["GET"]),
        *_journal_routes(sandbox),
        *_token_routes(sandbox),
        *_push_routes(sandbox),
        Route("/_sandbox/reset", reset, methods=["POST"]),
        Route("/_sandbox/world", world, methods=["GET", "PUT"]),
        Route("/_sandbox/faults", faults, methods=["POST"]),
    ]


def _journal_routes(sandbox: Sandbox) -> list[BaseRoute]:
    async def journal(http: HttpRequest) -> Response:  # noqa: ARG001
        return JSONResponse([entry.to_json() for entry in list(sandbox.journal.entries)])

    async def counts(http: HttpRequest) -> Response:  # noqa: ARG001
        return JSONResponse(sandbox.journal.counts())

    return [
        Route("/_sandbox/journal", journal, methods=["GET"]),
        Route("/_sandbox/counts", counts, methods=["GET"]),
    ]


def _token_routes(sandbox: Sandbox) -> list[BaseRoute]:
    """Return the routes that authorise, withdraw and let time pass; a bad request is answered HTTP 400."""

    async def authorise(http: HttpRequest) -> Response:
        try:
            code = sandbox.world.authorise(http.query_params.get("appid", ""))
        except KeyError as error:
            return _bad_request(error)
        # What the merchant's browser brings along when it is sent back: for the caller's eyes, as at WeChat.
        return JSONResponse({"auth_code": code, "expires_in": CODE_SECONDS})

    async def withdraw(http: HttpRequest) -> Response:
        try:
            sandbox.world.withdraw(http.query_params.get("appid", ""))
        except KeyError as error:
            return _bad_request(error)
        return JSONResponse({"withdrawn": True})

    async def advance(http: HttpRequest) -> Response:
        try:
            sandbox.world.advance(float(http.query_params.get("seconds", "")))
        except ValueError as error:
            return _bad_request(error)
        return JSONResponse({"now": sandbox.world.now()})

    return [
        Route("/_sandbox/authorise", authorise, methods=["POST"]),
        Route("/_sandbox/withdraw", withdraw, methods=["POST"]),
        Route("/_sandbox/advance", advance, methods=["POST"]),
    ]


def _push_routes(sandbox: Sandbox) -> list[BaseRoute]:
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


def _bad_request(error: ValueError | KeyError) -> Response:
    """Return the answer to a control request that makes no sense."""
    text = f"there is no account {error}" if isinstance(error, KeyError) else str(error)
    return JSONResponse({"error": text}, status_code=400)


async def _pushed(sandbox: Sandbox, event: Any, appid: str) -> Response:
    try:
        push = compose(sandbox.world, event, appid)
    except (KeyError, ValueError) as error:
        return _bad_request(error)
    delivery = await sandbox.push_beside(push)
    return JSONResponse(delivery.to_json(), status_code=502 if delivery.status is None else 200)


def _faults_of(data: Any) -> list[Fault]:
    """Read one fault or a list of them.

    :raises ValueError: a name that is no field, or a value that is none for it.
    """
    try:
        return [Fault(**each) for each in (data if isinstance(data, list) else [data])]
    except TypeError as error:
        raise ValueError(str(error)) from error


def _page(sandbox: Sandbox) -> str:
    rows = []
    for each in sandbox.world.mini_programs[:MOST_ROWS]:
        shown = each.shown()
        cells = (
            each.appid,
            each.component_appid,
            shown["exp_info"]["exp_version"] if "exp_info" in shown else "",
            each.sheet.stage if each.sheet else "",
            shown["release_info"]["release_version"] if "release_info" in shown else "",
            ", ".join(each.effective_webviewdomain),
        )
        rows.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    endpoints = "".join(f"<li>{each.method} {each.path}</li>" for each in ENDPOINTS.values())
    total = len(sandbox.world.mini_programs)
    return PAGE.format(rows="\n".join(rows), endpoints=endpoints, shown=len(rows), total=total)
