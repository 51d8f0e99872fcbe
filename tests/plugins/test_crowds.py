"""Crowds at the API server, which is not ours to block: requests for pictures that never come, and made-up pushes."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from airflow_wxa.cli.demo.airflow import ThrowawayAirflow
from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.plugins.plugin import WxaPlugin
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.store import TaskRef
from airflow_wxa.trial_link import PUSH_PREFIX, trial_link
from tests.airflow_session import ROOT
from tests.airflow_session import connection as fixed_tokens
from tests.benchmarks.figures import percentiles
from tests.plugins.browser import Browser, login
from tests.plugins.receiving import KEYS, connection, query, served, ticket
from tests.plugins.slow_secrets import LOOK_UP_SECONDS
from tests.plugins.test_api_server import api_server as running_api_server
from tests.sealing import sealed

pytestmark = pytest.mark.load

VIEWERS, STRANGERS, AT_ONCE = 45, 5000, 50
ACCOUNT = {"username": "wang", "password": "only-for-this-test"}
Timed = list[tuple[float, int]]  # seconds, and the answer's status
TASK = TaskRef("our_release", "manual", "wait_for_audit")


@pytest.fixture
def url(airflow: Browser) -> Iterator[str]:
    for each in WxaPlugin.fastapi_apps:
        each["app"]._app = None  # as in a server that has just started
    with served(airflow.app) as url:
        yield url


async def timed(request: Awaitable[httpx.Response]) -> tuple[float, int]:
    begin = time.perf_counter()
    answer = await request
    return time.perf_counter() - begin, answer.status_code


async def beside(crowd: Awaitable[Any], one: Callable[[int], Awaitable[httpx.Response]]) -> Timed:
    """Send one request after the other while a crowd is served."""
    task, found = asyncio.ensure_future(crowd), []
    while not task.done():
        found.append(await timed(one(len(found))))
        await asyncio.sleep(0.05)
    await task
    return found


def told(found: Timed, *percents: int) -> str:
    """Return how many there are, and how long they took, once all were answered 200."""
    assert {status for _, status in found} == {200}
    return f"{len(found)}: {percentiles([seconds for seconds, _ in found], *percents)}"


def client(url: str) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=VIEWERS + AT_ONCE + 10)
    return httpx.AsyncClient(base_url=url, trust_env=False, timeout=60, limits=limits, headers=login("viewer"))


def test_pictures_that_never_come_hold_no_page_up(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=VIEWERS) as silent:
        host = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", fixed_tokens(host, timeout=30))
        open_ledger().decided("", APPID, TASK, {"outcome": "asked"})
        picture = trial_link("", APPID, dag_id=TASK.dag_id, run_id=TASK.run_id)

        async def crowded() -> tuple[Timed, Timed]:
            async with client(url) as http:
                crowd = asyncio.gather(*(timed(http.get(picture)) for _ in range(VIEWERS)))
                pages = await beside(crowd, lambda _: http.get("/api/v2/dags"))
                return await crowd, pages

        pictures, pages = asyncio.run(crowded())
    slowest, given_up = max(seconds for seconds, _ in pages), max(pictures)[0]
    print(f"{VIEWERS} silent QR codes, each given up after {given_up:.1f} s; meanwhile pages, {told(pages, 99)}")
    assert {status for _, status in pictures} == {504}
    assert slowest < min(pictures)[0]


def test_made_up_pushes_cost_no_look_ups(tmp_path: Path) -> None:
    """The API server has a process of its own, as everywhere: what the crowd costs its senders holds no page up."""
    look_ups = tmp_path / "look-ups"
    look_ups.touch()
    environment = {
        "AIRFLOW_CONN_WXA_DEFAULT": connection(),
        "AIRFLOW__SECRETS__BACKEND": "tests.plugins.slow_secrets.SlowSecrets",
        "LOOK_UPS": str(look_ups),
        "PYTHONPATH": str(ROOT),
    }
    airflow = ThrowawayAirflow(tmp_path, environment, {}, account=ACCOUNT)
    with running_api_server(airflow):
        pushes, pages = asyncio.run(_crowded(airflow.url, int(time.time())))
    asked = look_ups.read_text().split()
    print(
        f"{STRANGERS} pushes for unknown Connections, look-up {LOOK_UP_SECONDS * 1e3:.0f} ms: {len(asked)} look-ups; "
        f"genuine pushes, {told(pushes, 99)}; pages, {told(pages, 99)}"
    )
    assert set(asked) == {"wxa_default"}
    assert len(asked) <= 20


async def _crowded(url: str, now: int) -> tuple[Timed, Timed]:
    """Send the crowd's pushes, and one genuine push and one page after the other while it lasts."""
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as http:
        token = (await http.post("/auth/token", json=ACCOUNT)).json()["access_token"]

        def genuine(number: int) -> Awaitable[httpx.Response]:
            push = sealed(KEYS, ticket(f"ticket@@@{number}", at=now - 500 + number), timestamp=now)
            return http.post(f"{PUSH_PREFIX}/wxa_default/authorisation", content=push.body, params=query(push))

        def page(_: int) -> Awaitable[httpx.Response]:
            return http.get("/api/v2/dags", headers={"Authorization": f"Bearer {token}"})

        crowd = asyncio.gather(*(_strangers(url, range(first, STRANGERS, AT_ONCE)) for first in range(AT_ONCE)))
        pushes, pages = await asyncio.gather(beside(crowd, genuine), beside(crowd, page))
    return pushes, pages


async def _strangers(url: str, numbers: Iterable[int]) -> None:
    """Send one made-up push after the other over one connection, by hand: a client library would take more of the
    machine than the server does.
    """
    target = urlsplit(url)
    reader, writer = await asyncio.open_connection(target.hostname, target.port)
    for number in numbers:
        head = f"POST {PUSH_PREFIX}/made_up_{number}/authorisation HTTP/1.1\r\nHost: {target.netloc}\r\n"
        writer.write(f"{head}Content-Length: 6\r\n\r\n<xml/>".encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 403 "), answer
        assert b"content-length: 0\r\n" in answer
    writer.close()
