"""``wxa_domain_drift``: each way to differ is told, nothing is written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from airflow_wxa.dags.wxa_domain_drift import domain_drift_dag
from airflow_wxa.sandbox.testing import APPID
from tests.airflow_session import run_dag

if TYPE_CHECKING:
    from airflow_wxa.sandbox import RunningSandbox

pytestmark = pytest.mark.usefixtures("airflow_database")
MANIFEST = f"""
release:
  template_id: 47
  user_version: "1"
  domain_action: set
  webviewdomain: [https://wanted.example.com]
apps: [{APPID}]
"""


def test_each_way_to_differ_is_told_and_fails_only_when_asked_to(wxa_default: RunningSandbox) -> None:
    account = wxa_default.world.mini_program(APPID)
    account.third_webviewdomain = ["https://m.example.com", "https://gone.example.net"]
    account.effective_webviewdomain = ["https://m.example.com"]
    run = run_dag(domain_drift_dag(), manifest=MANIFEST, fail_on_drift=True)
    assert run.states == {"compare_domains": "success", "report_drift": "failed"}
    (row,) = run.xcoms["compare_domains"]
    assert row["missing"] == row["not_effective"] == ["https://wanted.example.com"]
    assert row["too_many"] == ["https://gone.example.net", "https://m.example.com"]
    assert row["unregistered"] == ["https://gone.example.net"]
    by_appid = run_dag(domain_drift_dag(), appids=[APPID])
    assert by_appid.state == "success"
    report = by_appid.xcoms["report_drift"]
    assert report["differing"] == 1
    assert "https://gone.example.net" in Path(report["csv"]).read_text("utf-8")
    assert {each.body.get("action") for each in wxa_default.journal if "set" in each.path} == {"get"}


def test_without_appids_and_manifest_all_that_have_a_fixed_token_are_compared(wxa_default: RunningSandbox) -> None:
    wxa_default.world.mini_program(APPID).third_webviewdomain = ["https://gone.example.net"]
    run = run_dag(domain_drift_dag())
    assert run.states == {"compare_domains": "success", "report_drift": "success"}, run.errors
    assert [row["appid"] for row in run.xcoms["compare_domains"]] == [APPID]
