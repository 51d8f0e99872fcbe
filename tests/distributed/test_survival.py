"""Releases on a cluster whose processes are killed: each finishes, with one audit sheet and one release."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import psutil
import pytest

from airflow_wxa.cli.demo import fleet, releases
from airflow_wxa.cli.demo.airflow import TaskInstance
from airflow_wxa.cli.demo.processes import Component
from airflow_wxa.cli.demo.releases import TEMPLATE_ID, USER_VERSION, WANTED
from airflow_wxa.fleet.waves import WAVES
from airflow_wxa.sandbox import AuditPlan, Entry, Fault, MiniProgram, World, serve
from airflow_wxa.sandbox.testing import COMPONENT_APPID, REFRESH_TOKEN, one_merchant
from airflow_wxa.store.fleets import RunKey
from tests.distributed.cluster import Cluster, running_cluster
from tests.fleet.fleets import NEVER, manifest

pytestmark = pytest.mark.distributed

PATIENCE_SECONDS: Final = 900.0
LOOK_SECONDS: Final = 0.1
SINGLE: Final = [f"wx{number:016x}" for number in (1, 2, 3)]
FLEET: Final = [f"wx{number:016x}" for number in range(0x1000, 0x1000 + 120)]
FLEET_OF_LOST_WORKERS: Final = [f"wx{number:016x}" for number in range(0x2000, 0x2000 + 60)]


def world() -> World:
    """Return their Mini Programs on one platform; no token is known, each has to be refreshed."""
    made = one_merchant()
    made.platforms[0].audit_limit = made.platforms[0].audit_rest = 1000
    merchants = [
        MiniProgram(appid=appid, component_appid=COMPONENT_APPID, refresh_token=f"{REFRESH_TOKEN} {appid}")
        for appid in (*SINGLE, *FLEET, *FLEET_OF_LOST_WORKERS)
    ]
    return World(platforms=made.platforms, mini_programs=merchants, templates=made.templates)


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """One run of a DAG that releases, named by the first of its Mini Programs."""

    cluster: Cluster
    dag_id: str
    appids: Sequence[str]
    began: float = field(default_factory=time.monotonic)

    def until(self, what: str, is_so: Callable[[], object]) -> None:
        """Wait for something.

        :raises AssertionError: it did not come in time, or the run failed before; the text holds all tasks.
        """
        while not is_so():
            assert time.monotonic() < self.began + PATIENCE_SECONDS, f"not in time: {what}\n{self._tasks()}"
            assert self.state != "failed", f"the run failed before: {what}\n{self._tasks()}"
            time.sleep(LOOK_SECONDS)

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


WAITS, LOSES_ITS_TASK, LOSES_ITS_WORKER = SINGLE
#: Seconds that the answer to submit_audit is kept back: a dead worker is missed, and the next try under way, before.
SLOW_SECONDS: Final = 40.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """One for all tests: it takes a minute to start."""
    with serve(world()) as sandbox, running_cluster(sandbox) as running:
        yield running


def test_both_workers_do_shards_of_a_fleet(cluster: Cluster) -> None:
    before = [worker.output.read_bytes() for worker in cluster.workers]
    start_fleet(cluster, FLEET, shard_size=10).ends_with_all_released_once()
    for worker, output in zip(cluster.workers, before, strict=True):
        assert b" succeeded in " in worker.output.read_bytes()[len(output) :], worker.name


def test_a_wait_goes_on_in_a_new_triggerer_after_the_old_one_was_killed(cluster: Cluster) -> None:
    mini_program = cluster.sandbox.world.mini_program(WAITS)
    mini_program.audit = AuditPlan(polls=NEVER)
    release = start_release(cluster, WAITS)
    release.until("wait_for_audit waits in the triggerer", lambda: release.task("wait_for_audit").state == "deferred")
    release.until("the triggerer has looked", lambda: len(release.calls("get_auditstatus")) > 1)
    cluster.restart_triggerer()
    looks = len(release.calls("get_auditstatus"))
    release.until("the new one has looked", lambda: len(release.calls("get_auditstatus")) > looks)
    mini_program.sheets[-1].plan = AuditPlan(polls=0)
    release.ends_with_all_released_once()
    assert release.task("wait_for_audit").try_number == 1


def test_a_task_killed_while_submit_audit_is_answered_finds_its_sheet_again(cluster: Cluster) -> None:
    release, _, task = until_submitted(cluster, LOSES_ITS_TASK)
    task.kill()
    release.ends_with_all_released_once()
    assert release.task("submit_audit").try_number == 2


def test_a_retry_beside_a_task_whose_worker_was_killed_submits_nothing(cluster: Cluster) -> None:
    release, worker, task = until_submitted(cluster, LOSES_ITS_WORKER)
    worker.process.kill()  # and nothing that it started
    worker.process.wait()
    cluster.start_workers()

    def second_try() -> tuple[str, int]:
        found = release.task("submit_audit")
        return found.state, found.try_number

    release.until("submit_audit has ended on its second try", lambda: second_try() == ("success", 2))
    assert lives(task), "the first try's process was to be alive beside the second try"
    release.until("the first try's process has ended by itself", lambda: not lives(task))
    release.ends_with_all_released_once()
    assert len(release.calls("submit_audit")) == 1


def until_submitted(cluster: Cluster, appid: str) -> tuple[Release, Component, psutil.Process]:
    """Start a release, and return worker and task process of submit_audit: done by WeChat, not answered yet."""
    cluster.sandbox.add_fault(Fault(path="/wxa/submit_audit", kind="slow", appid=appid, seconds=SLOW_SECONDS))
    release = start_release(cluster, appid)
    release.until("WeChat has the submission and keeps the answer back", lambda: release.calls("submit_audit"))
    return release, *cluster.task_process()


def lives(process: psutil.Process) -> bool:
    """Tell whether a process runs; one that has ended stays in the table until somebody asks for it."""
    with suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def test_a_fleet_that_loses_a_worker_in_each_wave_goes_on(cluster: Cluster) -> None:
    cluster.sandbox.world.latency["/wxa/release"] = 0.3
    release = start_fleet(cluster, FLEET_OF_LOST_WORKERS, shard_size=30, pace={"concurrency": 1})
    for wave in WAVES:
        least = len(release.calls("release")) + 4
        release.until(f"{wave}: some are released", lambda least=least: len(release.calls("release")) >= least)
        worker, _ = cluster.task_process()
        cluster.lose(worker)
        cluster.start_workers()
    release.ends_with_all_released_once()
