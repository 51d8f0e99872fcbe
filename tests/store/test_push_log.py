"""The push log: what is applied with it, once, in WeChat's order."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from airflow_wxa.api.authorisation import Authorisation
from airflow_wxa.api.redaction import Secret
from airflow_wxa.store import NewPush, Store
from tests.store.conftest import APPID, OTHER_PLATFORM, PLATFORM, grant, row, text

TICKET = "component_verify_ticket"


def log(store: Store, *parts: Any, **said: Any) -> bool:
    return store.log_push(NewPush(*parts, **said))


def authorise(store: Store) -> None:
    store.put_authorisation(PLATFORM, Authorisation(APPID, grant(refresh="refresh"), (18,)))


def test_the_latest_ticket_of_a_platform_stands_whatever_comes_late(store: Store) -> None:
    store.ensure(PLATFORM)
    before = row(store, "")
    assert log(store, PLATFORM, TICKET, "", 100, ticket=Secret("first"))
    assert text(row(store, "").renewal) == "first"
    assert store.store_grant(before, grant("token"))  # a token that was being fetched is not disturbed
    log(store, OTHER_PLATFORM, TICKET, "", 900, ticket=Secret("theirs"))
    log(store, PLATFORM, TICKET, "", 700, ticket=Secret("second"))
    assert log(store, PLATFORM, TICKET, "", 200, ticket=Secret("late"))
    assert text(row(store, "").renewal) == "second"


def test_a_withdrawal_drops_the_tokens_once_and_of_a_stranger_makes_no_row(store: Store) -> None:
    assert log(store, PLATFORM, "unauthorized", APPID, 50, withdrawn=True)
    assert store.merchants(PLATFORM) == {}
    authorise(store)
    assert log(store, PLATFORM, "unauthorized", APPID, 100, withdrawn=True)
    seen = store.merchants(PLATFORM)[APPID]
    assert (seen.state, seen.access_token, seen.renewal) == ("withdrawn", None, None)
    authorise(store)
    assert not log(store, PLATFORM, "unauthorized", APPID, 100, withdrawn=True)  # repeated
    log(store, PLATFORM, "authorized", APPID, 200)
    assert log(store, PLATFORM, "unauthorized", APPID, 150, withdrawn=True)  # from before the new authorisation
    assert store.merchants(PLATFORM)[APPID].state == "authorised"


def test_hints_are_kept_and_read_the_latest_first(store: Store) -> None:
    log(store, PLATFORM, "weapp_audit_delay", "gh_1", 100, told={"reason": "wait"})
    log(store, PLATFORM, "weapp_audit_success", "gh_1", 200)
    log(store, PLATFORM, "authorized", APPID, 300)
    kept = store.pushes(PLATFORM, ["weapp_audit_delay", "weapp_audit_success"])
    success, delay = ((push.kind, push.create_time, push.told) for push in kept)
    assert success == ("weapp_audit_success", 200, {})
    assert delay == ("weapp_audit_delay", 100, {"reason": "wait"})
    assert 0 <= kept[0].age < 60


def test_a_push_whose_work_fails_is_not_logged(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(store, "_put_renewals", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            log(store, PLATFORM, TICKET, "", 100, ticket=Secret("first"))
    assert log(store, PLATFORM, TICKET, "", 100, ticket=Secret("first"))


def test_pushes_that_race_end_with_the_newest_ticket(store: Store) -> None:
    tickets = [NewPush(PLATFORM, TICKET, "", at, ticket=Secret(str(at))) for at in range(60)]
    withdrawals = [NewPush(PLATFORM, "unauthorized", f"wx{at}", at, withdrawn=True) for at in range(20)]

    def receive(seed: int) -> int:
        pushes = tickets + withdrawals
        random.Random(seed).shuffle(pushes)  # noqa: S311
        return sum(store.log_push(push) for push in pushes)

    with ThreadPoolExecutor(4) as receivers:
        assert sum(receivers.map(receive, range(4))) == 80
    assert text(row(store, "").renewal) == "59"
