"""The page at ``/`` and the control paths below ``/_sandbox/``, for people and tests; none of them is WeChat's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, get_args
from urllib.parse import parse_qsl

from jinja2 import Environment, Template
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from airflow_wxa.sandbox.faults import Fault
from airflow_wxa.sandbox.handlers import ENDPOINTS
from airflow_wxa.sandbox.handlers.code import qrcode
from airflow_wxa.sandbox.pushes import TICKET, announce_audit, compose
from airflow_wxa.sandbox.state import IN_AUDIT, AuditResult
from airflow_wxa.sandbox.world import CODE_SECONDS

if TYPE_CHECKING:
    from starlette.requests import Request as HttpRequest

    from airflow_wxa.sandbox.exchange import Sandbox

CONTROL = "/_sandbox/"
MOST_ROWS = 200

Act = Callable[["Sandbox", "HttpRequest"], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class ControlPath:
    """One control path."""

    methods: str  #: separated by blanks
    path: str
    query: str  #: the parameters it takes, as its page shows them
    does: str  #: one line for people
    #: returns what is answered as JSON, or a whole response; a KeyError or ValueError is answered HTTP 400
    act: Act

    def route(self, sandbox: Sandbox) -> Route:
        """Return the route that does this to a sandbox."""

        async def endpoint(http: HttpRequest) -> Response:
            try:
                told = await self.act(sandbox, http)
            except (KeyError, ValueError) as error:
                text = f"there is no account {error}" if isinstance(error, KeyError) else str(error)
                return JSONResponse({"error": text}, status_code=400)
            if "back" in http.query_params:
                return RedirectResponse("/", status_code=303)
            return told if isinstance(told, Response) else JSONResponse(told)

        return Route(self.path, endpoint, methods=self.methods.split())


CONTROLS: list[ControlPath] = []


def control_routes(sandbox: Sandbox) -> list[Route]:
    """Return the page and the routes that steer a sandbox; a bad request is answered HTTP 400 and ``error``."""

    async def shown(http: HttpRequest) -> Response:
        accounts = sandbox.world.mini_programs
        facts = {"accounts": accounts[:MOST_ROWS], "total": len(accounts), "in_audit": IN_AUDIT, "controls": CONTROLS}
        return HTMLResponse(_page().render(**facts, endpoints=ENDPOINTS.values()))

    return [Route("/", shown, methods=["GET"]), *(each.route(sandbox) for each in CONTROLS)]


@cache
def _page() -> Template:
    text = resources.files(__package__).joinpath("page.html").read_text("utf-8")
    return Environment(autoescape=True).from_string(text)


def _control(methods: str, path: str, does: str, query: str = "") -> Callable[[Act], Act]:
    def declare(act: Act) -> Act:
        CONTROLS.append(ControlPath(methods, CONTROL + path, query, does, act))
        return act

    return declare


@_control("GET", "journal", "method, path, appid, body, errcode and unknown fields of each call", "?after=…")
async def _journal(sandbox: Sandbox, http: HttpRequest) -> Any:
    after = int(http.query_params.get("after", "0"))
    return [entry.to_json() for entry in list(sandbox.journal.entries) if entry.seq > after]


@_control("GET", "counts", "number of calls by path")
async def _counts(sandbox: Sandbox, http: HttpRequest) -> Any:
    return sandbox.journal.counts()


@_control("GET PUT", "world", "the state, without tokens; a new state")
async def _world(sandbox: Sandbox, http: HttpRequest) -> Any:
    if http.method == "PUT":
        sandbox.replace_world(await http.json())
    return sandbox.world.to_json()


@_control("GET PUT", "loose", "how answers stray from WeChat's pages; for one Mini Program with appid", "?appid=…")
async def _loose(sandbox: Sandbox, http: HttpRequest) -> Any:
    data = await http.json() if http.method == "PUT" else None
    return sandbox.loosen(data, appid=http.query_params.get("appid", ""))


@_control("POST", "faults", "what goes wrong next: a fault or a list of them")
async def _faults(sandbox: Sandbox, http: HttpRequest) -> Any:
    data = await http.json()
    try:
        added = [Fault(**each) for each in (data if isinstance(data, list) else [data])]
    except TypeError as error:
        raise ValueError(f"a fault is {str(error).removeprefix('Fault.__init__() ')}") from error
    for fault in added:
        sandbox.faults.add(fault)
    return {"added": len(added)}


@_control("POST", "reset", "back to the state it started with")
async def _reset(sandbox: Sandbox, http: HttpRequest) -> Any:
    sandbox.reset()
    return {"reset": True}


@_control("POST", "advance", "let time pass", "?seconds=…")
async def _advance(sandbox: Sandbox, http: HttpRequest) -> Any:
    sandbox.world.advance(float(http.query_params.get("seconds", "")))
    return {"now": sandbox.world.now()}


@_control("POST", "draft", "upload a draft, as a developer does", "?user_version=…&user_desc=…")
async def _draft(sandbox: Sandbox, http: HttpRequest) -> Any:
    known = ("component_appid", "user_version", "user_desc")
    given = {name: value for name, value in http.query_params.items() if name in known}
    return asdict(sandbox.world.new_draft(**given))


@_control("POST", "decide", "end an audit: approved or rejected", "?appid=…&result=…&reason=…")
async def _decide(sandbox: Sandbox, http: HttpRequest) -> Any:
    given = dict(http.query_params) | await _form(http)
    account = sandbox.world.mini_program(given.get("appid", ""))
    before = account.decide(given.get("result", ""), reason=given.get("reason", ""))
    sheet = account.sheets[-1]
    announce_audit(sandbox.world, account, sheet, before)
    return {"auditid": sheet.auditid, "stage": sheet.stage}


@_control(
    "POST",
    "mini_program",
    "make it an individual's (true, false); what becomes of audits to come: by_hand, approved, rejected, withdrawn, "
    "delayed_then_approved, delayed_then_rejected",
    "?appid=…&individual=…&audit=…",
)
async def _mini_program(sandbox: Sandbox, http: HttpRequest) -> Any:
    given = http.query_params
    account = sandbox.world.mini_program(given.get("appid", ""))
    individual, audit = given.get("individual", ""), given.get("audit", "")
    if individual not in ("", "true", "false") or (audit and audit not in get_args(AuditResult)):
        raise ValueError(f"individual {individual!r} has to be true or false, audit {audit!r} one of its results")
    account.individual = individual == "true" if individual else account.individual
    account.audit.result = audit or account.audit.result  # type: ignore[assignment]
    return {"individual": account.individual, "audit": account.audit.result}


@_control("GET", "qrcode", "the QR code of a trial version, as get_qrcode answers it", "?appid=…")
async def _qrcode(sandbox: Sandbox, http: HttpRequest) -> Any:
    account = sandbox.world.mini_program(http.query_params.get("appid", ""))
    if account.exp_info is None:
        raise ValueError(f"{account.appid} has no trial version")
    return Response(qrcode(f"{account.appid} {account.exp_info['exp_version']}"), media_type="image/jpeg")


@_control("POST", "authorise", "a merchant authorises, without a push", "?appid=…")
async def _authorise(sandbox: Sandbox, http: HttpRequest) -> Any:
    code = sandbox.world.authorise(http.query_params.get("appid", ""))
    # What the merchant's browser brings along when it is sent back: for the caller's eyes, as at WeChat.
    return {"auth_code": code, "expires_in": CODE_SECONDS}


@_control("POST", "withdraw", "a merchant withdraws, without a push", "?appid=…")
async def _withdraw(sandbox: Sandbox, http: HttpRequest) -> Any:
    sandbox.world.withdraw(http.query_params.get("appid", ""))
    return {"withdrawn": True}


@_control("POST", "push/ticket", "push a new ticket", "?component_appid=…")
async def _push_ticket(sandbox: Sandbox, http: HttpRequest) -> Any:
    return await _pushed(sandbox, TICKET, http.query_params.get("component_appid", ""))


@_control(
    "POST",
    "push/event",
    "push authorized, updateauthorized, unauthorized, weapp_audit_success, weapp_audit_fail or weapp_audit_delay",
    "?event=…&appid=…",
)
async def _push_event(sandbox: Sandbox, http: HttpRequest) -> Any:
    return await _pushed(sandbox, http.query_params.get("event", ""), http.query_params.get("appid", ""))


@_control("GET", "pushes", "what became of each push")
async def _pushes(sandbox: Sandbox, http: HttpRequest) -> Any:
    return [each.to_json() for each in list(sandbox.deliveries)]


async def _pushed(sandbox: Sandbox, event: Any, appid: str) -> Response:
    """Push, and answer HTTP 502 when the receiver does not answer."""
    delivery = await sandbox.push_beside(compose(sandbox.world, event, appid))
    return JSONResponse(delivery.to_json(), status_code=502 if delivery.status is None else 200)


async def _form(http: HttpRequest) -> dict[str, str]:
    """Return what a form of the page sent."""
    return dict(parse_qsl((await http.body()).decode(errors="replace")))
