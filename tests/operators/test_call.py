"""Calls without an operator of their own, and resets of call counters: noted, once a task, and within their month."""

from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException

from airflow_wxa.api.endpoints import CATALOGUE
from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.operators import WxaApproveClearQuotaOperator, WxaCallOperator, WxaClearQuotaOperator
from airflow_wxa.sandbox import Fault, MiniProgram, RunningSandbox
from airflow_wxa.sandbox.gate import ENDPOINTS, Endpoint, ok
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID, MERCHANT_TOKEN
from airflow_wxa.store.questions import Question
from tests.airflow_session import calls, connection, fail_once_after, run_dag
from tests.operators.accounts import run

NEW, CLEAR = "/wxa/not_written_yet", "/cgi-bin/clear_quota"
SENT: dict[str, Any] = {"method": "POST", "path": NEW, "body": {"wechatid": "lin"}}
either = pytest.mark.parametrize(
    ("whose", "account"), [(APPID, "strict"), ("platform", "loose")], indirect=["account"], ids=["merchant", "platform"]
)
#: Path → the operator that is sent there once a task, its fields, and the answer of a try behind an accepted one.
ONCE: dict[str, tuple[Any, dict[str, Any], tuple[str, object]]] = {
    NEW: (WxaCallOperator, SENT, ("errcode", 0)),
    CLEAR: (WxaClearQuotaOperator, {}, ("outcome", "already_cleared")),
}


@pytest.fixture(autouse=True)
def sandbox(account: MiniProgram, wxa_default: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> RunningSandbox:
    """Return a sandbox that answers an endpoint which no catalogue has yet, behind a Connection with its platform."""
    fields = frozenset({"wechatid"})
    new = Endpoint(path=NEW, method="POST", account=MiniProgram, handle=lambda *_: ok(), fields=fields)
    monkeypatch.setitem(ENDPOINTS, NEW, new)
    monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", connection(wxa_default.url, COMPONENT_APPID))
    return wxa_default


def test_a_post_is_sent_with_the_token_of_its_mini_program_and_noted(sandbox: RunningSandbox) -> None:
    assert run(WxaCallOperator, **SENT)["errcode"] == 0
    assert [(each.appid, each.body) for each in sandbox.journal] == [(APPID, {"wechatid": "lin"})]
    (entry,) = open_ledger().entries(appid=APPID, most=1)
    assert (entry.endpoint, entry.asked, entry.result) == ("wxa/not_written_yet", {"wechatid": "lin"}, "ok")


def test_a_get_has_its_body_in_the_query_and_is_no_write(sandbox: RunningSandbox) -> None:
    get = {"method": "GET", "path": "/wxa/gettemplatedraftlist", "body": {"a": 1}, "appid": None}
    assert run(WxaCallOperator, **get)["draft_list"] == []
    assert [each.path for each in sandbox.journal] == ["/wxa/gettemplatedraftlist"]
    assert open_ledger().entries() == []


def test_tokens_writes_of_the_catalogue_and_what_is_no_path_are_refused(sandbox: RunningSandbox) -> None:
    for path in (
        *(row.path for row in CATALOGUE.values() if row.writes or row.holds_secrets),
        "/WXA/Release",
        "/cgi-bin/token",
        "/cgi-bin/stable_token",
        "/cgi-bin/component/clear_quota/v2",
        "/wxa/../cgi-bin/token",
        "//evil.example/wxa/a",
        "/wxa/a?access_token=x",
    ):
        with pytest.raises(AirflowFailException, match="nothing was sent"):
            run(WxaCallOperator, method="POST", path=path)
    for name in ("access_token", "component_appsecret"):
        with pytest.raises(AirflowFailException, match=rf"body\.{name}: no token") as raised:
            run(WxaCallOperator, method="GET", path="/wxa/x", body={name: MERCHANT_TOKEN})
        assert MERCHANT_TOKEN not in str(raised.value)
    assert sandbox.journal == []


def once(path: str) -> DAG:
    operator, fields, _ = ONCE[path]
    with DAG("once", schedule=None, default_args={"retries": 2}) as dag:
        operator(task_id="once", appid=APPID, **fields)
    return dag


@pytest.mark.parametrize("path", ONCE)
@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
def test_a_lost_answer_is_not_sent_again_and_spends_one(sandbox: RunningSandbox, path: str, kind: Any) -> None:
    sandbox.add_fault(Fault(path=path, kind=kind))
    walked = run_dag(once(path))
    assert walked.states == {"once": "failed"}
    assert len(calls(sandbox.journal, path)) <= 1
    if path == CLEAR:
        assert "what an earlier try of this task came to is not known" in str(walked.errors["once"])
        assert run(WxaClearQuotaOperator)["left"] == 8


@pytest.mark.parametrize("path", ONCE)
def test_a_try_after_one_that_was_accepted_sends_nothing(sandbox: RunningSandbox, path: str) -> None:
    dag, (name, said) = once(path), ONCE[path][-1]
    fail_once_after(dag.get_task("once"))
    walked = run_dag(dag)
    assert (walked.states["once"], walked.xcoms["once"][name]) == ("success", said)
    assert len(calls(sandbox.journal, path)) == 1


def reset(whose: str) -> Any:
    return run(WxaClearQuotaOperator, appid=whose)


def resets(sandbox: RunningSandbox, whose: str) -> int:
    world = sandbox.world
    return len((world.platforms[0] if whose == "platform" else world.mini_program(APPID)).quota_resets)


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
    with DAG("approved", schedule=None) as dag:
        approve = WxaApproveClearQuotaOperator(task_id="approve", appid=whose)
        approve >> WxaClearQuotaOperator(task_id="reset", appid=whose, approval_task_id="approve")
    assert run_dag(dag, mark_success="approve").states["reset"] == "failed"
    cleared = {"outcome": "cleared", "appid": whose, "left": 8}
    assert run_dag(dag, answers="Approve").xcoms["reset"] == cleared
    assert run_dag(dag, answers="Reject").states["reset"] == "skipped"
    assert resets(sandbox, whose) == 2


def test_a_question_that_ran_out_is_noted_of_the_platform() -> None:
    asked = WxaApproveClearQuotaOperator(task_id="ask", appid="platform", approval_timeout_hours=1)
    with pytest.raises(AirflowFailException, match="nobody answered in time"):
        asked.execute_complete({}, {"error": "timed out", "error_type": "timeout"})
    (entry,) = open_ledger().entries()
    assert (entry.appid, entry.after["outcome"]) == ("", "expired")
