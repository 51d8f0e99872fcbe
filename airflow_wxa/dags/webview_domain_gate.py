"""Business domains before code: three roads that lead to the same task, or to a failure that says who must act."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from airflow.sdk import Label, TaskGroup, TriggerRule, get_current_context, task

from airflow_wxa.dags.wiring import add_help
from airflow_wxa.operators import (
    WxaIndividualAccountOperator,
    WxaRegisterPlatformDomainOperator,
    WxaSetWebviewDomainBranchOperator,
)
from airflow_wxa.operators.domains import BRANCHES, domain_outcome

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.definitions._internal.node import DAGNode


def webview_domain_gate(  # noqa: PLR0913  (what a release decides about its domains)
    *,
    appid: Any,
    webviewdomain: Any,
    action: Any = "add",
    platform_domains: Any = (),
    on_platform_list_empty: Any = "stop",
    on_individual: Any = "release_without_domains",
    on_lost_domains: Any = "stop",
    wxa_conn_id: Any = "wxa_default",
    platform_conn_id: Any = None,
    then: BaseOperator | None = None,
    group_id: str | None = "webview_domain_gate",
) -> DAGNode:
    """Configure business domains, follow the road that WeChat's answer opens, and come to ``then``.

    ``configured`` goes on; 89020 goes over ``register_platform_domains`` and ``configure_domains_again``; 89231 over
    ``individual_account``; any other errcode fails. All values may be templates.

    :param appid: the Mini Program.
    :param webviewdomain: origins such as ``https://m.example.com``.
    :param action: ``"add"``, ``"set"``, ``"delete"``, ``"get"`` or ``None``, as the operator takes it.
    :param on_platform_list_empty: ``"stop"``, or ``"register"`` ``platform_domains`` for all merchants.
    :param platform_domains: bare hosts; empty: those of ``webviewdomain``.
    :param on_individual: ``"release_without_domains"`` or ``"stop"``.
    :param on_lost_domains: ``"stop"`` when the next release would take effective domains offline that nobody asked off,
        or ``"release"``: say which. The gate cannot know of an approval behind it: with one, ``"release"`` here, and
        the question decides.
    :param platform_conn_id: Connection with a platform token; ``None``: ``wxa_conn_id``.
    :param then: the task that the roads lead to; its trigger rule becomes ``none_failed_min_one_success``. ``None``:
        a task ``domains_ready``, which returns the domain outcome.
    :param group_id: of the task group; ``None``: the tasks stand where the caller stands, without a prefix.
    :return: what stands before and behind it with ``>>``: the group, or without one its first task.
    """
    with TaskGroup(group_id) if group_id is not None else nullcontext() as group:
        prefix = f"{group.group_id}." if group else ""
        then = then or _domains_ready(prefix)
        then.trigger_rule = TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS
        domains = {
            "appid": appid,
            "action": action,
            "webviewdomain": webviewdomain,
            "on_lost_domains": on_lost_domains,
            "wxa_conn_id": wxa_conn_id,
            "configured": then.task_id,
            "individual": f"{prefix}individual_account",
        }
        configure_domains = WxaSetWebviewDomainBranchOperator(
            task_id="configure_domains",
            platform_list_empty=f"{prefix}register_platform_domains",
            **domains,
        )
        register_platform_domains = WxaRegisterPlatformDomainOperator(
            task_id="register_platform_domains",
            hosts=platform_domains,
            webviewdomain=webviewdomain,
            on_platform_list_empty=on_platform_list_empty,
            branch_task_id=configure_domains.task_id,
            platform_conn_id=wxa_conn_id if platform_conn_id is None else platform_conn_id,
        )
        configure_domains_again = WxaSetWebviewDomainBranchOperator(task_id="configure_domains_again", **domains)
        individual_account = WxaIndividualAccountOperator(
            task_id="individual_account",
            appid=appid,
            on_individual=on_individual,
            branch_task_ids=(configure_domains.task_id, configure_domains_again.task_id),
            trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS,
        )
        configure_domains >> Label("configured (0, 89019)") >> then
        configure_domains >> Label("platform list empty (89020)") >> register_platform_domains
        configure_domains >> Label("individual (89231)") >> individual_account
        register_platform_domains >> configure_domains_again
        configure_domains_again >> Label("configured (0, 89019)") >> then
        configure_domains_again >> Label("individual (89231)") >> individual_account
        individual_account >> Label("without domains") >> then
        add_help(configure_domains, register_platform_domains, configure_domains_again, individual_account)
    return group or configure_domains


def _domains_ready(prefix: str) -> BaseOperator:
    @task
    def domains_ready() -> Any:
        """Return what became of the domains."""
        outcome = domain_outcome(get_current_context(), *(f"{prefix}{name}" for name in BRANCHES))
        return outcome.to_json() if outcome else None

    ready: BaseOperator = domains_ready().operator  # type: ignore[attr-defined]  # a task's output, of whatever kind
    add_help(ready)
    return ready
