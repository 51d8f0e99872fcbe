import asyncio
import socketserver
import ssl
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

import pytest

from airflow_wxa.access.fixed import FixedTokens
from airflow_wxa.api.audit import undocodeaudit
from airflow_wxa.api.code import getversioninfo, release
from airflow_wxa.client import AsyncWxaClient, Egress, asynchronous
from airflow_wxa.client.connections import MAX_CONNECTIONS, Connections
from airflow_wxa.errors import WxaSpecError, WxaTransportError
from airflow_wxa.sandbox import RunningSandbox
from airflow_wxa.sandbox.testing import APPID
from tests.client.conftest import CANARY

TOKENS = FixedTokens({APPID: CANARY})


def client(egress: Egress) -> AsyncWxaClient:
    return AsyncWxaClient(egress, TOKENS)


@asynccontextmanager
async def served(serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[str]:
    """Give the URL of a server that lets each connection be served by this."""
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def test_clients_of_one_loop_share_a_pool_for_each_way_out_which_the_last_closes(wxa_sandbox: RunningSandbox) -> None:
    here, there = Egress(wxa_sandbox.url), Egress(wxa_sandbox.url, timeout=3)

    async def entered() -> Connections:
        async with client(here) as one, client(here) as another, client(there) as third:
            pool: Connections = one._entered
            assert another._entered is pool is not third._entered
            for _ in range(3):
                await one.send(getversioninfo(APPID))
            assert len(pool.connector._used) == 1  # one call after the other uses the same connection again
            async with one:
                pass
            assert not pool.connector.closed
        assert pool.connector.closed
        async with client(here) as one:
            assert one._entered is not pool
        return pool

    assert asyncio.run(entered()) is not asyncio.run(entered())  # each loop has pools of its own
    assert not asynchronous._pools._loops


def test_a_burst_queues_up_instead_of_failing(wxa_sandbox: RunningSandbox) -> None:
    """More calls at once than connections, and a time-out that is shorter than the queue."""
    most, calls = 0, 150

    async def burst() -> None:
        nonlocal most
        async with client(Egress(wxa_sandbox.url, timeout=2)) as one:

            async def look() -> None:
                nonlocal most
                await one.send(getversioninfo(APPID))
                most = max(most, len(one._entered.connector._used))

            await asyncio.gather(*(look() for _ in range(calls)))

    asyncio.run(burst())
    assert wxa_sandbox.journal.count("/wxa/getversioninfo") == calls
    assert 1 < most <= MAX_CONNECTIONS


def test_a_folder_of_certificates_is_taken_and_what_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")

    async def enter(path: Path) -> bool:
        async with client(Egress(ca_bundle=str(path))) as one:
            return one._entered.verify.verify_mode is ssl.CERT_REQUIRED

    assert asyncio.run(enter(tmp_path))
    with pytest.raises(WxaSpecError, match=r"ca_bundle = .*ca\.pem"):
        asyncio.run(enter(tmp_path / "ca.pem"))
    assert not asynchronous._pools._loops


WHENS = ["with the answer", "half of it", "while the loop waits", "while the loop is busy", "in its own TLS record"]


@pytest.mark.parametrize("when", WHENS)
def test_no_call_is_answered_by_bytes_that_came_behind_an_answer(when: str, certificate: Path) -> None:
    head, later = b"HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n", threading.Event()

    class Twice(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            self.rfile.read(2)
            unasked = head + b'{"errcode":0,"n":"b"}'
            at_once = {"with the answer": len(unasked), "half of it": 20}.get(when, 0)
            self.wfile.write(head + b'{"errcode":0,"n":"a"}' + unasked[:at_once])
            if not at_once:
                later.wait(0 if when == "in its own TLS record" else 5)
                self.wfile.write(unasked)
            self.rfile.read()

    async def answers(host: str) -> list[Any]:
        seen = []
        async with client(Egress(host, timeout=2, ca_bundle=str(certificate))) as one:
            for _ in range(3):
                seen.append((await one.send(release(APPID))).answer["n"])
                later.set()
                await asyncio.sleep(0.05 if when == "while the loop waits" else 0)
                time.sleep(0.05 if when == "while the loop is busy" else 0)  # noqa: ASYNC251
                later.clear()
        return seen

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Twice) as server:
        server.daemon_threads, port = True, server.server_address[1]
        if when == "in its own TLS record":
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(certificate)
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        try:
            host = f"https://localhost:{port}" if when == WHENS[-1] else f"http://127.0.0.1:{port}"
            assert asyncio.run(answers(host)) == ["a"] * 3
        finally:
            server.shutdown()


def test_a_write_by_get_is_sent_once_where_a_kept_connection_breaks() -> None:
    seen: list[bytes] = []

    async def breaks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                seen.append((await reader.readuntil(b"\r\n\r\n")).split(b"?")[0])
                if len(seen) > 1:
                    return
                writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"errcode":0}')

    async def twice() -> None:
        async with served(breaks) as host, client(Egress(host)) as one:
            await one.send(undocodeaudit(APPID))
            await one.send(undocodeaudit(APPID))

    with pytest.raises(WxaTransportError, match="undocodeaudit got no answer"):
        asyncio.run(twice())
    assert seen == [b"GET /wxa/undocodeaudit"] * 2


@pytest.mark.parametrize(
    ("framing", "drop", "said"),
    [
        (b"Content-Length: 999", b" ", r"no whole answer within 1\.5"),
        (b"Transfer-Encoding: chunked", b"zz\r\n", "the connection broke"),
    ],
)
def test_an_answer_in_drops_is_none_and_a_broken_chunk_ends_it_at_once(framing: bytes, drop: bytes, said: str) -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(ConnectionError):
            writer.write(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n")
            while not reader.at_eof():
                await writer.drain()
                await asyncio.sleep(0.02)
                writer.write(drop)

    async def answer() -> None:
        async with served(drip) as host, client(Egress(host, timeout=0.25)) as one:
            await one.send(release(APPID))

    with pytest.raises(WxaTransportError, match=f"release got no answer: {said}"):
        asyncio.run(answer())


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
        async with served(serve) as here:
            egress = Egress("http://wechat.example", proxy=here) if through_proxy else Egress(here)
            turns = 1
            while await cancelled_after(turns, egress):
                turns += 1
            return turns

    assert asyncio.run(try_each_moment()) > 3


def test_a_client_outside_its_block_says_so() -> None:
    with pytest.raises(RuntimeError, match="inside its `async with` block"):
        asyncio.run(client(Egress()).send(getversioninfo(APPID)))
