"""The doctor on a host: one request without a token, and a set-up whose tokens come from a company token server."""

from __future__ import annotations

import datetime as dt
import json
import ssl
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from airflow_wxa.cli.doctor.probe import probed
from airflow_wxa.client import Egress
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID, MERCHANT_TOKEN, PLATFORM_TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.healthy import SetUp

NOW = dt.datetime.now(dt.UTC)


class Answers(BaseHTTPRequestHandler):
    """Answers every POST with what the test says."""

    status = 200
    content = b""
    headers_sent: ClassVar[dict[str, str]] = {}

    def do_POST(self) -> None:
        self.send_response_only(self.status)
        for name, value in self.headers_sent.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content)

    def log_message(self, *said: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    handler = type("Handler", (Answers,), {})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def url(server: HTTPServer, scheme: str = "http") -> str:
    return f"{scheme}://127.0.0.1:{server.server_port}"


@pytest.mark.parametrize(
    ("status", "content", "is_wechats"),
    [
        (200, b'{"errcode":41001,"errmsg":"access_token missing"}', True),
        (200, b"<html>log in, please</html>", False),
        (200, b'{"status":"ok"}', False),
        (200, b'{"errcode":"41001"}', False),
        (200, b"[41001]", False),
        (200, b"\xff\xfe", False),
        (200, b"", False),
        (302, b'{"errcode":41001}', False),
        (404, b'{"errcode":41001}', False),
        (502, b"<html>Bad Gateway</html>", False),
    ],
)
def test_only_json_with_an_errcode_is_wechats(
    server: HTTPServer, status: int, content: bytes, is_wechats: bool
) -> None:
    server.RequestHandlerClass.status = status  # type: ignore[attr-defined]
    server.RequestHandlerClass.content = content  # type: ignore[attr-defined]
    probe = probed(Egress(url(server)))
    assert (probe.failure, probe.is_wechats) == (None, is_wechats)
    assert str(status) in probe.said


@pytest.mark.parametrize(
    ("headers", "skew"),
    [
        ({}, None),
        ({"Date": "yesterday"}, None),
        ({"Date": -600.0}, 600),
        ({"Date": 600.0}, -600),
    ],
)
def test_the_clock_is_compared_with_the_date_of_the_answer(
    server: HTTPServer, headers: dict[str, str | float], skew: float | None
) -> None:
    sent = {
        name: formatdate(time.time() + value, usegmt=True) if isinstance(value, float) else value
        for name, value in headers.items()
    }
    server.RequestHandlerClass.headers_sent = sent  # type: ignore[attr-defined]
    seen = probed(Egress(url(server))).skew
    assert seen is None if skew is None else seen == pytest.approx(skew, abs=60)


def test_a_certificate_that_is_not_trusted_is_no_tls(server: HTTPServer, tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    refused = probed(Egress(url(server, "https")))
    assert refused.failure == "tls"
    assert "self-signed certificate" in refused.said
    assert probed(Egress(url(server, "https"), ca_bundle=str(certificate))).failure is None


def test_a_missing_ca_bundle_is_named(server: HTTPServer, tmp_path: Path) -> None:
    probe = probed(Egress(url(server, "https"), ca_bundle=str(tmp_path / "missing.pem")))
    assert probe.failure == "tls"
    assert "missing.pem" in probe.said


def test_a_proxy_that_nobody_runs_is_named() -> None:
    assert probed(Egress("https://api.weixin.qq.com", proxy="http://127.0.0.1:1")).failure == "proxy"


def self_signed(folder: Path) -> Path:
    """Return a file with a key and a certificate for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a test")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - dt.timedelta(days=1))
        .not_valid_after(NOW + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "both.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return file


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
