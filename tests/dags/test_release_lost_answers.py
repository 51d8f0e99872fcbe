"""Answers that get lost, reads that lag behind a write, tasks that run again: nothing is lost, nothing is doubled.

What a step does about each is proven in ``tests/steps``; here are the tries that a task takes, and a run's end.
"""

from typing import Any, get_args

import pytest

from airflow_wxa.sandbox import Fault, Looseness, RunningSandbox
from airflow_wxa.sandbox.loose import Lag
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.steps import lag
from tests.airflow_session import Release, Run
from tests.dags.worlds import ONCE, ORIGIN, REGISTER, accepted, empty_list, online


def released_once(wechat: RunningSandbox, run: Run) -> None:
    assert run.state == "success", run.errors
    assert accepted(wechat) == dict.fromkeys(ONCE, 1)
    account = wechat.world.mini_program(APPID)
    assert (len(account.sheets), online(wechat)) == (1, "1.4.0")
    assert ORIGIN in account.effective_webviewdomain


@pytest.mark.parametrize(("kind", "tries"), [("drop_after", 1), ("drop_before", 2)])
def test_only_a_call_that_never_arrived_is_made_again_by_the_tasks_retry(
    release: Release, wxa_default: RunningSandbox, kind: Any, tries: int
) -> None:
    for path in ONCE:
        wxa_default.add_fault(Fault(path=path, kind=kind))
    run = release()
    released_once(wxa_default, run)
    assert [run.tries[task_id] for task_id in ("commit_code", "submit_audit", "release")] == [tries] * 3


def test_three_tries_is_all_that_a_retryable_error_gets(release: Release, wxa_default: RunningSandbox) -> None:
    wxa_default.add_fault(Fault(path="/wxa/commit", kind="html_502", times=5))
    run = release()
    assert (run.states["commit_code"], run.tries["commit_code"]) == ("failed", 3)
    assert wxa_default.journal.count("/wxa/commit") == 3
    assert "HTTP status 502" in str(run.errors["commit_code"])


def test_the_same_version_again_changes_nothing_and_another_one_supersedes_it(
    release: Release, wxa_default: RunningSandbox
) -> None:
    assert release().state == "success"
    again = release()
    words = {task_id: xcom["outcome"] for task_id, xcom in again.xcoms.items() if isinstance(xcom, dict)}
    assert words["configure_domains"] == words["commit_code"] == "unchanged"
    assert (words["submit_audit"], words["release"]) == ("adopted", "already_released")
    released_once(wxa_default, again)
    for params in ({"user_version": "1.5.0"}, {"ext_json": {"ext": {"shop": 8}}}):
        before = online(wxa_default)
        run = release(**params)
        assert run.state == "success", run.errors
        submitted = {"outcome": "submitted", "user_version": online(wxa_default), "superseded": before}
        assert run.xcoms["submit_audit"].items() >= submitted.items()
    assert (online(wxa_default), accepted(wxa_default)["/wxa/release"]) == ("1.4.0", 3)


def lagging(wechat: RunningSandbox, kind: str) -> dict[str, Any]:
    """Let the platform's list be empty where it is what lags, and return the params that register what a run needs."""
    if not kind.startswith("platform"):
        return {}
    empty_list(wechat)
    return dict(REGISTER)


@pytest.mark.parametrize("kind", get_args(Lag))
def test_lag_that_outlives_a_task_meets_its_retry(release: Release, wxa_default: RunningSandbox, kind: Lag) -> None:
    params = lagging(wxa_default, kind)
    wxa_default.world.loose = Looseness(lag={kind: 1 + len(lag._PAUSES) + 3})  # more than one try reads in a row
    run = release(**params)
    released_once(wxa_default, run)
    # A sheet that WeChat gave a number is waited for by the sensor, so its submission is never tried again.
    assert max(run.tries.values()) == (1 if kind == "audit_sheet" else 2)


def test_everything_that_lags_a_little_at_once_is_waited_for(release: Release, wxa_default: RunningSandbox) -> None:
    params = lagging(wxa_default, "platform_list")
    wxa_default.world.loose = Looseness.everything(lag=3)
    run = release(**params)
    released_once(wxa_default, run)
    assert set(run.tries.values()) <= {0, 1}


def test_lag_without_end_is_a_retryable_error_that_names_it(release: Release, wxa_default: RunningSandbox) -> None:
    wxa_default.world.loose = Looseness(lag={"trial_version": 1000})
    run = release()
    assert (run.states["commit_code"], run.tries["commit_code"]) == ("failed", 3)
    assert "WeChat accepted commit, but still shows the state from before it" in str(run.errors["commit_code"])
    assert wxa_default.journal.count("/wxa/commit") == 1
