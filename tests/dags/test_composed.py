"""A team's own release in pieces, and its tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, Param, task

from airflow_wxa.operators import WxaCommitOperator, WxaSetWebviewDomainBranchOperator
from airflow_wxa.testing import walk

if TYPE_CHECKING:
    from airflow_wxa.sandbox import RunningSandbox

SHOP = "wx0000000000000001"  # the Mini Program of wxa_world; its platform has published example.com


def own_dag() -> DAG:
    """Configure the domains, tell marketing where WeChat refuses, commit the code otherwise."""
    with DAG("own_release", schedule=None, params={"user_version": Param("1.4.0", type="string")}) as dag:
        configure = WxaSetWebviewDomainBranchOperator(
            task_id="configure_domains",
            appid=SHOP,
            action="add",
            webviewdomain=["https://m.example.com"],
            configured="commit_code",
            platform_list_empty="tell_marketing",
            individual="tell_marketing",
        )
        commit = WxaCommitOperator(
            task_id="commit_code", appid=SHOP, template_id=47, user_version="{{ params.user_version }}"
        )

        @task
        def tell_marketing(ti: Any) -> str:
            return str(ti.xcom_pull(task_ids="configure_domains")["outcome"])

        configure >> [commit, tell_marketing()]
    return dag


def test_the_version_that_was_asked_for_is_committed(wxa_default: RunningSandbox) -> None:
    run = walk(own_dag(), {"user_version": "1.5.0"})
    assert (run.state, run.states["tell_marketing"]) == ("success", "skipped")
    assert run.xcoms["commit_code"]["user_version"] == "1.5.0"
    assert wxa_default.world.mini_program(SHOP).exp_info["exp_version"] == "1.5.0"


def test_marketing_hears_of_an_individual_and_nothing_is_committed(wxa_default: RunningSandbox) -> None:
    wxa_default.world.mini_program(SHOP).individual = True
    run = walk(own_dag())
    assert run.states["commit_code"] == "skipped"
    assert run.xcoms["tell_marketing"] == "individual"
    assert wxa_default.journal.count("/wxa/commit") == 0
