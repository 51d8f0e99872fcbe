"""The operator for an endpoint that nobody has written: sent once, noted, and never for what needs more care."""

from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException

from airflow_wxa.api.endpoints import CATALOGUE
from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.operators import WxaCallOperator
from airflow_wxa.sandbox import Fault, MiniProgram, RunningSandbox
from airflow_wxa.sandbox.gate import ENDPOINTS, Endpoint, ok
from airflow_wxa.sandbox.testing import APPID, MERCHANT_TOKEN
from tests.airflow_session import fail_once_after, run_dag

NEW = "/wxa/not_written_yet"
pytestmark = pytest.mark.usefixtures("airflow_database")


@pytest.fixture(autouse=True)
def not_written_yet(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """An endpoint that the sandbox answers and the catalogue lacks; returns what it was sent."""
    came: list[Any] = []

    def handle(world: Any, account: Any, body: Any) -> Any:
        came.append(body)
        return ok()

    endpoint = Endpoint(path=NEW, method="POST", account=MiniProgram, handle=handle, fields=frozenset({"wechatid"}))
    monkeypatch.setitem(ENDPOINTS, NEW, endpoint)
    return came


def sent(method: str, path: str, body: dict[str, Any] | None = None, appid: str | None = APPID) -> Any:
    return WxaCallOperator(task_id="call", method=method, path=path, body=body, appid=appid).execute({})


def test_a_post_is_sent_with_the_token_of_its_mini_program_and_noted(
    wxa_default: RunningSandbox, not_written_yet: list[Any]
) -> None:
    assert sent("POST", NEW, {"wechatid": "lin"})["errcode"] == 0
    assert not_written_yet == [{"wechatid": "lin"}]
    (entry,) = open_ledger().entries(appid=APPID, most=1)
    assert (entry.endpoint, entry.asked, entry.result) == ("wxa/not_written_yet", {"wechatid": "lin"}, "ok")


def test_a_get_has_its_body_in_the_query_and_is_no_write(wxa_default: RunningSandbox) -> None:
    assert sent("GET", "/wxa/gettemplatedraftlist", {"a": 1}, appid=None)["draft_list"] == []
    assert [each.path for each in wxa_default.journal] == ["/wxa/gettemplatedraftlist"]


def test_tokens_writes_of_the_catalogue_and_what_is_no_path_are_refused(wxa_default: RunningSandbox) -> None:
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
            sent("POST", path)
    for name in ("access_token", "component_appsecret"):
        with pytest.raises(AirflowFailException, match=rf"body\.{name}: no token") as raised:
            sent("GET", "/wxa/x", {name: MERCHANT_TOKEN})
        assert MERCHANT_TOKEN not in str(raised.value)
    assert wxa_default.journal == []


def test_a_lost_answer_is_not_sent_again_by_retries(wxa_default: RunningSandbox) -> None:
    wxa_default.add_fault(Fault(path=NEW, kind="drop_after"))
    with DAG("one_call", schedule=None, default_args={"retries": 2}) as dag:
        WxaCallOperator(task_id="call", method="POST", path=NEW, body={"wechatid": "lin"}, appid=APPID)
    run = run_dag(dag)
    assert run.states == {"call": "failed"}
    assert len(list(wxa_default.journal)) == 1


def test_a_retry_after_an_accepted_try_sends_nothing(wxa_default: RunningSandbox, not_written_yet: list[Any]) -> None:
    with DAG("one_call_twice", schedule=None, default_args={"retries": 2}) as dag:
        task = WxaCallOperator(task_id="call", method="POST", path=NEW, body={"wechatid": "lin"}, appid=APPID)
    fail_once_after(task)
    run = run_dag(dag)
    assert run.states == {"call": "success"}
    assert run.xcoms["call"]["errcode"] == 0
    assert not_written_yet == [{"wechatid": "lin"}]
