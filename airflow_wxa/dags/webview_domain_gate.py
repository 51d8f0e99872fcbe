"""Business domains before code: three roads that lead to the same task, or to a failure that says who must act."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, TypeAlias

from airflow.sdk import BaseOperator, Label, TaskGroup, TriggerRule, XComArg, get_current_context, task

from airflow_wxa.dags.wiring import add_help
from airflow_wxa.errors import WxaStateError
from airflow_wxa.operators import (
    WxaIndividualAccountOperator,
    WxaRegisterPlatformDomainOperator,
    WxaSetWebviewDomainBranchOperator,
)
from airflow_wxa.operators.domains import domain_outcome
from airflow_wxa.release.dag import failing_at_once
from airflow_wxa.texts import Text
from airflow_wxa.texts.setting import as_set

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context
    from airflow.sdk.definitions._internal.node import DAGNode

    from airflow_wxa.steps import DomainOutcome

Task: TypeAlias = BaseOperator | XComArg


def webview_domain_gate(  # noqa: PLR0913  (what a release decides about its domains)
    *,
    appid: Any,
    webviewdomain: Any,
    action: Any = "add",
    platform_domains: Any = (),
    on_platform_list_empty: Any = "stop",
    on_individual: Any = "release_without_domains",
    on_lost_domains: Any = "stop",
    domain_mode: Any = "platform",
    wxa_conn_id: Any = "wxa_default",
    platform_conn_id: Any = None,
    then: Task | Sequence[Task] | None = None,
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
    :param domain_mode: ``"platform"``, or ``"direct"``: past the platform's list, so 89020 does not come.
    :param platform_conn_id: Connection with a platform token; ``None``: ``wxa_conn_id``.
    :param then: the task or tasks that the roads lead to, TaskFlow's too; their trigger rule becomes
        ``none_failed_min_one_success``. ``None``: a task ``domains_ready``, which returns the domain outcome.
    :param group_id: of the task group; ``None``: the tasks stand where the caller stands, without a prefix.
    :return: the group, or without one its first task, to be wired with ``>>``.
    :raises WxaSpecError: it stands in a mapped task group.
    """
    with TaskGroup(group_id) if group_id is not None else nullcontext() as group:
        branches: list[str] = []
        behind = [_operator(each) for each in _as_list(then)] or [_domains_ready(branches)]
        for each in behind:
            each.trigger_rule = TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS
        domains: dict[str, Any] = {
            "appid": appid,
            "action": action,
            "webviewdomain": webviewdomain,
            "on_lost_domains": on_lost_domains,
            "domain_mode": domain_mode,
            "wxa_conn_id": wxa_conn_id,
            "configured": [each.task_id for each in behind],
        }
        configure_domains = WxaSetWebviewDomainBranchOperator(task_id="configure_domains", **domains)
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
        branches += [configure_domains.task_id, configure_domains_again.task_id]
        configure_domains.platform_list_empty = register_platform_domains.task_id
        configure_domains.individual = configure_domains_again.individual = individual_account.task_id
        configure_domains >> Label(as_set(Text("label_configured"))) >> behind
        configure_domains >> Label(as_set(Text("label_platform_list_empty"))) >> register_platform_domains
        configure_domains >> Label(as_set(Text("label_individual"))) >> individual_account
        register_platform_domains >> configure_domains_again
        configure_domains_again >> Label(as_set(Text("label_configured"))) >> behind
        configure_domains_again >> Label(as_set(Text("label_individual"))) >> individual_account
        individual_account >> Label(as_set(Text("label_without_domains"))) >> behind
        add_help(configure_domains, register_platform_domains, configure_domains_again, individual_account)
    return group or configure_domains


def _as_list(then: Task | Sequence[Task] | None) -> Sequence[Task]:
    if then is None:
        return []
    return [then] if isinstance(then, BaseOperator | XComArg) else then


def _operator(then: Task) -> BaseOperator:
    operator: Any = then.operator if isinstance(then, XComArg) else then  # type: ignore[attr-defined]  # a task's output
    return operator  # type: ignore[no-any-return]


def _domains_ready(branches: Sequence[str]) -> BaseOperator:

    @task
    def domains_ready() -> dict[str, Any]:
        """Return what became of the domains."""
        return outcome_of_domains(get_current_context(), *branches).to_json()

    ready = _operator(domains_ready())
    add_help(ready)
    return ready


def outcome_of_domains(context: Context, *branches: str) -> DomainOutcome:
    """Return what became of the domains, or fail where nothing says it.

    :param branches: task ids of the tries.
    """
    outcome = domain_outcome(context, *branches)
    if outcome is None:
        with failing_at_once():
            raise WxaStateError(
                Text("domain_outcome_is_missing", task_id=context["ti"].task_id.rpartition(".")[2]),
                values={"looked for in": ", ".join(branches)},
            )
    return outcome
