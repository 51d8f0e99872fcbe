"""The receiver alone, 200 pushes a second: none is lost, and WeChat never waits."""

import asyncio
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from cryptography.fernet import Fernet

from airflow_wxa.api.push import Envelope
from airflow_wxa.sandbox.testing import COMPONENT_APPID, ENCODING_AES_KEY, PUSH_TOKEN
from airflow_wxa.store import Store
from tests.plugins.receiving import KEYS, query, ticket, xml
from tests.sealing import sealed
from tests.store.databases import store_url  # noqa: F401  a fixture

RATE = 200  # a second
SECONDS = 20
P99_LIMIT_MS = 250
EXTRA = {"push_token": PUSH_TOKEN, "encoding_aes_key": ENCODING_AES_KEY}
CONNECTION = {"conn_type": "wxa", "login": COMPONENT_APPID, "extra": EXTRA}


@contextmanager
def receiver(store: str, key: str) -> Iterator[str]:
    """Run ``airflow-wxa receiver`` on a free port while the block runs, and give the URL of its Connection."""
    environment = {
        "AIRFLOW_CONN_WXA_DEFAULT": json.dumps(CONNECTION),
        "AIRFLOW__WXA__SQL_ALCHEMY_CONN": store,
        "AIRFLOW__WXA__ENCRYPTION_KEYS": key,
    }
    command = [str(Path(sys.executable).with_name("airflow-wxa")), "receiver", "--port", "0"]
    with subprocess.Popen(command, env=os.environ | environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            said = ""
            for said in process.stderr:
                if "/authorisation" in said:
                    break
            found = re.search(r"http://\S+(?=/authorisation)", said)
            assert found is not None, f"it did not start: {said}"
            yield found[0]
        finally:
            process.terminate()


def requests_of(url: str, now: int) -> list[bytes]:
    """Return what is sent: audit events, withdrawals and tickets, every tenth push twice."""
    made = []
    for number in range(RATE * SECONDS):
        path, text = push_of(number - 1 if number % 10 == 9 else number, now)
        made.append(request_of(url, path, sealed(KEYS, text, timestamp=now, nonce=str(number))))
    return made


def request_of(url: str, path: str, envelope: Envelope) -> bytes:
    target = urlsplit(url)
    head = f"POST {target.path}/{path}?{urlencode(query(envelope))} HTTP/1.1\r\nHost: {target.netloc}\r\n"
    return f"{head}Connection: close\r\nContent-Length: {len(envelope.body)}\r\n\r\n".encode() + envelope.body


async def exchanged(url: str, request: bytes, **how: Any) -> bytes:
    """Send by hand and not by a client library, which would take more of the machine than the receiver does."""
    target = urlsplit(url)
    reader, writer = await asyncio.open_connection(target.hostname, target.port, **how)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    return answer


def push_of(turn: int, now: int) -> tuple[str, str]:
    appid = f"wx{turn:016x}"
    if turn % 5 == 1:
        return "authorisation", ticket(f"ticket@@@{turn}", at=now - 500 + turn // 5)
    if turn % 5 == 2:
        withdrawal = {"InfoType": "unauthorized", "AuthorizerAppid": appid}
        return "authorisation", xml(AppId=COMPONENT_APPID, CreateTime=now, **withdrawal)
    audit = {"ToUserName": f"gh_{turn:012x}", "MsgType": "event", "Event": "weapp_audit_success"}
    return f"message/{appid}", xml(CreateTime=now, SuccTime=now, **audit)


async def sent(url: str, requests: list[bytes]) -> list[tuple[bytes, float]]:
    """Send each at its moment, whatever became of those before; a push's time counts from that moment."""
    begin = time.perf_counter() + 0.5

    async def send(number: int, request: bytes) -> tuple[bytes, float]:
        due = begin + number / RATE
        await asyncio.sleep(due - time.perf_counter())
        return await exchanged(url, request), time.perf_counter() - due

    return await asyncio.gather(*(send(number, request) for number, request in enumerate(requests)))


@pytest.mark.load
def test_200_pushes_a_second_are_all_taken_in_time(store_url: str) -> None:  # noqa: F811  the fixture above
    key = Fernet.generate_key().decode()
    with receiver(store_url, key) as url:
        answers = asyncio.run(sent(url, requests_of(url, int(time.time()))))
    lost = [each for each, _ in answers if not (each.startswith(b"HTTP/1.1 200 ") and each.endswith(b"success"))]
    cuts = [f"{cut * 1e3:.1f}" for cut in statistics.quantiles([seconds for _, seconds in answers], n=100)]
    database = store_url.partition(":")[0]
    sys.stdout.write(
        f"{len(answers)} pushes at {RATE}/s into {database}: {len(lost)} lost, p50 {cuts[49]} ms, p99 {cuts[98]} ms\n"
    )
    kinds = ["weapp_audit_success", "unauthorized", "component_verify_ticket"]
    assert lost == []
    assert len(Store(store_url, [key]).pushes(COMPONENT_APPID, kinds)) == len(answers) * 9 // 10
    assert float(cuts[98]) < P99_LIMIT_MS


SILENT, SILENT_A_SECOND, FLOOD_SECONDS = 2000, 70, 20


async def flooded(url: str) -> list[float]:
    """Open silent connections from 200 addresses, and more all the time; return how long tickets took meanwhile."""
    target = urlsplit(url)

    async def silent(number: int) -> None:
        source = (f"127.0.1.{1 + number % 200}", 0)
        reader, writer = await asyncio.open_connection(target.hostname, target.port, local_addr=source)
        with closing(writer), suppress(OSError):
            await reader.read()

    async def ticket_sent(number: int) -> float:
        text = ticket(f"ticket@@@{number}", at=int(time.time()) - 500 + number)
        envelope = sealed(KEYS, text, timestamp=int(time.time()), nonce=str(number))
        begin = time.perf_counter()
        answer = await exchanged(url, request_of(url, "authorisation", envelope), local_addr=("127.0.0.1", 0))
        assert answer.endswith(b"success"), answer
        return time.perf_counter() - begin

    strangers = {asyncio.create_task(silent(number)) for number in range(SILENT)}
    took = []
    begin = time.perf_counter()
    for turn in range(FLOOD_SECONDS * 10):
        await asyncio.sleep(begin + turn / 10 - time.perf_counter())
        strangers |= {asyncio.create_task(silent(turn * 7 + number)) for number in range(SILENT_A_SECOND // 10)}
        if turn % 2 == 0:
            took.append(asyncio.create_task(ticket_sent(turn)))
    answered = await asyncio.gather(*took)
    for each in strangers:
        each.cancel()
    await asyncio.gather(*strangers, return_exceptions=True)
    await asyncio.sleep(0.1)  # the transports close in the next turn of the loop
    return list(answered)


@pytest.mark.load
def test_silent_connections_keep_no_ticket_out(tmp_path: Path) -> None:
    _, allowed = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, allowed))
    with receiver(f"sqlite:///{tmp_path / 'wxa.db'}", Fernet.generate_key().decode()) as url:
        took = asyncio.run(flooded(url))
    cuts = [f"{cut * 1e3:.1f}" for cut in statistics.quantiles(took, n=100)]
    sys.stdout.write(
        f"{len(took)} tickets beside {SILENT} silent connections and {SILENT_A_SECOND} new ones a second: "
        f"p50 {cuts[49]} ms, p99 {cuts[98]} ms\n"
    )
    assert float(cuts[98]) < 2000
