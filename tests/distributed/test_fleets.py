"""Fleets on a cluster: both workers do shards; a worker that is lost in each wave costs nothing but time."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Self

import pytest
import yaml

from airflow_wxa.cli.demo.fleet import DAG_ID
from airflow_wxa.cli.demo.releases import TEMPLATE_ID, USER_VERSION, WANTED
from airflow_wxa.fleet.waves import WAVES
from airflow_wxa.store.fleets import RunKey
from tests.distributed.cluster import Cluster
from tests.distributed.merchants import FLEET, FLEET_OF_LOST_WORKERS

pytestmark = pytest.mark.distributed

PATIENCE_SECONDS: Final = 900.0
ONCE: Final = ("/wxa/commit", "/wxa/submit_audit", "/wxa/release")


@dataclass(frozen=True)
class FleetRelease:
    """One run of ``wxa_fleet_release``."""

    cluster: Cluster
    run_id: str
    appids: list[str]
    began: float

    @classmethod
    def started(cls, cluster: Cluster, run_id: str, appids: list[str], shard_size: int, **more: Any) -> Self:
        release = {"template_id": TEMPLATE_ID, "user_version": USER_VERSION, "domain_action": "set"}
        waves = {"canary": {"apps": len(appids) // 6}, "early": {"percent": 30}}
        manifest = {"release": release | {"webviewdomain": [WANTED]}, "apps": appids, "waves": waves, **more}
        conf = {"manifest": yaml.safe_dump(manifest), "approval": False, "shard_size": shard_size}
        cluster.airflow.api.trigger(DAG_ID, run_id, conf)
        return cls(cluster, run_id, appids, time.monotonic())

    def until(self, what: str, is_so: Callable[[], object]) -> None:
        """Wait for something, and tell when it came."""
        while not is_so():
            assert time.monotonic() < self.began + PATIENCE_SECONDS, f"not in time: {what}\n{self.tasks()}"
            time.sleep(0.2)
        print(f"  {time.monotonic() - self.began:6.1f} s  {what}")

    def state(self) -> str:
        return self.cluster.airflow.api.run_states(DAG_ID).get(self.run_id, "")

    def tasks(self) -> Counter[tuple[str, str]]:
        tasks = self.cluster.airflow.api.task_instances(DAG_ID, self.run_id)
        return Counter((task.task_id, task.state) for task in tasks)

    def accepted(self, path: str) -> list[str]:
        """Return for which Mini Programs WeChat accepted a call, in order."""
        mine = set(self.appids)
        done = [each.appid for each in self.cluster.sandbox.journal if (each.path, each.errcode) == (path, 0)]
        return [appid for appid in done if appid in mine]

    def assert_released_once(self) -> None:
        """Check every Mini Program, from the store and from WeChat's side."""
        assert self.state() == "success", self.tasks()
        apps = self.cluster.fleets.apps(RunKey(DAG_ID, self.run_id))
        assert Counter(app.outcome for app in apps) == {"released": len(self.appids)}
        for path in ONCE:
            assert sorted(self.accepted(path)) == self.appids, path


def test_both_workers_do_shards_of_a_fleet(cluster: Cluster) -> None:
    print()
    before = [len(worker.output.read_bytes()) for worker in cluster.workers]
    release = FleetRelease.started(cluster, "fleet", FLEET, shard_size=10)
    release.until("the run has ended", lambda: release.state() in {"success", "failed"})
    release.assert_released_once()
    done = [
        worker.output.read_bytes()[size:].count(b" succeeded in ")
        for worker, size in zip(cluster.workers, before, strict=True)
    ]
    print(f"  tasks by worker: {done}; {sum(release.tasks().values())} in all")
    assert all(done)


def test_a_fleet_goes_on_that_loses_a_worker_in_each_wave(cluster: Cluster) -> None:
    print()
    cluster.sandbox.world.latency["/wxa/release"] = 0.3
    release = FleetRelease.started(
        cluster, "lost-workers", FLEET_OF_LOST_WORKERS, shard_size=30, pace={"concurrency": 1}
    )
    for wave in WAVES:
        released = len(release.accepted("/wxa/release"))
        release.until(
            f"{wave}: some are released",
            lambda least=released + 4: len(release.accepted("/wxa/release")) >= least,  # type: ignore[misc]
        )
        found = cluster.task_process()
        assert found is not None
        cluster.lose(found[0])
        print(f"  {time.monotonic() - release.began:6.1f} s  {found[0].name} is lost with its tasks")
        cluster.await_workers(cluster.start_worker())
    release.until("the run has ended", lambda: release.state() in {"success", "failed"})
    del cluster.sandbox.world.latency["/wxa/release"]
    release.assert_released_once()
