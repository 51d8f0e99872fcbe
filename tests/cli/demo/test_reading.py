"""Reading the demo's runs back through Airflow's REST API."""

import json
from typing import Any

import httpx
import pytest

from airflow_wxa.api.endpoints import CATALOGUE
from airflow_wxa.api.errcodes import error_for
from airflow_wxa.api.log_text import log_text
from airflow_wxa.cli.demo.airflow import AirflowApi, AirflowStartError, TaskInstance
from airflow_wxa.cli.demo.releases import RELEASES
from airflow_wxa.cli.demo.report import read_row
from airflow_wxa.testing import Walk
from tests.cli.demo.conftest import WalkedAirflow

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


pytestmark = pytest.mark.usefixtures("no_waiting")


def test_a_busy_database_is_asked_again_unless_a_component_is_dead_and_a_refusal_is_not() -> None:
    def dead() -> None:
        raise AirflowStartError("Airflow's api-server ended with exit code 1")

    assert api((500, {}), (503, {}), (200, {"dag_id": "wxa_release"})).knows("wxa_release")
    asked: list[httpx.Request] = []
    airflow = api((500, {}), (200, {}), asked=asked)
    airflow.check = dead
    with pytest.raises(AirflowStartError, match="api-server ended"):
        airflow.knows("wxa_release")
    assert len(asked) == 1
    with pytest.raises(httpx.HTTPStatusError, match="400"):
        api((400, {"detail": "no such param"})).trigger("wxa_release", "plain", {})


def test_an_approval_names_run_task_and_choice_and_what_was_done_already_counts_as_done() -> None:
    asked: list[httpx.Request] = []
    api((200, {}), asked=asked).approve("wxa_release", "a/b", "approve_release")
    path = "/api/v2/dags/wxa_release/dagRuns/a%2Fb/taskInstances/approve_release/-1/hitlDetails"
    assert (asked[0].method, asked[0].url.raw_path) == ("PATCH", path.encode())
    assert json.loads(asked[0].content) == {"chosen_options": ["Approve"], "params_input": {}}
    api((409, {"detail": "already"})).approve("wxa_release", "plain", "approve_release")  # counts as done
    api((409, {"detail": "already"})).trigger("wxa_release", "plain", {})


def test_what_is_not_there_yet_is_nothing() -> None:
    assert not api((404, {})).knows("wxa_release")
    answer = {"scheduler": {"status": "healthy"}, "triggerer": {"status": None}, "dag_processor": None}
    assert api((200, answer)).health() == {"scheduler": "healthy"}
    assert api((404, {})).xcom("wxa_release", "plain", "release") is None
    assert api((200, {"value": {"a": 1}})).xcom("wxa_release", "plain", "release") == {"a": 1}
    assert api((404, {})).error_text("wxa_release", "rejected", TASK) == ""


def test_tasks_are_asked_for_by_state_and_one_without_has_an_empty_one() -> None:
    asked: list[httpx.Request] = []
    answer = {"task_instances": [{"task_id": "release", "state": None, "try_number": 0, "dag_run_id": "plain"}]}
    for states in ((), ("running", "failed")):
        found = api((200, answer), asked=asked).task_instances("wxa_release", "~", states)
        assert found == [TaskInstance("release", "", 0, run_id="plain")]
    assert [each.url.params.get_list("state") for each in asked] == [[], ["running", "failed"]]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([{"event": "a"}, {"event": "b", "error_detail": [{"exc_value": "why"}, {"exc_value": "x"}]}], "why"),
        ([{"error_detail": [{"exc_value": "old"}]}, {"error_detail": [{"exc_value": "new"}]}], "new"),
        ([{"event": "a", "error_detail": None}], ""),
        ([], ""),
    ],
)
def test_the_error_of_a_task_is_the_last_that_was_raised(content: list[Any], text: str) -> None:
    assert api((200, {"content": content})).error_text("wxa_release", "rejected", TASK) == text


UNREGISTERED = RELEASES[4]
REFUSAL = error_for(89021, endpoint=CATALOGUE["setwebviewdomain"], appid=UNREGISTERED.appid)
REFUSAL.next_step = UNREGISTERED.next_step
SEE_LOG = "see the task's log"


@pytest.mark.parametrize(
    ("error", "errcode", "next_step"),
    [
        (log_text(REFUSAL), 89021, UNREGISTERED.next_step),
        ("refused\n  errcode -1, rid x", -1, SEE_LOG),
        ("an errcode of ours", None, SEE_LOG),
        ("KeyError: 'x'", None, SEE_LOG),
        ("", None, SEE_LOG),
    ],
)
def test_errcode_and_next_step_are_those_that_the_error_names(error: str, errcode: int | None, next_step: str) -> None:
    ended = Walk(states=UNREGISTERED.must_be["task_states"], errors={UNREGISTERED.stopped_at: Exception(error)})
    row = read_row(WalkedAirflow({UNREGISTERED.word: ended}), UNREGISTERED, run_state="failed", effective=[])
    assert (row.seen["errcode"], row.seen["next_step"]) == (errcode, next_step)


def test_a_run_without_a_result_has_no_outcome() -> None:
    ended = Walk(states=RELEASES[0].must_be["task_states"])
    row = read_row(WalkedAirflow({"plain": ended}), RELEASES[0], run_state="success", effective=[])
    assert row.seen["outcome"] == "none"
