"""Connections that bring nothing keep nobody else out, and a proxy that speaks for many is not counted as one."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from airflow_wxa.cli import serving
from airflow_wxa.errors import WxaSpecError
from tests.plugins.receiving import served

if TYPE_CHECKING:
    from collections.abc import Iterator


async def greets(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_MAX_CONNECTIONS", 6)
    monkeypatch.setattr(serving, "_MAX_CONNECTIONS_OF_ADDRESS", 3)


@contextmanager
def held(url: str, addresses: list[str]) -> Iterator[list[socket.socket]]:
    """Open a silent connection from each address, one after the other."""
    with ExitStack() as stack:
        opened = []
        for address in addresses:
            source = (address, 0)
            target = ("127.0.0.1", int(url.rpartition(":")[2]))
            opened.append(stack.enter_context(socket.create_connection(target, 5, source_address=source)))
            time.sleep(0.02)
        yield opened


def is_dropped(connection: socket.socket, seconds: float = 0.3) -> bool:
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
def test_the_oldest_silent_connection_goes_when_it_is_full() -> None:
    with serves() as url, held(url, [f"127.0.1.{number}" for number in range(1, 8)]) as opened:
        assert [is_dropped(each) for each in opened] == [True, *[False] * 6]
        assert httpx.get(url, trust_env=False).text == "hello"


@pytest.mark.usefixtures("few")
def test_one_address_holds_no_more_than_its_share() -> None:
    with serves() as url, held(url, ["127.0.1.9", *["127.0.1.1"] * 5]) as opened:
        assert [is_dropped(each) for each in opened] == [False, True, True, False, False, False]


@pytest.mark.usefixtures("few")
def test_a_body_that_does_not_come_makes_room() -> None:
    with serves() as url, held(url, ["127.0.1.1"] * 3) as opened:
        for each in opened:
            each.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
        time.sleep(0.1)
        assert httpx.get(url, trust_env=False).text == "hello"


@pytest.mark.usefixtures("few")
def test_a_trusted_proxy_holds_as_many_as_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__WXA__TRUSTED_PROXIES", "127.0.1.0/24, ::1")
    with serves(trusted_proxies=serving.trusted_proxies()) as url, held(url, ["127.0.1.1"] * 6) as opened:
        assert [is_dropped(each) for each in opened] == [False] * 6


def test_a_proxy_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__WXA__TRUSTED_PROXIES", "10.0.0.7, proxy.example.com, 10.0.0.1/8")
    with pytest.raises(WxaSpecError) as error:
        serving.trusted_proxies()
    assert [problem.partition(": ")[2].split()[0] for problem in error.value.problems] == [
        "'proxy.example.com'",
        "10.0.0.1/8",
    ]
