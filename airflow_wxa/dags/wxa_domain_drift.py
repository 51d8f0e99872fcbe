"""Compare business domains (业务域名) as they are wanted, configured, registered and effective; nothing is written.

For ``appids``, for a ``manifest``, or, with neither, for all Mini Programs that authorised the platform. Put it on a
schedule: ``domain_drift_dag(schedule="@daily")``. The board shows its findings, and the name and online version that it
reads, with the time of reading.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

from airflow.sdk import Param, get_current_context, task

from airflow_wxa.api.values import APPID_PATTERN, csv_lines
from airflow_wxa.api.webview_domain import WebviewDomain
from airflow_wxa.dags.fleet_files import write_file
from airflow_wxa.dags.wiring import dag_factory
from airflow_wxa.errors import WxaStateError
from airflow_wxa.fleet.manifest import read_manifest
from airflow_wxa.hooks.manifests import ManifestSources
from airflow_wxa.hooks.recorder import current_task
from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.release.dag import failing_at_once, form_of, form_param
from airflow_wxa.release.spec import ReleaseSpec
from airflow_wxa.steps.domains import read_platform_hosts
from airflow_wxa.steps.drift import FINDINGS, domain_drift
from airflow_wxa.steps.outcome import DriftOutcome
from airflow_wxa.texts import Text

Wanted = tuple[tuple[WebviewDomain, ...], bool, bool]

log = logging.getLogger(__name__)

_TOGETHER: Final = 16
_TOGETHER_KEPT: Final = 500
_SHOWN: Final = 200
_UNTOLD: Final[Wanted] = ((), False, False)  # where nobody says what is wanted
_COLUMNS: Final = ("appid", "outcome", *FINDINGS, "what")


def _params() -> dict[str, Param]:
    return {
        "appids": form_param(
            "param_appids", default=[], type="array", items={"type": "string", "pattern": APPID_PATTERN}
        ),
        "manifest": form_param("param_drift_manifest", default="", type="string", format="multiline"),
        "fail_on_drift": form_param("param_fail_on_drift", default=False, type="boolean"),
        **form_of("wxa_conn_id"),
    }


@dag_factory(_params, tag="domains", max_active_runs=1)
def domain_drift_dag() -> None:
    """Build the DAG that compares and reports."""
    report_drift(compare_domains())  # type: ignore[arg-type]  # its output, not the list itself


@task
def compare_domains() -> list[dict[str, Any]]:
    """Read the lists of each Mini Program, and return those where something differs or could not be read."""
    params = get_current_context()["params"]
    hook = WxaHook(params["wxa_conn_id"])
    with failing_at_once():
        wanted = _wanted(params, hook)
        hosts = hook.run(read_platform_hosts())
        outcomes = asyncio.run(_compared(hook, wanted, hosts))
        component_appid, said = hook.read().component_appid, [each.to_json() for each in outcomes]
        for first in range(0, len(said), _TOGETHER_KEPT):  # for the board
            some = {each["appid"]: each for each in said[first : first + _TOGETHER_KEPT]}
            open_ledger().know(component_appid, current_task(), some)
    log.info("%d Mini Programs compared; the platform's list: %s", len(outcomes), sorted(hosts) if hosts else "unknown")
    return [{name: each.get(name) for name in _COLUMNS} for each in said if each["outcome"] != "as_wanted"]


@task(multiple_outputs=True)
def report_drift(differing: list[dict[str, Any]]) -> dict[str, Any]:
    """Show what differs as a table, write it as CSV beside the logs, and fail if that was asked for."""
    context = get_current_context()
    rows = [{name: _cell(each.get(name)) for name in _COLUMNS} for each in differing]
    for row in rows[:_SHOWN]:
        log.warning("%s", " | ".join(f"{name} {value}" for name, value in row.items() if value))
    run, lines = context["dag_run"], csv_lines([_COLUMNS, *(row.values() for row in rows)])
    path = write_file("wxa_domain_drift", run.dag_id, run.run_id, "drift.csv", lines)
    with failing_at_once():
        if rows and context["params"]["fail_on_drift"]:
            raise WxaStateError(
                Text("domains_have_drifted"),
                values={
                    "Mini Programs": ", ".join(row["appid"] for row in rows[:10]),
                    "in all": len(rows),
                    "CSV": path,
                },
            )
    return {"differing": len(rows), "csv": path}


def _wanted(params: Mapping[str, Any], hook: WxaHook) -> dict[str, Wanted]:
    """Return whom to look at, and which domains are wanted there; whether these and no others, and in direct mode."""
    read = hook.read()
    sources = ManifestSources(read.component_appid, fixed=read.only_appids)
    if params["appids"]:
        return dict.fromkeys(params["appids"], _UNTOLD)
    if not params["manifest"].strip():
        return dict.fromkeys(sources.authorised(), _UNTOLD)
    manifest = read_manifest(params["manifest"], sources)
    wanted = {}
    for app in manifest.apps:
        spec = ReleaseSpec.from_params({**manifest.common["release"], **app.given, "appid": app.appid})
        is_whole = spec.action == "set"
        wanted[app.appid] = (spec.wanted if is_whole or spec.action == "add" else (), is_whole, spec.is_direct)
    return wanted


async def _compared(hook: WxaHook, wanted: Mapping[str, Wanted], hosts: frozenset[str] | None) -> list[DriftOutcome]:
    limit = asyncio.Semaphore(_TOGETHER)
    async with await hook.aget_conn() as client:

        async def compared(appid: str) -> DriftOutcome:
            async with limit:
                domains, is_whole, is_direct = wanted[appid]
                return await client.run(domain_drift(appid, domains, is_whole, hosts, direct=is_direct))

        return list(await asyncio.gather(*map(compared, wanted)))


def _cell(value: Any) -> Any:
    return ", ".join(value) if isinstance(value, list) else value
