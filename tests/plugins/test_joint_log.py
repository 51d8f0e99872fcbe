"""Threads that log at once share a transaction, and its failure."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from airflow_wxa.errors import WxaTransportError
from airflow_wxa.plugins.joint_log import JointLog
from airflow_wxa.sandbox.testing import COMPONENT_APPID
from airflow_wxa.store import NewPush

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_wxa.store import Store

THREADS = 8


class SlowStore:
    """Holds the first transaction up until all others wait."""

    def __init__(self, store: Store | None) -> None:
        self.store = store
        self.sizes: list[int] = []
        self.others_wait = threading.Event()

    def log_pushes(self, pushes: Sequence[NewPush]) -> list[bool]:
        self.sizes.append(len(pushes))
        self.others_wait.wait(10)
        if self.store is None:
            raise WxaTransportError("the store does not answer")
        return self.store.log_pushes(pushes)


def logged_at_once(slow: SlowStore) -> list[bool | str]:
    log = JointLog(lambda: slow)  # type: ignore[arg-type,return-value]

    def one(number: int) -> bool | str:
        try:
            return log.log(NewPush(COMPONENT_APPID, "weapp_audit_success", f"gh_{number // 2}", 1))
        except WxaTransportError as error:
            return error.what

    with ThreadPoolExecutor(THREADS) as threads:
        results = [threads.submit(one, number) for number in range(THREADS)]
        while sum(slow.sizes) + len(log._gathered) < THREADS:
            pass
        slow.others_wait.set()
        return [result.result() for result in results]


def test_pushes_that_wait_are_written_together_and_each_learns_whether_it_was_new(store: Store) -> None:
    slow = SlowStore(store)
    assert sorted(logged_at_once(slow)) == [False] * 4 + [True] * 4
    assert sum(slow.sizes) == THREADS
    assert len(slow.sizes) == 2


def test_whoever_waited_for_a_write_that_failed_is_told() -> None:
    assert logged_at_once(SlowStore(None)) == ["the store does not answer"] * THREADS


def test_the_next_push_is_written_after_a_failure(store: Store) -> None:
    stores: list[Store | SlowStore] = [SlowStore(None), store]
    stores[0].others_wait.set()  # type: ignore[union-attr]
    log = JointLog(lambda: stores.pop(0))  # type: ignore[arg-type,return-value]
    push = NewPush(COMPONENT_APPID, "weapp_audit_success", "gh_1", 1)
    with pytest.raises(WxaTransportError):
        log.log(push)
    assert log.log(push)
