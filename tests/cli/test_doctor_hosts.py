"""The doctor on a host: one request without a token, and a set-up whose tokens come from a company token server."""

import ssl
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from airflow_wxa.cli.doctor.probe import probed
from airflow_wxa.client import Egress
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID, MERCHANT_TOKEN, PLATFORM_TOKEN
from tests.cli.healthy import SetUp, not_looked_at
from tests.client.conftest import Elsewhere
from tests.plugins.receiving import served


@pytest.mark.parametrize(
    ("status", "content", "is_wechats"),
    [
        (200, b'{"errcode":41001,"errmsg":"access_token missing"}', True),
        (200, b"<html>log in, please</html>", False),
        (200, b'{"status":"ok"}', False),
        (200, b'{"errcode":"41001"}', False),
        (200, b"[41001]", False),
        (200, b"\xff\xfe", False),
        (302, b'{"errcode":41001}', False),
        (404, b'{"errcode":41001}', False),
    ],
)
def test_only_json_with_an_errcode_is_wechats(
    elsewhere: Elsewhere, status: int, content: bytes, is_wechats: bool
) -> None:
    elsewhere.answers(status, content)
    probe = probed(Egress(elsewhere.url))
    assert (probe.failure, probe.is_wechats) == (None, is_wechats)
    assert str(status) in probe.said


@pytest.mark.parametrize("seconds", [-600, 600, None])
def test_the_clock_is_compared_with_the_date_of_the_answer(
    elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch, seconds: int | None
) -> None:
    date = "yesterday" if seconds is None else formatdate(time.time() + seconds, usegmt=True)
    monkeypatch.setattr("http.server.BaseHTTPRequestHandler.date_time_string", lambda _: date)
    skew = probed(Egress(elsewhere.url)).skew
    assert skew is None if seconds is None else skew == pytest.approx(-seconds, abs=60)


def test_a_certificate_that_is_not_trusted_is_no_tls(elsewhere: Elsewhere, certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    elsewhere.behind(context)
    refused = probed(Egress(elsewhere.url))
    assert refused.failure == "tls"
    assert "self-signed certificate" in refused.said
    assert probed(Egress(elsewhere.url, ca_bundle=str(certificate))).failure is None
    missing = probed(Egress(elsewhere.url, ca_bundle=str(certificate.with_name("missing.pem"))))
    assert missing.failure == "tls"
    assert "missing.pem" in missing.said


def test_a_proxy_that_nobody_runs_is_named() -> None:
    assert probed(Egress("https://api.weixin.qq.com", proxy="http://127.0.0.1:1")).failure == "proxy"


TOKENS = {COMPONENT_APPID: PLATFORM_TOKEN, APPID: MERCHANT_TOKEN}


async def of_the_company(request: Request) -> JSONResponse:
    """Tell the tokens that the company's server has."""
    appid = request.query_params.get("appid") or request.query_params["component_appid"]
    return JSONResponse({"appid": appid, "access_token": TOKENS[appid], "expires_in": 5400})


@pytest.fixture
def with_token_server(set_up: SetUp) -> Iterator[SetUp]:
    with served(Starlette(routes=[Route("/tokens", of_the_company)])) as url:
        set_up.extra["token_url"] = f"{url}/tokens"
        set_up.password = ""
        set_up.keys = []  # the store cannot be opened, and must not be
        yield set_up


def test_a_healthy_set_up_has_no_finding_and_merchants_are_looked_at_only_when_named(with_token_server: SetUp) -> None:
    unnamed = with_token_server.report()
    with_token_server.appids = [APPID]
    named = with_token_server.report()
    assert (unnamed.findings, named.findings) == ([], [])
    nobody = "no merchant is known: name one with --appid, or import them"
    assert not_looked_at(unnamed)["not_authorised"] == nobody
    reasons = {not_looked_at(named)[key] for key in ("store", "no_ticket", "component_appsecret", "two_refreshers")}
    assert reasons == {"tokens come from the token server"}


def test_a_server_that_tells_no_token_is_found(with_token_server: SetUp) -> None:
    with_token_server.extra["token_url"] = "http://127.0.0.1:1/tokens"
    ((rule, finding),) = with_token_server.report().findings
    assert rule.key == "platform_token"
    assert "the token server gave no token" in finding.what
