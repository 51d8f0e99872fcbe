"""Roll a Mini Program back (版本回退): list the versions, ask, go back once, and prove it.

The version online is replaced by an earlier one, at once and for everyone. Afterwards there is nothing left to roll
back to: the way on is a release.
"""

from typing import Any

from airflow.sdk import Context, Param

from airflow_wxa.dags.wiring import APPROVAL, SkipUnasked, asking, dag_factory
from airflow_wxa.hooks.approvals import is_approval_wanted
from airflow_wxa.operators import (
    WxaApproveRollbackOperator,
    WxaListVersionsOperator,
    WxaRollbackOperator,
    WxaVerifyRollbackOperator,
)
from airflow_wxa.release.dag import form_of, form_param, param, params_of, rendered


def _params() -> dict[str, Param]:
    return {
        **form_of("appid"),
        "app_version": form_param(
            "param_app_version",
            default=None,
            type=["null", "string", "integer"],
            pattern="^[0-9]*$",
            minimum=0,
        ),
        "approval": form_param("param_rollback_approval", default=True, type="boolean"),
        **form_of("approvers", "approver_must_differ", "on_lost_domains", "wxa_conn_id"),
    }


@dag_factory(_params, tag="rollback")
def rollback_dag() -> None:
    """Build the DAG that rolls one Mini Program back."""
    planned: dict[str, Any] = {
        "plan": rendered(lambda context: context["ti"].xcom_pull(task_ids="list_versions")),
        "wxa_conn_id": param("wxa_conn_id"),
    }
    list_versions = WxaListVersionsOperator(
        task_id="list_versions",
        post_execute=SkipUnasked({"approve_rollback": APPROVAL}),
        **params_of(
            WxaListVersionsOperator, app_version=param("app_version"), on_lost_domains=rendered(_on_lost_domains)
        ),
    )
    approve_rollback = asking(WxaApproveRollbackOperator, "approve_rollback", **planned)
    rollback = WxaRollbackOperator(
        task_id="rollback", approval_task_id="approve_rollback", trigger_rule="none_failed_min_one_success", **planned
    )
    verify_rollback = WxaVerifyRollbackOperator(task_id="verify_rollback", **planned)
    list_versions >> approve_rollback >> rollback >> verify_rollback
    list_versions >> rollback


def _on_lost_domains(context: Context) -> str:
    """Return what stops the look at the versions: with a question behind it, nothing does."""
    return "ask" if is_approval_wanted(context) else str(context["params"]["on_lost_domains"])
