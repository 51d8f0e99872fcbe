"""Tasks of :mod:`airflow_wxa.dags.wxa_fleet_release`, those of shards aside."""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from typing import Any, Final

from airflow.sdk import Context, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from airflow_wxa.api.endpoints import CATALOGUE
from airflow_wxa.api.errcodes import PLATFORM_WEBVIEW_DOMAIN_EMPTY, WEBVIEW_DOMAIN_NOT_ON_PLATFORM, error_for
from airflow_wxa.client import AsyncWxaClient
from airflow_wxa.dags.fleet_files import write_files
from airflow_wxa.dags.wiring import misspelt_params, platform_conn_id
from airflow_wxa.errors import WxaApiError, WxaSpecError
from airflow_wxa.fleet.manifest import Manifest, read_manifest
from airflow_wxa.fleet.pace import Pace
from airflow_wxa.fleet.plan import AppPlan, Preflight, Totals, plan_all, plan_digest
from airflow_wxa.fleet.shard import spec_of
from airflow_wxa.fleet.stages import FIRST
from airflow_wxa.fleet.summary import Summary
from airflow_wxa.fleet.waves import WAVES, gate_problem, places, read_waves, submits_ahead
from airflow_wxa.hooks.connection import WxaConnection
from airflow_wxa.hooks.manifests import ManifestSources
from airflow_wxa.hooks.recorder import Recorder, current_task
from airflow_wxa.hooks.store import open_fleets, open_ledger
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.operators.approve_plan import gate_decision, grant_quota, require_approved_plan, require_open
from airflow_wxa.operators.fleet_run import fleet_run, run_key, shards_of
from airflow_wxa.release import FIELDS, refuse
from airflow_wxa.release.dag import beside, failing_at_once
from airflow_wxa.steps import configure_domains, modify_platform_domains
from airflow_wxa.steps.domains import read_platform_hosts
from airflow_wxa.store.fleets import FleetRun, Fleets, NewApp
from airflow_wxa.store.tables import fleet_app
from airflow_wxa.texts import Text
from airflow_wxa.texts.setting import as_set

log = logging.getLogger(__name__)

_MOST_SHARDS: Final = 1024  # Airflow's [core] max_map_length
_MOST_REFUSED: Final = 5
_ACCOUNT_SECONDS: Final = 86400.0  # for which an account with nothing to do is not looked at again


@contextmanager
def at_work() -> Iterator[tuple[Context, Fleets, FleetRun]]:
    """Give the running task its context, the fleets and its run of them; an error that a person must fix ends it."""
    context = get_current_context()
    with failing_at_once():
        yield context, open_fleets(), fleet_run(context)


@task
def load_manifest(fixed: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Check the manifest as a whole and keep it; nothing is sent. Returns the shards that are submitted first."""
    context = get_current_context()
    params = context["params"]
    read = WxaHook(params["wxa_conn_id"]).read()
    with failing_at_once():
        refuse(misspelt_params(context, FIELDS))
        sources = ManifestSources(read.component_appid, fixed=read.only_appids)
        manifest = read_manifest(params["manifest"], sources, fixed=fixed)
        if (manifest.common.get("platform") or {}).get("on_platform_list_empty") == "register":
            refuse(WxaHook(platform_conn_id(context)).token_problems(None))
        return keep_fleet(context, read.component_appid, manifest, params["shard_size"])


def keep_fleet(context: Context, component_appid: str, manifest: Manifest, shard_size: int) -> list[dict[str, Any]]:
    """Keep what the running run is asked to do, and return its shards."""
    where = list(places(read_waves(manifest.common.get("waves") or {}), len(manifest.apps), shard_size))
    shards = list(dict.fromkeys(where))
    _check_shards(len(shards), len(manifest.apps))
    apps = [NewApp(app.appid, *place, app.given) for app, place in zip(manifest.apps, where, strict=True)]
    of_run = (run_key(context), component_appid, manifest.common, manifest.digest)
    open_fleets().load(*of_run, apps, context["ti"].task_id)
    log.info("%d Mini Programs in %d shards", len(apps), len(shards))
    first = WAVES if submits_ahead(manifest.common) else WAVES[:1]
    return [{"wave": wave, "number": number} for wave, number in shards if wave in first]


def _check_shards(shards: int, apps: int) -> None:
    if shards > _MOST_SHARDS:
        least = -(-apps // (_MOST_SHARDS - len(WAVES)))
        raise WxaSpecError(
            Text("fleet_has_too_many_shards", least=least),
            [Text("shard_size_is_too_small", apps=apps, shards=shards, most_shards=_MOST_SHARDS)],
        )


@task
def plan_release() -> list[dict[str, Any]]:
    """Read what WeChat has of each Mini Program, and keep what is to be done with it.

    Returns the shards that are submitted behind the canary's gate.
    """
    with at_work() as (context, fleets, run):
        plan_fleet(is_asked=bool(context["params"]["approval"]), preflight=_preflight(context))
    return [] if submits_ahead(run.manifest) else shards_of(fleets, run, *WAVES[1:])


def _preflight(context: Context) -> Preflight:
    platform = WxaHook(context["params"]["wxa_conn_id"]).read().component_appid
    return Preflight(
        lambda appids: open_ledger().accounts(platform, appids, _ACCOUNT_SECONDS),
        lambda found: open_ledger().know(platform, current_task(), found),
    )


def plan_fleet(**how: Any) -> None:
    """Plan those that nothing was done for yet, and keep it.

    :param how: as :func:`~airflow_wxa.fleet.plan.plan_all` takes it.
    """
    with at_work() as (context, fleets, run):
        fleets.planned(run.key, "")  # while it is made anew, no decision on it counts
        # Of a run that ended here, or a plan that was cleared.
        fleets.reopen(run.key, fleet_app.c.done == "", context["ti"].task_id)
        read = WxaHook(context["params"]["wxa_conn_id"]).read()
        asyncio.run(_planned(fleets, run, read, context["ti"].task_id, how))
        fleets.planned(run.key, plan_digest(run.digest, fleets.apps(run.key)))
    totals = Totals.of((app.appid, AppPlan.from_json(app.plan)) for app in fleets.apps(run.key) if app.plan)
    log.info("%s", as_set(str(totals)))


async def _planned(fleets: Fleets, run: FleetRun, read: WxaConnection, task_id: str, how: Mapping[str, Any]) -> None:
    def save(plans: Mapping[int, AppPlan]) -> None:
        taken = {at: plan.taking_over(elsewhere[at]) if at in elsewhere else plan for at, plan in plans.items()}
        values = {position: {"stage": task_id, **plan.values} for position, plan in taken.items()}
        fleets.change(run.key, values)

    pace = Pace(run.manifest, fleets, run)
    unplanned = fleets.apps(run.key, fleet_app.c.done == "", fleet_app.c.outcome.is_(None))
    supersedes = bool(run.manifest.get("supersede"))
    recorder = Recorder(open_ledger, read.component_appid, current_task(), supersedes=supersedes)
    elsewhere = fleets.under_way(run.key) if supersedes else {}
    async with AsyncWxaClient(read.egress, read.tokens, recorder) as client:
        asked = ((app.position, spec_of(run, app)) for app in unplanned)
        await plan_all(asked, client, pace, save, **how)


@task.branch(trigger_rule="none_failed_min_one_success")
def check_platform_list() -> str:
    """Follow the platform's list: registered hosts, or none (89020)."""
    with at_work() as (context, _, run):
        require_approved_plan(context, run)
        _refuse_stopped(run)
        if not _list_is_empty(context, run):
            return beside(context, FIRST)
        if _platform(run).get("on_platform_list_empty") != "register":
            raise error_for(PLATFORM_WEBVIEW_DOMAIN_EMPTY, endpoint=CATALOGUE["setwebviewdomain"])
    return beside(context, "register_platform_domains")


def _refuse_stopped(run: FleetRun) -> None:
    if run.stopped_by is not None:
        raise AirflowFailException(as_set(Text("no_new_write_starts", stopped_by=run.stopped_by or Text("somebody"))))


def _list_is_empty(context: Context, run: FleetRun) -> bool:
    """Tell whether the platform has registered no host; without a platform token a Mini Program is tried.

    That is the first that writes domains and is not refused for a reason of its own.
    """
    known = open_fleets().apps(run.key, fleet_app.c.outcome.is_(None), fleet_app.c.individual == 0)
    writing = (spec for app in known if (spec := spec_of(run, app)).action != "get" and not spec.is_direct)
    first = next(writing, None)
    if first is None:
        return False
    on_platform = WxaHook(platform_conn_id(context))
    hosts = on_platform.run(read_platform_hosts())
    if hosts is not None:
        return not hosts and not on_platform.accepted_writes().registered
    hook = WxaHook(context["params"]["wxa_conn_id"])
    refused = 0
    for spec in chain([first], writing):
        appid = spec.version.appid
        try:
            outcome = hook.run(configure_domains(appid, spec.action, spec.wanted))
        except WxaApiError as error:
            if error.errcode == WEBVIEW_DOMAIN_NOT_ON_PLATFORM:  # so it was compared with hosts that are there
                return False
            refused += 1
            if error.retryable or refused == _MOST_REFUSED:
                raise
            continue
        if outcome.outcome != "individual":
            return outcome.outcome == "platform_list_empty"
    return False


@task(multiple_outputs=True)
def register_platform_domains() -> dict[str, Any]:
    """Register hosts for all merchants of the platform, if the manifest asks for it and the list is empty still."""
    with at_work() as (context, _, run):
        require_approved_plan(context, run)
        _refuse_stopped(run)
        if _platform(run).get("on_platform_list_empty") != "register":
            raise AirflowSkipException(as_set(Text("manifest_registers_no_hosts")))
        hook = WxaHook(platform_conn_id(context))
        step = modify_platform_domains("add", _hosts(run), only_if_empty=True)
        return hook.run(step).to_json()


def _hosts(run: FleetRun) -> list[str]:
    """Return the hosts to register: as the manifest names them, else those of all wanted domains."""
    if hosts := _platform(run).get("platform_domains"):
        return list(hosts)
    specs = (spec_of(run, app) for app in open_fleets().apps(run.key))
    adding = (spec for spec in specs if spec.action in {"add", "set"} and not spec.is_direct)
    return sorted({host for spec in adding for host in spec.platform_hosts})


def _platform(run: FleetRun) -> Mapping[str, Any]:
    return run.manifest.get("platform") or {}


@task(trigger_rule="all_done_min_one_success")
def domain_gate() -> list[dict[str, Any]]:
    """Grant what is left of the month's audit quota, in the manifest's order; returns the shards of the first wave.

    If the others are submitted behind the canary, only the canary is granted some.
    """
    with at_work() as (context, fleets, run):
        require_approved_plan(context, run)
        which = () if submits_ahead(run.manifest) else (fleet_app.c.wave == WAVES[0],)
        without = grant_quota(WxaHook(context["params"]["wxa_conn_id"]), fleets, run, None, *which)
    log.info("%d Mini Programs have no quota", without)
    return shards_of(fleets, run, WAVES[0])


@task(multiple_outputs=True, trigger_rule="all_done")
def summarize() -> dict[str, Any]:
    """Sum the fleet up; write a CSV file and the manifest of unfinished Mini Programs."""
    with at_work() as (_, fleets, run):
        _end_rest(fleets, run)
        fleets.end(run.key)
        summary = Summary.of(fleets.apps(run.key))
        files = write_files(run, fleets)
    log.info("%s", as_set(str(summary)))
    for errcode, (count, next_step) in sorted(summary.errcodes.items(), key=lambda each: -each[1][0]):
        log.info("errcode %d, %d times: %s", errcode, count, next_step)
    for name, where in files.items():
        log.info("%s: %s", name, where)
    worst = "; ".join(f"{app.appid} {app.outcome}: {as_set(app.what)}" for app in summary.worst)
    log.info("%s", as_set(Text("look_at_these_first", worst=worst or "-")))
    return {"outcomes": dict(summary.outcomes), "files": files}


def _end_rest(fleets: Fleets, run: FleetRun) -> None:
    """End what no task will take up any more."""
    stopped = run.stopped_by is not None
    why = Text("run_was_stopped_by", stopped_by=run.stopped_by) if stopped else Text("an_earlier_task_failed")
    go_on = Text("rerun_prints_the_manifest", run_id=run.run_id)
    fleets.end_rest(run.key, fleet_app.c.position >= 0, "not_reached", why, go_on)


@task(multiple_outputs=True)
def fleet_result() -> dict[str, int]:
    """Make the run's state true."""
    with at_work() as (context, fleets, run):
        require_approved_plan(context, run)
        closed = [wave for wave in WAVES if gate_decision(context, run, wave).get("outcome") != "opened"]
        problems = [problem for wave in closed if (problem := gate_problem(fleets, run, wave))]
        if not problems:  # else nobody may have been asked
            require_open(context, run, approved=WAVES)
    outcomes: dict[str, int] = {}
    for _, _, outcome, _, count in fleets.counts(run.key):
        outcomes[outcome or "goes on"] = outcomes.get(outcome or "goes on", 0) + count
    if not problems and outcomes.get("not_reached"):
        count = outcomes["not_reached"]
        problems.append(Text("some_were_not_reached", count=count))
    if problems:
        raise AirflowFailException("\n".join(map(as_set, problems)))
    return outcomes
