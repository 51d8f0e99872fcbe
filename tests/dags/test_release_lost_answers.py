"""Answers that get lost, reads that lag behind a write, tasks that run again: nothing is lost, nothing is doubled.

What a step does about each is proven in ``tests/steps``; here are the tries that a task takes, and a run's end.
"""

from typing import Any, get_args

import pytest

from airflow_wxa.sandbox import Fault, Looseness
from airflow_wxa.sandbox.loose import Lag
from airflow_wxa.steps import lag
from tests.airflow_session import Run
from tests.dags.worlds import ONCE, ORIGIN, REGISTER, Shop, empty_list, failure


def released_once(shop: Shop, **params: Any) -> Run:
    run = shop.release(**params)
    assert shop.accepted == dict.fromkeys(ONCE, 1)
    assert (len(shop.account.sheets), shop.online) == (1, "1.4.0")
    assert ORIGIN in shop.account.effective_webviewdomain
    return run


@pytest.mark.parametrize(("kind", "tries"), [("drop_after", 1), ("drop_before", 2)])
def test_only_a_call_that_never_arrived_is_made_again_by_the_tasks_retry(shop: Shop, kind: Any, tries: int) -> None:
    for path in ONCE:
        shop.wechat.add_fault(Fault(path=path, kind=kind))
    run = released_once(shop)
    assert [run.tries[task_id] for task_id in ("commit_code", "submit_audit", "release")] == [tries] * 3


def test_three_tries_is_all_that_a_retryable_error_gets(shop: Shop) -> None:
    shop.wechat.add_fault(Fault(path="/wxa/commit", kind="html_502", times=5))
    run = shop.walk()
    assert "HTTP status 502" in failure(run, "commit_code")
    assert (run.tries["commit_code"], shop.journal.count("/wxa/commit")) == (3, 3)


def test_the_same_version_again_changes_nothing_and_another_one_supersedes_it(shop: Shop) -> None:
    shop.release()
    again = released_once(shop)
    words = {task_id: xcom["outcome"] for task_id, xcom in again.xcoms.items() if isinstance(xcom, dict)}
    assert words["configure_domains"] == words["commit_code"] == "unchanged"
    assert (words["submit_audit"], words["release"]) == ("adopted", "already_released")
    for params in ({"user_version": "1.5.0"}, {"ext_json": {"ext": {"shop": 8}}}):
        before = shop.online
        submitted = shop.release(**params).xcoms["submit_audit"]
        assert submitted.items() >= {"outcome": "submitted", "user_version": shop.online, "superseded": before}.items()
    assert (shop.online, shop.accepted["/wxa/release"]) == ("1.4.0", 3)


#: Lag of each kind, longer than one try reads in a row, and a little of everything at once; the tries that it takes.
LAGS: list[tuple[Looseness, int]] = [
    # A sheet that WeChat gave a number is waited for by the sensor, so its submission is never tried again.
    *((Looseness(lag={kind: len(lag._PAUSES) + 4}), 1 if kind == "audit_sheet" else 2) for kind in get_args(Lag)),
    (Looseness.everything(lag=3), 1),
]


@pytest.mark.parametrize(("loose", "tries"), LAGS, ids=[*get_args(Lag), "a little of everything"])
def test_lag_that_outlives_a_task_meets_its_retry(shop: Shop, loose: Looseness, tries: int) -> None:
    empty_list(shop)  # it is written to, so that it can lag
    shop.wechat.world.loose = loose
    assert max(released_once(shop, **REGISTER).tries.values()) == tries
