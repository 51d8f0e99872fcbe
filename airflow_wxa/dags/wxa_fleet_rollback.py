"""Roll many Mini Programs back (版本回退): those that a fleet released, or a list.

Read aloud: load which Mini Programs are meant. Plan which version of each goes and which comes back, and let somebody
approve that. Roll the canaries back and prove them; when they went well, the rest. Sum up: a Mini Program that cannot
go back is named with its remedy.
"""

from typing import Any, Final

from airflow.sdk import Param, get_current_context, task

from airflow_wxa.api.values import APPID_PATTERN
from airflow_wxa.dags.fleet_tasks import at_work, fleet_result, keep_fleet, plan_fleet, summarize
from airflow_wxa.dags.wiring import APPROVAL, SkipUnasked, asking, dag_factory, misspelt_params
from airflow_wxa.dags.wxa_fleet_release import HELP, mapped
from airflow_wxa.errors import problem, problem_at
from airflow_wxa.fleet.manifest import App, Manifest, read_manifest
from airflow_wxa.fleet.plan import AppPlan, plan_app_rollback
from airflow_wxa.hooks.approvals import is_approval_wanted
from airflow_wxa.hooks.manifests import ManifestSources
from airflow_wxa.hooks.store import open_fleets
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.operators.approve_plan import WxaApproveFleetRollbackOperator
from airflow_wxa.operators.fleet import WxaWaveGateOperator
from airflow_wxa.operators.fleet_run import shards_of
from airflow_wxa.release import FIELDS, ReleaseSpec, refuse
from airflow_wxa.release.dag import failing_at_once, form_of, form_param
from airflow_wxa.steps import Step
from airflow_wxa.store.fleets import ROLLBACK, FleetApp
from airflow_wxa.texts import Text

_SHARD_SIZE: Final = 200
_OF_FLEET: Final = ("waves", "pace")  # what a rollback takes of a manifest, its Mini Programs aside


@task
def load_manifest() -> list[dict[str, Any]]:
    """Keep which Mini Programs are to go back, and return their shards; nothing is sent."""
    context = get_current_context()
    params = context["params"]
    read = WxaHook(params["wxa_conn_id"]).read()
    with failing_at_once():
        refuse(misspelt_params(context, FIELDS))
        if params["run_id"]:
            found = _of_run(params["run_id"], read.component_appid)
        else:
            sources = ManifestSources(read.component_appid, fixed=read.only_appids)
            found = read_manifest(params["manifest"] or "", sources, rolls_back=True)
            found = Manifest({"release": {}, ROLLBACK: {}, **_of_fleet(found.common)}, found.apps)
        versions = dict(params["app_version"])
        apps = tuple(App(app.appid, {**app.given, **_version(versions.pop(app.appid, None))}) for app in found.apps)
        refuse([problem_at("app_version", Text("app_goes_not_back", appid=appid)) for appid in versions])
        return keep_fleet(context, read.component_appid, Manifest(found.common, apps), _SHARD_SIZE)


def _version(app_version: str | int | None) -> dict[str, str]:
    return {} if app_version is None else {"app_version": str(app_version)}


def _of_fleet(manifest: Any) -> dict[str, Any]:
    """Return what a rollback takes of a manifest: two waves, and the pace."""
    waves = {name: wave for name, wave in (manifest.get("waves") or {}).items() if name != "early"}
    return {"waves": waves, "pace": manifest.get("pace") or {}}


def _of_run(run_id: str, component_appid: str) -> Manifest:
    """Return the Mini Programs that a fleet's run brought online, or may have.

    :raises WxaSpecError: there is no such run of this platform, or it goes on.
    """
    fleets = open_fleets()
    runs = [run for run in fleets.runs_named(run_id) if ROLLBACK not in run.manifest]
    mine = [run for run in runs if run.component_appid == component_appid]
    wrong = ""
    if not mine:
        wrong = Text("run_goes_not_back", "unknown", run_id=run_id)
    elif len(mine) > 1:
        wrong = Text("run_id_of_several_dags", dags=", ".join(run.dag_id for run in mine))
    elif mine[0].ended_at is None and mine[0].stopped_by is None:
        wrong = Text("run_goes_not_back", "goes_on", run_id=run_id)
    elif not (apps := tuple(App(app.appid, app.given) for app in fleets.apps(mine[0].key) if _may_be_online(app))):
        wrong = Text("run_goes_not_back", "released_nothing", run_id=run_id)
    if wrong:
        refuse([problem("run_id", run_id, wrong)])
    (run,) = mine
    undone = {"dag_id": run.dag_id, "run_id": run_id}
    return Manifest({"release": run.manifest["release"], ROLLBACK: undone, **_of_fleet(run.manifest)}, apps)


def _may_be_online(app: FleetApp) -> bool:
    """Tell whether a run's version may be online: an answer to a release can be lost, or what followed has failed."""
    return app.outcome == "released" or (bool(app.auditid) and app.outcome in (None, "failed", "blocked"))


@task
def plan_rollback() -> list[dict[str, Any]]:
    """Read the versions online and those that can come back, and keep them; returns the shards of the first wave."""
    with at_work() as (context, fleets, run):
        on_lost_domains: Any = "ask" if is_approval_wanted(context) else context["params"]["on_lost_domains"]
        known = {
            app.position: (app.given.get("app_version", ""), (app.plan or {}).get("rollback"))
            for app in fleets.apps(run.key)
            if app.plan or "app_version" in app.given
        }

        def plan(position: int, spec: ReleaseSpec) -> Step[AppPlan]:
            return plan_app_rollback(spec, on_lost_domains, *known.get(position, ()))

        plan_fleet(plan=plan, unread=("blocked",))
        return shards_of(fleets, run, "canary")


def _params() -> dict[str, Param]:
    return {
        "run_id": form_param("param_run_to_undo", default="", type="string"),
        "manifest": form_param("param_rollback_manifest", default="", type="string", format="multiline"),
        "app_version": form_param(
            "param_app_versions",
            default={},
            type="object",
            patternProperties={APPID_PATTERN: {"type": ["string", "integer"], "pattern": "^[0-9]+$", "minimum": 0}},
            additionalProperties=False,
        ),
        **form_of("approval", "approvers", "approver_must_differ", "on_lost_domains", "wxa_conn_id"),
    }


@dag_factory(_params, tag="rollback", help_page=HELP, checks_itself=True)
def fleet_rollback_dag() -> None:
    """Build the DAG that rolls many Mini Programs back."""
    planned = plan_rollback.override(post_execute=SkipUnasked({"approve_plan": APPROVAL}))()
    approve_plan = asking(WxaApproveFleetRollbackOperator, "approve_plan")
    rollback_canary = mapped("rollback_canary", planned, "none_failed_min_one_success")
    canary_gate = WxaWaveGateOperator(
        task_id="canary_gate",
        wave="canary",
        following="rest",
        trigger_rule="none_failed",
        wxa_conn_id="{{ params.wxa_conn_id }}",
    )
    rollback_rest = mapped("rollback_rest", canary_gate.output, "all_success")
    load_manifest() >> planned >> approve_plan >> rollback_canary >> canary_gate
    rollback_rest >> summarize() >> fleet_result()
