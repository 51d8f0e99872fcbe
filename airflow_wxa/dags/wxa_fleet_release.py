"""Release many Mini Programs (小程序) by one manifest: domains for all, code early, release in waves.

Read aloud: load the manifest. Plan what is to be done with each Mini Program, and let somebody approve the plan. Look
at the platform's list of business domains. Configure the domains of all, before any code. Grant what is left of the
audit quota in the manifest's order, commit, submit. Release the canaries as their reviews end; when they went well the
early ones; then the rest. Sum up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from airflow.sdk import DAG, Label, Param

from airflow_wxa.dags.fleet_tasks import (
    check_platform_list,
    domain_gate,
    fleet_result,
    load_manifest,
    plan_release,
    register_platform_domains,
    summarize,
    wave_gate,
)
from airflow_wxa.dags.given import Given
from airflow_wxa.dags.wiring import APPROVAL, OnlyWhen, SkipUnasked, read_help, wxa_dag
from airflow_wxa.fleet.schema import RELEASE_FIELDS
from airflow_wxa.fleet.stages import CARRY_OVER
from airflow_wxa.operators.approve_plan import WxaApprovePlanOperator
from airflow_wxa.operators.fleet import WxaFleetShardOperator
from airflow_wxa.operators.fleet_run import fleet_run
from airflow_wxa.release.dag import form_param, params_of, release_params
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from airflow.sdk.definitions.mappedoperator import MappedOperator

    from airflow_wxa.dags.given import Overrides, Values

#: Its one instance is skipped without being started where no manifest asks for it.
CARRIES_OVER: Final = OnlyWhen(CARRY_OVER, lambda context: fleet_run(context).manifest.get(CARRY_OVER))
HELP: Final = "fleet_task_help.md"
_OF_RUN = ("approvers", "approver_must_differ", "wxa_conn_id", "platform_conn_id")
#: All that could run has run, and something did: a shard that is lost does not hold up the others.
_AFTER_SHARDS = "all_done_min_one_success"


def fleet_release_dag(
    dag_id: str = "wxa_fleet_release",
    *,
    fixed: Values | None = None,
    defaults: Values | None = None,
    overrides: Overrides | None = None,
    **dag_kwargs: Any,
) -> DAG:
    """Return the DAG that releases many Mini Programs.

    :param fixed: param, or field of a release → its value in every run and manifest, see
        :class:`~airflow_wxa.dags.given.Given`.
    :param defaults: param → another default.
    :param overrides: task id → argument → value.
    :param dag_kwargs: what else ``DAG`` takes.
    :raises WxaSpecError: something that cannot be honoured; every entry is named.
    """
    run_fixed = dict(fixed or {})
    release_fixed = {name: run_fixed.pop(name) for name in RELEASE_FIELDS if name in run_fixed}
    release_params(release_fixed)
    with wxa_dag(
        dag_id,
        Given(run_fixed, defaults, overrides, dag_kwargs),
        _params(),
        standard="wxa_fleet_release",
        tag="release",
        doc=read_help(HELP).get("wxa_fleet_release", __doc__),
        max_active_runs=None,
        checks_itself=True,
    ) as dag:
        shards_loaded = load_manifest(release_fixed)
        approve_plan = WxaApprovePlanOperator(
            task_id="approve_plan",
            pre_execute=APPROVAL,
            **params_of(WxaApprovePlanOperator, approval_timeout_hours=None),
        )
        platform_list = check_platform_list()
        register = register_platform_domains()
        configure_domains = mapped("configure_domains", shards_loaded, "none_failed_min_one_success")
        commit_code = mapped("commit_code", shards_loaded, "all_success")
        submit_audit = mapped("submit_audit", shards_loaded, _AFTER_SHARDS)
        granted = domain_gate()
        release_canary = mapped("release_canary", granted, _AFTER_SHARDS)
        canary_gate = wave_gate.override(task_id="canary_gate", trigger_rule="none_failed")("canary")
        release_early = mapped("release_early", canary_gate, "all_success")
        early_gate = wave_gate.override(task_id="early_gate", trigger_rule="none_failed")("early")
        release_rest = mapped("release_rest", early_gate, "all_success")

        planned = plan_release.override(
            post_execute=SkipUnasked({"approve_plan": APPROVAL, (CARRY_OVER, 0): CARRIES_OVER})
        )()
        shards_loaded >> planned >> approve_plan >> platform_list
        planned >> platform_list
        platform_list >> Label("ready") >> configure_domains
        platform_list >> Label("platform list empty (89020)") >> register >> configure_domains
        configure_domains >> granted >> commit_code >> submit_audit
        submit_audit >> release_canary >> canary_gate >> release_early >> early_gate >> release_rest
        carry_over = mapped(CARRY_OVER, [{"wave": CARRY_OVER, "number": 0}], "none_failed")
        summary = summarize()
        release_rest >> [carry_over, summary]  # which carry_over holds up only where it is asked for
        carry_over >> summary >> fleet_result()
        for task_id, text in read_help(HELP).items():
            if task_id in dag.task_dict and not dag.get_task(task_id).is_mapped:
                dag.get_task(task_id).doc_md = text  # type: ignore[misc]  # of a mapped one it is given above
    return dag


def mapped(task_id: str, shards: Any, trigger_rule: str) -> MappedOperator:
    """Return a task that is mapped over shards, which another one returns."""
    return WxaFleetShardOperator.partial(
        task_id=task_id,
        trigger_rule=trigger_rule,
        wxa_conn_id="{{ params.wxa_conn_id }}",
        doc_md=read_help(HELP)[task_id],
        map_index_template="{{ task.shard['wave'] }} {{ task.shard['number'] + 1 }}",
    ).expand(shard=shards)


def _params() -> dict[str, Param]:
    """Return the params of a run: what a manifest does not say."""
    of_release = release_params()
    return {
        "manifest": form_param(Text("param_manifest", "title"), type="string", format="multiline", minLength=1),
        "approval": of_release["approval"],
        "shard_size": form_param(
            Text("param_shard_size", "title"), default=200, type="integer", minimum=1, maximum=2000
        ),
        **{name: of_release[name] for name in _OF_RUN},
    }
