"""Releases on a cluster whose processes are killed: each finishes, with one audit sheet and one release."""

from contextlib import suppress
from typing import Final

import psutil
import pytest

from airflow_wxa.cli.demo.processes import Component
from airflow_wxa.fleet.waves import WAVES
from airflow_wxa.sandbox import AuditPlan, Fault
from tests.distributed.cluster import Cluster
from tests.distributed.releases import FLEET, FLEET_OF_LOST_WORKERS, SINGLE, Release, start_fleet, start_release
from tests.fleet.fleets import NEVER

pytestmark = pytest.mark.distributed

WAITS, LOSES_ITS_TASK, LOSES_ITS_WORKER = SINGLE
#: Seconds that the answer to submit_audit is kept back: a dead worker is missed, and the next try under way, before.
SLOW_SECONDS: Final = 40.0


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
