from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

import pytest
from cryptography.fernet import Fernet

from airflow_wxa.errors import WxaError, WxaSpecError, WxaTransportError
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID
from airflow_wxa.store import LoggedPush, NewPush, Store
from airflow_wxa.triggers import sharing
from airflow_wxa.triggers.sharing import PushWatcher

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OTHER = "wx0000000000000002"
UNREACHABLE = WxaTransportError("the store does not answer")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "_EVERY_SECONDS", 0.02)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(f"sqlite:///{tmp_path / 'wxa.db'}", [Fernet.generate_key().decode()])


def push(store: Store, appid: str = APPID, kind: str = "weapp_audit_success", at: int = 0) -> None:
    new = NewPush(COMPONENT_APPID, kind, f"gh_{appid[-12:]}", at or int(time.time()), {"appid": appid})
    assert store.log_push(new)


class Wait:
    """Counts the pushes that it is told of, each once."""

    def __init__(self) -> None:
        self.told: set[tuple[str, int]] = set()

    def on_push(self, push: LoggedPush) -> None:
        self.told.add((push.kind, push.create_time))

    async def is_told(self, pushes: int = 1) -> bool:
        """Tell whether it is told of so many within a few questions to the store."""
        for _ in range(50):
            if len(self.told) >= pushes:
                return True
            await asyncio.sleep(0.01)
        return False


def test_whoever_waits_for_that_mini_program_is_told(store: Store) -> None:
    async def both() -> tuple[bool, bool]:
        watcher, meant, another = PushWatcher(lambda: store), Wait(), Wait()
        with (
            watcher.watching(COMPONENT_APPID, APPID, meant.on_push),
            watcher.watching(COMPONENT_APPID, OTHER, another.on_push),
        ):
            await asyncio.to_thread(push, store)
            return await meant.is_told(), await another.is_told()

    assert asyncio.run(both()) == (True, False)


@pytest.mark.parametrize("kind", ["weapp_audit_success", "weapp_audit_fail", "weapp_audit_delay"])
def test_the_next_push_of_the_same_kind_is_told_as_well(store: Store, kind: str) -> None:
    async def twice() -> list[bool]:
        wait = Wait()
        with PushWatcher(lambda: store).watching(COMPONENT_APPID, APPID, wait.on_push):
            push(store, kind=kind, at=1)
            seen = [await wait.is_told(), await wait.is_told(2)]
            push(store, kind=kind, at=2)
            return [*seen, await wait.is_told(2)]

    assert asyncio.run(twice()) == [True, False, True]


def test_a_push_that_came_just_before_the_wait_counts(store: Store) -> None:
    push(store)

    async def late() -> bool:
        wait = Wait()
        with PushWatcher(lambda: store).watching(COMPONENT_APPID, APPID, wait.on_push):
            return await wait.is_told()

    assert asyncio.run(late())


@pytest.mark.parametrize(
    ("component_appid", "kind"), [(COMPONENT_APPID, "unauthorized"), ("wx00000000000000c2", "weapp_audit_success")]
)
def test_pushes_of_another_kind_or_platform_are_not_told(store: Store, component_appid: str, kind: str) -> None:
    store.log_push(NewPush(component_appid, kind, "gh_1", 1, {"appid": APPID}))

    async def told() -> bool:
        wait = Wait()
        with PushWatcher(lambda: store).watching(COMPONENT_APPID, APPID, wait.on_push):
            await asyncio.sleep(0.1)
            return bool(wait.told)

    assert not asyncio.run(told())


def test_all_waits_of_a_platform_take_one_question(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(store, "pushes", lambda *args, **_: asked.append(args) or [])

    async def wait() -> None:
        watcher, one = PushWatcher(lambda: store), Wait()
        with (
            watcher.watching(COMPONENT_APPID, APPID, one.on_push),
            watcher.watching(COMPONENT_APPID, OTHER, one.on_push),
        ):
            await asyncio.sleep(0.1)

    asyncio.run(wait())
    assert {platform for platform, _ in asked} == {COMPONENT_APPID}
    assert len(asked) <= 0.1 / 0.02 + 1


def failing(errors: list[WxaError], store: Store) -> Callable[[], Store]:
    """Return what raises these, one at each call, and then opens the store."""

    def open_store() -> Store:
        if errors:
            raise errors.pop(0)
        return store

    return open_store


def test_a_store_that_comes_back_is_asked_again_and_its_silence_is_told_once(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "airflow_wxa.triggers.sharing")

    async def is_told() -> bool:
        wait = Wait()
        with PushWatcher(failing([UNREACHABLE] * 3, store)).watching(COMPONENT_APPID, APPID, wait.on_push):
            await asyncio.to_thread(push, store)
            return await wait.is_told()

    assert asyncio.run(is_told())
    told = [record.getMessage() for record in caplog.records]
    assert told == ["no pushes cut the waits short, polling goes on: the store does not answer"]


def test_a_store_that_cannot_be_opened_is_left_alone(store: Store) -> None:
    errors: list[WxaError] = [WxaSpecError("the store cannot be a SQLite file here", ["…"]), UNREACHABLE]

    async def wait() -> None:
        with PushWatcher(failing(errors, store)).watching(COMPONENT_APPID, APPID, Wait().on_push):
            await asyncio.sleep(0.1)

    asyncio.run(wait())
    assert errors == [UNREACHABLE]


def test_without_a_platform_nothing_is_watched(store: Store) -> None:
    async def wait() -> object:
        watcher = PushWatcher(failing([UNREACHABLE], store))
        with watcher.watching("", APPID, Wait().on_push):
            await asyncio.sleep(0.01)
            return watcher._task

    assert asyncio.run(wait()) is None


def test_the_watcher_ends_with_the_last_wait_and_begins_anew(store: Store) -> None:
    async def waits() -> list[bool]:
        watcher, alive = PushWatcher(lambda: store), []
        for _ in range(2):
            with (
                watcher.watching(COMPONENT_APPID, APPID, Wait().on_push),
                watcher.watching(COMPONENT_APPID, APPID, Wait().on_push),
            ):
                task = watcher._task
                assert task is not None
                await asyncio.sleep(0.05)
                alive.append(not task.done())
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            alive.append(not task.done())
        return alive

    assert asyncio.run(waits()) == [True, False, True, False]


def test_a_slow_store_does_not_hold_the_loop_up(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "pushes", lambda *_, **__: time.sleep(0.3) or [])

    async def longest_gap() -> float:
        with PushWatcher(lambda: store).watching(COMPONENT_APPID, APPID, Wait().on_push):
            longest, last = 0.0, time.monotonic()
            for _ in range(40):
                await asyncio.sleep(0.01)
                longest, last = max(longest, time.monotonic() - last), time.monotonic()
            return longest

    assert asyncio.run(longest_gap()) < 0.2
