"""Gates, branches and outcomes in DAGs that teams compose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import DAG, TaskGroup, task, task_group

from airflow_wxa.dags.webview_domain_gate import webview_domain_gate
from airflow_wxa.errors import WxaPlatformSetupError, WxaSpecError
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.operators import (
    WxaAuditBranchOperator,
    WxaCommitOperator,
    WxaSetWebviewDomainBranchOperator,
    WxaSetWebviewDomainOperator,
)
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID
from tests.airflow_session import calls, run_dag
from tests.dags.stepwise import Stepwise

if TYPE_CHECKING:
    from airflow_wxa.sandbox import RunningSandbox
    from tests.airflow_session import Run

pytestmark = pytest.mark.usefixtures("airflow_database")
WANTED = ["https://m.example.com"]
GATE: dict[str, Any] = {"appid": APPID, "webviewdomain": WANTED}
BRANCH: dict[str, Any] = {"task_id": "branch", "action": "add", "configured": "behind", **GATE}


def a_gate(appid: str) -> None:
    webview_domain_gate(appid=appid, webviewdomain=WANTED)


def a_branch(appid: str) -> None:
    WxaSetWebviewDomainBranchOperator(**BRANCH | {"appid": appid})


def an_audit_branch(appid: str) -> None:
    WxaAuditBranchOperator(task_id="audit", appid=appid, auditid="7", approved="behind")


def a_nested_gate(appid: str) -> None:
    with TaskGroup("inner"):
        a_gate(appid)


@pytest.mark.parametrize("what", [a_gate, a_branch, an_audit_branch, a_nested_gate])
def test_what_routes_is_refused_at_parse_in_a_mapped_task_group(what: Any) -> None:
    @task_group
    def release(appid: str) -> None:
        what(appid)

    with DAG("mapped_group", schedule=None), pytest.raises(WxaSpecError, match="stands in a mapped task group") as said:
        release.expand(appid=[APPID])
    assert "on_platform_list_empty='return'" in str(said.value)


@pytest.mark.parametrize("operator", [WxaSetWebviewDomainBranchOperator, WxaAuditBranchOperator])
def test_what_routes_is_refused_to_be_mapped_itself(operator: Any) -> None:
    with DAG("mapped", schedule=None), pytest.raises(WxaSpecError, match="task branch is mapped itself"):
        operator.partial(task_id="branch").expand(appid=[APPID])


@pytest.mark.usefixtures("wxa_default")
def test_outcomes_come_out_as_data_right_in_expand(wxa_default: RunningSandbox) -> None:
    wxa_default.world.mini_program(APPID).individual = True
    with DAG("as_data", schedule=None, default_args={"retries": 0}) as dag:
        configured = WxaSetWebviewDomainOperator.partial(
            task_id="configure",
            appid=APPID,
            action="add",
            on_platform_list_empty="return",
            on_individual="return",
        ).expand(webviewdomain=[WANTED, WANTED])

        @task
        def collect(outcomes: Any) -> list[str]:
            return [each["outcome"] for each in outcomes]

        collect(configured.output)
    run = run_dag(dag)
    assert run.xcoms["collect"] == ["individual", "individual"], run.errors


def test_a_word_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="on_individual = 'skip': must be 'fail' or 'return'"):
        WxaSetWebviewDomainOperator(task_id="configure", action="add", on_individual="skip", **GATE)  # type: ignore[arg-type]


def test_a_skip_on_errcode_leaves_its_xcom(wxa_default: RunningSandbox) -> None:
    platform = wxa_default.world.platform(COMPONENT_APPID)
    with DAG("skips", schedule=None, default_args={"retries": 0}) as dag:
        WxaSetWebviewDomainOperator(task_id="empty", action="add", skip_on_errcode=[89020, 89021], **GATE)
    platform.testing = platform.published = ["elsewhere.example"]
    run = run_dag(dag)
    assert (run.states["empty"], run.xcoms["empty"]["errcode"]) == ("skipped", 89021)
    platform.testing = platform.published = []
    run = run_dag(dag)
    assert (run.states["empty"], run.xcoms["empty"]["outcome"]) == ("skipped", "platform_list_empty")


@pytest.mark.parametrize("group_id", ["gate", None])
def test_a_gate_nests_and_leads_to_several_taskflow_tasks(wxa_default: RunningSandbox, group_id: str | None) -> None:
    wxa_default.world.mini_program(APPID).individual = True
    with DAG("nested", schedule=None) as dag, TaskGroup("outer"):

        @task
        def build() -> str:
            return "built"

        commit = WxaCommitOperator(task_id="commit_code", appid=APPID, template_id=47, user_version="1")
        webview_domain_gate(**GATE, then=[build(), commit], group_id=group_id)
    run = run_dag(dag)
    assert run.state == "success", run.errors
    assert run.xcoms["outer.build"] == "built"
    assert run.states["outer.commit_code"] == "success"
    assert len(calls(wxa_default.journal, "/wxa/commit")) == 1


@pytest.mark.usefixtures("wxa_default")
def test_domains_ready_fails_when_no_outcome_reached_it() -> None:
    with DAG("marked", schedule=None, default_args={"retries": 0}) as dag:
        webview_domain_gate(**GATE)
    run = run_dag(dag, mark_success="webview_domain_gate.configure_domains")
    assert run.states["webview_domain_gate.domains_ready"] == "failed"
    assert "no outcome of the domains reached it" in str(run.errors["webview_domain_gate.domains_ready"])


@pytest.mark.usefixtures("wxa_default")
def test_a_hook_method_is_caught_by_its_own_class() -> None:
    with pytest.raises(WxaPlatformSetupError) as raised:
        WxaHook().configure_domains(APPID, "add", ["https://m.elsewhere.com"])
    assert raised.value.errcode == 89021


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
    wxa_default: RunningSandbox, world: Any, told: dict[str, Any], gate: str, behind: str, outcome: str | None
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
