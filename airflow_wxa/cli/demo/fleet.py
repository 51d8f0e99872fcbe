"""``airflow-wxa demo --fleet N``: a seeded fleet in an emulated WeChat, released by one manifest on a real Airflow."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import psutil
import yaml
from cryptography.fernet import Fernet
from rich.table import Table
from sqlalchemy import URL

from airflow_wxa.api.redaction import Secret
from airflow_wxa.api.values import THE_PLATFORM
from airflow_wxa.cli.demo.airflow import FINAL, ThrowawayAirflow, connection_of, dags_of
from airflow_wxa.cli.terminal import header
from airflow_wxa.fleet.summary import Summary, errcode_texts, outcome_text
from airflow_wxa.fleet.waves import WAVES, wave_counts
from airflow_wxa.sandbox import seeded_fleet, serve
from airflow_wxa.store import Store
from airflow_wxa.store.fleets import Fleets, RunKey
from airflow_wxa.texts import Text
from airflow_wxa.texts.setting import as_set, phrase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from rich.console import Console

    from airflow_wxa.cli.demo.airflow import AirflowApi, TaskInstance
    from airflow_wxa.sandbox import RunningSandbox
    from airflow_wxa.sandbox.worlds import Fleet, Kind
    from airflow_wxa.store.fleets import FleetApp

DAG_ID: Final = "wxa_fleet_release"
RUN_ID: Final = "demo"
DAGS: Final = dags_of(DAG_ID)
SEED: Final = 7
SHARES: Final[Mapping[Kind, float]] = {"individual": 0.03, "unauthorised": 0.02, "rejected": 0.05, "lost_answer": 0.01}
#: Kind, as the emulated WeChat's generator placed it → how its release must end.
EXPECTED: Final[Mapping[Kind, str]] = {
    "ordinary": "released",
    "individual": "released",
    "unauthorised": "blocked",
    "rejected": "rejected",
    "lost_answer": "released",
}
LOOK_SECONDS: Final = 2.0
_TASK_TITLE: Final = "airflow worker -- "  # how a process of a task calls itself


@dataclass(frozen=True, slots=True)
class Stage:
    """Time that the instances of a task took together.

    :param seconds: between the first's start and the last's end.
    :param calls: that WeChat heard meanwhile, as far as two looks tell them apart.
    :param peak_mib: of the largest process of a task while they ran.
    """

    instances: int
    seconds: float
    calls: int
    peak_mib: float


@dataclass(frozen=True, slots=True)
class _Look:
    """Observation of one moment.

    :param at: epoch seconds.
    :param calls: that WeChat has heard.
    :param all_mib: memory that all processes of Airflow have to themselves; ``task_mib`` the largest task's.
    """

    at: float
    calls: int
    all_mib: float
    task_mib: float


@dataclass(frozen=True, slots=True)
class FleetReport:
    """Result of the fleet.

    :param seconds: from the trigger to the end of the run.
    :param stages: task id → what its instances took.
    :param peak_mib: of all processes of this Airflow together, at one moment.
    :param wrong: appid → kind and outcome, of those that did not end as their kind must.
    """

    state: str
    seconds: float
    apps: list[FleetApp] = field(repr=False)
    waves: Mapping[str, Any] = field(repr=False)
    stages: Mapping[str, Stage] = field(repr=False)
    peak_mib: float
    wrong: Mapping[str, tuple[str, str | None]]

    @property
    def exit_code(self) -> int:
        """0 when the run succeeded and each ended as it must."""
        return int(self.state != "success" or bool(self.wrong))


@contextmanager
def played_fleet(
    size: int, home: Path, tell: Callable[[str], object], patience: float, **more: Any
) -> Iterator[tuple[ThrowawayAirflow, FleetReport]]:
    """Start everything in ``home``, release the fleet, read what came of it, and end everything after the block.

    :param patience: seconds for the start.
    :param more: further arguments of :class:`ThrowawayAirflow`.
    :raises AirflowStartError: Airflow did not come up, or a component of it has failed.
    """
    fleet = seeded_fleet(size, seed=SEED, shares=SHARES)
    fleet.world.journal_keeps = 1000  # its counts are of all calls
    with serve(fleet.world) as wechat:
        for fault in fleet.faults:
            wechat.add_fault(fault)
        store_url = URL.create("sqlite", database=str(home / "wxa.db")).render_as_string()
        environment = _environment(fleet, wechat, store_url)
        airflow = ThrowawayAirflow(home, environment, DAGS, tell=tell, **more)
        tell(Text("demo_fleet_is_starting", wechat=wechat.url, airflow=airflow.url))
        with airflow.running(DAG_ID, patience=patience):
            yield airflow, _released(fleet, wechat, airflow, Fleets(store_url), tell)


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
    waves = {"canary": {"apps": 5, "max_failed_percent": 20}, "early": {"percent": 10, "max_failed_percent": 20}}
    return yaml.safe_dump({"release": release, "apps": list(fleet.kinds), "waves": waves}, sort_keys=False)


def _released(
    fleet: Fleet, wechat: RunningSandbox, airflow: ThrowawayAirflow, fleets: Fleets, tell: Callable[[str], object]
) -> FleetReport:
    key, began, api = RunKey(DAG_ID, RUN_ID), time.monotonic(), airflow.api
    looks = [_look(wechat, airflow)]
    api.trigger(DAG_ID, RUN_ID, {"manifest": _manifest(fleet), "approval": False})
    told, state = "", ""
    while state not in FINAL:
        time.sleep(LOOK_SECONDS)
        airflow.check_lives()
        looks.append(_look(wechat, airflow))
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
    stages = _stages(api.task_instances(DAG_ID, RUN_ID), looks)
    waves = wave_counts(fleets.counts(key))
    peak = max(look.all_mib for look in looks)
    return FleetReport(state, time.monotonic() - began, apps, waves, stages, peak, wrong)


def _look(wechat: RunningSandbox, airflow: ThrowawayAirflow) -> _Look:
    together = largest = 0.0
    for pid in airflow.processes.pids():
        with suppress(psutil.Error):
            process = psutil.Process(pid)
            mib = process.memory_full_info().uss / 1024**2
            together += mib
            if " ".join(process.cmdline()).startswith(_TASK_TITLE):
                largest = max(largest, process.memory_info().rss / 1024**2)
    return _Look(time.time(), sum(wechat.journal.totals.values()), together, largest)


def _progress(api: AirflowApi, fleets: Fleets, key: RunKey) -> Text:
    states = Counter((task.task_id, task.state) for task in api.task_instances(DAG_ID, RUN_ID))
    going_on = sorted(f"{task_id} {state} {count}" for (task_id, state), count in states.items() if state in _UNDER_WAY)
    waves = wave_counts(fleets.counts(key))
    ended = [f"{name} {count.total - count.unended}/{count.total}" for name, count in waves.items() if count.total]
    return Text(
        "demo_fleet_goes_on",
        ended=", ".join(ended) or Text("loading"),
        tasks=", ".join(going_on) or Text("scheduling"),
    )


_UNDER_WAY: Final = frozenset({"running", "deferred", "up_for_retry"})


def _stages(tasks: list[TaskInstance], looks: list[_Look]) -> dict[str, Stage]:
    """Return what each task took, in the order of their starts."""
    spans: dict[str, tuple[int, float, float]] = {}
    for task in sorted(tasks, key=lambda each: each.started):
        if task.started:
            count, begin, end = spans.get(task.task_id, (0, task.started, task.ended))
            spans[task.task_id] = (count + 1, min(begin, task.started), max(end, task.ended))
    return {
        task_id: Stage(
            count,
            end - begin,
            _calls_until(end, looks) - _calls_until(begin, looks),
            max((look.task_mib for look in looks if begin <= look.at <= end), default=0.0),
        )
        for task_id, (count, begin, end) in spans.items()
    }


def _calls_until(at: float, looks: list[_Look]) -> int:
    return next((look.calls for look in looks if look.at >= at), looks[-1].calls)


def show_fleet(report: FleetReport, console: Console) -> None:
    """Print what became of the fleet."""
    names = ("wave", "Mini Programs", "released", "failed", "failed %")
    waves = Table(*map(header, names), title=phrase("demo_waves"))
    for name in WAVES:
        count = report.waves[name]
        waves.add_row(name, str(count.total), str(count.released), str(count.failed), f"{count.failed_percent:.1f}")
    names = ("task", "instances", "seconds", "calls", "peak MiB")
    stages = Table(*map(header, names), title=phrase("demo_stages"))
    for task_id, stage in report.stages.items():
        peak = f"{stage.peak_mib:.0f}" if stage.peak_mib else ""  # over before anybody looked
        stages.add_row(task_id, str(stage.instances), f"{stage.seconds:.1f}", str(stage.calls), peak)
    console.print(waves, stages)
    summary = Summary.of(report.apps)
    told = Text(
        "demo_fleet_has_ended",
        apps=len(report.apps),
        minutes=f"{report.seconds / 60:.1f}",
        tasks=sum(each.instances for each in report.stages.values()),
        calls=sum(each.calls for each in report.stages.values()),
        peak=f"{report.peak_mib:.0f}",
        summary=str(summary),
    )
    console.print(as_set(told))
    for text in errcode_texts(summary):
        console.print(f"  {as_set(text)}", markup=False, highlight=False)
    for appid, (kind, outcome) in list(report.wrong.items())[:10]:
        wrong = phrase("app_ended_otherwise", appid=appid, kind=kind, outcome=outcome_text(outcome))
        console.print(f"  {wrong}", style="red", markup=False)
    console.print(phrase("demo_fleet_verdict", state=report.state, wrong=len(report.wrong)))
