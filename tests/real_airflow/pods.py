"""An executor whose tasks are pods without a cluster: namespaces, a user and an environment of their own.

The scheduler loads it by name. What Kubernetes does with ``docs/deploy/pod_template.yaml`` is done by ``POD_COMMAND``,
which gets the workload as its last argument, as the container of the Kubernetes executor does.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from airflow.executors.base_executor import BaseExecutor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.executors.base_executor import ExecutorWorkload, WorkloadKey


class PodExecutor(BaseExecutor):
    """Starts one process a task, which ends with it."""

    def start(self) -> None:
        self.pods: dict[WorkloadKey, subprocess.Popen[bytes]] = {}

    def _process_workloads(self, workload_items: Sequence[ExecutorWorkload]) -> None:
        command = json.loads(os.environ["POD_COMMAND"])
        for each in workload_items:
            key = each.ti.key
            self.queued_tasks.pop(key, None)
            with Path(os.environ["POD_LOG"]).open("ab") as log:
                self.pods[key] = subprocess.Popen([*command, each.model_dump_json()], stdout=log, stderr=log)
            self.running.add(key)

    def sync(self) -> None:
        for key, pod in list(self.pods.items()):
            if (code := pod.poll()) is not None:
                del self.pods[key]
                (self.fail if code else self.success)(key)

    def end(self) -> None:
        self.terminate()

    def terminate(self) -> None:
        for pod in self.pods.values():
            pod.kill()
