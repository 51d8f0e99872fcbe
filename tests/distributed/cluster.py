"""Airflow as it runs on several machines: Celery workers, Redis, PostgreSQL, the platform's own credentials.

The launcher of the demo starts the components; what makes a cluster of them is added here by environment variables.
"""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Final

import psutil
import pytest
from cryptography.fernet import Fernet

from airflow_wxa.api.redaction import Secret
from airflow_wxa.api.values import THE_PLATFORM
from airflow_wxa.cli.demo.airflow import DAGS, LOOPBACK, ThrowawayAirflow, connection_of, free_port
from airflow_wxa.cli.demo.fleet import DAG_ID as FLEET_DAG_ID
from airflow_wxa.cli.demo.fleet import DAGS as FLEET_DAGS
from airflow_wxa.cli.demo.processes import Component, interruptible, uninterrupted
from airflow_wxa.cli.demo.releases import DAG_ID
from airflow_wxa.sandbox import RunningSandbox
from airflow_wxa.sandbox.testing import COMPONENT_APPID, COMPONENT_APPSECRET, COMPONENT_VERIFY_TICKET
from airflow_wxa.store import Ledger, Store
from airflow_wxa.store.fleets import Fleets
from tests.store.databases import _running, new_postgresql_database

REDIS: Final = "redis-server"
WORKER: Final = "worker"
DISTRIBUTIONS: Final = ("apache-airflow-providers-celery", "apache-airflow-providers-postgres", "redis")
WORKER_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 0.1
TASK_TITLE: Final = "airflow worker -- "  # how a task process calls itself; the id of its task instance follows

#: Airflow's own words for "soon noticed"; by default five minutes pass before a task whose worker died is missed.
IMPATIENCE: Final = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "15",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "2",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "10",
    "AIRFLOW__WXA__PRIVACY_POLL_SECONDS": "1",
    "AIRFLOW__WXA__AUDIT_POLL_SECONDS": "1",
}
#: A cluster policy: the minute between two tries is not what is looked at here.
POLICY: Final = """
from datetime import timedelta

def task_policy(task):
    task.retry_delay = timedelta(seconds=1)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    """A running Airflow, the emulated WeChat that it releases on, and its store.

    :param ledger: of the store that all processes share, as ``fleets`` is.
    """

    airflow: ThrowawayAirflow
    sandbox: RunningSandbox
    ledger: Ledger
    fleets: Fleets

    @property
    def workers(self) -> list[Component]:
        return [each for each in self.airflow.processes.components if each.name.startswith(WORKER)]

    def lose(self, component: Component) -> None:
        """Kill a component with all that it started, as a lost machine does."""
        for process in self._processes_of(component):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        component.process.wait()

    def start_workers(self, count: int = 1) -> None:
        """Start Celery workers, and wait until they take tasks.

        :raises AssertionError: one ended, or is not ready in time; the text holds its last lines.
        """
        options = ("--concurrency", "2", "--skip-serve-logs", "--without-gossip", "--without-mingle")
        names = [f"{WORKER}-{len(self.workers) + number}" for number in range(count)]
        started = [self._start(name, "celery", "worker", "--celery-hostname", f"{name}@%h", *options) for name in names]
        deadline = time.monotonic() + WORKER_SECONDS
        for worker in started:
            while b" ready." not in worker.output.read_bytes():
                lives = worker.process.poll() is None and time.monotonic() < deadline
                assert lives, f"{worker.name} is not ready:\n{worker.last_lines()}"
                time.sleep(LOOK_SECONDS)

    def restart_triggerer(self) -> None:
        """Kill the triggerer with all that it started, as a lost container does, and start another one."""
        old = next(each for each in reversed(self.airflow.processes.components) if each.name.startswith("triggerer"))
        self.lose(old)
        self._start(f"{old.name}-again", "triggerer", "--skip-serve-logs")

    def task_process(self) -> tuple[Component, psutil.Process]:
        """Return a process that carries out a task, and the worker that started it."""
        for worker in self.workers:
            for process in self._processes_of(worker):
                with suppress(psutil.NoSuchProcess):
                    if " ".join(process.cmdline()).startswith(TASK_TITLE):
                        return worker, process
        raise AssertionError("no worker has a task process")

    def _start(self, name: str, *arguments: str) -> Component:
        command = (sys.executable, "-m", "airflow", *arguments)
        env, output = self.airflow.component_env(), self.airflow.home / f"{name}.out"
        return self.airflow.processes.start(name, command, env, output)

    def _processes_of(self, component: Component) -> Iterator[psutil.Process]:
        for pid in self.airflow.processes.pids([component]):
            with suppress(psutil.NoSuchProcess):
                yield psutil.Process(pid)


@contextmanager
def running_cluster(sandbox: RunningSandbox) -> Iterator[Cluster]:
    """Run Redis, Airflow's components and two Celery workers; the store knows nothing but the platform's ticket.

    Where Redis, PostgreSQL or Celery is not installed the test is left out; in CI it fails.
    """
    _leave_out_unless_installed()
    with interruptible(), ExitStack() as stack:
        store_url, server = stack.enter_context(contextmanager(new_postgresql_database)()), _running()
        server.administer("CREATE DATABASE airflow")  # it goes with its server
        home = Path(tempfile.mkdtemp(prefix="wxa-distributed-"))
        stack.callback(_remove, home)
        key, redis_port = Fernet.generate_key().decode(), free_port()
        environment = IMPATIENCE | {
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": server.url("airflow"),
            "AIRFLOW__CELERY__BROKER_URL": f"redis://{LOOPBACK}:{redis_port}/0",
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{server.url('airflow')}",
            "AIRFLOW__WXA__SQL_ALCHEMY_CONN": store_url,
            "AIRFLOW__WXA__ENCRYPTION_KEYS": key,
            # The client waits longer than the slowest answer here takes.
            "AIRFLOW_CONN_WXA_DEFAULT": connection_of(sandbox.url, COMPONENT_APPID, COMPONENT_APPSECRET, timeout="90"),
        }
        Store(store_url, [key]).put_renewals(COMPONENT_APPID, {THE_PLATFORM: Secret(COMPONENT_VERIFY_TICKET)})
        (home / "config").mkdir()
        (home / "config" / "airflow_local_settings.py").write_text(POLICY, "utf-8")
        airflow = ThrowawayAirflow(home, environment, {**DAGS, **FLEET_DAGS}, tell=print)
        stack.callback(airflow.stop)
        redis = (REDIS, "--bind", LOOPBACK, "--port", str(redis_port), "--save", "", "--dir", str(home))
        airflow.processes.start("redis", redis, os.environ, home / "redis.out")
        airflow.start(DAG_ID, FLEET_DAG_ID)
        cluster = Cluster(airflow=airflow, sandbox=sandbox, ledger=Ledger(store_url), fleets=Fleets(store_url))
        cluster.start_workers(2)
        yield cluster


def _leave_out_unless_installed() -> None:
    missing = [REDIS] if shutil.which(REDIS) is None else []
    missing += [name for name in DISTRIBUTIONS if not any(distributions(name=name))]
    if missing:
        how = "apt-get install redis-server, pip install 'airflow-wxa[distributed]'"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"not installed: {', '.join(missing)} ({how})")


def _remove(home: Path) -> None:
    with uninterrupted():
        shutil.rmtree(home)
