"""Release many Mini Programs (小程序) by one manifest: domains for all, code early, release in waves.

Read aloud: load the manifest. Plan what is to be done with each Mini Program, and let somebody approve the plan. Look
at the platform's list of business domains. Configure the domains of all, before any code. Grant what is left of the
audit quota in the manifest's order; commit and submit the canaries. Release them as their reviews end. When they went
well, commit and submit the others; release the early ones; then the rest. Sum up.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from airflow.sdk import DAG, Context, Label, Param, TriggerRule
from airflow.sdk.definitions.mappedoperator import MappedOperator

from airflow_wxa.dags.fleet_tasks import (
    check_platform_list,
    domain_gate,
    fleet_result,
    load_manifest,
    plan_release,
    register_platform_domains,
    summarize,
)
from airflow_wxa.dags.given import Values
from airflow_wxa.dags.wiring import APPROVAL, OnlyWhen, SkipUnasked, asking, dag_factory, read_help
from airflow_wxa.errors import problem_at
from airflow_wxa.fleet.manifest import RELEASE_FIELDS
from airflow_wxa.fleet.stages import CARRY_OVER
from airflow_wxa.fleet.waves import WAVES, submits_ahead, wave_of
from airflow_wxa.operators.approve_plan import WxaApprovePlanOperator, WxaApproveWaveOperator
from airflow_wxa.operators.fleet import WxaFleetShardOperator, WxaWaveGateOperator
from airflow_wxa.operators.fleet_run import fleet_run
from airflow_wxa.release.dag import form_of, form_param, refuse_given, release_params
from airflow_wxa.texts import Text
from airflow_wxa.texts.setting import as_set

HELP: Final = "fleet_task_help.md"
#: All that could run has run, and something did: a shard that is lost does not hold up the others.
_AFTER_SHARDS = "all_done_min_one_success"


def _asks(wave: str) -> OnlyWhen:
    return OnlyWhen(f"approval of the wave {wave}", lambda context: wave_of(fleet_run(context).manifest, wave).approval)


def _submits_later(context: Context) -> bool:
    return not submits_ahead(fleet_run(context).manifest)


#: Stages that a run, or its manifest, must ask for; of carry_over, which is mapped over one shard, its instance.
_ASKED: Final[Mapping[Any, OnlyWhen]] = {
    "approve_plan": APPROVAL,
    **{f"approve_{wave}": _asks(wave) for wave in WAVES},
    **dict.fromkeys(("commit_rest", "submit_rest"), OnlyWhen("submit after_canary", _submits_later)),
    (CARRY_OVER, 0): OnlyWhen(CARRY_OVER, lambda context: fleet_run(context).manifest.get(CARRY_OVER)),
}


def fleet_release_dag(
    dag_id: str = "wxa_fleet_release",
    *,
    between: Mapping[str, Callable[[], object]] | None = None,
    fixed: Values | None = None,
    **given: Any,
) -> DAG:
    """Return the DAG that releases many Mini Programs.

    :param between: wave, ``canary`` or ``early`` → a function that builds a team's own tasks, to check on the wave:
        they run when it is released, and its gate opens only if all of them succeed.
    :param fixed: param, or field of a release → its value in every run and manifest, see
        :class:`~airflow_wxa.dags.given.Given`.
    :param given: ``defaults``, ``overrides`` and the arguments of ``DAG``, as every factory of this package takes them.
    :raises WxaSpecError: something that cannot be honoured; every entry is named.
    """
    run_fixed, checks = dict(fixed or {}), dict(between or {})
    release_fixed = {name: run_fixed.pop(name) for name in RELEASE_FIELDS if name in run_fixed}
    release_params(release_fixed)
    gateless = sorted(checks.keys() - WAVES[:-1])
    no_gate = Text("no_gate_follows", waves=", ".join(WAVES[:-1]))
    refuse_given([problem_at(f"between {wave}", no_gate) for wave in gateless])

    @dag_factory(_params, HELP, tag="release", max_active_runs=None, checks_itself=True)
    def factory() -> None:
        _build(release_fixed, checks)

    return factory(dag_id, fixed=run_fixed, **given)


def _build(release_fixed: Mapping[str, Any], checks: Mapping[str, Callable[[], object]]) -> None:
    """Build the tasks.

    :param release_fixed: of the manifest's fields.
    :param checks: by wave.
    """
    first = load_manifest(release_fixed)
    approve_plan = asking(WxaApprovePlanOperator, "approve_plan")
    platform_list = check_platform_list()
    register = register_platform_domains()
    later = plan_release.override(post_execute=SkipUnasked(_ASKED))()
    configure_domains = mapped("configure_domains", first.concat(later), "none_failed_min_one_success")
    granted = domain_gate()
    commit_code = mapped("commit_code", first, "all_success")
    submit_audit = mapped("submit_audit", first, _AFTER_SHARDS)
    approve_canary = _approval("canary", _AFTER_SHARDS)
    release_canary = mapped("release_canary", granted, "all_done")
    canary_gate = _gate("canary", release_canary, checks.get("canary"))
    # As many as the plan names, and only when the gate has opened.
    behind_gate = canary_gate.output.zip(later, fillvalue=None).map(_second)
    commit_rest = mapped("commit_rest", behind_gate, "all_success")
    submit_rest = mapped("submit_rest", behind_gate, _AFTER_SHARDS)
    approve_early = _approval("early", "all_done")
    release_early = mapped("release_early", canary_gate.output, "all_done")
    early_gate = _gate("early", release_early, checks.get("early"))
    approve_rest = _approval("rest", "all_success")
    release_rest = mapped("release_rest", early_gate.output, "none_failed_min_one_success")
    carry_over = mapped(CARRY_OVER, [{"wave": CARRY_OVER, "number": 0}], "none_failed")

    first >> later >> approve_plan >> platform_list
    later >> platform_list
    platform_list >> Label(as_set(Text("label_ready"))) >> configure_domains
    platform_list >> Label(as_set(Text("label_platform_list_empty"))) >> register >> configure_domains
    configure_domains >> granted >> commit_code >> submit_audit >> approve_canary >> release_canary
    granted >> approve_canary
    submit_audit >> release_canary
    canary_gate >> commit_rest >> submit_rest >> approve_early >> release_early
    canary_gate >> approve_early
    submit_rest >> release_early
    early_gate >> approve_rest >> release_rest
    release_rest >> carry_over
    # Whatever nothing follows; carry_over holds the summary up only where it is asked for.
    [release_rest, *carry_over.dag.leaves] >> summarize() >> fleet_result()  # type: ignore[union-attr]  # it stands in one


def _second(pair: Any) -> Any:
    return pair[1]


def mapped(task_id: str, shards: Any, trigger_rule: str) -> MappedOperator:
    """Return a task that is mapped over shards, which another one returns."""
    help_of = read_help(HELP)
    return WxaFleetShardOperator.partial(
        task_id=task_id,
        trigger_rule=trigger_rule,
        pre_execute=_ASKED.get(task_id, _ASKED.get((task_id, 0))),
        wxa_conn_id="{{ params.wxa_conn_id }}",
        doc_md=help_of.get(task_id, help_of["any_stage"]),
        map_index_template="{{ task.shard['wave'] }} {{ task.shard['number'] + 1 }}",
    ).expand(shard=shards)


def _approval(wave: str, trigger_rule: str) -> Any:
    task_id = f"approve_{wave}"
    return asking(WxaApproveWaveOperator, task_id, _ASKED[task_id], wave=wave, trigger_rule=trigger_rule)


def _gate(wave: str, release: MappedOperator, build_checks: Callable[[], object] | None) -> WxaWaveGateOperator:
    """Return the gate behind a wave, and put the tasks of a team that it waits for in front of it.

    :raises WxaSpecError: there are none, or one would skip what stands behind the gate.
    """
    tasks: Mapping[str, Any] = release.dag.task_dict  # type: ignore[union-attr]  # it stands in one
    before = set(tasks)
    if build_checks is not None:
        build_checks()
    own: list[Any] = [task for task_id, task in tasks.items() if task_id not in before]
    problems = [
        problem_at(f"between {wave}", Text("check_skips_the_gate", task_id=task.task_id))
        for task in own
        if getattr(task, "ignore_downstream_trigger_rules", False)
    ]
    if build_checks and not own:
        problems = [problem_at(f"between {wave}", Text("check_builds_no_task"))]
    refuse_given(problems)
    gate = WxaWaveGateOperator(
        task_id=f"{wave}_gate",
        wave=wave,
        own_checks=[task.task_id for task in own],
        trigger_rule="none_failed",
        wxa_conn_id="{{ params.wxa_conn_id }}",
    )
    for task in own:
        if not task.upstream_task_ids:
            if task.trigger_rule == "all_success":  # a wave that is empty is skipped, and checked all the same
                task.trigger_rule = TriggerRule.NONE_FAILED
            release >> task
        task >> gate
    release >> gate
    return gate


def _params() -> dict[str, Param]:
    """Return the params of a run: values that no manifest holds."""
    return {
        "manifest": form_param("param_manifest", type="string", format="multiline", minLength=1),
        **form_of("approval"),
        "shard_size": form_param("param_shard_size", default=200, type="integer", minimum=1, maximum=2000),
        **form_of("approvers", "approver_must_differ", "wxa_conn_id", "platform_conn_id"),
    }
