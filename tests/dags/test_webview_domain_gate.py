"""The gate in a DAG of an outside team: their own tasks before, between and behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import DAG, task

from airflow_wxa.dags.webview_domain_gate import webview_domain_gate
from airflow_wxa.operators import WxaCommitOperator
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID
from tests.airflow_session import calls, run_dag
from tests.dags.stepwise import Stepwise

if TYPE_CHECKING:
    from airflow_wxa.sandbox import RunningSandbox
    from tests.airflow_session import Run

pytestmark = pytest.mark.usefixtures("airflow_database")

GATE: dict[str, Any] = {"appid": APPID, "webviewdomain": ["https://m.example.com"]}
REGISTER = {"on_platform_list_empty": "register"}


def plain(sandbox: RunningSandbox) -> None:
    """Everything is there."""


def empty(sandbox: RunningSandbox) -> None:
    platform = sandbox.world.platform(COMPONENT_APPID)
    platform.testing, platform.published = [], []


def individual(sandbox: RunningSandbox) -> None:
    sandbox.world.mini_program(APPID).individual = True


# the world, what the gate is told, the states of its four tasks, the state of what is behind it, the outcome
ROADS = [
    (plain, {}, "S---", "success", "configured"),
    (empty, REGISTER, "SSS-", "success", "configured"),
    (empty, {}, "SFUU", "upstream_failed", None),
    (individual, {}, "S--S", "success", "individual"),
    (individual, {"on_individual": "stop"}, "S--F", "upstream_failed", None),
]


def states(run: Run, prefix: str) -> str:
    names = ("configure_domains", "register_platform_domains", "configure_domains_again", "individual_account")
    letters = {"success": "S", "skipped": "-", "failed": "F", "upstream_failed": "U"}
    return "".join(letters[run.states[f"{prefix}{name}"]] for name in names)


@pytest.mark.parametrize(("world", "told", "gate", "behind", "outcome"), ROADS)
def test_a_team_puts_it_in_front_of_a_task_of_its_own(
    wxa_default: RunningSandbox, world: Any, told: dict[str, str], gate: str, behind: str, outcome: str | None
) -> None:
    world(wxa_default)
    with DAG("own_task", schedule=None, default_args={"retries": 0}) as dag:

        @task
        def build(outcome: Any) -> Any:
            return outcome

        group = webview_domain_gate(**GATE, **told)
        commit_code = WxaCommitOperator(task_id="commit_code", appid=APPID, template_id=47, user_version="1")
        group >> build(dag.task_dict["webview_domain_gate.domains_ready"].output) >> commit_code

    run = run_dag(dag)

    assert states(run, "webview_domain_gate.") == gate
    assert {run.states[name] for name in ("webview_domain_gate.domains_ready", "build", "commit_code")} == {behind}
    assert (run.xcoms["build"] or {}).get("outcome") == outcome
    assert len(calls(wxa_default.journal, "/wxa/commit")) == (behind == "success")


def test_it_can_lead_to_a_task_that_is_there_already(wxa_default: RunningSandbox) -> None:
    with DAG("leads_to", schedule=None, params={"appid": APPID}) as dag:
        commit_code = WxaCommitOperator(task_id="commit_code", appid=APPID, template_id=47, user_version="1")
        webview_domain_gate(appid="{{ params.appid }}", webviewdomain=["https://m.example.com"], then=commit_code)

    run = run_dag(dag)

    assert run.states["commit_code"] == "success"
    assert "domains_ready" not in str(run.states)


def test_two_of_them_stand_in_one_dag(wxa_default: RunningSandbox) -> None:
    with DAG("two_gates", schedule=None) as dag:
        webview_domain_gate(**GATE, group_id="first") >> webview_domain_gate(**GATE, group_id="second")

    run = run_dag(dag)

    assert states(run, "first.") == states(run, "second.") == "S---"
    assert run.states["second.domains_ready"] == "success"


def test_a_second_try_from_before_a_clear_does_not_count(wxa_default: RunningSandbox) -> None:
    empty(wxa_default)
    individual(wxa_default)
    run = Stepwise(REGISTER)
    run.go_on(until="commit_code")
    assert run.states["individual_account"] == "success"
    wxa_default.world.mini_program(APPID).individual = False
    run.clear("configure_domains")

    assert run.go_on() == "success"
    assert run.states["individual_account"] == "skipped"
    assert run.xcom("verify_release")["effective"] == ["https://m.example.com"]
