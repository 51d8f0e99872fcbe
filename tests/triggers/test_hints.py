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
from airflow_wxa.triggers import hints
from airflow_wxa.triggers.hints import Hint, PushWatcher

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OTHER = "wx0000000000000002"
UNREACHABLE = WxaTransportError("the store does not answer")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hints, "_EVERY_SECONDS", 0.02)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(f"sqlite:///{tmp_path / 'wxa.db'}", [Fernet.generate_key().decode()])


def push(store: Store, appid: str = APPID, kind: str = "weapp_audit_success", at: int = 0) -> None:
    new = NewPush(COMPONENT_APPID, kind, f"gh_{appid[-12:]}", at or int(time.time()), {"appid": appid})
    assert store.log_push(new)


async def woken(hint: Hint) -> bool:
    """Tell whether it is woken within a few questions to the store."""
    return await hint.cuts_short(asyncio.sleep(0.5))


def test_a_push_wakes_whoever_waits_for_that_mini_program(store: Store) -> None:
    async def both() -> tuple[bool, bool]:
        watcher = PushWatcher(lambda: store)
        with watcher.hint(COMPONENT_APPID, APPID) as meant, watcher.hint(COMPONENT_APPID, OTHER) as another:
            await asyncio.to_thread(push, store)
            return await woken(meant), await woken(another)

    assert asyncio.run(both()) == (True, False)


@pytest.mark.parametrize("kind", ["weapp_audit_success", "weapp_audit_fail", "weapp_audit_delay"])
def test_each_push_wakes_once(store: Store, kind: str) -> None:
    async def twice() -> list[bool]:
        with PushWatcher(lambda: store).hint(COMPONENT_APPID, APPID) as hint:
            push(store, kind=kind, at=1)
            seen = [await woken(hint), await woken(hint)]
            push(store, kind=kind, at=2)
            return [*seen, await woken(hint)]

    assert asyncio.run(twice()) == [True, False, True]


def test_pushes_in_a_row_and_a_push_during_a_look_hurry_the_wait_once(store: Store) -> None:
    async def hurried() -> list[bool]:
        hint = Hint()
        pushes = [LoggedPush("weapp_audit_success", "gh_1", at, 0, {}) for at in range(3)]
        for each in pushes[:2]:  # nobody sleeps yet
            hint.tell(each)
        seen = [await hint.cuts_short(asyncio.sleep(5)), await hint.cuts_short(asyncio.sleep(0.01))]
        asyncio.get_running_loop().call_later(0.01, lambda: [hint.tell(each) for each in pushes])
        return [*seen, await hint.cuts_short(asyncio.sleep(5)), await hint.cuts_short(asyncio.sleep(0.01))]

    assert asyncio.run(hurried()) == [True, False, True, False]


def test_a_push_that_came_just_before_the_wait_counts(store: Store) -> None:
    push(store)

    async def late() -> bool:
        with PushWatcher(lambda: store).hint(COMPONENT_APPID, APPID) as hint:
            return await woken(hint)

    assert asyncio.run(late())


@pytest.mark.parametrize(
    ("component_appid", "kind"), [(COMPONENT_APPID, "unauthorized"), ("wx00000000000000c2", "weapp_audit_success")]
)
def test_pushes_of_another_kind_or_platform_wake_nobody(store: Store, component_appid: str, kind: str) -> None:
    store.log_push(NewPush(component_appid, kind, "gh_1", 1, {"appid": APPID}))

    async def wait() -> bool:
        with PushWatcher(lambda: store).hint(COMPONENT_APPID, APPID) as hint:
            return await hint.cuts_short(asyncio.sleep(0.1))

    assert not asyncio.run(wait())


def test_all_waits_of_a_platform_take_one_question(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(store, "pushes", lambda *args, **_: asked.append(args) or [])

    async def wait() -> None:
        watcher = PushWatcher(lambda: store)
        with watcher.hint(COMPONENT_APPID, APPID), watcher.hint(COMPONENT_APPID, OTHER) as hint:
            await hint.cuts_short(asyncio.sleep(0.1))

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
    caplog.set_level(logging.INFO, "airflow_wxa.triggers.hints")

    async def wait() -> bool:
        with PushWatcher(failing([UNREACHABLE] * 3, store)).hint(COMPONENT_APPID, APPID) as hint:
            await asyncio.to_thread(push, store)
            return await woken(hint)

    assert asyncio.run(wait())
    told = [record.getMessage() for record in caplog.records]
    assert told == ["no pushes cut the waits short, polling goes on: the store does not answer"]


def test_a_store_that_cannot_be_opened_is_left_alone(store: Store) -> None:
    errors: list[WxaError] = [WxaSpecError("the store cannot be a SQLite file here", ["…"]), UNREACHABLE]

    async def wait() -> bool:
        with PushWatcher(failing(errors, store)).hint(COMPONENT_APPID, APPID) as hint:
            return await hint.cuts_short(asyncio.sleep(0.1))

    assert not asyncio.run(wait())
    assert errors == [UNREACHABLE]


def test_without_a_platform_nothing_is_watched(store: Store) -> None:
    async def wait() -> object:
        watcher = PushWatcher(failing([UNREACHABLE], store))
        with watcher.hint("", APPID) as hint:
            await hint.cuts_short(asyncio.sleep(0.01))
            return watcher._task

    assert asyncio.run(wait()) is None


def test_the_watcher_ends_with_the_last_wait_and_begins_anew(store: Store) -> None:
    async def waits() -> list[bool]:
        watcher, alive = PushWatcher(lambda: store), []
        for _ in range(2):
            with watcher.hint(COMPONENT_APPID, APPID), watcher.hint(COMPONENT_APPID, APPID):
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
        with PushWatcher(lambda: store).hint(COMPONENT_APPID, APPID):
            longest, last = 0.0, time.monotonic()
            for _ in range(40):
                await asyncio.sleep(0.01)
                longest, last = max(longest, time.monotonic() - last), time.monotonic()
            return longest

    assert asyncio.run(longest_gap()) < 0.2
