"""A release emits an event of its Asset, and nothing else of the run does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from airflow_wxa.sandbox import AuditPlan
from airflow_wxa.sandbox.testing import APPID
from tests.airflow_session import run_dag

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_wxa.sandbox import RunningSandbox
    from tests.airflow_session import Run


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """Return URI and extra of each event that tasks emit, oldest first."""
    from airflow.sdk.execution_time.context import OutletEventAccessor  # noqa: PLC0415  takes seconds

    told: list[tuple[str, Any]] = []
    add = OutletEventAccessor.add

    def added(self: Any, asset: Any, extra: Any = None) -> None:
        told.append((asset.uri, extra))
        add(self, asset, extra)

    monkeypatch.setattr(OutletEventAccessor, "add", added)
    return told


@pytest.mark.usefixtures("airflow_database")
@pytest.mark.parametrize("has_outlet", [True, False])
def test_a_release_in_taskflow_tells_it_where_the_task_has_the_outlet_and_else_says_so(
    events: list[tuple[str, Any]], wxa_default: RunningSandbox, *, has_outlet: bool, caplog: pytest.LogCaptureFixture
) -> None:
    from airflow.sdk import dag, task  # noqa: PLC0415  takes seconds

    from airflow_wxa.assets import RELEASES  # noqa: PLC0415  takes seconds
    from airflow_wxa.hooks.wxa import WxaHook  # noqa: PLC0415  takes seconds

    version: dict[str, Any] = {"appid": APPID, "template_id": 47, "user_version": "1.4.0"}
    account = wxa_default.world.mini_program(APPID)
    account.scan_polls, account.audit = 0, AuditPlan(polls=0)

    @dag(schedule=None)
    def released_in_taskflow() -> None:
        @task(outlets=[RELEASES] if has_outlet else [])
        def publish() -> dict[str, Any]:
            WxaHook().commit(**version)
            return WxaHook().release(**version, auditid=WxaHook().submit_audit(**version)["auditid"])

        publish()

    with caplog.at_level("WARNING", logger="airflow_wxa.hooks.outlets"):
        run = run_dag(released_in_taskflow())
    assert run.errors == {}
    assert [uri for uri, _ in events] == ([f"wxa://{APPID}/release"] if has_outlet else [])
    assert ("give the task outlets=[RELEASES]" in caplog.text) == (not has_outlet)


def test_a_release_tells_version_and_effective_domains(
    events: list[tuple[str, Any]], release: Callable[..., Run]
) -> None:
    assert release().state == "success"
    [(uri, extra)] = events
    assert uri == f"wxa://{APPID}/release"
    told = {name: extra[name] for name in ("appid", "outcome", "user_version", "version", "domains", "lost")}
    assert told == {
        "appid": APPID,
        "outcome": "released",
        "user_version": "1.4.0",
        "version": "1.4.0",
        "domains": ["https://m.example.com"],
        "lost": [],
    }
    assert extra["dag_id"] == "wxa_release"


def test_a_run_that_does_not_release_tells_nothing(events: list[tuple[str, Any]], release: Callable[..., Run]) -> None:
    assert release(user_version="1.5.0", release=False).state == "success"
    assert events == []


def test_a_version_that_wechat_leaves_out_is_the_one_that_was_released() -> None:
    from airflow_wxa.assets import RELEASES, announce_release  # noqa: PLC0415  takes seconds

    told: list[Any] = []
    event = SimpleNamespace(add=lambda asset, extra: told.append((asset.uri, extra)))
    context: Any = {"outlet_events": {RELEASES: event}, "ti": SimpleNamespace(dag_id="ours", run_id="spring")}
    outcome = {"outcome": "released", "appid": APPID, "release_version": "", "effective": [], "lost": None}
    announce_release(context, outcome, user_version="1.4.0")
    extra = {
        "appid": APPID,
        "outcome": "released",
        "lost": None,
        "user_version": "1.4.0",
        "dag_id": "ours",
        "run_id": "spring",
        "version": "1.4.0",
        "domains": [],
    }
    assert told == [(f"wxa://{APPID}/release", extra)]
