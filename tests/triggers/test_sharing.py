"""What the waits of one event loop share: the look-up of their Connection, its client, the watcher of pushes."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import chain, repeat
from typing import Any
from unittest.mock import AsyncMock, Mock, patch

import pytest

from airflow_wxa.api.code import getversioninfo
from airflow_wxa.client import asynchronous
from airflow_wxa.errors import WxaCredentialError, WxaSpecError, WxaTransportError
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.sandbox import RunningSandbox
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID
from airflow_wxa.store import LoggedPush, Store
from airflow_wxa.triggers import sharing
from airflow_wxa.triggers.sharing import PushWatcher, SharedConnection, shared_connection
from tests.airflow_session import connection
from tests.triggers.waiting import APPIDS, push

VARIABLE = "AIRFLOW_CONN_WXA_DEFAULT"
FIRST, OTHER, THIRD = APPIDS
UNREACHABLE = WxaTransportError("the store does not answer")
NO_STORE = WxaSpecError("the store cannot be a SQLite file here", ["…"])
Watched = Callable[[PushWatcher, Sequence["Told"]], Awaitable[None]]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "_EVERY_SECONDS", 0.02)


async def look(shared: SharedConnection) -> None:
    async with await shared.client() as client:
        await client.send(getversioninfo(APPID))


def test_hundreds_that_wait_share_one_look_up_also_of_a_connection_that_is_not_there(
    wxa_default: RunningSandbox,
) -> None:
    async def there() -> None:
        async with shared_connection("wxa_default") as shared:
            await look(shared)
            await look(shared)

    async def elsewhere() -> None:
        async with shared_connection("wxa_elsewhere") as shared:
            with pytest.raises(WxaSpecError, match="does not exist"):
                await shared.client()

    async def all_of_them() -> None:
        await asyncio.gather(*(each() for each in [there, elsewhere] * 200))

    with patch.object(WxaHook, "aget_connection", AsyncMock(wraps=WxaHook.aget_connection)) as look_up:
        asyncio.run(all_of_them())
    # One to compare, one for the client that it makes.
    assert sorted(each.args for each in look_up.mock_calls) == [("wxa_default",), ("wxa_default",), ("wxa_elsewhere",)]


def after(change: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> list[BaseException | None]:
    """Return what looks before and after a change of the Connection ended with."""
    monkeypatch.setattr(sharing, "_KNOWN_SECONDS", 0)
    monkeypatch.setattr(sharing, "_FAILED_SECONDS", 0)

    async def both() -> list[BaseException | None]:
        async with shared_connection("wxa_default") as shared:
            before = await asyncio.gather(look(shared), return_exceptions=True)
            change()
            return [*before, *await asyncio.gather(look(shared), return_exceptions=True)]

    return asyncio.run(both())


def test_a_changed_connection_needs_no_restart(wxa_default: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    right = connection(wxa_default.url)
    monkeypatch.setenv(VARIABLE, connection(wxa_default.url, authorizer_access_tokens={APPID: "not-the-token"}))
    wrong, corrected = after(lambda: monkeypatch.setenv(VARIABLE, right), monkeypatch)
    assert isinstance(wrong, WxaCredentialError)
    spoilt = connection("http://wechat.example.com")
    still_right, refused = after(lambda: monkeypatch.setenv(VARIABLE, spoilt), monkeypatch)
    assert (corrected, still_right) == (None, None)
    assert isinstance(refused, WxaSpecError)
    assert not asynchronous._pools._loops


def test_a_client_stays_and_outlives_a_change(wxa_default: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "_KNOWN_SECONDS", 0)

    async def overtaken() -> None:
        async with shared_connection("wxa_default") as shared, await shared.client() as client:
            assert await shared.client() is client
            monkeypatch.setenv(VARIABLE, connection(wxa_default.url, timeout=3))
            assert await shared.client() is not client
            await client.send(getversioninfo(APPID))

    asyncio.run(overtaken())
    assert not asynchronous._pools._loops


def test_nothing_is_left_when_the_last_has_left(wxa_default: RunningSandbox) -> None:
    async def one() -> None:
        async with shared_connection("wxa_default") as shared:
            await look(shared)

    async def cancelled() -> None:
        task = asyncio.create_task(one())
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await one()

    asyncio.run(cancelled())
    assert not sharing._connections._loops
    assert not asynchronous._pools._loops


# Pushes


class Told(set[tuple[str, int]]):
    def on_push(self, push: LoggedPush) -> None:
        self.add((push.kind, push.create_time))

    async def comes_to(self, pushes: int) -> bool:
        """Tell whether it is told of so many within a few questions to the store."""
        for _ in range(50):
            if len(self) >= pushes:
                return True
            await asyncio.sleep(0.01)
        return False


def watched(opened: Callable[[], Store], then: Watched, *appids: str, platform: str = COMPONENT_APPID) -> list[Told]:
    """Watch for some Mini Programs while something happens, and return what each was told of."""

    async def run() -> list[Told]:
        watcher, told = PushWatcher(opened), [Told() for _ in appids]
        with watcher.watching(platform, {appid: each.on_push for appid, each in zip(appids, told, strict=True)}):
            await then(watcher, told)
        return told

    return asyncio.run(run())


async def for_a_while(watcher: PushWatcher, told: Sequence[Told]) -> None:
    await asyncio.sleep(0.1)


def test_whoever_waits_for_that_mini_program_is_told_also_of_a_push_just_before(store: Store) -> None:
    push(store, FIRST)
    push(store, THIRD, "unauthorized")
    push(store, THIRD, platform="wx00000000000000c2")

    async def meanwhile(watcher: PushWatcher, told: Sequence[Told]) -> None:
        assert await told[0].comes_to(1)
        await asyncio.to_thread(push, store, OTHER)
        assert await told[1].comes_to(1)
        await for_a_while(watcher, told)

    assert [len(each) for each in watched(lambda: store, meanwhile, FIRST, OTHER, THIRD)] == [1, 1, 0]


def test_the_next_push_of_each_kind_is_told_as_well(store: Store) -> None:
    async def meanwhile(watcher: PushWatcher, told: Sequence[Told]) -> None:
        for at in (1, 2):
            for kind in ("weapp_audit_success", "weapp_audit_fail", "weapp_audit_delay"):
                push(store, FIRST, kind, at)
            assert await told[0].comes_to(3 * at)
            assert not await told[0].comes_to(3 * at + 1)

    watched(lambda: store, meanwhile, FIRST)


def test_all_waits_of_a_platform_take_one_question(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(store, "pushes", lambda *args, **_: asked.append(args) or [])
    watched(lambda: store, for_a_while, FIRST, OTHER)
    assert {platform for platform, _ in asked} == {COMPONENT_APPID}
    assert len(asked) <= 0.1 / 0.02 + 1


def test_a_store_that_comes_back_is_asked_again_and_told_once(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "airflow_wxa.triggers.sharing")
    push(store, FIRST)

    async def meanwhile(watcher: PushWatcher, told: Sequence[Told]) -> None:
        assert await told[0].comes_to(1)

    watched(Mock(side_effect=chain([UNREACHABLE] * 3, repeat(store))), meanwhile, FIRST)
    said = [record.getMessage() for record in caplog.records]
    assert said == ["no pushes cut the waits short, polling goes on: the store does not answer"]


def test_a_store_that_cannot_be_opened_is_left_alone_and_without_a_platform_nothing_is_watched(store: Store) -> None:
    opened = Mock(side_effect=chain([NO_STORE], repeat(store)))
    for platform, times in (("", 0), (COMPONENT_APPID, 1)):
        watched(opened, for_a_while, FIRST, platform=platform)
        assert opened.call_count == times


def test_the_watcher_ends_with_the_last_wait_and_begins_anew(store: Store) -> None:
    async def waits() -> list[bool]:
        watcher, alive = PushWatcher(lambda: store), []
        for _ in range(2):
            with (
                watcher.watching(COMPONENT_APPID, {FIRST: Told().on_push}),
                watcher.watching(COMPONENT_APPID, {FIRST: Told().on_push, OTHER: Told().on_push}),
            ):
                task: Any = watcher._task
                await asyncio.sleep(0.05)
                alive.append(not task.done())
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            alive.append(not task.done())
        return alive

    assert asyncio.run(waits()) == [True, False, True, False]


def test_a_slow_store_does_not_hold_the_loop_up(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "pushes", lambda *_, **__: time.sleep(0.3) or [])

    async def meanwhile(watcher: PushWatcher, told: Sequence[Told]) -> None:
        longest, last = 0.0, time.monotonic()
        for _ in range(40):
            await asyncio.sleep(0.01)
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
        assert longest < 0.2

    watched(lambda: store, meanwhile, FIRST)
