"""Servers that strangers can reach: silent connections keep nobody out, and none starts with wrong settings."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from airflow_wxa.cli import serving
from airflow_wxa.cli.token_server import read_bearers
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID
from tests.cli.healthy import Command, SetUp
from tests.plugins.receiving import served


async def greets(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    if scope["path"] == "/slow":
        await asyncio.sleep(0.3)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_MAX_CONNECTIONS", 6)
    monkeypatch.setattr(serving, "_MAX_CONNECTIONS_OF_ADDRESS", 3)


@contextmanager
def held(url: str, addresses: list[str]) -> Iterator[list[socket.socket]]:
    """Open a silent connection from each address, one after the other."""
    target, opened = ("127.0.0.1", int(url.rpartition(":")[2])), []
    with ExitStack() as stack:
        for address in addresses:
            opened.append(stack.enter_context(socket.create_connection(target, 5, source_address=(address, 0))))
            time.sleep(0.02)
        yield opened


def is_dropped(connection: socket.socket, seconds: float = 0.2) -> bool:
    connection.settimeout(seconds)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True


def serves(**options: Any) -> Any:
    return served(greets, http=partial(serving.ImpatientProtocol, **options))


def test_a_connection_without_a_first_byte_is_dropped_after_two_seconds() -> None:
    with serves() as url, held(url, ["127.0.0.1", "127.0.0.1"]) as (silent, begun):
        begun.sendall(b"G")
        assert not is_dropped(silent, 1)
        assert is_dropped(silent, 2)
        assert not is_dropped(begun)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(
    ("addresses", "dropped", "trusted"),
    [
        ([f"127.0.1.{number}" for number in range(1, 8)], [True, *[False] * 6], ""),  # the oldest goes when it is full
        (["127.0.1.9", *["127.0.1.1"] * 5], [False, True, True, False, False, False], ""),  # an address has its share
        (["127.0.1.1"] * 6, [False] * 6, "127.0.1.0/24, ::1"),  # a trusted proxy holds as many as there are
    ],
)
def test_silent_connections_make_room(
    addresses: list[str], dropped: list[bool], trusted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__WXA__TRUSTED_PROXIES", trusted)
    with serves(trusted_proxies=serving.trusted_proxies()) as url, held(url, addresses) as opened:
        assert [is_dropped(each) for each in opened] == dropped
        assert httpx.get(url, trust_env=False).text == "hello"


@pytest.mark.usefixtures("few")
def test_a_body_that_does_not_come_makes_room() -> None:
    with serves() as url, held(url, [*["127.0.1.1"] * 3, *["127.0.1.2"] * 3]) as opened:
        for each in opened:
            each.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
        time.sleep(0.1)
        assert httpx.get(url, trust_env=False).text == "hello"


def test_a_proxy_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__WXA__TRUSTED_PROXIES", "10.0.0.7, proxy.example.com, 10.0.0.1/8")
    with pytest.raises(WxaSpecError) as error:
        serving.trusted_proxies()
    named = [problem.partition(": ")[2].split()[0] for problem in error.value.problems]
    assert named == ["'proxy.example.com'", "10.0.0.1/8"]


@pytest.mark.usefixtures("command")
def test_it_serves_its_connections_only_and_ends_when_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", os.environ["AIRFLOW_CONN_WXA_DEFAULT"])
    program, log = [str(Path(sys.executable).with_name("airflow-wxa")), "receiver", "--port", "0"], tmp_path / "log"
    with (
        log.open("w") as sink,
        subprocess.Popen(program, stdout=sink, stderr=subprocess.PIPE, text=True) as process,
    ):
        assert process.stderr is not None
        try:
            found = re.search(r"(http://127.0.0.1:\d+)/wxa_default/authorisation", process.stderr.readline())
            assert found is not None
            assert process.stderr.readline() == f"{found[1]}/wxa_default/message/$APPID$\n"
            # Refused alike; which of them is known stands in its own log.
            for wxa_conn_id in ("wxa_default", "other"):
                assert httpx.post(f"{found[1]}/{wxa_conn_id}/authorisation", trust_env=False).status_code == 403
        finally:
            process.send_signal(signal.SIGTERM)
    refused = re.findall(r"push refused: (.*?\))", log.read_text())
    assert refused == ["malformed (Connection wxa_default, 1 so far)", "connection (Connection unknown, 1 so far)"]


def test_a_connection_that_takes_no_pushes_and_a_store_that_cannot_be_right_are_named(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", "mysql://host/db")
    ended = command("receiver", "--port", "0", "--conn-id", "wxa_default", "nobody")
    ended.refuses("the Connection 'nobody' takes no pushes", "the store cannot be opened")
    ended.hides("'wxa_default'")


@pytest.mark.parametrize(
    "sent",
    [b"", b"POST /wxa_default/auth", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET"],
)
def test_a_connection_that_brings_no_request_is_dropped_and_one_whose_answer_takes_longer_is_not(
    sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "_IDLE_SECONDS", 0.1)
    with served(greets, http=serving.ImpatientProtocol, timeout_keep_alive=60) as url:
        with held(url, ["127.0.0.1"]) as (connection,):
            connection.sendall(sent)
            while connection.recv(4096):
                pass
        assert httpx.get(f"{url}/slow", trust_env=False).text == "hello"


SHA = "a" * 64


EVERYTHING = {"a": {"sha256": SHA, "appids": "*"}}


def bearers(folder: Path, content: Any, mode: int = 0o600) -> Path:
    path = folder / "bearers.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    path.chmod(mode)
    return path


def test_bearers_are_read_by_their_hash(tmp_path: Path) -> None:
    read = read_bearers(bearers(tmp_path, {"a": {"sha256": SHA, "appids": [APPID]}}))
    assert (read[SHA].name, read[SHA].may_have(APPID), read[SHA].may_have("wx00000000000000ff")) == ("a", True, False)
    assert read_bearers(bearers(tmp_path, EVERYTHING))[SHA].may_have("wx00000000000000ff")
    with pytest.raises(WxaSpecError, match="cannot be read"):
        read_bearers(tmp_path / "absent.json")


@pytest.mark.parametrize(
    ("content", "mode"),
    [
        (EVERYTHING, 0o640),
        ({"a": {"sha256": "secret-bearer", "appids": "*"}}, 0o600),
        ({"a": {"sha256": SHA, "appids": ["secret-bearer"]}}, 0o600),
        ({"a": {"sha256": SHA, "appids": [7]}}, 0o600),
        ({"a": {"sha256": SHA, "appids": "all"}}, 0o600),
        ({"a": {"bearer": "secret-bearer", "sha256": SHA, "appids": "*"}}, 0o600),
        ({}, 0o600),
        ("[", 0o600),
    ],
)
def test_bearers_that_cannot_be_right_are_refused_without_being_shown(tmp_path: Path, content: Any, mode: int) -> None:
    with pytest.raises(WxaSpecError) as error:
        read_bearers(bearers(tmp_path, content, mode))
    assert "secret-bearer" not in str(error.value)


def test_tokens_leave_this_machine_by_https_only_and_a_connection_without_credentials_serves_nothing(
    set_up: SetUp, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("token-server", "--port", "0", "--bearers", str(bearers(tmp_path, EVERYTHING)))
    for host in ("0.0.0.0", "::", "10.0.0.7", "tokens.example.com"):  # noqa: S104
        command(*words, "--host", host).refuses("--certificate is missing")
    extra = {"token_url": "https://tokens.example.com/token"}
    for fields in ({"extra": extra, "password": "appsecret"}, {"extra": {}}):
        connection = {"conn_type": "wxa", "host": set_up.running.url, "login": COMPONENT_APPID} | fields
        monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", json.dumps(connection))
        command(*words).refuses("must have login and password")
