"""Roll a Mini Program back (版本回退): list the versions, ask, go back once, and prove it.

The version online is replaced by an earlier one, at once and for everyone. Afterwards there is nothing left to roll
back to: the way on is a release.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import Param

from airflow_wxa.dags.wiring import APPROVAL, SkipUnasked, dag_factory
from airflow_wxa.hooks.approvals import is_approval_wanted
from airflow_wxa.operators import (
    WxaApproveRollbackOperator,
    WxaListVersionsOperator,
    WxaRollbackOperator,
    WxaVerifyRollbackOperator,
)
from airflow_wxa.release.dag import param, release_params, rendered

if TYPE_CHECKING:
    from airflow.sdk import Context


def _params() -> dict[str, Param]:
    """Return the form's params; all but ``app_version`` are those of a release."""
    of_release = release_params()
    approval = of_release["approval"].schema
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
            default=True, description="Wait for somebody's approval before the version is replaced.", **approval
        ),
        "approvers": of_release["approvers"],
        "approver_must_differ": of_release["approver_must_differ"],
        "on_lost_domains": of_release["on_lost_domains"],
        "wxa_conn_id": of_release["wxa_conn_id"],
    }


@dag_factory(_params, title="Roll a Mini Program back", tag="rollback")
def rollback_dag() -> None:
    """Build the DAG that rolls one Mini Program back."""
    planned: dict[str, Any] = {
        "plan": rendered(lambda context: context["ti"].xcom_pull(task_ids="list_versions")),
        "wxa_conn_id": param("wxa_conn_id"),
    }
    list_versions = WxaListVersionsOperator(
        task_id="list_versions",
        appid=param("appid"),
        app_version=param("app_version"),
        on_lost_domains=rendered(_on_lost_domains),
        wxa_conn_id=param("wxa_conn_id"),
        post_execute=SkipUnasked({"approve_rollback": APPROVAL}),
    )
    approve_rollback = WxaApproveRollbackOperator(
        task_id="approve_rollback",
        appid=param("appid"),
        approvers=param("approvers"),
        approver_must_differ=param("approver_must_differ"),
        pre_execute=APPROVAL,
        **planned,
    )
    rollback = WxaRollbackOperator(
        task_id="rollback",
        approval_task_id="approve_rollback",
        trigger_rule="none_failed_min_one_success",
        **planned,
    )
    verify_rollback = WxaVerifyRollbackOperator(task_id="verify_rollback", **planned)
    list_versions >> approve_rollback >> rollback >> verify_rollback
    list_versions >> rollback


def _on_lost_domains(context: Context) -> str:
    """Return what stops the look at the versions: with a question behind it, nothing does."""
    return "ask" if is_approval_wanted(context) else str(context["params"]["on_lost_domains"])
