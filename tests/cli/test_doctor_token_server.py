"""A set-up whose tokens come from a company token server: neither secret, ticket nor store is looked at."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID, MERCHANT_TOKEN, PLATFORM_TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.healthy import SetUp

TOKENS = {COMPONENT_APPID: PLATFORM_TOKEN, APPID: MERCHANT_TOKEN}


class TokenServerOfTheCompany(BaseHTTPRequestHandler):
    """Tells the tokens that it has."""

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        appid = query.get("appid", query["component_appid"])[0]
        told = {"appid": appid, "access_token": TOKENS[appid], "expires_in": 5400} if appid in TOKENS else {}
        content = json.dumps(told).encode()
        self.send_response_only(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *said: object) -> None:
        """Say nothing."""


@pytest.fixture
def with_token_server(set_up: SetUp) -> Iterator[SetUp]:
    with HTTPServer(("127.0.0.1", 0), TokenServerOfTheCompany) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        set_up.extra["token_url"] = f"http://127.0.0.1:{server.server_port}/tokens"
        set_up.password = ""
        set_up.keys = []  # the store cannot be opened, and must not be
        yield set_up
        server.shutdown()
        thread.join()


def test_a_healthy_set_up_has_no_finding(with_token_server: SetUp) -> None:
    with_token_server.appids = [APPID]
    report = with_token_server.report()
    assert report.findings == []
    reasons = {each.key: reason for each, reason in report.not_looked_at.items()}
    assert {reasons[key] for key in ("store", "no_ticket", "component_appsecret", "two_refreshers")} == {
        "tokens come from the token server"
    }


def test_merchants_are_looked_at_only_when_named(with_token_server: SetUp) -> None:
    report = with_token_server.report()
    assert report.findings == []
    reasons = {each.key: reason for each, reason in report.not_looked_at.items()}
    assert reasons["not_authorised"] == "no merchant is known: name one with --appid, or import them"


def test_a_server_that_tells_no_token_is_found(with_token_server: SetUp) -> None:
    with_token_server.extra["token_url"] = "http://127.0.0.1:1/tokens"
    ((rule, finding),) = with_token_server.report().findings
    assert rule.key == "platform_token"
    assert "the token server gave no token" in finding.what
