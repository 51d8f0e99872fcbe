"""The page at ``/`` and the control paths below ``/_sandbox/``, for people and tests; none of them is WeChat's."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from typing import Any, get_args
from urllib.parse import parse_qsl

from jinja2 import Environment, Template
from starlette.requests import Request as HttpRequest
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from airflow_wxa.sandbox.exchange import Fault, Sandbox
from airflow_wxa.sandbox.handlers import ENDPOINTS
from airflow_wxa.sandbox.handlers.code import qrcode
from airflow_wxa.sandbox.pushes import EVENTS, TICKET, Push, announce_audit, compose
from airflow_wxa.sandbox.state import IN_AUDIT, AuditResult
from airflow_wxa.sandbox.world import CODE_SECONDS

CONTROL = "/_sandbox/"
MOST_ROWS = 200

AUDITS = ", ".join(get_args(AuditResult))


class Given(dict[str, Any]):
    """Parameters of a query, and fields of a form, as texts; a missing one is empty. ``body``: None of a GET."""

    body: bytes | None = None

    def __missing__(self, name: str) -> str:
        return ""


Act = Callable[[Sandbox, Given], Any]


@dataclass(frozen=True, slots=True)
class ControlPath:
    """One control path."""

    methods: str  #: separated by blanks
    path: str
    query: str  #: the parameters it takes, as its page shows them
    does: str  #: one line for people
    #: returns what is answered as JSON, a push to send, or a whole response; a KeyError or ValueError is answered
    #: HTTP 400
    act: Act

    def route(self, sandbox: Sandbox) -> Route:
        """Return the route that does this to a sandbox."""

        async def endpoint(http: HttpRequest) -> Response:
            body = await http.body()
            is_form = http.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
            form = dict(parse_qsl(body.decode(errors="replace"))) if is_form else {}
            given = Given(dict(http.query_params) | form)
            given.body = None if http.method == "GET" else body
            try:
                told = self.act(sandbox, given)
            except (KeyError, ValueError) as error:
                text = f"there is no account {error}" if isinstance(error, KeyError) else str(error)
                return JSONResponse({"error": text}, status_code=400)
            if isinstance(told, Push):
                delivery = await sandbox.send_beside(told)
                return JSONResponse(asdict(delivery), status_code=502 if delivery.status is None else 200)
            if "back" in http.query_params:
                return RedirectResponse("/", status_code=303)
            return told if isinstance(told, Response) else JSONResponse(told)

        return Route(self.path, endpoint, methods=self.methods.split())


CONTROLS: list[ControlPath] = []


def _control(methods: str, path: str, does: str, query: str = "") -> Callable[[Act], Act]:
    def declare(act: Act) -> Act:
        CONTROLS.append(ControlPath(methods, CONTROL + path, query, does, act))
        return act

    return declare


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


@_control("GET", "journal", "method, path, appid, body, errcode and unknown fields of each call", "?after=…")
def _journal(sandbox: Sandbox, given: Given) -> Any:
    after = int(given["after"] or 0)
    return [entry.to_json() for entry in list(sandbox.journal) if entry.seq > after]


@_control("GET", "counts", "number of calls by path")
def _counts(sandbox: Sandbox, given: Given) -> Any:
    return dict(sandbox.journal.totals)


@_control("GET PUT", "world", "the state, without tokens; a new state")
def _world(sandbox: Sandbox, given: Given) -> Any:
    if given.body is not None:
        sandbox.replace_world(json.loads(given.body))
    return sandbox.world.to_json()


@_control("GET PUT", "loose", "how answers stray from WeChat's pages; for one Mini Program with appid", "?appid=…")
def _loose(sandbox: Sandbox, given: Given) -> Any:
    return sandbox.loosen(None if given.body is None else json.loads(given.body), appid=given["appid"])


@_control("POST", "faults", "what goes wrong next: a fault or a list of them")
def _faults(sandbox: Sandbox, given: Given) -> Any:
    data = json.loads(given.body or b"")
    try:
        added = [Fault(**each) for each in (data if isinstance(data, list) else [data])]
    except TypeError as error:
        raise ValueError(f"a fault is {str(error).removeprefix('Fault.__init__() ')}") from error
    sandbox.faults += added
    return {"added": len(added)}


@_control("POST", "reset", "back to the state it started with")
def _reset(sandbox: Sandbox, given: Given) -> Any:
    sandbox.reset()
    return {"reset": True}


@_control("POST", "advance", "let time pass", "?seconds=…")
def _advance(sandbox: Sandbox, given: Given) -> Any:
    sandbox.world.advance(float(given["seconds"]))
    return {"now": sandbox.world.now()}


@_control("POST", "draft", "upload a draft, as a developer does", "?user_version=…&user_desc=…")
def _draft(sandbox: Sandbox, given: Given) -> Any:
    known = ("component_appid", "user_version", "user_desc")
    return asdict(sandbox.world.new_draft(**{name: given[name] for name in known if name in given}))


@_control("POST", "decide", "end an audit: approved or rejected", "?appid=…&result=…&reason=…")
def _decide(sandbox: Sandbox, given: Given) -> Any:
    account = sandbox.world.mini_program(given["appid"])
    before = account.decide(given["result"], reason=given["reason"])
    sheet = account.sheets[-1]
    announce_audit(sandbox.world, account, sheet, before)
    return {"auditid": sheet.auditid, "stage": sheet.stage}


@_control(
    "POST", "mini_program", f"an individual's (true, false); audits to come: {AUDITS}", "?appid=…&individual=…&audit=…"
)
def _mini_program(sandbox: Sandbox, given: Given) -> Any:
    account = sandbox.world.mini_program(given["appid"])
    individual, audit = given["individual"], given["audit"]
    if individual not in ("", "true", "false") or (audit and audit not in get_args(AuditResult)):
        raise ValueError(f"individual {individual!r} has to be true or false, audit {audit!r} one of its results")
    account.individual = individual == "true" if individual else account.individual
    account.audit.result = audit or account.audit.result
    return {"individual": account.individual, "audit": account.audit.result}


@_control("GET", "qrcode", "the QR code of a trial version, as get_qrcode answers it", "?appid=…")
def _qrcode(sandbox: Sandbox, given: Given) -> Any:
    account = sandbox.world.mini_program(given["appid"])
    if account.exp_info is None:
        raise ValueError(f"{account.appid} has no trial version")
    return Response(qrcode(f"{account.appid} {account.exp_info['exp_version']}"), media_type="image/jpeg")


@_control("POST", "authorise", "a merchant authorises, without a push", "?appid=…")
def _authorise(sandbox: Sandbox, given: Given) -> Any:
    # What the merchant's browser brings along when it is sent back: for the caller's eyes, as at WeChat.
    return {"auth_code": sandbox.world.authorise(given["appid"]), "expires_in": CODE_SECONDS}


@_control("POST", "withdraw", "a merchant withdraws, without a push", "?appid=…")
def _withdraw(sandbox: Sandbox, given: Given) -> Any:
    sandbox.world.withdraw(given["appid"])
    return {"withdrawn": True}


@_control("POST", "push/ticket", "push a new ticket", "?component_appid=…")
def _push_ticket(sandbox: Sandbox, given: Given) -> Any:
    return compose(sandbox.world, TICKET, given["component_appid"])


@_control("POST", "push/event", f"push one of {', '.join(EVENTS[1:])}", "?event=…&appid=…")
def _push_event(sandbox: Sandbox, given: Given) -> Any:
    return compose(sandbox.world, given["event"], given["appid"])


@_control("GET", "pushes", "what became of each push")
def _pushes(sandbox: Sandbox, given: Given) -> Any:
    return [asdict(each) for each in list(sandbox.deliveries)]
