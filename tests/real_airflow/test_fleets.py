"""Fleets on a real Airflow with its local executor: the quota, a bad canary, a stop, and a kill in each stage."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psutil
import pytest
import yaml

from airflow_wxa.cli.demo.airflow import ThrowawayAirflow
from airflow_wxa.cli.demo.fleet import DAG_ID, DAGS
from airflow_wxa.sandbox import Fault, RunningSandbox, World, serve
from airflow_wxa.store.fleets import FleetApp, Fleets, RunKey
from tests.real_airflow.airflows import SOON, end_of, mini_program, started, task_of
from tests.real_airflow.airflows import world as world_of

pytestmark = pytest.mark.real_airflow

#: Its tasks are tried once: what was killed is cleared by hand.
ONCE = "wxa_fleet_once"
ONCE_DAG = f"""
from airflow_wxa.dags.wxa_fleet_release import fleet_release_dag

dag = fleet_release_dag("{ONCE}", default_args={{"retries": 0}})
"""
#: Name of a fleet, and of its platform and Connection → how many Mini Programs.
SIZES = {"quota": 500, "canary": 60, "stop": 90, "stages": 30, "waves": 60}
REST, RESERVE = 300, 20
WRITES = ("/wxa/setwebviewdomain", "/wxa/commit", "/wxa/submit_audit", "/wxa/release")
#: Task → what it writes.
STAGES = {
    "configure_domains": "/wxa/setwebviewdomain",
    "commit_code": "/wxa/commit",
    "submit_audit": "/wxa/submit_audit",
    "release_canary": "/wxa/release",
    "release_early": "/wxa/release",
    "release_rest": "/wxa/release",
}
KILLED_AT = 8  # Mini Program of a shard
PATIENCE = 480.0
TASK_TITLE = "airflow worker -- "


@dataclass(frozen=True)
class Fleet:
    """One fleet, and all that it is released with."""

    name: str
    airflow: ThrowawayAirflow
    wechat: RunningSandbox
    store_url: str

    @property
    def appids(self) -> list[str]:
        return appids(self.name)

    def manifest(self, **more: Any) -> str:
        release = {
            "template_id": 47,
            "user_version": "3.2.0",
            "domain_action": "set",
            "webviewdomain": ["https://m.example.com"],
        }
        return yaml.safe_dump({"release": release, "apps": self.appids, **more})

    def trigger(self, manifest: str, *, dag_id: str = DAG_ID, run_id: str = "run", shard_size: int = 50) -> None:
        conf = {"manifest": manifest, "approval": False, "shard_size": shard_size, "wxa_conn_id": f"wxa_{self.name}"}
        self.airflow.api.trigger(dag_id, self.run_id(run_id), conf)

    def run_id(self, run_id: str = "run") -> str:
        return f"{self.name}-{run_id}"

    def until_ended(self, *, dag_id: str = DAG_ID, run_id: str = "run") -> str:
        """Wait for the end of a run, and return its state."""
        return end_of(self.airflow, dag_id, self.run_id(run_id), PATIENCE)

    def state(self, dag_id: str = DAG_ID, run_id: str = "run") -> str:
        return self.airflow.api.run_states(dag_id).get(self.run_id(run_id), "")

    def until(self, is_so: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not is_so():
            assert time.monotonic() < deadline, [dict(self.counts()), self.tasks()]
            time.sleep(0.05)

    def tasks(self, dag_id: str = DAG_ID, run_id: str = "run") -> Counter[tuple[str, str]]:
        found = self.airflow.api.task_instances(dag_id, self.run_id(run_id))
        return Counter((task.task_id, task.state) for task in found)

    def apps(self, *, dag_id: str = DAG_ID, run_id: str = "run") -> list[FleetApp]:
        return list(Fleets(self.store_url).apps(RunKey(dag_id, self.run_id(run_id))))

    def counts(self) -> Counter[str]:
        """Return how often WeChat heard each write; one of these endpoints is also read with."""
        return Counter({path: self.wechat.journal.count(path) for path in WRITES})

    def accepted(self, path: str) -> list[str]:
        """Return for which of its Mini Programs WeChat accepted a write, in order."""
        mine = set(self.appids)
        done = [each.appid for each in self.wechat.journal if (each.path, each.errcode) == (path, 0)]
        return [appid for appid in done if appid in mine]

    def said(self, task_id: str, *, dag_id: str = DAG_ID) -> str:
        failed = task_of(self.airflow, dag_id, self.run_id(), task_id)
        assert failed is not None
        return self.airflow.api.error_text(dag_id, self.run_id(), failed)

    def command(self, *arguments: str) -> str:
        """Run ``airflow wxa fleet …`` as somebody on the machine of Airflow does."""
        command = [sys.executable, "-m", "airflow", "wxa", "fleet", *arguments]
        where: dict[str, Any] = {"env": self.airflow.component_env(), "cwd": self.airflow.home}
        done = subprocess.run(command, **where, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


def appids(name: str) -> list[str]:
    number = 1 + list(SIZES).index(name)
    return [f"wx{number:02x}{each:014x}" for each in range(SIZES[name])]


def platform(name: str) -> str:
    return f"wx{0xA0 + list(SIZES).index(name):02x}{0:014x}"


def world() -> World:
    of_fleets = [
        world_of(
            [mini_program(appid, component_appid=platform(name), scan_polls=1) for appid in appids(name)],
            component_appid=platform(name),
            component_access_token=f"platform-token-{name}",
            audit_limit=1000,
        )
        for name in SIZES
    ]
    platforms = [each for of_fleet in of_fleets for each in of_fleet.platforms]
    mini_programs = [each for of_fleet in of_fleets for each in of_fleet.mini_programs]
    made = World(platforms=platforms, mini_programs=mini_programs, templates=of_fleets[0].templates)
    made.platforms[0].audit_rest = REST
    made.latency = {"*": 0.02, "/wxa/release": 0.3}
    return made


def connections(host: str) -> dict[str, str]:
    made = {}
    for name in SIZES:
        tokens = {appid: f"token-of-{appid}" for appid in appids(name)}
        extra = {"authorizer_access_tokens": tokens, "component_access_token": f"platform-token-{name}"}
        of_wxa = {
            "conn_type": "wxa",
            "host": host,
            "login": platform(name),
            "password": "not used: all tokens are there",
        }
        made[f"AIRFLOW_CONN_WXA_{name.upper()}"] = json.dumps(of_wxa | {"extra": extra})
    return made


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ThrowawayAirflow, RunningSandbox, str]]:
    home = tmp_path_factory.mktemp("fleets") / "home"
    home.mkdir()
    store_url = f"sqlite:///{home / 'wxa.db'}"
    with serve(world()) as wechat:
        environment = SOON | connections(wechat.url) | {"AIRFLOW__WXA__SQL_ALCHEMY_CONN": store_url}
        with started(ThrowawayAirflow(home, environment, {**DAGS, "wxa_fleet_once.py": ONCE_DAG}), DAG_ID, ONCE) as up:
            yield up, wechat, store_url


@pytest.fixture
def fleet(airflow: tuple[ThrowawayAirflow, RunningSandbox, str], request: pytest.FixtureRequest) -> Fleet:
    return Fleet(request.param, *airflow)


@pytest.mark.parametrize("fleet", ["quota"], indirect=True)
def test_the_quota_is_spent_down_to_the_reserve_in_the_manifests_order(fleet: Fleet) -> None:
    fleet.trigger(fleet.manifest(audit_quota_reserve=RESERVE), shard_size=100)
    assert fleet.until_ended() == "success"
    first = fleet.appids[: REST - RESERVE]
    for path in ("/wxa/commit", "/wxa/submit_audit", "/wxa/release"):
        assert sorted(fleet.accepted(path)) == first, path
    assert not [each for each in fleet.wechat.journal if each.errcode == 85085]
    assert [app.outcome for app in fleet.apps()] == ["released"] * len(first) + ["no_quota"] * (500 - len(first))


@pytest.mark.parametrize("fleet", ["canary"], indirect=True)
def test_a_bad_canary_stops_the_waves_behind_it(fleet: Fleet) -> None:
    for appid in fleet.appids[:3]:
        fleet.wechat.world.mini_program(appid).audit.result = "rejected"
    waves = {"canary": {"apps": 10, "max_failed_percent": 5}, "early": {"apps": 20}}
    fleet.trigger(fleet.manifest(waves=waves))
    assert fleet.until_ended() == "failed"
    assert sorted(fleet.accepted("/wxa/release")) == fleet.appids[3:10]
    assert Counter(app.outcome for app in fleet.apps()) == {"released": 7, "rejected": 3, "not_reached": 50}
    for task_id in ("canary_gate", "fleet_result"):
        assert "canary: 3 of 10 failed (30.0%), more than max_failed_percent 5" in fleet.said(task_id)


@pytest.mark.parametrize("fleet", ["stop"], indirect=True)
def test_a_stop_in_the_middle_of_a_wave_and_the_rerun_of_what_is_left(fleet: Fleet) -> None:
    waves = {"canary": {"apps": 5}, "early": {"apps": 60}}
    released = fleet.counts()["/wxa/release"]
    fleet.trigger(fleet.manifest(waves=waves, pace={"concurrency": 1}), shard_size=60)
    fleet.until(lambda: fleet.counts()["/wxa/release"] >= released + 5 + 5)
    fleet.command("stop", fleet.run_id())
    time.sleep(5)
    written = fleet.counts()
    assert fleet.until_ended() == "failed"
    assert fleet.counts() == written
    left = [app.appid for app in fleet.apps() if app.outcome != "released"]
    assert 30 < len(left) < 80
    rest = fleet.command("rerun", fleet.run_id())
    assert yaml.safe_load(rest)["apps"] == left
    fleet.trigger(rest, run_id="again")
    assert fleet.until_ended(run_id="again") == "success"
    assert sorted(fleet.accepted("/wxa/release")) == fleet.appids
    assert sorted(fleet.accepted("/wxa/submit_audit")) == fleet.appids


def kill_tasks(fleet: Fleet) -> None:
    """Kill the processes that carry out tasks, as a machine that runs out of memory does."""
    for pid in fleet.airflow.processes.pids():
        title = " ".join(psutil.Process(pid).cmdline())
        if title.startswith(TASK_TITLE) and "LocalExecutor" not in title:
            os.kill(pid, signal.SIGKILL)


def clear(fleet: Fleet, task_id: str) -> None:
    body = {"dag_run_id": fleet.run_id(), "task_ids": [task_id], "include_downstream": True, "reset_dag_runs": True}
    body |= {"dry_run": False, "only_failed": False}
    fleet.airflow.api._send("POST", f"/dags/{ONCE}/clearTaskInstances", body)


def kill_while_answered(fleet: Fleet, stage: str, appid: str) -> None:
    """Kill a stage's task while WeChat has done a write of it and keeps the answer back."""
    path = STAGES[stage]
    # The plan reads through the endpoint that configure_domains writes to.
    before = "plan_release" if stage == "configure_domains" else "load_manifest"
    fleet.until(lambda: fleet.tasks(ONCE)[before, "success"])
    heard = sum((each.path, each.appid) == (path, appid) for each in fleet.wechat.journal)
    fleet.wechat.add_fault(Fault(path=path, kind="slow", appid=appid, seconds=60))
    fleet.until(lambda: sum((each.path, each.appid) == (path, appid) for each in fleet.wechat.journal) > heard)
    kill_tasks(fleet)


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
    fleet.trigger(fleet.manifest(waves=waves, pace={"concurrency": 1, "commit": 1}), dag_id=ONCE)
    first = {"release_early": 15, "release_rest": 35} if waves else {}
    for stage in stages:
        kill_while_answered(fleet, stage, fleet.appids[first.get(stage, 0) + KILLED_AT])
        fleet.until(lambda stage=stage: fleet.tasks(ONCE)[stage, "failed"])  # type: ignore[misc]
        if stage == "commit_code":  # no need to clear it: submit_audit commits what lacks
            continue
        assert fleet.until_ended(dag_id=ONCE) == "failed"
        clear(fleet, stage)
        fleet.until(lambda: fleet.state(ONCE) not in {"success", "failed"})
    assert fleet.until_ended(dag_id=ONCE) == "success"
    assert {app.outcome for app in fleet.apps(dag_id=ONCE)} == {"released"}
    for path in ("/wxa/commit", "/wxa/submit_audit", "/wxa/release"):
        assert sorted(fleet.accepted(path)) == fleet.appids, path
