"""Links beside a task: where they lead after a success, after a failure, and where the server's address is known."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sqlalchemy import select

from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.store.tables import outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

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
