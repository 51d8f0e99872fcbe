"""Roll a Mini Program back (版本回退): list the versions, ask, go back once, and prove it.

What is online is replaced by an earlier version, at once and for everyone. Afterwards there is nothing left to roll
back to: the way on is a release.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Context, Param
from airflow.sdk.exceptions import AirflowSkipException

from airflow_wxa.dags.task_help import add_help
from airflow_wxa.operators import (
    WxaApproveRollbackOperator,
    WxaListVersionsOperator,
    WxaRollbackOperator,
    WxaVerifyRollbackOperator,
)
from airflow_wxa.release.dag import param, release_params, rendered


def rollback_dag(dag_id: str = "wxa_rollback", **dag_kwargs: Any) -> DAG:
    """Return the DAG that rolls one Mini Program back.

    :param dag_kwargs: what else ``DAG`` takes; ``default_args`` are added to those that are here.
    """
    default_args = {"retries": 2, "retry_delay": timedelta(minutes=1)} | dag_kwargs.pop("default_args", {})
    plain: dict[str, Any] = {
        "dag_display_name": "Roll a Mini Program back",
        "is_paused_upon_creation": False,
        "catchup": False,
        "max_active_runs": 100,
        "tags": ["wechat", "rollback"],
        "doc_md": __doc__,
    }
    schedule = dag_kwargs.pop("schedule", None)
    with DAG(dag_id, schedule=schedule, default_args=default_args, params=_params(), **plain | dag_kwargs) as dag:
        planned: dict[str, Any] = {
            "plan": rendered(lambda context: context["ti"].xcom_pull(task_ids="list_versions")),
            "wxa_conn_id": param("wxa_conn_id"),
        }
        list_versions = WxaListVersionsOperator(
            task_id="list_versions",
            appid=param("appid"),
            app_version=param("app_version"),
            wxa_conn_id=param("wxa_conn_id"),
        )
        approve_rollback = WxaApproveRollbackOperator(
            task_id="approve_rollback",
            appid=param("appid"),
            approvers=param("approvers"),
            approver_must_differ=param("approver_must_differ"),
            pre_execute=_only_when_approval_is_wanted,
            **planned,
        )
        rollback = WxaRollbackOperator(
            task_id="rollback", approval_task_id="approve_rollback", trigger_rule="none_failed", **planned
        )
        verify_rollback = WxaVerifyRollbackOperator(task_id="verify_rollback", **planned)
        list_versions >> approve_rollback >> rollback >> verify_rollback
    add_help(*dag.tasks)
    return dag


def _params() -> dict[str, Param]:
    """Return the form's params; all but ``app_version`` are those of a release."""
    of_release = release_params()
    return {
        "appid": of_release["appid"],
        "app_version": Param(
            None,
            type=["null", "string", "integer"],
            pattern="^[0-9]*$",
            minimum=0,
            title="Version to come back (app_version)",
            description="WeChat's number of an earlier version; empty: one step back. list_versions tells which exist.",
        ),
        "approval": Param(
            default=True,
            type="boolean",
            title="Ask for approval",
            description="Wait for somebody's approval before the version is replaced.",
        ),
        "approvers": of_release["approvers"],
        "approver_must_differ": of_release["approver_must_differ"],
        "wxa_conn_id": of_release["wxa_conn_id"],
    }


def _only_when_approval_is_wanted(context: Context) -> None:
    if not context["params"]["approval"]:
        raise AirflowSkipException("the params ask for no approval")
