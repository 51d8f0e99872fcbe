"""What a call costs through the hook's client, beside a bare ``requests.Session``."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
import requests

from airflow_wxa.access import FixedTokens
from airflow_wxa.api.webview_domain import WebviewDomain, setwebviewdomain
from airflow_wxa.client import Egress, WxaClient

if TYPE_CHECKING:
    from collections.abc import Iterator

CALLS, ROUNDS = 2000, 5
APPID = "wx0000000000000001"

# Answers every request with the same bytes, in a process of its own so that it does not share our interpreter.
FIXED_ANSWER_SERVER = """
import asyncio
BODY = b'{"errcode":0,"errmsg":"ok"}'
HEAD = b"HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nContent-Length: "
ANSWER = HEAD + b"%d\\r\\n\\r\\n%s" % (len(BODY), BODY)
async def serve(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\\r\\n\\r\\n")
            lines = head.lower().split(b"\\r\\n")
            length = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
            await reader.readexactly(length)
            writer.write(ANSWER)
    except asyncio.IncompleteReadError:
        writer.close()
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


@pytest.fixture
def host() -> Iterator[str]:
    with subprocess.Popen([sys.executable, "-c", FIXED_ANSWER_SERVER], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
        server.kill()


@pytest.mark.benchmark
def test_a_call_costs_little_more_than_bare_requests(host: str) -> None:
    call = setwebviewdomain(APPID, "add", [WebviewDomain("m.example.com"), WebviewDomain("shop.example.com")])
    client = WxaClient(Egress(host), FixedTokens({APPID: "token"}))
    session = requests.Session()

    def ours() -> None:
        for _ in range(CALLS):
            client.send(call)

    def bare() -> None:
        for _ in range(CALLS):
            session.post(f"{host}/wxa/setwebviewdomain?access_token=token", json=call.body, timeout=10).json()

    client.send(call)  # compiles the schemas, opens the connection
    session.post(f"{host}/", json={}, timeout=10)
    rounds = [(seconds(ours), seconds(bare)) for _ in range(ROUNDS)]

    ratio = statistics.median(mine / theirs for mine, theirs in rounds)
    print(f"\ncall overhead: {CALLS} calls, {ROUNDS} rounds, ours against bare requests: ratio {ratio:.3f}")
    print(f"  rounds: {', '.join(f'{mine:.2f} s / {theirs:.2f} s' for mine, theirs in rounds)}")
    assert ratio <= 1.15


def seconds(work: object) -> float:
    begin = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - begin
