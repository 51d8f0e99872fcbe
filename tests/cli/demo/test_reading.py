"""Reading the demo's runs back through Airflow's REST API."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from airflow_wxa.api.endpoints import CATALOGUE
from airflow_wxa.api.errcodes import error_for
from airflow_wxa.api.log_text import log_text
from airflow_wxa.cli.demo.airflow import AirflowApi, AirflowStartError, TaskInstance
from airflow_wxa.cli.demo.releases import RELEASES, DemoRelease
from airflow_wxa.cli.demo.report import Row, read_row

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


def test_a_dead_component_is_named_in_place_of_another_try() -> None:
    def dead() -> None:
        raise AirflowStartError("Airflow's api-server ended with exit code 1")

    asked: list[httpx.Request] = []
    airflow = api((500, {}), (200, {}), asked=asked)
    airflow.check = dead
    with pytest.raises(AirflowStartError, match="api-server ended"):
        airflow.knows("wxa_release")
    assert len(asked) == 1


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


def test_what_is_not_there_yet_is_nothing() -> None:
    assert not api((404, {})).knows("wxa_release")
    answer = {"scheduler": {"status": "healthy"}, "triggerer": {"status": None}, "dag_processor": None}
    assert api((200, answer)).health() == {"scheduler": "healthy"}
    assert api((404, {})).xcom("wxa_release", "plain", "release") is None
    assert api((200, {"value": {"a": 1}})).xcom("wxa_release", "plain", "release") == {"a": 1}
    assert api((404, {})).error_text("wxa_release", "rejected", TASK) == ""


def test_a_task_without_a_state_has_an_empty_one() -> None:
    answer = {"task_instances": [{"task_id": "release", "state": None, "try_number": 0, "dag_run_id": "plain"}]}
    assert api((200, answer)).task_instances("wxa_release", "~") == [TaskInstance("release", "", 0, run_id="plain")]


def test_tasks_are_asked_for_by_state_where_their_number_matters() -> None:
    asked: list[httpx.Request] = []
    for states in ((), ("running", "failed")):
        api((200, {"task_instances": []}), asked=asked).task_instances("wxa_release", "~", states)
    assert [each.url.params.get_list("state") for each in asked] == [[], ["running", "failed"]]


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


PLAIN, UNREGISTERED = RELEASES[0], RELEASES[4]
REFUSAL = (
    "setwebviewdomain refused: webview domain not on platform\n"
    "  appid wx1000000000000004, errcode 89021, rid 6b05\n"
    "  The platform list holds neither these hosts nor a parent of them.\n"
    f"  {UNREGISTERED.next_step}\n"
    "  https://developers.weixin.qq.com/doc"
)


def airflow_that_ended(release: DemoRelease, outcomes: dict[str, Any], error: str = "") -> AirflowApi:
    """An Airflow in which a story's tasks are in the states that it must end with, in no order."""
    tasks = [
        {"task_id": task_id, "state": state, "try_number": 1, "dag_run_id": release.word}
        for task_id, state in sorted(release.must_be["task_states"].items())
    ]

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path.endswith("/taskInstances"):
            return httpx.Response(200, json={"task_instances": tasks})
        if path.endswith("/logs/1"):
            events: list[dict[str, Any]] = [{"event": "begin"}, {"event": "x", "error_detail": [{"exc_value": error}]}]
            return httpx.Response(200, json={"content": events})
        task_id = path.split("/")[-3]
        return httpx.Response(200, json={"value": outcomes[task_id]}) if task_id in outcomes else httpx.Response(404)

    return AirflowApi(httpx.Client(transport=httpx.MockTransport(answer), base_url="http://airflow"))


def test_the_states_are_shown_in_the_order_of_the_dag() -> None:
    row = read_row(airflow_that_ended(PLAIN, {}), PLAIN, run_state="success", effective=[])
    assert list(row.seen["task_states"]) == list(PLAIN.must_be["task_states"])
    assert row.seen["outcome"] == "none"


@pytest.mark.parametrize(
    ("seen", "difference"),
    [
        ({"road": ["unchanged"]}, "road must be configured, is unchanged"),
        ({"road": []}, "road must be configured, is empty"),
        ({"outcome": "stopped at release"}, "outcome must be released, is stopped at release"),
        ({"errcode": 89019}, "errcode must be 0, is 89019"),
        ({"errcode": None}, "errcode must be 0, is None"),
        ({"next_step": "ask WeChat"}, "next_step must be released, is ask WeChat"),
        ({"run_state": "failed"}, "run_state must be success, is failed"),
        ({"effective": []}, "effective must be https://m.example.com, is empty"),
        (
            {"task_states": {**PLAIN.must_be["task_states"], "release": "failed"}},
            "task release must be success, is failed",
        ),
        ({"task_states": {**PLAIN.must_be["task_states"], "extra": "success"}}, "task extra must be None, is success"),
        ({"task_states": {**PLAIN.must_be["task_states"], "release": ""}}, "task release must be success, is "),
    ],
)
def test_each_field_that_differs_is_named(seen: dict[str, Any], difference: str) -> None:
    assert Row(release=PLAIN, seen=PLAIN.must_be | seen).differences == [difference]


@pytest.mark.parametrize(
    ("error", "errcode"),
    [(REFUSAL, 89021), ("refused\n  errcode -1, rid x", -1), ("an errcode of ours", None), ("", None)],
)
def test_the_errcode_is_the_one_that_the_error_names(error: str, errcode: int | None) -> None:
    row = read_row(airflow_that_ended(UNREGISTERED, {}, error), UNREGISTERED, run_state="failed", effective=[])
    assert row.seen["errcode"] == errcode


def test_the_next_step_is_read_in_english_and_in_one_piece() -> None:
    refusal = error_for(89021, endpoint=CATALOGUE["setwebviewdomain"], appid="wx1000000000000004")
    refusal.next_step = UNREGISTERED.next_step
    error = log_text(refusal)
    row = read_row(airflow_that_ended(UNREGISTERED, {}, error), UNREGISTERED, run_state="failed", effective=[])
    assert row.seen["next_step"] == UNREGISTERED.next_step


@pytest.mark.parametrize("error", ["", "KeyError: 'x'", "two\nlines"])
def test_an_error_without_a_next_step_leads_to_the_log(error: str) -> None:
    row = read_row(airflow_that_ended(UNREGISTERED, {}, error), UNREGISTERED, run_state="failed", effective=[])
    assert row.seen["next_step"] == "see the task's log"
