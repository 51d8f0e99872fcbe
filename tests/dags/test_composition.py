"""Gates, branches and outcomes in DAGs that teams compose."""

from typing import Any

import pytest
from airflow.sdk import DAG, TaskGroup, task, task_group

from airflow_wxa.dags.webview_domain_gate import webview_domain_gate
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.operators import (
    WxaAuditBranchOperator,
    WxaCommitOperator,
    WxaSetWebviewDomainBranchOperator,
    WxaSetWebviewDomainOperator,
)
from airflow_wxa.sandbox.testing import APPID
from tests.airflow_session import Run, run_dag
from tests.dags.worlds import (
    ORIGIN,
    REGISTER,
    Arrange,
    Shop,
    empty_list,
    failure,
    individual,
    letters,
    nothing,
    succeeded,
)

GATE: dict[str, Any] = {"appid": APPID, "webviewdomain": [ORIGIN]}
BRANCH: dict[str, Any] = {"task_id": "branch", "action": "add", "configured": "behind", **GATE}


def a_nested_gate(**fields: Any) -> None:
    with TaskGroup("inner"):
        webview_domain_gate(**fields)


@pytest.mark.parametrize(
    ("build", "fields"),
    [
        (webview_domain_gate, GATE),
        (a_nested_gate, GATE),
        (WxaSetWebviewDomainBranchOperator, BRANCH),
        (WxaAuditBranchOperator, {"task_id": "audit", "auditid": "7", "approved": "behind"}),
    ],
)
def test_what_routes_is_refused_at_parse_in_a_mapped_task_group(build: Any, fields: dict[str, Any]) -> None:
    @task_group
    def release(appid: str) -> None:
        build(**fields | {"appid": appid})

    with DAG("mapped_group", schedule=None), pytest.raises(WxaSpecError, match="stands in a mapped task group") as said:
        release.expand(appid=[APPID])
    assert "on_platform_list_empty='return'" in str(said.value)


@pytest.mark.parametrize("operator", [WxaSetWebviewDomainBranchOperator, WxaAuditBranchOperator])
def test_what_routes_is_refused_to_be_mapped_itself(operator: Any) -> None:
    with DAG("mapped", schedule=None), pytest.raises(WxaSpecError, match="task branch is mapped itself"):
        operator.partial(task_id="branch").expand(appid=[APPID])


def test_a_word_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="on_individual = 'skip': must be 'fail' or 'return'"):
        WxaSetWebviewDomainOperator(task_id="configure", action="add", on_individual="skip", **GATE)  # type: ignore[arg-type]


def test_a_skip_on_errcode_leaves_its_xcom(shop: Shop) -> None:
    with DAG("skips", schedule=None, default_args={"retries": 0}) as dag:
        WxaSetWebviewDomainOperator(task_id="empty", action="add", skip_on_errcode=[89020, 89021], **GATE)
    for hosts, errcode in (["elsewhere.example"], 89021), ([], 89020):
        shop.list_hosts(*hosts)
        run = run_dag(dag)
        assert (run.states["empty"], run.xcoms["empty"]["errcode"]) == ("skipped", errcode)


@pytest.mark.parametrize("group_id", ["gate", None])
def test_a_gate_nests_and_leads_to_several_tasks_that_are_there_already(shop: Shop, group_id: str | None) -> None:
    individual(shop)
    with DAG("nested", schedule=None, params={"appid": APPID}) as dag, TaskGroup("outer"):

        @task
        def build() -> str:
            return "built"

        commit = WxaCommitOperator(task_id="commit_code", appid=APPID, template_id=47, user_version="1")
        appid = "{{ params.appid }}"
        webview_domain_gate(appid=appid, webviewdomain=[ORIGIN], then=[build(), commit], group_id=group_id)
    run = succeeded(run_dag(dag))
    assert (run.xcoms["outer.build"], run.states["outer.commit_code"]) == ("built", "success")
    assert "domains_ready" not in str(run.states)
    assert shop.journal.count("/wxa/commit") == 1


def test_two_of_them_stand_in_one_dag_and_one_without_an_outcome_is_not_ready(shop: Shop) -> None:
    with DAG("two_gates", schedule=None, default_args={"retries": 0}) as dag:
        webview_domain_gate(**GATE, group_id="first") >> webview_domain_gate(**GATE, group_id="second")
    run = succeeded(run_dag(dag))
    assert gate_states(run, "first.") == gate_states(run, "second.") == "S---"
    run = run_dag(dag, mark_success="first.configure_domains")
    assert "no outcome of the domains reached it" in failure(run, "first.domains_ready")


def gate_states(run: Run, prefix: str) -> str:
    names = ("configure_domains", "register_platform_domains", "configure_domains_again", "individual_account")
    return letters(run, *(f"{prefix}{name}" for name in names))


# the world, what the gate is told, the states of its four tasks, the state of what is behind it, the outcome
ROADS = [
    (nothing, {}, "S---", "success", "configured"),
    (empty_list, REGISTER, "SSS-", "success", "configured"),
    (empty_list, {}, "SFUU", "upstream_failed", None),
    (individual, {}, "S--S", "success", "individual"),
    (individual, {"on_individual": "stop"}, "S--F", "upstream_failed", None),
]


@pytest.mark.parametrize(("world", "told", "gate", "behind", "outcome"), ROADS)
def test_a_team_puts_it_in_front_of_a_task_of_its_own(
    shop: Shop, world: Arrange, told: dict[str, Any], gate: str, behind: str, outcome: str | None
) -> None:
    world(shop)
    with DAG("own_task", schedule=None, default_args={"retries": 0}) as dag:

        @task
        def build(outcome: Any) -> Any:
            return outcome

        group = webview_domain_gate(**GATE, **told)
        commit_code = WxaCommitOperator(task_id="commit_code", appid=APPID, template_id=47, user_version="1")
        group >> build(dag.task_dict["webview_domain_gate.domains_ready"].output) >> commit_code

    run = run_dag(dag)
    assert gate_states(run, "webview_domain_gate.") == gate
    assert {run.states[name] for name in ("webview_domain_gate.domains_ready", "build", "commit_code")} == {behind}
    assert (run.xcoms["build"] or {}).get("outcome") == outcome
    assert shop.journal.count("/wxa/commit") == (behind == "success")
