"""Resets of call counters: asked for with what is left, once a task, and never an eleventh in a month."""

from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException

from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.operators import WxaApproveClearQuotaOperator, WxaClearQuotaOperator
from airflow_wxa.sandbox import Fault, MiniProgram, RunningSandbox
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID
from airflow_wxa.store.questions import Question
from tests.airflow_session import calls, connection, fail_once_after, run_dag

CLEAR = "/cgi-bin/clear_quota"
either = pytest.mark.parametrize(
    ("whose", "account"), [(APPID, "strict"), ("platform", "loose")], indirect=["account"], ids=["merchant", "platform"]
)


@pytest.fixture(autouse=True)
def sandbox(account: MiniProgram, wxa_default: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> RunningSandbox:
    with_login = connection(wxa_default.url).replace('"conn_type"', f'"login": "{COMPONENT_APPID}", "conn_type"')
    monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", with_login)
    return wxa_default


def resets(sandbox: RunningSandbox, whose: str) -> int:
    world = sandbox.world
    return len((world.platforms[0] if whose == "platform" else world.mini_program(APPID)).quota_resets)


def reset(whose: str) -> Any:
    return WxaClearQuotaOperator(task_id="reset", appid=whose).execute({})


@either
def test_the_eleventh_of_a_month_is_not_sent(sandbox: RunningSandbox, whose: str) -> None:
    assert [reset(whose)["left"] for _ in range(10)] == list(range(9, -1, -1))
    for _ in range(3):
        with pytest.raises(AirflowFailException, match="0 of 10 resets of call counters are left this month"):
            reset(whose)
    assert len(calls(sandbox.journal, CLEAR)) == resets(sandbox, whose) == 10


@either
def test_a_reset_is_approved_with_what_is_left(sandbox: RunningSandbox, whose: str) -> None:
    reset(whose)
    ask = WxaApproveClearQuotaOperator(task_id="ask", appid=whose)
    ask.read_fields()
    subject, body = ask.words(Question("clear_quota", ask.facts({})))
    assert subject == f"Reset the call counters of {whose}?"
    assert "**9 of 10 resets are left this month**" in body
    run = run_dag(dag(whose, "approve"), mark_success="approve")
    assert run.states["reset"] == "failed"
    run = run_dag(dag(whose, "approve"), answers="Approve")
    assert run.xcoms["reset"] == {"outcome": "cleared", "appid": whose, "left": 8}
    run = run_dag(dag(whose, "approve"), answers="Reject")
    assert run.states["reset"] == "skipped"
    assert resets(sandbox, whose) == 2


def dag(whose: str, approval_task_id: str | None = None) -> DAG:
    with DAG("quota", schedule=None, default_args={"retries": 2}) as dag:
        reset = WxaClearQuotaOperator(task_id="reset", appid=whose, approval_task_id=approval_task_id)
        if approval_task_id:
            WxaApproveClearQuotaOperator(task_id=approval_task_id, appid=whose) >> reset
    return dag


@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
def test_a_lost_answer_spends_one_and_no_retry_another(sandbox: RunningSandbox, kind: Any) -> None:
    sandbox.add_fault(Fault(path=CLEAR, kind=kind))
    run = run_dag(dag(APPID))
    assert run.states == {"reset": "failed"}
    assert "what an earlier try of this task came to is not known" in str(run.errors["reset"])
    assert len(calls(sandbox.journal, CLEAR)) <= 1
    assert reset(APPID)["left"] == 8


def test_a_try_after_one_that_was_accepted_sends_nothing(sandbox: RunningSandbox) -> None:
    once = dag(APPID)
    fail_once_after(once.get_task("reset"))
    run = run_dag(once)
    assert run.xcoms["reset"] == {"outcome": "already_cleared", "appid": APPID, "left": 9}
    assert len(calls(sandbox.journal, CLEAR)) == 1


def test_a_question_that_ran_out_is_noted_of_the_platform(sandbox: RunningSandbox) -> None:
    asked = WxaApproveClearQuotaOperator(task_id="ask", appid="platform", approval_timeout_hours=1)
    with pytest.raises(AirflowFailException, match="nobody answered in time"):
        asked.execute_complete({}, {"error": "timed out", "error_type": "timeout"})
    (entry,) = open_ledger().entries()
    assert (entry.appid, entry.after["outcome"]) == ("", "expired")
