"""Traces of a release: links beside its tasks, events of its Asset, and how often a task reads what was asked for."""

import os
from collections import Counter
from traceback import walk_stack
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import dag, task
from airflow.sdk.execution_time.context import OutletEventAccessor
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from sqlalchemy import select

from airflow_wxa.api import code, webview_domain
from airflow_wxa.assets import RELEASES, announce_release
from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.release import spec
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.store.tables import outcome
from tests.airflow_session import run_dag
from tests.dags.worlds import ORIGIN, REGISTER, Shop, empty_list, failure, reviewed_at_once, succeeded

BASE = "https://airflow.example.com/data"
URI = f"wxa://{APPID}/release"
VERSION: dict[str, Any] = {"appid": APPID, "template_id": 47, "user_version": "1.4.0"}


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """Return URI and extra of each event that tasks emit, oldest first."""
    told: list[tuple[str, Any]] = []
    add = OutletEventAccessor.add

    def added(self: Any, asset: Any, extra: Any = None) -> None:
        told.append((asset.uri, extra))
        add(self, asset, extra)

    monkeypatch.setattr(OutletEventAccessor, "add", added)
    return told


def test_a_task_that_an_errcode_stopped_links_to_what_to_do(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", f"{BASE}/")
    run = shop.walk(template_id=404)
    assert failure(run, "commit_code").endswith(f" {BASE}/wxa/board/errcode/85014")
    shown = run.links["commit_code"]
    assert shown["WxaErrcodeLink"] == f"{BASE}/wxa/board/errcode/85014"
    assert shown["WxaMiniProgramLink"] == f"{BASE}/wxa/board/mini-program/{APPID}"
    assert shown["WxaTrialQrcodeLink"].startswith(f"{BASE}/wxa/trial/{APPID}?dag_id=wxa_release&run_id=")


def test_a_release_links_to_its_mini_program_only_notes_its_connection_and_tells_its_asset(
    shop: Shop, events: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", os.environ["AIRFLOW_CONN_WXA_DEFAULT"])
    run = shop.release(wxa_conn_id="other")
    shown = run.links["commit_code"]
    assert (shown["WxaErrcodeLink"], shown["WxaMiniProgramLink"]) == ("", f"/wxa/board/mini-program/{APPID}")
    assert "WxaTrialQrcodeLink" not in run.links["configure_domains"]
    with open_ledger()._database.reading() as connection:
        row = connection.execute(select(outcome).order_by(outcome.c.at.desc()).limit(1)).one()
    assert open_ledger().conn_id(row.dag_id, row.run_id, APPID) == "other"
    [(uri, extra)] = events
    told = {"appid": APPID, "outcome": "released", "user_version": "1.4.0", "version": "1.4.0", "lost": []}
    assert (uri, extra.items() >= (told | {"domains": [ORIGIN], "dag_id": "wxa_release"}).items()) == (URI, True)


def test_a_run_that_does_not_release_tells_nothing(events: list[tuple[str, Any]], shop: Shop) -> None:
    shop.release(user_version="1.5.0", release=False)
    assert events == []


@pytest.mark.parametrize("has_outlet", [True, False])
def test_a_release_in_taskflow_tells_it_where_the_task_has_the_outlet_and_else_says_so(
    events: list[tuple[str, Any]], shop: Shop, *, has_outlet: bool, caplog: pytest.LogCaptureFixture
) -> None:
    reviewed_at_once(shop)

    @dag(schedule=None)
    def released_in_taskflow() -> None:
        @task(outlets=[RELEASES] if has_outlet else [])
        def publish() -> dict[str, Any]:
            WxaHook().commit(**VERSION)
            return WxaHook().release(**VERSION, auditid=WxaHook().submit_audit(**VERSION)["auditid"])

        publish()

    with caplog.at_level("WARNING", logger="airflow_wxa.hooks.outlets"):
        succeeded(run_dag(released_in_taskflow()))
    assert [uri for uri, _ in events] == ([URI] if has_outlet else [])
    assert ("give the task outlets=[RELEASES]" in caplog.text) == (not has_outlet)


def test_a_version_that_wechat_leaves_out_is_the_one_that_was_released() -> None:
    told: list[Any] = []
    event = SimpleNamespace(add=lambda asset, extra: told.append((asset.uri, extra)))
    context: Any = {"outlet_events": {RELEASES: event}, "ti": SimpleNamespace(dag_id="ours", run_id="spring")}
    released = {"outcome": "released", "appid": APPID, "lost": None}
    announce_release(context, released | {"release_version": "", "effective": []}, user_version="1.4.0")
    named = {"user_version": "1.4.0", "dag_id": "ours", "run_id": "spring", "version": "1.4.0", "domains": []}
    assert told == [(URI, released | named)]


#: These read what WeChat answers, not what was asked for.
ANSWERS = {"normalised_origins", "normalised_hosts"}


def test_a_task_parses_a_domain_at_most_three_times_and_checks_the_whole_form_once(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed, checked, under_way = Counter[str](), Counter[str](), [""]
    render, read_host, check = RuntimeTaskInstance.render_templates, webview_domain._read_host, code.version_problems

    def rendering(ti: RuntimeTaskInstance, *args: Any, **kwargs: Any) -> Any:
        under_way[0] = ti.task_id
        return render(ti, *args, **kwargs)

    def reading(host: str) -> Any:
        parsed[under_way[0]] += not ANSWERS & {frame.f_code.co_name for frame, _ in walk_stack(None)}
        return read_host(host)

    def checking(*args: Any) -> Any:
        checked[under_way[0]] += 1
        return check(*args)

    monkeypatch.setattr(RuntimeTaskInstance, "render_templates", rendering)
    monkeypatch.setattr(webview_domain, "_read_host", reading)
    monkeypatch.setattr(spec, "version_problems", checking)
    empty_list(shop)
    shop.release(**REGISTER)
    assert {"configure_domains", "register_platform_domains", "configure_domains_again"} <= set(parsed)
    assert max(parsed.values()) <= 3, parsed
    assert set(checked.values()) == {1}, checked
