"""``airflow wxa fleet …``: look at a manifest, its plan and a run; stop one, and get the manifest of the rest."""

from __future__ import annotations

import asyncio
import getpass
import sys
import time
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.live import Live
from rich.progress import Progress
from rich.table import Table
from rich.text import Text as RichText

from airflow_wxa.api.audit import queryquota
from airflow_wxa.cli.opening import (
    command,
    is_structured,
    open_connection,
    open_platform,
    print_rows,
    read_text,
    write_csv,
)
from airflow_wxa.cli.terminal import Terminal, header, say
from airflow_wxa.client import AsyncWxaClient
from airflow_wxa.errors import WxaError, WxaSpecError
from airflow_wxa.fleet.manifest import read_manifest
from airflow_wxa.fleet.pace import Pace
from airflow_wxa.fleet.plan import Preflight, Totals, plan_all
from airflow_wxa.fleet.summary import (
    OUTCOME_FIELDS,
    Summary,
    errcode_texts,
    outcome_of,
    outcome_text,
    outcomes_csv,
    rerun_manifest,
    time_left,
)
from airflow_wxa.fleet.waves import WAVES, places, read_waves, submits_ahead, wave_counts, wave_of
from airflow_wxa.hooks import approvals
from airflow_wxa.hooks.connection import read_connection
from airflow_wxa.hooks.manifests import ManifestSources
from airflow_wxa.hooks.recorder import Recorder
from airflow_wxa.hooks.store import open_fleets, open_ledger
from airflow_wxa.release import ReleaseSpec
from airflow_wxa.steps.online import in_words
from airflow_wxa.store import TaskRef
from airflow_wxa.texts import Text
from airflow_wxa.texts.setting import as_set, phrase

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from airflow_wxa.fleet.manifest import Manifest
    from airflow_wxa.fleet.plan import AppPlan
    from airflow_wxa.store.fleets import FleetRun, Fleets

_SHOWN_IN_TABLE = 50
_ASKED_FOR_QUOTA = 5  # Mini Programs


class _BesideFile:
    """Sources of a manifest that stands in a file: other files beside it, merchants of a Connection's platform."""

    def __init__(self, folder: Path, wxa_conn_id: str) -> None:
        self._folder = folder
        self._wxa_conn_id = wxa_conn_id

    def read(self, name: str) -> str:
        return read_text(str(self._folder / name))

    def authorised(self) -> Sequence[str]:
        return self._merchants().authorised()

    def released_at(self) -> Mapping[str, float]:
        return self._merchants().released_at()

    def _merchants(self) -> ManifestSources:
        return ManifestSources(open_platform(self._wxa_conn_id)[0].component_appid)


@command
def check(arguments: argparse.Namespace) -> int:
    """Say whether a manifest can be used, and how its waves come out; calls nothing."""
    manifest = _read(arguments)
    waves = read_waves(manifest.common.get("waves") or {})
    where = list(places(waves, len(manifest.apps), arguments.shard_size))
    rows = [
        {
            "wave": wave.name,
            "Mini Programs": sum(name == wave.name for name, _ in where),
            "shards": len({place for place in where if place[0] == wave.name}),
            "max_failed_percent": wave.max_failed_percent,
        }
        for wave in waves
    ]
    print_rows(rows, arguments.output)
    return 0


@command
def plan(arguments: argparse.Namespace) -> int:
    """Print the plan of each Mini Program, and the sum of it; only reads."""
    manifest = _read(arguments)
    release: Mapping[str, Any] = manifest.common["release"]
    found: dict[int, AppPlan] = {}
    pace = Pace(manifest.common)
    read = read_connection(open_connection(arguments.wxa_conn_id))
    recorder = None
    if manifest.common.get("supersede"):  # the ledger knows whose sheets are in audit
        task = TaskRef(dag_id=arguments.dag_id or "wxa_fleet_release", run_id="plan")
        recorder = Recorder(open_ledger, read.component_appid, task, supersedes=True)

    def asked() -> Iterator[tuple[int, ReleaseSpec]]:
        for position, app in enumerate(manifest.apps):
            yield position, ReleaseSpec.from_params({**release, **app.given, "appid": app.appid})

    with Progress(console=Terminal(stderr=True), transient=True) as progress:
        bar = progress.add_task(phrase("planning"), total=len(manifest.apps))

        def save(plans: Mapping[int, AppPlan]) -> None:
            found.update(plans)
            progress.update(bar, completed=len(found))

        async def planned() -> tuple[int, int] | None:
            async with AsyncWxaClient(read.egress, read.tokens, recorder) as client:
                await plan_all(asked(), client, pace, save, preflight=Preflight())
                healthy = (app.appid for position, app in enumerate(manifest.apps) if not found[position].blocked)
                given = manifest.common.get("audit_quota")
                return await _audit_quota(client, healthy) if given is None else (given, given)

        told = asyncio.run(planned())
    rows = [_plan_row(app.appid, found[position]) for position, app in enumerate(manifest.apps)]
    if is_structured(arguments.output):  # programs read the steps
        rows = [row | {"steps": str(row["steps"])} for row in rows]
    shown = rows if is_structured(arguments.output) or arguments.all else sorted(rows, key=_is_usual)[:_SHOWN_IN_TABLE]
    print_rows(shown, arguments.output)
    totals = Totals.of((app.appid, found[position]) for position, app in enumerate(manifest.apps))
    say(Text("plan_takes", totals=str(totals), minutes=f"{totals.minutes(pace.concurrency):.0f}"))
    say(_quota_in_words(totals, told, manifest.common.get("audit_quota_reserve", 0)))
    if not submits_ahead(manifest.common):
        canary = wave_of(manifest.common, WAVES[0]).size(len(manifest.apps), len(manifest.apps))
        first = sum("submit" in found[position].steps for position in range(canary))
        say(Text("plan_submits_canary_first", first=first, later=totals.needed - first))
    return 0


@command
def status(arguments: argparse.Namespace) -> int:
    """Show what became of each Mini Program of a run so far."""
    fleets, run = _run(arguments)
    if arguments.csv:
        write_csv(arguments.csv, outcomes_csv(run, fleets.apps(run.key)))
        return 0
    if is_structured(arguments.output):
        print_rows((outcome_of(run, app) for app in fleets.apps(run.key)), arguments.output)
        return 0
    print_rows(_waves(fleets, run), arguments.output)
    summary = Summary.of(fleets.apps(run.key))
    say(str(summary))
    if left := time_left(run, fleets.apps(run.key), time.time()):
        say(left)
    for text in errcode_texts(summary):
        say(text)
    if summary.worst:
        columns = [name for name in OUTCOME_FIELDS if name not in ("user_version", "auditid")]
        worst = [{name: outcome_of(run, app)[name] for name in columns} for app in summary.worst]
        print_rows([row | {"outcome": outcome_text(row["outcome"])} for row in worst], arguments.output)
    return 0


@command
def watch(arguments: argparse.Namespace) -> int:
    """Show how a run stands, on one screen, until it has ended."""
    fleets, run = _run(arguments)
    with Live(console=Terminal(), auto_refresh=False) as live:
        while True:
            live.update(_screen(fleets, run), refresh=True)
            if run.ended_at is not None:
                return 0
            time.sleep(arguments.every)
            fleets, run = _run(arguments)


def _screen(fleets: Fleets, run: FleetRun) -> Group:
    """Return how a run stands: waves, outcomes, time left, and the Mini Programs to look at first."""
    rows = _waves(fleets, run)
    table = Table(*map(header, rows[0]), title=f"{run.dag_id} {run.run_id}")
    for row in rows:
        table.add_row(*map(str, row.values()))
    summary = Summary.of(fleets.apps(run.key))
    left = time_left(run, fleets.apps(run.key), time.time())
    worst = [Text("worst_app", appid=app.appid, end=outcome_text(app.outcome), what=app.what) for app in summary.worst]
    lines = (as_set(line) for line in (str(summary), left, *worst))
    return Group(table, *(RichText(line, no_wrap=True, overflow="ellipsis") for line in lines))


def _waves(fleets: Fleets, run: FleetRun) -> list[dict[str, Any]]:
    counts = wave_counts(fleets.counts(run.key))
    return [
        {
            "wave": name,
            "Mini Programs": counts[name].total,
            "released": counts[name].released,
            "failed": counts[name].failed,
            "not ended": counts[name].unended,
        }
        for name in WAVES
    ]


@command
def stop(arguments: argparse.Namespace) -> int:
    """Let running calls finish, and no new write start."""
    fleets, run = _run(arguments)
    if run.stopped_by is None:
        fleets.stop(run.key, getpass.getuser())
    say(Text("fleet_stops", run_id=run.run_id, dag_id=run.dag_id))
    return 0


@command
def open_gate(arguments: argparse.Namespace) -> int:
    """Let a fleet go on behind a gate that closed, and clear that gate with the tasks behind it."""
    _, run = _run(arguments)
    by = Text("user_of_the_machine", user=getpass.getuser())
    gate = approvals.open_gate(open_ledger(), run, arguments.wave, by=by, why=arguments.reason)
    say(Text("gate_is_opened", gate=gate, run_id=run.run_id, by=by, count=_cleared(run, gate)))
    return 0


def _cleared(run: FleetRun, task_id: str) -> int:
    """Clear a task and those behind it, and return how many task instances."""
    from airflow.models.dagbag import DBDagBag  # noqa: PLC0415  (it takes seconds, and only this command needs it)
    from airflow.utils.session import create_session  # noqa: PLC0415

    with create_session() as session:
        dag = DBDagBag().get_latest_version_of_dag(run.dag_id, session=session)
        behind = dag.get_task(task_id).get_flat_relative_ids(upstream=False) if dag is not None else ()
        return dag.clear(run_id=run.run_id, task_ids=[task_id, *behind], session=session) if dag is not None else 0


@command
def rerun(arguments: argparse.Namespace) -> int:
    """Print the manifest of the unfinished Mini Programs."""
    fleets, run = _run(arguments)
    text = rerun_manifest(run, fleets.apps(run.key))
    if not text:
        say(Text("fleet_is_finished"))
    sys.stdout.write(text)
    return 0


def _read(arguments: argparse.Namespace) -> Manifest:
    path = Path(arguments.manifest)
    text = read_text(str(path))
    beside = _BesideFile(path.parent, arguments.wxa_conn_id)
    return read_manifest(text, beside, file=str(path))


def _run(arguments: argparse.Namespace) -> tuple[Fleets, FleetRun]:
    """Return the run that the command names; refuse if there is none, or several DAGs have one."""
    fleets = open_fleets()
    runs = [run for run in fleets.runs_named(arguments.run_id) if arguments.dag_id in (None, run.dag_id)]
    if len(runs) != 1:
        dags = ", ".join(run.dag_id for run in runs)
        raise WxaSpecError(
            Text("run_is_not_unique", run_id=repr(arguments.run_id)),
            [Text("run_id_is_of_several_dags", dags=dags) if runs else Text("run_id_is_unknown")],
            next_step=Text("name_the_dag") if runs else Text("copy_the_run_id"),
        )
    return fleets, runs[0]


async def _audit_quota(client: AsyncWxaClient, appids: Iterable[str]) -> tuple[int, int] | None:
    """Return how many submissions the platform has left this month and each month; ``None``: none could tell."""
    for appid in islice(appids, _ASKED_FOR_QUOTA):
        with suppress(WxaError):
            answer = (await client.send(queryquota(appid))).answer
            if "rest" in answer:
                return int(answer["rest"]), int(answer.get("limit") or answer["rest"])
    return None


def _quota_in_words(totals: Totals, told: tuple[int, int] | None, reserve: int) -> Text:
    if told is None:
        return Text("quota_is_not_known")
    rest, limit = told
    without, months = totals.without_quota(rest, reserve), totals.months(rest, limit, reserve)
    pace = Text("no_end_at_this_pace") if months is None else Text("months_at_this_pace", months=months)
    more = Text("apps_without_quota", count=without, pace=pace) if without else ""
    return Text("quota_of_a_plan", rest=rest, limit=limit, reserve=reserve, more=more)


def _plan_row(appid: str, plan: AppPlan) -> dict[str, Any]:
    return {
        "appid": appid,
        "steps": Text("list", each=[Text("step", step) for step in plan.steps], between=" "),
        "why": plan.why,
        "add": " ".join(plan.add),
        "remove": " ".join(plan.remove),
        "goes_offline": in_words(plan.lost),
        "errcode": plan.blocked.get("errcode"),
        "next_step": plan.blocked.get("next_step", ""),
    }


def _is_usual(row: Mapping[str, Any]) -> bool:
    return "commit" in row["steps"]
