"""A real triggerer that waits for 11,000 reviews at once: 200 shards of 50 Mini Programs, and 1,000 single ones.

The Dag run, its deferred task instances and their triggers are written into Airflow's database as a scheduler and
workers leave them behind; ``airflow triggerer`` then loads and runs them, looks at an emulated WeChat in another
process, and files its events. Nothing else of Airflow runs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from airflow.api.common.trigger_dag import trigger_dag
from airflow.models.taskinstance import TaskInstance
from airflow.models.trigger import Trigger
from airflow.sdk import DAG
from airflow.utils.session import create_session
from airflow.utils.state import TaskInstanceState
from airflow.utils.types import DagRunTriggeredByType
from cryptography.fernet import Fernet
from sqlalchemy import func, select

from airflow_wxa.api.authorisation import Grant
from airflow_wxa.api.redaction import Secret
from airflow_wxa.sandbox.worlds import PLATFORM_APPID
from airflow_wxa.sensors import WxaAuditSensor
from airflow_wxa.store import NewPush, Store
from airflow_wxa.triggers import WxaAuditTrigger
from tests.airflow_session import register_dag
from tests.load.reviewers import AUDITID, reviewers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SHARDS, IN_A_SHARD, SINGLES = 200, 50, 1000
COUNT = SHARDS * IN_A_SHARD + SINGLES
INTERVAL = 60.0  # seconds: ``[wxa] audit_poll_seconds``
GROWN = 1.5  # what the interval has grown by after the first look
CHANGED_SHARDS, CHANGED_SINGLES = 10, 100  # by a push, and as many without
PUSH_LIMIT = 6.0  # 3 on a quiet machine
FILED = 3.0  # seconds that the triggerer may take to file an event
GIB = 1024**3

pytestmark = pytest.mark.load


def appid_of(number: int) -> str:
    return f"wx{number + 1:016x}"


@dataclass(frozen=True)
class Waiter:
    """One task instance that waits.

    :param map_index: among its task's.
    :param numbers: of its Mini Programs.
    """

    task_id: str
    map_index: int
    numbers: range

    @property
    def appids(self) -> list[str]:
        return [appid_of(number) for number in self.numbers]

    def trigger(self, end_time: float) -> WxaAuditTrigger:
        sheets = [{"appid": appid, "auditid": str(AUDITID)} for appid in self.appids]
        return WxaAuditTrigger(sheets=sheets, wxa_conn_id="wxa_default", poll_seconds=INTERVAL, end_time=end_time)


def waiters() -> list[Waiter]:
    shards = [Waiter("shard", i, range(i * IN_A_SHARD, (i + 1) * IN_A_SHARD)) for i in range(SHARDS)]
    first = SHARDS * IN_A_SHARD
    return shards + [Waiter("single", i, range(first + i, first + i + 1)) for i in range(SINGLES)]


def filled_store(url: str, key: str) -> Store:
    """Return a store that knows a token of each Mini Program, as one that has been in use does."""
    store, appids = Store(url, [key]), [appid_of(number) for number in range(COUNT)]
    store.put_renewals(PLATFORM_APPID, {appid: Secret(f"refresh-token-{appid}") for appid in appids})
    seen = store.merchants(PLATFORM_APPID)
    store.store_grants([(seen[appid], Grant(Secret(f"sandbox-token-{appid}"), 7200)) for appid in appids])
    return store


def deferred(everyone: Sequence[Waiter]) -> str:
    """Leave a run behind whose tasks are all deferred; returns its id."""
    with DAG("wxa_waits", schedule=None) as dag:
        WxaAuditSensor.partial(task_id="shard", auditid=str(AUDITID)).expand(appid=[str(i) for i in range(SHARDS)])
        WxaAuditSensor.partial(task_id="single", auditid=str(AUDITID)).expand(appid=[str(i) for i in range(SINGLES)])
    register_dag(dag)
    run = trigger_dag("wxa_waits", triggered_by=DagRunTriggeredByType.TEST, run_id="load")
    assert run is not None
    end_time = time.time() + 3600
    with create_session() as session:
        found = session.scalars(select(TaskInstance).where(TaskInstance.run_id == run.run_id)).all()
        instances = {(ti.task_id, ti.map_index): ti for ti in found}
        for waiter in everyone:
            ti = instances[waiter.task_id, waiter.map_index]
            ti.trigger = Trigger.from_object(waiter.trigger(end_time))
            ti.state, ti.next_method = TaskInstanceState.DEFERRED, "execute_complete"
    return run.run_id


@contextmanager
def triggerer(environment: Mapping[str, str], log: Path) -> Iterator[psutil.Process]:
    """Run ``airflow triggerer`` while the block runs."""
    command = [str(Path(sys.executable).with_name("airflow")), "triggerer", "--skip-serve-logs"]
    with (
        log.open("w") as said,
        subprocess.Popen(
            command, env=os.environ | environment, stdout=said, stderr=said, start_new_session=True
        ) as process,
    ):
        try:
            yield psutil.Process(process.pid)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)


@dataclass(frozen=True)
class Usage:
    """What the triggerer's processes have used: CPU in seconds, resident memory in bytes."""

    cpu: float
    rss: int
    at: float

    @classmethod
    def of(cls, process: psutil.Process) -> Usage:
        family = [process, *process.children(recursive=True)]
        times = [each.cpu_times() for each in family]
        return cls(
            sum(each.user + each.system for each in times),
            sum(each.memory_info().rss for each in family),
            time.monotonic(),
        )


def wait_for(what: str, is_true: Any, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.5)


def loaded() -> int:
    with create_session() as session:
        return session.scalar(select(func.count(Trigger.id)).where(Trigger.triggerer_id.is_not(None))) or 0


def filed(run_id: str) -> dict[tuple[str, int], float]:
    """Return when the event of each task instance was filed, epoch seconds."""
    with create_session() as session:
        rows = session.execute(
            select(TaskInstance.task_id, TaskInstance.map_index, TaskInstance.scheduled_dttm).where(
                TaskInstance.run_id == run_id, TaskInstance.state == TaskInstanceState.SCHEDULED
            )
        )
        return {(task_id, map_index): at.timestamp() for task_id, map_index, at in rows}


def latencies(run_id: str, changed: Sequence[Waiter], since: float, seconds: float) -> list[float]:
    """Wait until all of these were told, and return how long each took."""
    keys = {(each.task_id, each.map_index) for each in changed}
    wait_for("events", lambda: keys <= set(filed(run_id)), since + seconds - time.time())
    return sorted(at - since for key, at in filed(run_id).items() if key in keys)


def said(name: str, found: Sequence[float]) -> str:
    return f"{name}: {len(found)} events, median {found[len(found) // 2]:.1f} s, longest {found[-1]:.1f} s"


def test_one_triggerer_waits_for_11000_reviews(airflow_database: None, tmp_path: Path) -> None:
    key, store_url = Fernet.generate_key().decode(), f"sqlite:///{tmp_path / 'wxa.db'}"
    store, everyone = filled_store(store_url, key), waiters()
    shards, singles = everyone[:SHARDS], everyone[SHARDS:]
    silent = shards[:CHANGED_SHARDS] + singles[:CHANGED_SINGLES]
    pushed = shards[-CHANGED_SHARDS:] + singles[-CHANGED_SINGLES:]
    with reviewers(COUNT) as wechat:
        connection = {"conn_type": "wxa", "host": wechat.url, "login": PLATFORM_APPID, "password": "sandbox-appsecret"}
        environment = {
            "AIRFLOW_CONN_WXA_DEFAULT": json.dumps(connection),
            "AIRFLOW__WXA__SQL_ALCHEMY_CONN": store_url,
            "AIRFLOW__WXA__ENCRYPTION_KEYS": key,
            "AIRFLOW__TRIGGERER__CAPACITY": str(2 * len(everyone)),
            "AIRFLOW__TRIGGERER__MAX_TRIGGER_TO_SELECT_PER_LOOP": str(2 * len(everyone)),
        }
        with triggerer(environment, tmp_path / "triggerer.log") as process:
            wait_for("the triggerer's child", process.children, 60)
            time.sleep(5)
            idle = Usage.of(process)
            run_id = deferred(everyone)
            wait_for("triggers", lambda: loaded() == len(everyone), 60)
            begin = Usage.of(process)
            changed_at = time.time()
            wechat.approve([appid for each in silent for appid in each.appids])
            time.sleep(20)
            pushed_at = time.time()
            told = [appid for each in pushed for appid in each.appids]
            wechat.approve(told)
            now = int(pushed_at)
            for appid in told:
                store.log_push(
                    NewPush(PLATFORM_APPID, "weapp_audit_success", f"gh_{appid[-12:]}", now, {"appid": appid})
                )
            with_push = latencies(run_id, pushed, pushed_at, 30)
            time.sleep(max(0.0, begin.at + INTERVAL - time.monotonic()))
            end = Usage.of(process)
            looks = wechat.approve([])
            without_push = latencies(run_id, silent, changed_at, 2 * INTERVAL)
    cores = (end.cpu - begin.cpu) / (end.at - begin.at)
    sys.stdout.write(
        f"{len(everyone)} triggers, {COUNT} Mini Programs, {looks} looks in {end.at - begin.at:.0f} s: "
        f"{cores:.2f} cores ({end.cpu - begin.cpu:.1f} s of CPU), "
        f"{(end.rss - idle.rss) / 1024**2:.0f} MiB above idle ({idle.rss / 1024**2:.0f})\n"
        f"{said('by a push', with_push)}\n{said('by polling', without_push)}\n"
    )
    assert cores < 0.4
    assert end.rss - idle.rss < GIB
    assert with_push[-1] < PUSH_LIMIT
    assert without_push[-1] < INTERVAL * GROWN + FILED
