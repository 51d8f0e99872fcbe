"""Releases on a cluster: started, watched, and read back from WeChat's side."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from airflow_wxa.cli.demo import fleet, releases
from airflow_wxa.cli.demo.airflow import TaskInstance
from airflow_wxa.cli.demo.releases import TEMPLATE_ID, USER_VERSION, WANTED
from airflow_wxa.sandbox import Entry, MiniProgram, Platform, Template, World
from airflow_wxa.sandbox.testing import COMPONENT_APPID, COMPONENT_APPSECRET, COMPONENT_VERIFY_TICKET, REFRESH_TOKEN
from airflow_wxa.store.fleets import RunKey
from tests.distributed.cluster import Cluster
from tests.fleet.fleets import manifest

PATIENCE_SECONDS: Final = 900.0
LOOK_SECONDS: Final = 0.1
SINGLE: Final = [f"wx{number:016x}" for number in (1, 2, 3)]
FLEET: Final = [f"wx{number:016x}" for number in range(0x1000, 0x1000 + 120)]
FLEET_OF_LOST_WORKERS: Final = [f"wx{number:016x}" for number in range(0x2000, 0x2000 + 60)]


def world() -> World:
    """Return their Mini Programs on one platform; no token is known, each has to be refreshed."""
    platform = Platform(
        component_appid=COMPONENT_APPID,
        component_appsecret=COMPONENT_APPSECRET,
        component_verify_ticket=COMPONENT_VERIFY_TICKET,
        testing=["example.com"],
        published=["example.com"],
        audit_limit=1000,
    )
    merchants = [
        MiniProgram(appid=appid, component_appid=COMPONENT_APPID, refresh_token=f"{REFRESH_TOKEN} {appid}")
        for appid in (*SINGLE, *FLEET, *FLEET_OF_LOST_WORKERS)
    ]
    return World(platforms=[platform], mini_programs=merchants, templates=[Template(template_id=TEMPLATE_ID)])


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """One run of a DAG that releases, named by the first of its Mini Programs."""

    cluster: Cluster
    dag_id: str
    appids: Sequence[str]
    began: float = field(default_factory=time.monotonic)

    def until(self, what: str, is_so: Callable[[], object]) -> None:
        """Wait for something, and tell when it came.

        :raises AssertionError: it did not come in time, or the run failed before; the text holds all tasks.
        """
        while not is_so():
            assert time.monotonic() < self.began + PATIENCE_SECONDS, f"not in time: {what}\n{self._tasks()}"
            assert self.state != "failed", f"the run failed before: {what}\n{self._tasks()}"
            time.sleep(LOOK_SECONDS)
        print(f"  {time.monotonic() - self.began:6.1f} s  {what}")

    @property
    def state(self) -> str:
        return self.cluster.airflow.api.run_states(self.dag_id).get(self.appids[0], "")

    def task(self, task_id: str) -> TaskInstance:
        tasks = self.cluster.airflow.api.task_instances(self.dag_id, self.appids[0])
        return next(each for each in tasks if each.task_id == task_id)

    def calls(self, endpoint: str) -> list[Entry]:
        """Return the calls for its Mini Programs that WeChat heard, in order."""
        path, mine = f"/wxa/{endpoint}", set(self.appids)
        return [each for each in self.cluster.sandbox.journal if each.path == path and each.appid in mine]

    @property
    def mini_programs(self) -> list[MiniProgram]:
        return [self.cluster.sandbox.world.mini_program(each) for each in self.appids]

    def ends_with_all_released_once(self) -> None:
        """Wait for the run's end, and hold Airflow, WeChat and the store to one release of each Mini Program."""
        self.until("the run has ended", lambda: self.state == "success")
        for endpoint in ("commit", "submit_audit", "release"):
            accepted = [each.appid for each in self.calls(endpoint) if each.errcode == 0]
            assert sorted(map(str, accepted)) == list(self.appids), endpoint
        for each in self.mini_programs:
            assert each.release_info is not None
            assert each.release_info["release_version"] == USER_VERSION
            assert each.effective_webviewdomain == [WANTED]
        rows = self.cluster.ledger.entries(component_appid=COMPONENT_APPID, run_id=self.appids[0], most=None)
        assert {row.appid for row in rows} >= set(self.appids)
        assert [row for row in rows if row.result == "unknown"] == [], "nobody has found out what became of these"
        if self.dag_id == fleet.DAG_ID:
            ended = self.cluster.fleets.apps(RunKey(self.dag_id, self.appids[0]))
            assert Counter(app.outcome for app in ended) == {"released": len(self.appids)}

    def _tasks(self) -> str:
        """Return each task's state, and what a failed one says."""
        api, run_id = self.cluster.airflow.api, self.appids[0]
        tasks = api.task_instances(self.dag_id, run_id)
        said = [api.error_text(self.dag_id, run_id, task) for task in tasks if task.state == "failed"]
        return "\n".join([*map(str, tasks), *said])


def start_release(cluster: Cluster, appid: str) -> Release:
    conf = {"appid": appid, "webviewdomain": [WANTED], "template_id": TEMPLATE_ID, "user_version": USER_VERSION}
    cluster.airflow.api.trigger(releases.DAG_ID, appid, conf | {"approval": False})
    return Release(cluster=cluster, dag_id=releases.DAG_ID, appids=[appid])


def start_fleet(cluster: Cluster, appids: Sequence[str], shard_size: int, **changes: Any) -> Release:
    """Trigger ``wxa_fleet_release`` in three waves, with changes of the manifest."""
    waves = {"canary": {"apps": len(appids) // 6}, "early": {"percent": 30}}
    conf = {"manifest": manifest(appids, waves=waves, **changes), "approval": False, "shard_size": shard_size}
    cluster.airflow.api.trigger(fleet.DAG_ID, appids[0], conf)
    return Release(cluster=cluster, dag_id=fleet.DAG_ID, appids=appids)
