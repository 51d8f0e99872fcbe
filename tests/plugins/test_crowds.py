"""Crowds at the API server, which is not ours to block: requests for pictures that never come, and made-up pushes."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from cryptography.fernet import Fernet

from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.plugins.plugin import PUSH_PREFIX, WxaPlugin
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID, ENCODING_AES_KEY, MERCHANT_TOKEN, PUSH_TOKEN
from airflow_wxa.store import TaskRef
from airflow_wxa.trial_link import trial_link
from tests.plugins.api_server import ApiServer, headers
from tests.plugins.receiving import KEYS, query, served, ticket
from tests.sealing import sealed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.load

VIEWERS, STRANGERS, AT_ONCE = 45, 5000, 50
LOOK_UP_SECONDS = 0.1
TASK = TaskRef("our_release", "manual", "wait_for_audit")


@pytest.fixture
def url(api_server: ApiServer) -> Iterator[str]:
    for each in WxaPlugin.fastapi_apps:
        each["app"]._app = None  # as in a server that has just started
    with served(api_server.app) as url:
        yield url


async def timed(request: Awaitable[httpx.Response]) -> tuple[float, int]:
    begin = time.perf_counter()
    answer = await request
    return time.perf_counter() - begin, answer.status_code


async def beside(crowd: Awaitable[Any], one: Callable[[int], Awaitable[httpx.Response]]) -> list[tuple[float, int]]:
    """Send one request after the other while a crowd is served."""
    task, found = asyncio.ensure_future(crowd), []
    while not task.done():
        found.append(await timed(one(len(found))))
        await asyncio.sleep(0.05)
    await task
    return found


def p99(found: list[tuple[float, int]]) -> float:
    return sorted(seconds for seconds, _ in found)[len(found) * 99 // 100]


def client(url: str) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=VIEWERS + AT_ONCE + 10)
    return httpx.AsyncClient(base_url=url, trust_env=False, timeout=60, limits=limits, headers=headers("viewer"))


def test_pictures_that_never_come_hold_no_page_up(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=VIEWERS) as silent:
        tokens = {"authorizer_access_tokens": {APPID: MERCHANT_TOKEN}, "timeout": 30}
        wechat = {"conn_type": "wxa", "host": f"http://127.0.0.1:{silent.getsockname()[1]}", "extra": tokens}
        monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", json.dumps(wechat))
        open_ledger().decided("", APPID, TASK, {"outcome": "asked"})
        picture = trial_link("", "wxa_default", APPID, dag_id=TASK.dag_id, run_id=TASK.run_id)

        async def crowded() -> tuple[list[tuple[float, int]], list[tuple[float, int]]]:
            async with client(url) as http:
                crowd = asyncio.gather(*(timed(http.get(picture)) for _ in range(VIEWERS)))
                pages = await beside(crowd, lambda _: http.get("/api/v2/dags"))
                return await crowd, pages

        pictures, pages = asyncio.run(crowded())
    slowest = max(seconds for seconds, _ in pages)
    sys.stdout.write(
        f"{VIEWERS} silent QR codes, each given up after {max(pictures)[0]:.1f} s; meanwhile {len(pages)} pages: "
        f"p99 {p99(pages):.2f} s, slowest {slowest:.2f} s\n"
    )
    assert {status for _, status in pictures} == {504}
    assert {status for _, status in pages} == {200}
    assert slowest < min(pictures)[0]


def test_made_up_pushes_cost_no_look_ups(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"push_token": PUSH_TOKEN, "encoding_aes_key": ENCODING_AES_KEY}
    platform = {"conn_type": "wxa", "login": COMPONENT_APPID, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", json.dumps(platform))
    monkeypatch.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", f"sqlite:///{tmp_path / 'wxa.db'}")
    monkeypatch.setenv("AIRFLOW__WXA__ENCRYPTION_KEYS", Fernet.generate_key().decode())
    look_up, asked = WxaHook.get_connection, list[str]()

    def slow(conn_id: str) -> Any:
        asked.append(conn_id)
        time.sleep(LOOK_UP_SECONDS)
        return look_up(conn_id)

    monkeypatch.setattr(WxaHook, "get_connection", staticmethod(slow))
    now = int(time.time())

    async def crowded() -> tuple[list[tuple[float, int]], list[tuple[float, int]], set[int]]:
        async with client(url) as http:
            turns, refused = asyncio.Semaphore(AT_ONCE), set()

            async def stranger(number: int) -> None:
                async with turns:
                    answer = await http.post(f"{PUSH_PREFIX}/made_up_{number}/authorisation", content=b"<xml/>")
                    refused.add(answer.status_code)

            def genuine(number: int) -> Awaitable[httpx.Response]:
                push = sealed(KEYS, ticket(f"ticket@@@{number}", at=now - 500 + number), timestamp=now)
                return http.post(f"{PUSH_PREFIX}/wxa_default/authorisation", content=push.body, params=query(push))

            crowd = asyncio.gather(*(stranger(number) for number in range(STRANGERS)))
            pushes, pages = await asyncio.gather(
                beside(crowd, genuine), beside(crowd, lambda _: http.get("/api/v2/dags"))
            )
            return pushes, pages, refused

    pushes, pages, refused = asyncio.run(crowded())
    sys.stdout.write(
        f"{STRANGERS} pushes for unknown Connections, look-up {LOOK_UP_SECONDS * 1e3:.0f} ms: {len(asked)} look-ups; "
        f"{len(pushes)} genuine pushes: p99 {p99(pushes):.2f} s; {len(pages)} pages: p99 {p99(pages):.2f} s\n"
    )
    assert refused == {403}
    assert {status for _, status in pushes} == {200}
    assert {status for _, status in pages} == {200}
    assert set(asked) == {"wxa_default"}
    assert len(asked) <= 20
