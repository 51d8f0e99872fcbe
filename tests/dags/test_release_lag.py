"""Reads that lag behind a write: everything is released, once, and nobody is blamed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, get_args

import pytest

from airflow_wxa.sandbox import Looseness
from airflow_wxa.sandbox.loose import Lag
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID
from airflow_wxa.steps import lag
from tests.airflow_session import calls

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_wxa.sandbox import RunningSandbox
    from tests.airflow_session import Run

    Release = Callable[..., Run]

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
