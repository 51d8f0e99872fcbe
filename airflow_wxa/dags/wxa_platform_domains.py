"""Change the platform's own list of business domains (平台业务域名): look, ask, write, and read it back.

The way out of 89020 and 89021: a Mini Program can only have domains whose host, or a parent of it, the platform has
registered. Testing and published version of the list are changed together, for **all merchants of the platform**.
"""

from typing import Any

from airflow.sdk import Param

from airflow_wxa.dags.wiring import APPROVAL, SkipUnasked, asking, dag_factory
from airflow_wxa.operators import (
    WxaApprovePlatformDomainOperator,
    WxaChangePlatformDomainOperator,
    WxaReadPlatformDomainOperator,
)
from airflow_wxa.release.dag import form_of, form_param, param, rendered


def _params() -> dict[str, Param]:
    actions = ["add", "delete", "set"]
    return {
        "action": form_param("param_platform_action", choices=actions, default="add", type="string", enum=actions),
        "hosts": form_param("param_hosts", type="array", items={"type": "string"}, minItems=1),
        "approval": form_param("param_platform_approval", default=True, type="boolean"),
        **form_of("approvers", "approver_must_differ"),
        "platform_conn_id": form_param(
            "param_platform_conn_id", default="wxa_default", type="string", section="section_connections"
        ),
    }


@dag_factory(_params, tag="domains")
def platform_domains_dag() -> None:
    """Build the DAG that changes the platform's list."""
    change: dict[str, Any] = {name: param(name) for name in ("action", "hosts", "platform_conn_id")}
    read_platform_domains = WxaReadPlatformDomainOperator(
        task_id="read_platform_domains", post_execute=SkipUnasked({"approve_change": APPROVAL}), **change
    )
    approve_change = asking(
        WxaApprovePlatformDomainOperator,
        "approve_change",
        read=rendered(lambda context: context["ti"].xcom_pull(task_ids="read_platform_domains")),
        wxa_conn_id=param("platform_conn_id"),
    )
    modify_platform_domains = WxaChangePlatformDomainOperator(
        task_id="modify_platform_domains",
        approval_task_id="approve_change",
        trigger_rule="none_failed_min_one_success",
        **change,
    )
    read_platform_domains >> approve_change >> modify_platform_domains
    read_platform_domains >> modify_platform_domains
