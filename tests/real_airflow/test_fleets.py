"""Fleets on a real Airflow with its local executor: a stop, and a kill in each stage."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, Self

import psutil
import pytest
import yaml

from airflow_wxa.cli.demo.airflow import ThrowawayAirflow
from airflow_wxa.cli.demo.fleet import DAG_ID, DAGS
from airflow_wxa.sandbox import Fault, RunningSandbox, World, serve
from airflow_wxa.store.fleets import FleetApp, Fleets, RunKey
from tests.real_airflow.airflows import CODE, ENDED, Run, against, connection, mini_program, world

pytestmark = pytest.mark.real_airflow

#: Its tasks are tried once: what was killed is cleared by hand.
ONCE = "wxa_fleet_once"
ONCE_DAG = f"""
from airflow_wxa.dags.wxa_fleet_release import fleet_release_dag

dag = fleet_release_dag("{ONCE}", default_args={{"retries": 0}})
"""
#: Name of a fleet, and of its Connection → how many Mini Programs.
SIZES = {"stop": 90, "stages": 30, "waves": 60}
#: Task → what it writes.
STAGES = {
    "configure_domains": "/wxa/setwebviewdomain",
    "commit_code": "/wxa/commit",
    "submit_audit": "/wxa/submit_audit",
    "release_canary": "/wxa/release",
    "release_early": "/wxa/release",
    "release_rest": "/wxa/release",
}
WRITES = set(STAGES.values())
ONCE_EACH = WRITES - {"/wxa/setwebviewdomain"}  # what is also read with
KILLED_AT = 8  # Mini Program of a shard
PATIENCE = 480.0
TASK_TITLE = "airflow worker -- "


@dataclass
class Fleet(Run):
    """A release of a fleet, and the WeChat where its Mini Programs are."""

    wechat: RunningSandbox = field(kw_only=True)

    @property
    def appids(self) -> list[str]:
        return [each.appid for each in self.wechat.world.mini_programs]

    @property
    def apps(self) -> list[FleetApp]:
        store = f"sqlite:///{self.airflow.home / 'wxa.db'}"
        return list(Fleets(store).apps(RunKey(self.dag_id, self.run_id)))

    def manifest(self, **more: Any) -> str:
        return yaml.safe_dump({"release": {**CODE, "domain_action": "set"}, "apps": self.appids, **more})

    def released(self, manifest: str, shard_size: int = 50) -> Self:
        name = self.run_id.partition("-")[0]
        conf = {"manifest": manifest, "approval": False, "shard_size": shard_size, "wxa_conn_id": f"wxa_{name}"}
        return self.triggered(conf)

    def until(self, is_so: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not is_so():
            assert time.monotonic() < deadline, [self.counts(), self.tasks]
            time.sleep(0.05)

    def has(self, task_id: str, state: str) -> bool:
        return any((each.task_id, each.state) == (task_id, state) for each in self.tasks)

    def counts(self) -> Mapping[str, int]:
        return {path: self.wechat.journal.count(path) for path in WRITES}

    def accepted(self, path: str) -> list[str | None]:
        """Return for which Mini Programs WeChat accepted a write, sorted."""
        return sorted(each.appid for each in self.wechat.journal if (each.path, each.errcode) == (path, 0))

    def command(self, name: str) -> str:
        """Run ``airflow wxa fleet …`` on this run, as somebody on the machine of Airflow does."""
        command = [sys.executable, "-m", "airflow", "wxa", "fleet", name, self.run_id]
        where: dict[str, Any] = {"env": self.airflow.component_env(), "cwd": self.airflow.home}
        done = subprocess.run(command, **where, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def kill_tasks(self) -> None:
        """Kill the processes that carry out tasks, as a machine that runs out of memory does."""
        for pid in self.airflow.processes.pids():
            title = " ".join(psutil.Process(pid).cmdline())
            if title.startswith(TASK_TITLE) and "LocalExecutor" not in title:
                os.kill(pid, signal.SIGKILL)

    def kill_while_answered(self, stage: str, appid: str) -> None:
        """Kill a stage's task while WeChat has done a write of it and keeps the answer back."""
        path = STAGES[stage]
        # The plan reads through the endpoint that configure_domains writes to.
        before = "plan_release" if stage == "configure_domains" else "load_manifest"
        self.until(lambda: self.has(before, "success"))

        def heard() -> int:
            return sum((each.path, each.appid) == (path, appid) for each in self.wechat.journal)

        until_now = heard()
        self.wechat.add_fault(Fault(path=path, kind="slow", appid=appid, seconds=60))
        self.until(lambda: heard() > until_now)
        self.kill_tasks()
        self.until(lambda: self.has(stage, "failed"))


def world_of(name: str) -> World:
    number = 1 + list(SIZES).index(name)
    platform: dict[str, Any] = {"component_appid": f"wx{number:02x}{0:014x}", "audit_limit": 1000}
    appids = [f"wx{number:02x}{each:014x}" for each in range(1, SIZES[name] + 1)]
    merchants = [mini_program(each, component_appid=platform["component_appid"], scan_polls=1) for each in appids]
    made = world(merchants, **platform)
    made.latency = {"*": 0.02, "/wxa/release": 0.3}
    return made


@pytest.fixture(scope="module")
def wechats() -> Iterator[Mapping[str, RunningSandbox]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(serve(world_of(name))) for name in SIZES}


@pytest.fixture(scope="module")
def airflow(
    tmp_path_factory: pytest.TempPathFactory, wechats: Mapping[str, RunningSandbox]
) -> Iterator[ThrowawayAirflow]:
    connections = {f"AIRFLOW_CONN_WXA_{name.upper()}": connection(each) for name, each in wechats.items()}
    environment = against(wechats["stop"], **connections)
    home = tmp_path_factory.mktemp("fleets")
    airflow = ThrowawayAirflow(home, environment, {**DAGS, f"{ONCE}.py": ONCE_DAG})
    with airflow.running(DAG_ID, ONCE):
        yield airflow


@pytest.fixture
def fleet(request: pytest.FixtureRequest, airflow: ThrowawayAirflow, wechats: Mapping[str, RunningSandbox]) -> Fleet:
    return Fleet(airflow, DAG_ID, f"{request.param}-run", wechat=wechats[request.param])


@pytest.mark.parametrize("fleet", ["stop"], indirect=True)
def test_a_stop_in_the_middle_of_a_wave_and_the_rerun_of_what_is_left(fleet: Fleet) -> None:
    waves = {"canary": {"apps": 5}, "early": {"apps": 60}}
    fleet.released(fleet.manifest(waves=waves, pace={"concurrency": 1}), shard_size=60)
    fleet.until(lambda: fleet.counts()["/wxa/release"] >= 5 + 5)
    fleet.command("stop")
    time.sleep(5)
    written = fleet.counts()
    assert fleet.ends(PATIENCE) == "failed"
    assert fleet.counts() == written
    left = [app.appid for app in fleet.apps if app.outcome != "released"]
    assert 30 < len(left) < 80
    rest = fleet.command("rerun")
    assert yaml.safe_load(rest)["apps"] == left
    assert replace(fleet, run_id="stop-again").released(rest).ends(PATIENCE) == "success"
    assert fleet.accepted("/wxa/release") == fleet.accepted("/wxa/submit_audit") == fleet.appids


@pytest.mark.parametrize(
    ("fleet", "waves", "stages"),
    [
        ("stages", {}, ("configure_domains", "commit_code", "submit_audit")),
        ("waves", {"canary": {"apps": 15}, "early": {"apps": 20}}, ("release_canary", "release_early", "release_rest")),
    ],
    indirect=["fleet"],
    ids=["stages", "waves"],
)
def test_a_task_that_is_killed_in_each_stage_is_cleared_and_goes_on(
    fleet: Fleet, waves: dict[str, Any], stages: tuple[str, ...]
) -> None:
    fleet.dag_id = ONCE
    fleet.released(fleet.manifest(waves=waves, pace={"concurrency": 1, "commit": 1}))
    first = {"release_early": 15, "release_rest": 35} if waves else {}
    for stage in stages:
        fleet.kill_while_answered(stage, fleet.appids[first.get(stage, 0) + KILLED_AT])
        if stage == "commit_code":  # no need to clear it: submit_audit commits what is missing
            continue
        assert fleet.ends(PATIENCE) == "failed"
        fleet.clear(stage)
        fleet.until(lambda: fleet.state not in ENDED)
    assert fleet.ends(PATIENCE) == "success"
    assert {app.outcome for app in fleet.apps} == {"released"}
    assert {path: fleet.accepted(path) for path in ONCE_EACH} == dict.fromkeys(ONCE_EACH, fleet.appids)
