from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from airflow_wxa.cli.demo.airflow import AirflowApi, TaskInstance

if TYPE_CHECKING:
    from collections.abc import Callable

TASK = TaskInstance("wait_for_audit", "failed", 2)


def api(*answers: tuple[int, Any], asked: list[httpx.Request] | None = None) -> AirflowApi:
    """An Airflow that gives these answers, one after the other."""
    remaining = iter(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        if asked is not None:
            asked.append(request)
        status, body = next(remaining)
        return httpx.Response(status, json=body)

    return AirflowApi(httpx.Client(transport=httpx.MockTransport(answer), base_url="http://airflow/api/v2"))


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _seconds: None)


def test_a_busy_database_is_asked_again() -> None:
    assert api((500, {}), (503, {}), (200, {"dag_id": "wxa_release"})).knows("wxa_release")


def test_a_refusal_is_not_asked_again() -> None:
    with pytest.raises(httpx.HTTPStatusError, match="400"):
        api((400, {"detail": "no such param"})).trigger("wxa_release", "plain", {})


@pytest.mark.parametrize(
    "send",
    [lambda a: a.trigger("wxa_release", "plain", {}), lambda a: a.approve("wxa_release", "plain", "approve_release")],
    ids=["trigger", "approve"],
)
def test_what_was_done_already_counts_as_done(send: Callable[[AirflowApi], None]) -> None:
    send(api((409, {"detail": "already"})))


def test_an_approval_names_run_task_and_choice() -> None:
    asked: list[httpx.Request] = []
    api((200, {}), asked=asked).approve("wxa_release", "a/b", "approve_release")
    path = "/api/v2/dags/wxa_release/dagRuns/a%2Fb/taskInstances/approve_release/-1/hitlDetails"
    assert (asked[0].method, asked[0].url.raw_path) == ("PATCH", path.encode())
    assert json.loads(asked[0].content) == {"chosen_options": ["Approve"], "params_input": {}}


def test_a_dag_that_is_not_there_yet_is_not_known() -> None:
    assert not api((404, {})).knows("wxa_release")


def test_a_component_that_never_reported_has_no_health() -> None:
    answer = {"scheduler": {"status": "healthy"}, "triggerer": {"status": None}, "dag_processor": None}
    assert api((200, answer)).health() == {"scheduler": "healthy"}


def test_a_task_without_a_state_has_an_empty_one() -> None:
    answer = {"task_instances": [{"task_id": "release", "state": None, "try_number": 0}]}
    assert api((200, answer)).task_instances("wxa_release", "plain") == [TaskInstance("release", "", 0)]


def test_a_task_that_returned_nothing_has_no_xcom() -> None:
    assert api((404, {})).xcom("wxa_release", "plain", "release") is None
    assert api((200, {"value": {"outcome": "released"}})).xcom("wxa_release", "plain", "release") == {
        "outcome": "released"
    }


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (
            {"content": [{"event": "a"}, {"event": "b", "error_detail": [{"exc_value": "why"}, {"exc_value": "x"}]}]},
            "why",
        ),
        ({"content": [{"error_detail": [{"exc_value": "old"}]}, {"error_detail": [{"exc_value": "new"}]}]}, "new"),
        ({"content": [{"event": "a", "error_detail": None}]}, ""),
        ({}, ""),
    ],
)
def test_the_error_of_a_task_is_the_last_that_was_raised(answer: Any, text: str) -> None:
    assert api((200, answer)).error_text("wxa_release", "rejected", TASK) == text


def test_a_task_without_a_log_has_no_error() -> None:
    assert api((404, {})).error_text("wxa_release", "rejected", TASK) == ""
