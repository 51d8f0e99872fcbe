"""The hook in TaskFlow: the how-to's DAG runs, keeps the ledger, and stops where a person must act."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException

from airflow_wxa.api.audit import undocodeaudit
from airflow_wxa.errors import WxaStateError
from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.operators import WxaReleaseOperator, WxaSubmitAuditOperator
from airflow_wxa.sandbox import AuditPlan
from airflow_wxa.sandbox.testing import APPID
from tests.airflow_session import ROOT, run_dag

if TYPE_CHECKING:
    from airflow_wxa.sandbox import RunningSandbox

pytestmark = pytest.mark.usefixtures("airflow_database")


@pytest.mark.filterwarnings("ignore:.*determine_kwargs")  # Airflow's own @task.sensor
def test_the_how_tos_dag_releases_and_keeps_the_ledger(wxa_default: RunningSandbox) -> None:
    from tests.dags.taskflow_release import taskflow_release  # noqa: PLC0415  (Airflow's home is set by now)

    wxa_default.world.mini_program(APPID).audit = AuditPlan(polls=0)
    run = run_dag(taskflow_release())
    assert run.errors == {}
    assert set(run.states.values()) == {"success"}
    assert run.xcoms["submit_audit"]["outcome"] == "submitted"
    assert run.xcoms["verify_release"]["release_version"] == "1.4.0"
    run_id = open_ledger().entries(most=1)[0].task.run_id
    rows = {(row.endpoint, row.task.task_id, row.result) for row in open_ledger().entries(run_id=run_id)}
    assert rows == {
        ("setwebviewdomain", "configure_domains", "ok"),
        ("commit", "commit", "ok"),
        ("submit_audit", "submit_audit", "ok"),
        ("release", "release", "ok"),
    }


def test_the_how_to_shows_the_dag_that_this_test_runs() -> None:
    dag = (ROOT / "tests/dags/taskflow_release.py").read_text("utf-8")
    assert f"```python\n{dag}```\n" in (ROOT / "docs/how-to/taskflow.md").read_text("utf-8")


def test_an_operators_output_has_each_field_of_its_outcome(airflow_database: None) -> None:
    version: dict[str, Any] = {"appid": APPID, "template_id": 47, "user_version": "1.4.0"}
    with DAG("outputs", schedule=None):
        submit = WxaSubmitAuditOperator(task_id="submit_audit", **version)
        WxaReleaseOperator(task_id="release", auditid=submit.output["auditid"], **version)
    assert submit.multiple_outputs


def test_what_a_person_must_fix_fails_without_retry(wxa_default: RunningSandbox) -> None:
    with pytest.raises(AirflowFailException, match="the latest audit sheet is not of this version"):
        WxaHook().release(APPID, 47, "1.4.0")
    with pytest.raises(AirflowFailException, match="template_id"):
        WxaHook().commit(APPID, "latest", "1.4.0")


def test_outcomes_are_plain_dicts(wxa_default: RunningSandbox) -> None:
    hook = WxaHook()
    assert hook.configure_domains(APPID, "add", ["https://m.example.com"])["after"] == ["https://m.example.com"]
    assert hook.commit(APPID, 47, "1.4.0")["outcome"] == "committed"
    assert hook.commit(APPID, 47, "1.4.0", withdraw_foreign_audit=True)["outcome"] == "unchanged"


def test_a_withdrawal_outside_of_a_step_says_what_to_use_instead(wxa_default: RunningSandbox) -> None:
    with WxaHook().get_conn() as client, pytest.raises(WxaStateError, match="withdraw_foreign_audit for undocodeaudit"):
        client.send(undocodeaudit(APPID))
    assert wxa_default.journal.count("/wxa/undocodeaudit") == 0
