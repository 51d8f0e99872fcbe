"""Releases on a cluster whose processes are killed: each finishes, with one audit sheet and one release."""

from typing import Final

import psutil  # type: ignore[import-untyped]
import pytest

from airflow_wxa.cli.demo.processes import Component
from airflow_wxa.sandbox import AuditPlan, Fault
from tests.distributed.cluster import Cluster, kill_alone, lives
from tests.distributed.merchants import MERCHANTS
from tests.distributed.releases import RELEASED_ONCE, Release

pytestmark = pytest.mark.distributed

WAITS, LOSES_ITS_TASK, LOSES_ITS_WORKER = MERCHANTS
#: Looks at a sheet that nobody decides about while the test wants to see them.
ENDLESS: Final = 1_000_000
#: Seconds that the answer to submit_audit is kept back: a dead worker is missed, and the next try under way, before.
SLOW_SECONDS: Final = 40.0


@pytest.fixture
def release(cluster: Cluster, request: pytest.FixtureRequest) -> Release:
    """The release of the Mini Program that the test is parametrised with."""
    print(f"\n{request.node.name}")
    return Release(cluster=cluster, appid=request.param)


@pytest.mark.parametrize("release", [WAITS], indirect=True, ids=["triggerer"])
def test_a_wait_goes_on_in_a_new_triggerer_after_the_old_one_was_killed(release: Release) -> None:
    release.mini_program.audit = AuditPlan(polls=ENDLESS)
    release.start()
    release.until("wait_for_audit waits in the triggerer", lambda: release.task("wait_for_audit").state == "deferred")
    release.until("the triggerer has looked", lambda: len(release.calls("get_auditstatus")) > 1)
    release.cluster.restart_triggerer()
    looks = len(release.calls("get_auditstatus"))
    release.tell(f"triggerer killed after {looks} looks, another one started")
    release.until("the new one has looked", lambda: len(release.calls("get_auditstatus")) > looks)
    release.mini_program.sheets[-1].plan = AuditPlan(polls=0)
    release.tell("WeChat approves")
    release.until_ended()
    assert release.ending() == RELEASED_ONCE
    assert release.task("wait_for_audit").try_number == 1


@pytest.mark.parametrize("release", [LOSES_ITS_TASK], indirect=True, ids=["task"])
def test_a_task_killed_while_submit_audit_is_answered_finds_its_sheet_again(release: Release) -> None:
    _, task = until_submitted(release)
    task.kill()
    release.tell(f"task process {task.pid} killed before it got the answer")
    release.until_ended()
    assert release.ending() == RELEASED_ONCE
    assert release.task("submit_audit").try_number == 2


@pytest.mark.parametrize("release", [LOSES_ITS_WORKER], indirect=True, ids=["worker"])
def test_a_retry_beside_a_task_whose_worker_was_killed_submits_nothing(release: Release) -> None:
    worker, task = until_submitted(release)
    kill_alone(worker)
    release.tell(f"{worker.name} killed, its task process {task.pid} lives on")
    release.cluster.await_workers(release.cluster.start_worker())
    release.tell("another worker is ready")
    release.until("submit_audit has ended on its second try", lambda: is_over(release, "submit_audit", try_number=2))
    assert lives(task), "the first try's process was to be alive beside the second try"
    release.until("the first try's process has ended by itself", lambda: not lives(task))
    release.until_ended()
    assert release.ending() == RELEASED_ONCE
    assert len(release.calls("submit_audit")) == 1


def until_submitted(release: Release) -> tuple[Component, psutil.Process]:
    """Start a release, and return worker and task process of submit_audit: done by WeChat, not answered yet."""
    slow = Fault(path="/wxa/submit_audit", kind="slow", appid=release.appid, seconds=SLOW_SECONDS)
    release.cluster.sandbox.add_fault(slow)
    release.start()
    release.until("WeChat has the submission and keeps the answer back", lambda: bool(release.calls("submit_audit")))
    found = release.cluster.task_process()
    assert found is not None, "submit_audit waits for its answer, but no worker has a task process"
    return found


def is_over(release: Release, task_id: str, *, try_number: int) -> bool:
    """Tell whether a task has succeeded on this try."""
    task = release.task(task_id)
    return (task.state, task.try_number) == ("success", try_number)
