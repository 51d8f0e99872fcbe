"""Answers that get lost, reads that lag behind a write, steps that run again: nothing is lost, nothing is doubled."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, get_args

import pytest

from airflow_wxa.sandbox import Fault, Looseness
from airflow_wxa.sandbox.loose import Lag
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID
from airflow_wxa.steps import lag
from tests.airflow_session import calls

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_wxa.sandbox import RunningSandbox
    from airflow_wxa.sandbox.exchange import FaultKind
    from tests.airflow_session import Run

    Release = Callable[..., Run]


def accepted(sandbox: RunningSandbox, path: str) -> int:
    """How many calls WeChat did the work of, whatever became of the answer."""
    return len([entry for entry in calls(sandbox.journal, path) if entry.errcode == 0])


@pytest.mark.parametrize("kind", ["drop_after", "truncated"])
@pytest.mark.parametrize("path", ["/wxa/submit_audit", "/wxa/release"])
def test_an_answer_lost_after_the_work_leaves_one_sheet_and_one_release(
    release: Release, wxa_default: RunningSandbox, path: str, kind: FaultKind
) -> None:
    wxa_default.add_fault(Fault(path=path, kind=kind))
    run = release()
    assert run.state == "success"
    assert accepted(wxa_default, "/wxa/submit_audit") == 1
    assert accepted(wxa_default, "/wxa/release") == 1
    account = wxa_default.world.mini_program(APPID)
    assert len(account.sheets) == 1
    assert account.release_info is not None
    assert account.release_info["release_version"] == "1.4.0"
    assert run.tries["submit_audit"] == run.tries["release"] == 1


@pytest.mark.parametrize(
    ("path", "task_id"),
    [("/wxa/commit", "commit_code"), ("/wxa/submit_audit", "submit_audit"), ("/wxa/release", "release")],
)
def test_a_call_that_never_arrived_is_made_again_by_the_tasks_retry(
    release: Release, wxa_default: RunningSandbox, path: str, task_id: str
) -> None:
    wxa_default.add_fault(Fault(path=path, kind="drop_before"))
    run = release()
    assert run.state == "success"
    assert run.tries[task_id] == 2
    assert accepted(wxa_default, path) == 1


def test_three_tries_is_all_that_a_retryable_error_gets(release: Release, wxa_default: RunningSandbox) -> None:
    wxa_default.add_fault(Fault(path="/wxa/commit", kind="html_502", times=5))
    run = release()
    assert run.tries["commit_code"] == 3
    assert len(calls(wxa_default.journal, "/wxa/commit")) == 3
    assert run.states["commit_code"] == "failed"
    assert "HTTP status 502" in str(run.errors["commit_code"])


def test_releasing_the_same_version_again_changes_nothing(release: Release, wxa_default: RunningSandbox) -> None:
    first = release()
    second = release()
    assert (first.state, second.state) == ("success", "success")
    words = {task_id: xcom["outcome"] for task_id, xcom in second.xcoms.items() if isinstance(xcom, dict)}
    assert words["configure_domains"] == words["commit_code"] == "unchanged"
    assert words["submit_audit"] == "adopted"
    assert words["release"] == "already_released"
    for path in ("/wxa/commit", "/wxa/submit_audit", "/wxa/release"):
        assert accepted(wxa_default, path) == 1


@pytest.mark.parametrize("params", [{"user_version": "1.5.0"}, {"ext_json": {"ext": {"shop": 8}}}])
def test_another_version_supersedes_the_one_that_is_online(
    release: Release, wxa_default: RunningSandbox, params: dict[str, Any]
) -> None:
    release()
    run = release(**params)
    assert run.state == "success"
    assert run.xcoms["submit_audit"] | {"auditid": "", "quota": None} == {
        "outcome": "submitted",
        "appid": APPID,
        "user_version": params.get("user_version", "1.4.0"),
        "auditid": "",
        "superseded": "1.4.0",
        "quota": None,
    }
    assert accepted(wxa_default, "/wxa/release") == 2


KINDS = get_args(Lag)
ONCE = ("/wxa/commit", "/wxa/submit_audit", "/wxa/release")
#: Reads in a row that one attempt makes before it leaves it to the next.
PATIENCE = 1 + len(lag._PAUSES)


def registering(sandbox: RunningSandbox) -> dict[str, Any]:
    """Let the platform's list be empty, and the run register what it needs: the write that the list lags behind."""
    platform = sandbox.world.platform(COMPONENT_APPID)
    platform.testing, platform.published = [], []
    return {"on_platform_list_empty": "register"}


def released_once(sandbox: RunningSandbox, run: Run) -> None:
    assert run.state == "success", run.errors
    asked = Counter(path for path in ONCE for _ in calls(sandbox.journal, path))
    assert asked == dict.fromkeys(ONCE, 1)
    account = sandbox.world.mini_program(APPID)
    assert account.release_info is not None
    assert account.release_info["release_version"] == "1.4.0"
    assert "https://m.example.com" in account.effective_webviewdomain


@pytest.mark.parametrize("kind", KINDS)
def test_three_lagging_reads_behind_each_write_are_waited_for(
    release: Release, wxa_default: RunningSandbox, kind: Lag
) -> None:
    params = registering(wxa_default) if kind.startswith("platform") else {}
    wxa_default.world.loose = Looseness(lag={kind: 3})
    run = release(**params)
    released_once(wxa_default, run)
    assert set(run.tries.values()) <= {0, 1}


@pytest.mark.parametrize("kind", KINDS)
def test_lag_that_outlives_a_task_meets_its_retry(release: Release, wxa_default: RunningSandbox, kind: Lag) -> None:
    params = registering(wxa_default) if kind.startswith("platform") else {}
    wxa_default.world.loose = Looseness(lag={kind: PATIENCE + 3})
    run = release(**params)
    released_once(wxa_default, run)
    # A sheet that WeChat gave a number is waited for by the sensor, so its submission is never tried again.
    assert max(run.tries.values()) == (1 if kind == "audit_sheet" else 2)


def test_everything_that_lags_at_once_is_waited_for(release: Release, wxa_default: RunningSandbox) -> None:
    params = registering(wxa_default)
    wxa_default.world.loose = Looseness.everything(lag=2)
    released_once(wxa_default, release(**params))


def test_lag_without_end_is_a_retryable_error_that_names_it(release: Release, wxa_default: RunningSandbox) -> None:
    wxa_default.world.loose = Looseness(lag={"trial_version": 1000})
    run = release()
    assert (run.states["commit_code"], run.tries["commit_code"]) == ("failed", 3)
    assert "WeChat accepted commit, but still shows the state from before it" in str(run.errors["commit_code"])
    assert len(calls(wxa_default.journal, "/wxa/commit")) == 1
