"""``airflow-wxa token-server``: hands merchants' tokens to workers that hold none of the platform's keys.

It answers as :mod:`airflow_wxa.access.token_server` asks. Each bearer gets the tokens of its own Mini Programs; nobody
gets the platform's token, a refresh token or the appsecret. In place of the platform's token there is one of this
server's own, with which it reads the platform's domain lists, and nothing else. Each hand-out and each refusal is a
line on standard output.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import stat
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

from anyio import to_thread
from fastapi import FastAPI, Header, Query, Request, Response
from fastapi.responses import JSONResponse
from jsonschema import Draft202012Validator

from airflow_wxa.api.endpoints import TokenKind
from airflow_wxa.api.server_domain import modify_wxa_server_domain
from airflow_wxa.api.values import APPID
from airflow_wxa.api.webview_domain import modify_wxa_jump_domain
from airflow_wxa.cli.opening import open_connection
from airflow_wxa.cli.serving import bound, serve
from airflow_wxa.cli.terminal import say
from airflow_wxa.client.wire import is_loopback
from airflow_wxa.errors import WxaApiError, WxaError, WxaSpecError, WxaTransportError
from airflow_wxa.hooks.connection import read_connection
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from airflow_wxa.access import PlatformCredentials
    from airflow_wxa.api.call import Call

_ALL: Final = "*"
_OTHERS_BITS: Final = stat.S_IRWXG | stat.S_IRWXO
_READING_SECONDS: Final = 7200
_RENEWED_AGAIN: Final = 60.0  # seconds between two renewals of a token that a bearer says is refused
_MAX_BODY_BYTES: Final = 4096
_NO_PERMISSION: Final = 48001
_LISTS: Final[Mapping[str, Call]] = {
    call.endpoint.path: call for call in (modify_wxa_jump_domain("get"), modify_wxa_server_domain("get"))
}
_BEARERS: Final = Draft202012Validator(
    {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": {
            "type": "object",
            "required": ["sha256", "appids"],
            "additionalProperties": False,
            "properties": {
                "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
                "appids": {
                    "oneOf": [
                        {"const": _ALL},
                        {"type": "array", "items": {"type": "string", "pattern": f"^{APPID.pattern}$"}},
                    ]
                },
            },
        },
    }
)
Word = Annotated[str, Query(max_length=64)]


@dataclass(frozen=True, slots=True)
class Bearer:
    """Somebody who may ask.

    :param name: as the audit lines show it.
    :param appids: whose tokens it may ask for; ``None``: those of all Mini Programs.
    """

    name: str
    appids: frozenset[str] | None

    def may_have(self, appid: str) -> bool:
        """Whether the token of a Mini Program may be handed to it."""
        return self.appids is None or appid in self.appids


def read_bearers(path: Path) -> Mapping[str, Bearer]:
    """Return the bearers of a file by the SHA-256 of their token.

    :raises WxaSpecError: the file is missing, readable by others, or not as documented; its content is not shown.
    """
    problem: Text | None = None
    try:
        if path.stat().st_mode & _OTHERS_BITS:
            problem = Text("bearers_are_open_to_others", path=path)
        told = json.loads(path.read_text("utf-8"))
        wrong = next(iter(_BEARERS.iter_errors(told)), None)
        if not problem and wrong is not None:
            place = "/".join(map(str, wrong.absolute_path)) or "/"
            problem = Text("bearers_break_a_rule", place=place, rule=wrong.validator)
    except (OSError, ValueError) as error:
        problem = Text("bearers_cannot_be_read", error=type(error).__name__)
    if problem:
        raise WxaSpecError(Text("bearers_are_refused"), [Text("problem_of_a_file", path=path, problem=problem)])
    return {
        each["sha256"]: Bearer(name, None if each["appids"] == _ALL else frozenset(each["appids"]))
        for name, each in told.items()
    }


class TokenDesk:
    """Decides who gets which token; every method blocks.

    :param platform: the credentials.
    :param bearers: see :func:`read_bearers`.
    :param note: takes each audit line.
    """

    def __init__(
        self, platform: PlatformCredentials, bearers: Mapping[str, Bearer], note: Callable[[Mapping[str, object]], None]
    ) -> None:
        self._platform = platform
        self._bearers = bearers
        self._note = note
        self._readers: dict[str, tuple[Bearer, float]] = {}  # reading token → whose, monotonic time of its end
        self._renewed: dict[str, float] = {}  # appid → monotonic time

    def token(self, authorization: str, asked: Mapping[str, str], peer: str) -> tuple[int, Mapping[str, object]]:
        """Return HTTP status and answer to a request for a token.

        :param authorization: the header.
        :param asked: the query: ``kind``, ``component_appid``, ``appid``, ``refused``.
        """
        scheme, _, secret = authorization.partition(" ")
        bearer = self._bearers.get(hashlib.sha256(secret.encode()).hexdigest()) if scheme == "Bearer" else None
        appid = asked["appid"] if asked["kind"] == TokenKind.MERCHANT.value else self._platform.component_appid
        line = {"bearer": bearer.name if bearer else None, "kind": asked["kind"], "appid": asked["appid"], "from": peer}
        status, why, answer = self._given(bearer, appid, asked)
        self._note(line | {"status": status} | ({"refused": why} if why else {}))
        return status, {"refused": why} if why else {"appid": appid, **answer}

    def _given(
        self, bearer: Bearer | None, appid: str, asked: Mapping[str, str]
    ) -> tuple[int, str, Mapping[str, object]]:
        if bearer is None:
            return 401, Text("bearer_is_refused", "unknown"), {}
        if asked["component_appid"] != self._platform.component_appid:
            return 403, Text("bearer_asks_another_platform", component_appid=self._platform.component_appid), {}
        if asked["kind"] == TokenKind.PLATFORM.value:
            return 200, "", self._reading_token(bearer)
        if asked["kind"] != TokenKind.MERCHANT.value or not APPID.fullmatch(appid):
            return 403, Text("bearer_is_refused", "kind"), {}
        if not bearer.may_have(appid):
            return 403, Text("bearer_asks_too_much", bearer=bearer.name, appid=appid), {}
        try:
            return 200, "", self._merchant_token(appid, is_refused=asked["refused"] == "1")
        except WxaTransportError as error:
            return 503, error.what, {}
        except WxaError as error:
            return 403, f"{error.what}: {error.next_step}", {}

    def _merchant_token(self, appid: str, *, is_refused: bool) -> Mapping[str, object]:
        token, now = self._platform.token(appid), time.monotonic()
        # A bearer that says so again and again must not use up the day's renewals.
        if is_refused and now - self._renewed.get(appid, -_RENEWED_AGAIN) >= _RENEWED_AGAIN:
            self._renewed[appid] = now
            token = self._platform.token(appid, (token,))
        row = self._platform.store.merchant(self._platform.component_appid, appid)
        left = row.seconds_left if row is not None and row.access_token == token else 0.0
        return {"access_token": token.reveal(), "expires_in": max(1, int(left))}

    def _reading_token(self, bearer: Bearer) -> Mapping[str, object]:
        token, now = secrets.token_urlsafe(32), time.monotonic()
        self._readers = {each: known for each, known in self._readers.items() if known[1] > now}
        self._readers[token] = (bearer, now + _READING_SECONDS)
        return {"access_token": token, "expires_in": _READING_SECONDS, "reads": True}

    def lists(self, path: str, token: str, body: bytes, peer: str) -> Mapping[str, object]:
        """Return WeChat's answer to a look at one of the platform's lists, or an errcode as WeChat would give it."""
        bearer, until = self._readers.get(token, (None, 0.0))
        line: dict[str, object] = {"bearer": bearer.name if bearer else None, "path": path, "from": peer}
        answer: Mapping[str, object] = {"errcode": _NO_PERMISSION, "errmsg": "the token server reads lists only"}
        if bearer is None or time.monotonic() >= until:
            answer = {"errcode": 40001, "errmsg": "the token is not known here"}
        elif path in _LISTS and _asks_to_read(body):
            try:
                answer = dict(self._platform.client.send(_LISTS[path]).answer)
            except WxaApiError as error:
                answer = {"errcode": error.errcode, "errmsg": error.what}
            except WxaError as error:
                answer = {"errcode": -1, "errmsg": error.what}
        self._note(line | {"errcode": answer.get("errcode", 0)})
        return answer


def create_token_server(desk: TokenDesk) -> FastAPI:
    """Return the app: ``GET /token``, and WeChat's own paths for reading the platform's lists."""
    app = FastAPI(title="WeChat tokens", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)

    @app.get("/token")
    def token(
        request: Request,
        kind: Word,
        component_appid: Word = "",
        appid: Word = "",
        refused: Word = "",
        authorization: Annotated[str, Header(max_length=1024)] = "",
    ) -> Response:
        asked = {"kind": kind, "component_appid": component_appid, "appid": appid, "refused": refused}
        status, answer = desk.token(authorization, asked, _peer(request))
        return JSONResponse(answer, status, headers={"Cache-Control": "no-store"})

    @app.api_route("/{path:path}", methods=["GET", "POST"])
    async def lists(request: Request, path: str, access_token: str = "") -> Response:
        body = b""
        async for chunk in request.stream():
            body = (body + chunk)[: _MAX_BODY_BYTES + 1]
        answer = await to_thread.run_sync(desk.lists, f"/{path}", access_token, body, _peer(request))
        return JSONResponse(answer)

    return app


def _peer(request: Request) -> str:
    return request.client.host if request.client else ""


def _asks_to_read(body: bytes) -> bool:
    try:
        asked: Any = json.loads(body)
    except ValueError:
        return False
    return isinstance(asked, dict) and asked.get("action") == "get"


def run(arguments: argparse.Namespace) -> int:
    """Serve the platform of ``arguments.conn_id`` until Ctrl-C."""
    desk = TokenDesk(_platform(arguments.conn_id), read_bearers(arguments.bearers), _AuditLog())
    options = _certificates(arguments)
    with bound(arguments.host, arguments.port) as listener, suppress(KeyboardInterrupt):
        # As it was named: a certificate is of a name, and the socket only tells an address.
        host = f"[{arguments.host}]" if ":" in arguments.host else arguments.host
        say(f"token_url {'https' if options else 'http'}://{host}:{listener.getsockname()[1]}/token")
        serve(create_token_server(desk), listener, **options)
    return 0


def _platform(wxa_conn_id: str) -> PlatformCredentials:
    read = read_connection(open_connection(wxa_conn_id))
    platform = None if read.token_url is not None else read.platform
    if platform is None:
        raise WxaSpecError(
            Text("no_tokens_can_be_served"), [Text("connection_must_have_a_platform", wxa_conn_id=repr(wxa_conn_id))]
        )
    return platform


def _certificates(arguments: argparse.Namespace) -> Mapping[str, str]:
    """Return uvicorn's options for TLS; without a certificate only this machine may be served."""
    if arguments.certificate is not None:
        key = arguments.key or arguments.certificate
        return {"ssl_certfile": str(arguments.certificate), "ssl_keyfile": str(key)}
    host = f"[{arguments.host}]" if ":" in arguments.host else arguments.host
    if is_loopback(f"http://{host}"):
        return {}
    raise WxaSpecError(Text("tokens_need_tls"), [Text("host_needs_a_certificate", host=arguments.host)])


class _AuditLog:
    """Writes a line of JSON for each hand-out and each refusal."""

    def __init__(self) -> None:
        self._turn = threading.Lock()

    def __call__(self, line: Mapping[str, object]) -> None:
        text = json.dumps({"at": datetime.now(UTC).isoformat(timespec="milliseconds"), **line})
        with self._turn:
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()
