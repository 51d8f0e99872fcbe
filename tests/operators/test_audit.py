"""The review's end as a road: approved, rejected, withdrawn."""

from typing import Any

import pytest
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG

from airflow_wxa.operators import WxaAuditBranchOperator
from airflow_wxa.sandbox import MiniProgram
from airflow_wxa.sandbox.testing import APPID
from tests.airflow_session import Run, run_dag
from tests.triggers.waiting import account as account  # noqa: PLC0414  a fixture
from tests.triggers.waiting import submitted


def routed(account: MiniProgram, result: str, **fields: Any) -> Run:
    auditid = submitted(account, polls=2, result=result, reason="1: no login")
    roads: dict[str, Any] = {"approved": "go_on", "rejected": "tell_the_shop", "withdrawn": ["ask", "tell_the_shop"]}
    with DAG("routed", schedule=None) as dag:
        wait = WxaAuditBranchOperator(task_id="wait", appid=APPID, auditid=auditid, **roads | fields)
        wait >> [EmptyOperator(task_id=task_id) for task_id in ("go_on", "tell_the_shop", "ask")]
    return run_dag(dag)


@pytest.mark.parametrize(
    ("result", "followed", "deferrable"),
    [
        ("approved", {"go_on"}, True),
        ("rejected", {"tell_the_shop"}, True),
        ("withdrawn", {"ask", "tell_the_shop"}, True),
        ("rejected", {"tell_the_shop"}, False),
    ],
)
def test_each_end_opens_its_road(account: MiniProgram, result: str, followed: set[str], deferrable: bool) -> None:
    run = routed(account, result, deferrable=deferrable)
    assert run.state == "success"
    assert {task_id for task_id, state in run.states.items() if state == "success"} == {"wait", *followed}
    assert {state for task_id, state in run.states.items() if task_id not in {"wait", *followed}} == {"skipped"}
    assert run.xcoms["wait"]["outcome"] == result


def test_an_end_without_a_road_fails_with_its_reason(account: MiniProgram) -> None:
    run = routed(account, "rejected", rejected=None)
    assert run.states["wait"] == "failed"
    assert "1: no login" in str(run.errors["wait"])
    assert run.xcoms["wait"]["outcome"] == "rejected"


@pytest.mark.parametrize("leniency", ["soft_fail", "never_fail"])
def test_a_branch_that_would_skip_itself_is_refused(leniency: str) -> None:
    with pytest.raises(ValueError, match="go with WxaAuditSensor"):
        WxaAuditBranchOperator(task_id="wait", appid=APPID, auditid="1", approved="a", **{leniency: True})
