"""No token leaves through an error, its causes, a traceback, a repr or a log line, whatever goes wrong."""

import logging
import selectors
import socket
import socketserver
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest

from airflow_wxa.api.call import Call
from airflow_wxa.api.code import release
from airflow_wxa.client import Egress, wire
from airflow_wxa.client.wire import quiet_url_loggers
from airflow_wxa.errors import WxaError, WxaSpecError
from airflow_wxa.sandbox.testing import APPID
from tests.client.conftest import Elsewhere, Twins
from tests.tables import each_row

CALLS = [release(APPID), Call.to("getversioninfo", APPID)]  # and one whose road leads through the repetitions


def failure(twins: Twins, call: Call, at: Egress) -> WxaError:
    """Return the error of a call; ``twins`` searches it, as each of the room's errors and log lines, for a token."""
    with pytest.raises(WxaError) as raised:
        twins.send(call, at=at)
    return raised.value


#: Answers whose errcode, or what stands behind it, repeats the URL.
ECHOES = [b'-1,"errmsg":"{url}"', b'1234567,"errmsg":"{url}"', b'"{url}"']
ECHO = b"<html>GET {url} failed; the same again: {url}</html>"


@each_row(
    "status, body, headers, said",
    [
        *((status, ECHO, {"Location": "{url}", "X_Asked": "{url}"}, "token=***") for status in (200, 302, 403, 502)),
        *((200, b'{"errcode":%s}' % each, {}, "") for each in ECHOES),
        (200, ECHO, {"Content_Length": "9999"}, "the connection broke"),
        (200, ECHO, {"Content_Encoding": "gzip"}, "the connection broke"),
    ],
)
def test_an_answer_or_a_page_of_a_proxy_that_echoes_the_url_or_breaks_off_does_not_leak_it(
    twins: Twins, elsewhere: Elsewhere, status: int, body: bytes, headers: dict[str, str], said: str
) -> None:
    elsewhere.answers(status, body, **headers)
    for call in CALLS:
        assert said in str(failure(twins, call, Egress(elsewhere.url)))


@pytest.mark.parametrize("name", ["urllib3.connectionpool", "aiohttp.client"])
def test_the_libraries_log_their_calls_without_the_token(name: str, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        quiet_url_loggers()
    logger = logging.getLogger(name)
    caplog.set_level(logging.DEBUG, logger=name)  # Airflow's logging, where it is set up, quiets some
    logger.debug('"POST %s HTTP/1.1"', "/wxa/release?access_token=canary%2B&path=a")
    logger.info("nothing to hide in %s", "here")
    redacted = '"POST /wxa/release?access_token=***&path=a HTTP/1.1"'
    assert [record.getMessage() for record in caplog.records] == [redacted, "nothing to hide in here"]
    assert len(logger.filters) == 1


@pytest.fixture
def elsewhere_tls(elsewhere: Elsewhere, certificate: Path) -> Elsewhere:
    """Return the server of fixed answers, behind TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    elsewhere.behind(context)
    return elsewhere


def without_bundles(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in wire._CA_BUNDLES:
        monkeypatch.delenv(name, raising=False)


def test_a_certificate_of_the_host_that_connection_or_environment_trust_is_an_answer_and_no_other(
    twins: Twins, elsewhere_tls: Elsewhere, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    another = Egress(elsewhere_tls.url.replace("localhost", "127.0.0.1"), ca_bundle=str(certificate))
    for egress in (Egress(elsewhere_tls.url), another):
        assert "the TLS handshake failed" in str(failure(twins, release(APPID), egress))
    assert elsewhere_tls.requests == []
    egress = Egress(elsewhere_tls.url, ca_bundle=str(certificate))
    assert twins.send(release(APPID), at=egress).errcode == 0
    for variable in wire._CA_BUNDLES:
        without_bundles(monkeypatch)
        monkeypatch.setenv(variable, str(certificate))
        assert twins.send(release(APPID), at=Egress(elsewhere_tls.url)).errcode == 0


@each_row("named", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "extra ca_bundle"])
def test_a_bundle_that_is_not_there_is_refused_before_anything_is_sent(
    twins: Twins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    without_bundles(monkeypatch)
    absent = str(tmp_path / "absent.pem")
    if named in wire._CA_BUNDLES:
        monkeypatch.setenv(named, absent)
    own = absent if named == "extra ca_bundle" else None
    with pytest.raises(WxaSpecError, match=rf"{named} = .*absent\.pem.*cannot be read"):
        twins.send(release(APPID), at=Egress("https://localhost:9", ca_bundle=own))


class Tunnel(socketserver.StreamRequestHandler):
    """A proxy that takes CONNECT."""

    def handle(self) -> None:
        asked = list(iter(lambda: self.rfile.readline().strip(), b""))
        self.server.asked += asked  # type: ignore[attr-defined]
        host, _, port = asked[0].split()[1].decode().partition(":")
        with socket.create_connection((host, int(port))) as there:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            other = {self.connection: there, there: self.connection}
            with selectors.DefaultSelector() as waiting:  # select() knows a thousand files
                for end in other:
                    waiting.register(end, selectors.EVENT_READ)
                while True:
                    for key, _ in waiting.select():
                        end: Any = key.fileobj
                        if not (data := end.recv(65536)):
                            return
                        other[end].sendall(data)


def test_a_proxy_that_tunnels_sees_its_password_and_no_token(
    twins: Twins, elsewhere_tls: Elsewhere, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "is_loopback", lambda _url: False)  # or none would be asked on this machine
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Tunnel) as server:
        server.daemon_threads, server.asked = True, []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        proxy = f"http://user:pass@127.0.0.1:{server.server_address[1]}"
        try:
            twins.send(release(APPID), at=Egress(elsewhere_tls.url, proxy=proxy, ca_bundle=str(certificate)))
        finally:
            server.shutdown()
        assert b"Proxy-Authorization: Basic dXNlcjpwYXNz" in server.asked  # type: ignore[attr-defined]
    assert "canary" not in str(server.asked)  # type: ignore[attr-defined]
    assert len(elsewhere_tls.requests) == 1
