"""Links beside a task: where they lead after a success, after a failure, and where the server's address is known."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.store.tables import outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from tests.airflow_session import Run

BASE = "https://airflow.example.com/data"


def links(task_id: str) -> dict[str, Any]:
    """Return what the latest run keeps as a task's links, as Airflow's page reads them."""
    from airflow.models.xcom import XComModel  # noqa: PLC0415  takes seconds
    from airflow.utils.session import create_session  # noqa: PLC0415  takes seconds
    from sqlalchemy import select  # noqa: PLC0415  takes seconds

    wanted = XComModel.task_id == task_id, XComModel.key.startswith("_link_")
    with create_session() as session:
        rows = session.scalars(select(XComModel).where(*wanted).order_by(XComModel.timestamp)).all()
        return {row.key.removeprefix("_link_Wxa"): XComModel.deserialize_value(row) for row in rows}


def test_a_task_that_an_errcode_stopped_links_to_what_to_do(
    release: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", f"{BASE}/")
    run = release(template_id=404)
    assert run.states["commit_code"] == "failed"
    shown = links("commit_code")
    assert shown["ErrcodeLink"] == f"{BASE}/wxa/board/errcode/85014"
    assert shown["MiniProgramLink"] == f"{BASE}/wxa/board/mini-program/{APPID}"
    assert shown["TrialQrcodeLink"].startswith(f"{BASE}/wxa/trial/{APPID}?dag_id=wxa_release&run_id=")
    assert str(run.errors["commit_code"]).splitlines()[-1] == f"  {BASE}/wxa/board/errcode/85014"


def test_a_task_that_succeeded_links_to_its_mini_program_only(release: Callable[..., Run]) -> None:
    run = release()
    assert run.state == "success"
    shown = links("commit_code")
    assert shown["ErrcodeLink"] == ""
    assert shown["MiniProgramLink"] == f"/wxa/board/mini-program/{APPID}"
    assert "TrialQrcodeLink" not in links("configure_domains")


def test_a_run_notes_the_connection_that_its_pages_may_use(
    release: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", os.environ["AIRFLOW_CONN_WXA_DEFAULT"])
    assert release(wxa_conn_id="other").state == "success"
    with open_ledger()._database.reading() as connection:
        row = connection.execute(select(outcome).order_by(outcome.c.at.desc()).limit(1)).one()
    assert open_ledger().conn_id(row.dag_id, row.run_id, APPID) == "other"
