"""``airflow-wxa demo --fleet N``: a seeded fleet in an emulated WeChat, released by one manifest on a real Airflow."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import yaml
from cryptography.fernet import Fernet
from rich.table import Table
from sqlalchemy import URL

from airflow_wxa.api.appid import THE_PLATFORM
from airflow_wxa.api.redaction import Secret
from airflow_wxa.cli.demo.airflow import ThrowawayAirflow, connection_of
from airflow_wxa.fleet.summary import Summary
from airflow_wxa.fleet.waves import WAVES, wave_counts
from airflow_wxa.sandbox import seeded_fleet, serve
from airflow_wxa.store import Store
from airflow_wxa.store.fleets import Fleets, RunKey

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from rich.console import Console

    from airflow_wxa.cli.demo.airflow import AirflowApi, TaskInstance
    from airflow_wxa.sandbox import RunningSandbox
    from airflow_wxa.sandbox.worlds import Fleet, Kind
    from airflow_wxa.store.fleets import FleetApp

DAG_ID: Final = "wxa_fleet_release"
RUN_ID: Final = "demo"
DAGS: Final = {
    "wxa_fleet_release.py": "from airflow_wxa.dags.wxa_fleet_release import fleet_release_dag\n\n"
    "dag = fleet_release_dag()\n"
}
SEED: Final = 7
SHARES: Final[Mapping[Kind, float]] = {
    "individual": 0.03,
    "unauthorised": 0.02,
    "rejected": 0.05,
    "lost_answer": 0.01,
}
#: Kind, as the emulated WeChat's generator placed it → how its release must end.
EXPECTED: Final[Mapping[Kind, str]] = {
    "ordinary": "released",
    "individual": "released",
    "unauthorised": "blocked",
    "rejected": "rejected",
    "lost_answer": "released",
}
LOOK_SECONDS: Final = 2.0
FINAL: Final = frozenset({"success", "failed"})


@dataclass(frozen=True, slots=True)
class FleetReport:
    """What became of the fleet.

    :param seconds: from the trigger to the end of the run.
    :param stages: task id → how many instances there were, and seconds between the first's start and the last's end.
    :param calls: path → how often it was called.
    :param wrong: appid → kind and outcome, of those that did not end as their kind must.
    """

    state: str
    seconds: float
    apps: list[FleetApp] = field(repr=False)
    waves: Mapping[str, Any] = field(repr=False)
    stages: Mapping[str, tuple[int, float]] = field(repr=False)
    calls: Mapping[str, int] = field(repr=False)
    wrong: Mapping[str, tuple[str, str | None]]

    @property
    def exit_code(self) -> int:
        """0 when the run succeeded and each ended as it must."""
        return int(self.state != "success" or bool(self.wrong))


def play_fleet(
    size: int,
    home: Path,
    airflow_options: Mapping[str, Any],
    tell: Callable[[str], object],
    look_around: Callable[[ThrowawayAirflow, FleetReport], object],
) -> FleetReport:
    """Start everything in ``home``, release the fleet, read what came of it, and end everything.

    :param airflow_options: what else :class:`ThrowawayAirflow` takes.
    :param look_around: called before everything is ended.
    :raises AirflowStartError: Airflow did not come up.
    """
    fleet = seeded_fleet(size, seed=SEED, shares=SHARES)
    fleet.world.journal_keeps = 1000  # its counts are of all calls
    with serve(fleet.world) as wechat:
        for fault in fleet.faults:
            wechat.add_fault(fault)
        store_url = URL.create("sqlite", database=str(home / "wxa.db")).render_as_string()
        environment = _environment(fleet, wechat, store_url)
        airflow = ThrowawayAirflow(home, environment, DAGS, tell=tell, **airflow_options)
        tell(f"Emulated WeChat at {wechat.url}, Airflow at {airflow.url}")
        try:
            airflow.start(DAG_ID)
            report = _released(fleet, wechat, airflow.api, Fleets(store_url), tell)
            look_around(airflow, report)
        finally:
            airflow.stop()
    return report


def _environment(fleet: Fleet, wechat: RunningSandbox, store_url: str) -> dict[str, str]:
    """Return what the components see; the store knows ticket and refresh tokens, as after the merchants' consent."""
    key = Fernet.generate_key().decode()
    platform = fleet.world.platforms[0]
    tokens = {each.appid: Secret(each.refresh_token) for each in fleet.world.mini_programs}
    ticket = {THE_PLATFORM: Secret(platform.component_verify_ticket)}
    Store(store_url, [key]).put_renewals(platform.component_appid, ticket | tokens)
    return {
        "AIRFLOW_CONN_WXA_DEFAULT": connection_of(wechat.url, platform.component_appid, platform.component_appsecret),
        "AIRFLOW__WXA__SQL_ALCHEMY_CONN": store_url,
        "AIRFLOW__WXA__ENCRYPTION_KEYS": key,
        "AIRFLOW__WXA__PRIVACY_POLL_SECONDS": "2",
        "AIRFLOW__WXA__AUDIT_POLL_SECONDS": "2",
    }


def _manifest(fleet: Fleet) -> str:
    release = {
        "template_id": 47,
        "user_version": "3.2.0",
        "user_desc": "spring sale",
        "domain_action": "set",
        "webviewdomain": ["https://m.example.com"],
    }
    waves = {
        "canary": {"apps": 5, "max_failed_percent": 20},
        "early": {"percent": 10, "max_failed_percent": 20},
    }
    return yaml.safe_dump({"release": release, "apps": list(fleet.kinds), "waves": waves}, sort_keys=False)


def _released(
    fleet: Fleet, wechat: RunningSandbox, api: AirflowApi, fleets: Fleets, tell: Callable[[str], object]
) -> FleetReport:
    key, began = RunKey(DAG_ID, RUN_ID), time.monotonic()
    api.trigger(DAG_ID, RUN_ID, {"manifest": _manifest(fleet), "approval": False})
    told, state = "", ""
    while state not in FINAL:
        time.sleep(LOOK_SECONDS)
        state = api.run_states(DAG_ID).get(RUN_ID, "")
        if (now := _progress(api, fleets, key)) != told:
            told = now
            tell(told)
    apps = list(fleets.apps(key))
    wrong = {
        app.appid: (fleet.kinds[app.appid], app.outcome)
        for app in apps
        if app.outcome != EXPECTED[fleet.kinds[app.appid]]
    }
    stages = _stages(api.task_instances(DAG_ID, RUN_ID))
    waves = wave_counts(fleets.counts(key))
    calls = wechat.sandbox.journal.counts()
    return FleetReport(state, time.monotonic() - began, apps, waves, stages, calls, wrong)


def _progress(api: AirflowApi, fleets: Fleets, key: RunKey) -> str:
    states = Counter((task.task_id, task.state) for task in api.task_instances(DAG_ID, RUN_ID))
    going_on = [f"{task_id} {state} {count}" for (task_id, state), count in states.items() if state in _UNDER_WAY]
    waves = wave_counts(fleets.counts(key))
    ended = [f"{name} {count.total - count.unended}/{count.total}" for name, count in waves.items() if count.total]
    return f"{', '.join(ended) or 'loading'}; {', '.join(sorted(going_on)) or 'scheduling'}"


_UNDER_WAY: Final = frozenset({"running", "deferred", "up_for_retry"})


def _stages(tasks: list[TaskInstance]) -> dict[str, tuple[int, float]]:
    """Return how many instances each task had, and how long they took together, in the order of their starts."""
    spans: dict[str, tuple[int, float, float]] = {}
    for task in sorted(tasks, key=lambda each: each.started):
        if task.started:
            count, begin, end = spans.get(task.task_id, (0, task.started, task.ended))
            spans[task.task_id] = (count + 1, min(begin, task.started), max(end, task.ended))
    return {task_id: (count, end - begin) for task_id, (count, begin, end) in spans.items()}


def show_fleet(report: FleetReport, console: Console) -> None:
    """Print what became of the fleet."""
    waves = Table("wave", "Mini Programs", "released", "failed", "failed %", title="Waves")
    for name in WAVES:
        count = report.waves[name]
        waves.add_row(name, str(count.total), str(count.released), str(count.failed), f"{count.failed_percent:.1f}")
    console.print(waves)
    stages = Table("task", "instances", "seconds", title="Stages")
    for task_id, (count, seconds) in report.stages.items():
        stages.add_row(task_id, str(count), f"{seconds:.1f}")
    console.print(stages)
    summary = Summary.of(report.apps)
    calls = sum(report.calls.values())
    console.print(f"{len(report.apps)} Mini Programs in {report.seconds:.0f} s, {calls} calls: {summary}")
    for errcode, (count, next_step) in sorted(summary.errcodes.items()):
        console.print(f"  errcode {errcode}, {count} times: {next_step}", markup=False, highlight=False)
    for appid, (kind, outcome) in list(report.wrong.items())[:10]:
        console.print(f"  {appid} is {kind} and ended {outcome}", style="red", markup=False)
    console.print(f"run {report.state}; {len(report.wrong)} did not end as they must")
