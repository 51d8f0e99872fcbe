"""What a walk does beside what ``test_whole_runs.py`` holds it to."""

import asyncio
import signal
from collections.abc import AsyncIterator
from datetime import timedelta
from importlib.metadata import version
from typing import Any

import pytest
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, BaseOperator, Connection, Param, TriggerRule, task
from airflow.sdk.exceptions import ParamValidationError
from airflow.sdk.execution_time import task_runner
from airflow.triggers.base import BaseTrigger, TriggerEvent
from jsonschema import Draft7Validator
from packaging.version import Version

from airflow_wxa.errors import WxaSpecError
from airflow_wxa.sandbox import RunningSandbox
from airflow_wxa.testing import walk
from tests.airflow_session import PLAIN, load_release_dag


class Sleeps(BaseTrigger):
    """A trigger that tells something after a while, or breaks."""

    def __init__(self, seconds: float = 0, breaks: bool = False) -> None:
        super().__init__()
        self.seconds, self.breaks = seconds, breaks

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{__name__}.Sleeps", {"seconds": self.seconds, "breaks": self.breaks}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        await asyncio.sleep(self.seconds)
        if self.breaks:
            raise ValueError("broken")
        yield TriggerEvent({"slept": self.seconds})


class Waits(BaseOperator):
    """An operator that defers."""

    def __init__(self, *, until: Sleeps, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.until = until

    def execute(self, context: Any) -> Any:  # noqa: ARG002  (Airflow's signature)
        kept = {"kept": "through the wait"}
        self.defer(trigger=self.until, method_name="execute_complete", kwargs=kept, timeout=timedelta(seconds=0.2))

    def execute_complete(self, context: Any, event: dict[str, Any], kept: str) -> Any:  # noqa: ARG002
        return {**event, "kept": kept}


def test_a_deferred_task_goes_on_times_out_or_fails_with_its_trigger() -> None:
    with DAG("walk_waits", schedule=None) as dag:
        Waits(task_id="goes_on", until=Sleeps())
        Waits(task_id="late", until=Sleeps(9))
        Waits(task_id="broken", until=Sleeps(breaks=True))
    run = walk(dag)
    assert run.states == {"goes_on": "success", "late": "failed", "broken": "failed"}
    assert run.xcoms["goes_on"] == {"slept": 0, "kept": "through the wait"}
    assert "Trigger timeout" in str(run.errors["late"])
    assert "Trigger failure" in str(run.errors["broken"])


@pytest.mark.parametrize(
    ("answers", "chosen"), [({"ask": "Approve", "ask_again": "Reject"}, ["Approve", "Reject"]), ({}, [])]
)
def test_questions_are_answered_by_task_or_their_time_runs_out(answers: dict[str, str], chosen: list[str]) -> None:
    with DAG("walk_asks", schedule=None) as dag:
        ask = ApprovalOperator(task_id="ask", subject="Now?", body="**so**", response_timeout=timedelta(hours=1))
        ApprovalOperator(task_id="ask_again", subject="Really?") << ask
    run = walk(dag, answers=answers, answered_by="li")
    assert (run.questions["ask"].subject, run.questions["ask"].body) == ("Now?", "**so**")
    given = [each for each in run.xcoms.values() if each]
    assert [(each["chosen_options"], each["responded_by_user"]["id"]) for each in given] == [
        ([c], "li") for c in chosen
    ]
    if not answers:
        assert run.states == {"ask": "failed", "ask_again": "upstream_failed"}
        assert "timeout" in type(run.errors["ask"]).__name__.lower()


def test_a_dag_keeps_its_defaults_and_a_conf_that_cannot_be_right_is_refused_before_the_first_task() -> None:
    with DAG("walk_conf", schedule=None, params={"number": Param(1, type="integer")}) as dag:

        @task
        def number(params: Any) -> int:
            return int(params["number"])

        number()  # type: ignore[call-arg]  # Airflow gives it
    assert [walk(dag, {"number": 2}).xcoms["number"], walk(dag).xcoms["number"]] == [2, 1]
    with pytest.raises(ParamValidationError, match="number"):
        walk(dag, {"number": "two"})
    assert walk(dag).xcoms["number"] == 1


def test_what_a_walk_does_not_have_is_named() -> None:
    with DAG("walk_rule", schedule=None) as dag:
        EmptyOperator(task_id="first") >> EmptyOperator(task_id="setup", trigger_rule=TriggerRule.ALL_SKIPPED)
    with pytest.raises(WxaSpecError, match="setup has the trigger rule all_skipped"):
        walk(dag)


@pytest.mark.skipif(
    Version(version("apache-airflow")) < Version("3.3"), reason="Airflow 3.2 hides the error behind one of its own"
)
def test_a_task_that_starts_another_dag_is_named() -> None:
    with DAG("walk_other", schedule=None) as dag:
        TriggerDagRunOperator(task_id="other", trigger_dag_id="another")
    assert "other asks for TriggerDagRun" in str(walk(dag).errors["other"])


def test_a_connection_that_is_not_in_the_environment_is_missing() -> None:
    with DAG("walk_connection", schedule=None) as dag:

        @task
        def looked_up() -> str:
            return str(Connection.get("no_such_connection").host)

        looked_up()
    assert "no_such_connection" in str(walk(dag).errors["looked_up"])


def test_a_walk_leaves_the_process_as_it_was(wxa_default: RunningSandbox) -> None:
    def held() -> list[Any]:
        patched = [vars(task_runner)["TypeAdapter"], vars(Draft7Validator)["check_schema"]]
        return [signal.getsignal(signal.SIGTERM), *patched]

    before, dag = held(), load_release_dag()
    walk(dag, PLAIN)
    assert held() == before
    assert (PLAIN["approval"], dag.params["approval"]) == (False, True)
    assert wxa_default.journal.count("/wxa/release") == 1
