from __future__ import annotations

import asyncio
import ssl
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import pytest

from airflow_wxa.access.fixed import FixedTokens
from airflow_wxa.api.code import getversioninfo
from airflow_wxa.client import AsyncWxaClient, Egress, asynchronous
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.sandbox.testing import APPID
from tests.client.conftest import CANARY

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_wxa.sandbox import RunningSandbox

TOKENS = FixedTokens({APPID: CANARY})


def client(egress: Egress) -> AsyncWxaClient:
    return AsyncWxaClient(egress, TOKENS)


def test_clients_of_one_loop_share_a_pool_for_each_way_out() -> None:
    here, there = Egress("http://127.0.0.1:1"), Egress("http://127.0.0.1:1", timeout=3)

    async def pools() -> list[asynchronous._Pool]:
        async with client(here) as one, client(here) as another, client(there) as third:
            return [one._entered, another._entered, third._entered]

    one, another, third = asyncio.run(pools())
    assert one is another
    assert one is not third


def test_the_last_to_leave_closes_the_pool_and_the_next_gets_a_new_one(wxa_sandbox: RunningSandbox) -> None:
    egress = Egress(wxa_sandbox.url)

    async def closed_and_renewed() -> tuple[list[bool], bool]:
        seen = []
        async with client(egress) as one:
            first = one._entered
            await one.send(getversioninfo(APPID))
            (connection,) = first.connections
            async with one, client(egress):
                pass
            seen.append(connection.is_closed())
        seen.append(connection.is_closed())
        async with client(egress) as one:
            return seen, one._entered is first

    assert asyncio.run(closed_and_renewed()) == ([False, True], False)
    assert not asynchronous._pools._loops


def test_one_after_the_other_uses_the_same_connection_again(wxa_sandbox: RunningSandbox) -> None:
    async def opened() -> int:
        async with client(Egress(wxa_sandbox.url)) as one:
            for _ in range(5):
                await one.send(getversioninfo(APPID))
            return len(one._entered.connections)

    assert asyncio.run(opened()) == 1


def test_each_loop_has_a_pool_of_its_own() -> None:
    async def mine() -> asynchronous._Pool:
        async with client(Egress()) as one:
            return one._entered

    assert asyncio.run(mine()) is not asyncio.run(mine())


def test_a_burst_queues_up_instead_of_failing(wxa_sandbox: RunningSandbox) -> None:
    """More calls at once than connections, and a time-out that is shorter than the queue."""
    most, calls = 0, 150

    async def burst() -> None:
        nonlocal most
        async with client(Egress(wxa_sandbox.url, timeout=2)) as one:

            async def look() -> None:
                nonlocal most
                await one.send(getversioninfo(APPID))
                most = max(most, len(one._entered.connections))

            await asyncio.gather(*(look() for _ in range(calls)))

    asyncio.run(burst())
    assert wxa_sandbox.journal.count("/wxa/getversioninfo") == calls
    assert 1 < most <= asynchronous._MOST_CONNECTIONS


def test_certificates_that_are_none_are_refused_and_leave_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")

    async def enter() -> None:
        async with client(Egress(ca_bundle=str(tmp_path / "ca.pem"))):
            pass

    with pytest.raises(WxaSpecError, match=r"ca_bundle = .*ca\.pem"):
        asyncio.run(enter())
    assert not asynchronous._pools._loops


def test_no_call_is_answered_by_bytes_that_came_behind_an_answer() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n"

    async def twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            await reader.readuntil(b"\r\n\r\n{}")
            writer.write(head + b'{"errcode":0,"n":"a"}' + head + b'{"errcode":0,"n":"b"}')
            await reader.read()

    async def answers() -> list[Any]:
        async with await asyncio.start_server(twice, "127.0.0.1", 0) as server:
            host = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            async with client(Egress(host)) as one:
                return [(await one.send(getversioninfo(APPID))).answer["n"] for _ in range(3)]

    assert asyncio.run(answers()) == ["a"] * 3


def test_no_call_is_answered_by_a_tls_record_that_came_behind_an_answer(certificate: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n"
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)

    async def twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            await reader.readuntil(b"\r\n\r\n{}")
            writer.write(head + b'{"errcode":0,"n":"a"}')
            writer.write(head + b'{"errcode":0,"n":"b"}')  # in a record of its own, which h11 does not see yet
            await reader.read()

    async def answers() -> list[Any]:
        async with await asyncio.start_server(twice, "localhost", 0, ssl=tls) as server:
            host = f"https://localhost:{server.sockets[0].getsockname()[1]}"
            async with client(Egress(host, ca_bundle=str(certificate))) as one:
                return [(await one.send(getversioninfo(APPID))).answer["n"] for _ in range(3)]

    assert asyncio.run(answers()) == ["a"] * 3


@pytest.mark.parametrize("through_proxy", [False, True])
def test_a_call_that_is_cancelled_at_any_moment_costs_no_later_one(*, through_proxy: bool) -> None:
    answer = b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"errcode":0}'

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(b"\r\n\r\n{}"):
                writer.write(answer)

    async def cancelled_after(turns: int, egress: Egress) -> bool:
        async with client(egress) as one:
            await one.send(getversioninfo(APPID))  # there is a connection
            call = asyncio.create_task(one.send(getversioninfo(APPID)))
            for _ in range(turns):
                await asyncio.sleep(0)
            was_cancelled = call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            assert (await asyncio.wait_for(one.send(getversioninfo(APPID)), 5)).errcode == 0
            return was_cancelled

    async def try_each_moment() -> int:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            here = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            egress = Egress("http://wechat.example", proxy=here) if through_proxy else Egress(here)
            turns = 1
            while await cancelled_after(turns, egress):
                turns += 1
            return turns

    assert asyncio.run(try_each_moment()) > 3


def test_a_folder_of_certificates_is_taken(tmp_path: Path) -> None:
    async def enter() -> bool:
        async with client(Egress(ca_bundle=str(tmp_path))) as one:
            return one._entered._verify.verify_mode is ssl.CERT_REQUIRED

    assert asyncio.run(enter())


def test_a_client_outside_its_block_says_so() -> None:
    with pytest.raises(RuntimeError, match="inside its `async with` block"):
        asyncio.run(client(Egress()).send(getversioninfo(APPID)))
