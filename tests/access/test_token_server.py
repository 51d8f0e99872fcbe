"""A company token server: asked as documented, believed only about the appid that was asked for."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from airflow_wxa.access import FixedTokens, TokenServer
from airflow_wxa.api.code import getversioninfo
from airflow_wxa.api.redaction import Secret
from airflow_wxa.api.values import THE_PLATFORM
from airflow_wxa.api.webview_domain import modify_wxa_jump_domain
from airflow_wxa.client import Egress, WxaClient
from airflow_wxa.errors import WxaCredentialError, WxaSpecError, WxaTransportError
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID, MERCHANT_TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow_wxa.sandbox import RunningSandbox

BEARER = "bearer+canary"
MERCHANT, PLATFORM, CALL = APPID, THE_PLATFORM, getversioninfo(APPID)


class Company:
    """A server that answers what a test tells it to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answer: Any = {"appid": APPID, "access_token": "told", "expires_in": 5400}
        self.status = 200
        self.asked: list[dict[str, str]] = []
        self.bearers: list[str | None] = []
        company = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                company.asked.append(dict(parse_qsl(urlsplit(self.path).query)))
                company.bearers.append(self.headers.get("Authorization"))
                content = company.answer if isinstance(company.answer, bytes) else json.dumps(company.answer).encode()
                self.send_response(company.status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *arguments: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/token"

    def source(self, bearer: str | None = BEARER, url: str = "", **egress: Any) -> TokenServer:
        secret = Secret(bearer) if bearer else None
        return TokenServer(Secret(url or self.url), secret, COMPONENT_APPID, Egress("http://127.0.0.1:1", 5, **egress))


@pytest.fixture
def company() -> Iterator[Company]:
    company = Company()
    thread = threading.Thread(target=company.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield company
    company.server.shutdown()
    company.server.server_close()


def test_a_merchants_token_is_asked_for_as_documented(company: Company) -> None:
    assert company.source().token(MERCHANT) == Secret("told")
    assert company.asked == [
        {"kind": "authorizer_access_token", "component_appid": COMPONENT_APPID, "appid": APPID},
    ]
    assert company.bearers == [f"Bearer {BEARER}"]


def test_the_platforms_token_is_asked_for_without_appid(company: Company) -> None:
    company.answer["appid"] = COMPONENT_APPID
    assert company.source().token(PLATFORM) == Secret("told")
    assert company.asked == [{"kind": "component_access_token", "component_appid": COMPONENT_APPID}]


@pytest.mark.parametrize("expires_in", [5400, 20, 0.5])
def test_a_token_is_asked_for_once_while_it_lives(company: Company, expires_in: float) -> None:
    company.answer["expires_in"] = expires_in
    source = company.source()
    assert {source.token(MERCHANT).reveal() for _ in range(3)} == {"told"}
    assert len(company.asked) == 1


def test_a_token_is_asked_for_again_before_its_end(company: Company) -> None:
    company.answer["expires_in"] = 1e-9
    source = company.source()
    for _ in range(2):
        source.token(MERCHANT)
    assert len(company.asked) == 2


def test_a_refused_token_is_told_to_the_server_and_replaced(company: Company) -> None:
    source = company.source()
    refused = source.token(MERCHANT)
    company.answer["access_token"] = "another"
    assert source.token(MERCHANT, [refused]) == Secret("another")
    assert company.asked[1]["refused"] == "1"
    assert source.token(MERCHANT) == Secret("another")


def test_a_server_that_insists_on_a_refused_token_ends_the_call(company: Company, wxa_sandbox: RunningSandbox) -> None:
    with (
        WxaClient(Egress(wxa_sandbox.url), company.source()) as client,
        pytest.raises(WxaCredentialError, match="40001"),
    ):
        client.send(CALL)
    assert len(wxa_sandbox.journal) == 1
    assert len(company.asked) == 2


def test_its_token_carries_a_call(company: Company, wxa_sandbox: RunningSandbox) -> None:
    company.answer["access_token"] = MERCHANT_TOKEN
    with WxaClient(Egress(wxa_sandbox.url), company.source()) as client:
        assert client.send(CALL).errcode == 0


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (200, {"appid": "wx0000000000000002", "access_token": "told", "expires_in": 5400}),
        (200, {"appid": COMPONENT_APPID, "access_token": "told", "expires_in": 5400}),
        (200, {"access_token": "told", "expires_in": 5400}),
        (200, {"appid": APPID, "access_token": "", "expires_in": 5400}),
        (200, {"appid": APPID, "access_token": "told", "expires_in": 0}),
        (200, {"appid": APPID, "access_token": "told", "expires_in": "5400"}),
        (200, {"appid": APPID, "access_token": 7, "expires_in": 5400}),
        (200, [APPID]),
        (200, b"<html>told</html>"),
        (200, b""),
        (302, {"appid": APPID, "access_token": "told", "expires_in": 5400}),
        (404, {"appid": APPID, "access_token": "told", "expires_in": 5400}),
    ],
)
def test_an_answer_that_is_not_about_this_appid_is_refused(company: Company, status: int, answer: Any) -> None:
    company.status, company.answer = status, answer
    with pytest.raises(WxaTransportError, match="token server gave no token") as error:
        company.source().token(MERCHANT)
    assert "told" not in str(error.value)


@pytest.mark.parametrize("bearer", ["line\nbreak+canary", "ключ+canary"])
def test_a_bearer_that_no_header_can_hold_is_not_shown(company: Company, bearer: str) -> None:
    with pytest.raises(WxaTransportError, match="token server gave no token") as error:
        company.source(bearer).token(MERCHANT)
    shown: BaseException | None = error.value
    while shown is not None:
        assert "canary" not in f"{shown} {shown!r}"
        shown = shown.__context__
    assert company.asked == []


def test_netrc_does_not_replace_the_bearer(company: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    company.source().token(MERCHANT)
    company.source(bearer=None).token(MERCHANT)
    assert company.bearers == [f"Bearer {BEARER}", None]


def test_the_connections_proxy_is_used(company: Company) -> None:
    proxy = company.url.removesuffix("/token")
    assert company.source(url="http://tokens.invalid/token", proxy=proxy).token(MERCHANT) == Secret("told")


def test_a_server_that_does_not_answer_is_named_without_what_its_url_hides(company: Company) -> None:
    url = "http://user:canary@127.0.0.1:1/token?key=canary"
    with pytest.raises(WxaTransportError, match=r"127\.0\.0\.1[\s\S]*the connection broke") as error:
        company.source(url=url).token(MERCHANT)
    assert "canary" not in f"{error.value} {error.value.__context__!r}"
    assert error.value.retryable


# The order of sources --------------------------------------------------------------------------------------------


def test_a_fixed_token_comes_before_the_server(company: Company) -> None:
    tokens = FixedTokens({"wx0000000000000009": "fixed"}).before(company.source())
    assert tokens.token("wx0000000000000009") == Secret("fixed")
    assert company.asked == []
    assert tokens.token(MERCHANT) == Secret("told")


def test_a_fixed_token_has_no_successor_even_when_the_server_has(company: Company) -> None:
    tokens = FixedTokens({APPID: "fixed"}).before(company.source())
    assert tokens.token(MERCHANT, [Secret("fixed")]) == Secret("fixed")
    assert company.asked == []


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_is_shown_and_not_tried_again(company: Company, status: int) -> None:
    company.status, company.answer = status, {"refused": "team-a may not ask for it"}
    with pytest.raises(WxaSpecError, match="team-a may not ask for it") as error:
        company.source().token(MERCHANT)
    assert not error.value.retryable


def test_a_token_that_reads_goes_to_the_server_and_writes_nothing(
    company: Company, wxa_sandbox: RunningSandbox
) -> None:
    company.answer = {"appid": COMPONENT_APPID, "access_token": "reader", "expires_in": 5400, "reads": True}
    with WxaClient(Egress(wxa_sandbox.url), company.source()) as client:
        with pytest.raises(WxaSpecError, match="not sent: the token server gives no platform token"):
            client.send(modify_wxa_jump_domain("add", ["a.example.com"]))
        with pytest.raises(WxaTransportError):  # this company answers no POST; it was not WeChat that was asked
            client.send(modify_wxa_jump_domain("get"))
    assert wxa_sandbox.journal == []
