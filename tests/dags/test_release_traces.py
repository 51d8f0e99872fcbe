"""Traces of a release: links beside its tasks, no token anywhere, and how often a task reads what was asked for."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from sqlalchemy import select

from airflow_wxa.api import code, webview_domain
from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.release import spec
from airflow_wxa.sandbox import Fault
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID
from airflow_wxa.store.tables import outcome
from tests.airflow_session import connection

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    import pytest

    from airflow_wxa.sandbox import RunningSandbox
    from tests.airflow_session import Run

BASE = "https://airflow.example.com/data"


def test_a_task_that_an_errcode_stopped_links_to_what_to_do(
    release: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", f"{BASE}/")
    run = release(template_id=404)
    assert run.states["commit_code"] == "failed"
    shown = run.links["commit_code"]
    assert shown["WxaErrcodeLink"] == f"{BASE}/wxa/board/errcode/85014"
    assert shown["WxaMiniProgramLink"] == f"{BASE}/wxa/board/mini-program/{APPID}"
    assert shown["WxaTrialQrcodeLink"].startswith(f"{BASE}/wxa/trial/{APPID}?dag_id=wxa_release&run_id=")
    assert str(run.errors["commit_code"]).splitlines()[-1] == f"  {BASE}/wxa/board/errcode/85014"


def test_a_task_that_succeeded_links_to_its_mini_program_only(release: Callable[..., Run]) -> None:
    run = release()
    assert run.state == "success"
    shown = run.links["commit_code"]
    assert shown["WxaErrcodeLink"] == ""
    assert shown["WxaMiniProgramLink"] == f"/wxa/board/mini-program/{APPID}"
    assert "WxaTrialQrcodeLink" not in run.links["configure_domains"]


def test_a_run_notes_the_connection_that_its_pages_may_use(
    release: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", os.environ["AIRFLOW_CONN_WXA_DEFAULT"])
    assert release(wxa_conn_id="other").state == "success"
    with open_ledger()._database.reading() as connection:
        row = connection.execute(select(outcome).order_by(outcome.c.at.desc()).limit(1)).one()
    assert open_ledger().conn_id(row.dag_id, row.run_id, APPID) == "other"


MERCHANT = "canary/merchant+token&of-runs"
PLATFORM = "canary/platform+token&of-runs"


def written_anywhere() -> str:
    """Return all that Airflow keeps: each row of its database, each file of its home."""
    home = Path(os.environ["AIRFLOW_HOME"])
    with closing(sqlite3.connect(home / "airflow.db")) as database:
        rows = "\n".join(database.iterdump())
    files = [path.read_bytes().decode("utf-8", "replace") for path in home.rglob("*") if path.is_file()]
    return "\n".join([rows, *files])


def test_runs_leave_no_token_behind(
    release: Callable[..., Run], wxa_default: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = wxa_default.world.platform(COMPONENT_APPID)
    platform.testing, platform.published = [], []
    platform.component_access_token = PLATFORM
    wxa_default.world.mini_program(APPID).authorizer_access_token = MERCHANT
    tokens = {"authorizer_access_tokens": {APPID: MERCHANT}, "component_access_token": PLATFORM}
    monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", connection(wxa_default.url, **tokens))
    assert release(on_platform_list_empty="register").state == "success"
    wxa_default.add_fault(Fault(path="/wxa/commit", kind="drop_before", times=3))
    assert release(user_version="1.5.0").state == "failed"
    written = written_anywhere()
    assert APPID in written
    for token in (MERCHANT, PLATFORM):
        assert token not in written
        assert quote(token, safe="") not in written


#: These read what WeChat answers, not what was asked for.
ANSWERS = {"normalised_origins", "normalised_hosts"}


class Counts:
    """By task: how often one domain is parsed, and how often the whole form is checked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.parsed, self.checked = Counter[str](), Counter[str]()
        self.task_id = ""
        render, read_host, check = (
            RuntimeTaskInstance.render_templates,
            webview_domain._read_host,
            code.version_problems,
        )

        def rendering(ti: RuntimeTaskInstance, *args: Any, **kwargs: Any) -> Any:
            self.task_id = ti.task_id
            return render(ti, *args, **kwargs)

        def reading(host: str) -> Any:
            self.parsed[self.task_id] += not ANSWERS & callers(sys._getframe(1))
            return read_host(host)

        def checking(*args: Any) -> Any:
            self.checked[self.task_id] += 1
            return check(*args)

        monkeypatch.setattr(RuntimeTaskInstance, "render_templates", rendering)
        monkeypatch.setattr(webview_domain, "_read_host", reading)
        monkeypatch.setattr(spec, "version_problems", checking)


def callers(frame: FrameType | None) -> set[str]:
    names = set()
    while frame is not None:
        names.add(frame.f_code.co_name)
        frame = frame.f_back
    return names


def test_a_task_parses_a_domain_at_most_three_times_and_checks_the_whole_form_once(
    release: Callable[..., Run], wxa_default: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = wxa_default.world.platforms[0]
    platform.testing, platform.published = [], []
    counts = Counts(monkeypatch)

    run = release(on_platform_list_empty="register")

    assert run.state == "success"
    assert {"configure_domains", "register_platform_domains", "configure_domains_again"} <= set(counts.parsed)
    assert max(counts.parsed.values()) <= 3, counts.parsed
    assert set(counts.checked.values()) == {1}, counts.checked
