"""Whatever stops or waits on a real Airflow is told once, by worker, DAG processor and triggerer."""

import json
import os
import time
from pathlib import Path
from typing import Any, Final

import pytest

from airflow_wxa.cli.demo.airflow import ThrowawayAirflow
from airflow_wxa.sandbox import RunningSandbox
from airflow_wxa.sandbox.testing import APPID
from tests.real_airflow.airflows import Run, against, until

pytestmark = pytest.mark.real_airflow

TWICE_SECONDS: Final = 15.0
MODULE: Final = '''
import json
from pathlib import Path

from airflow.sdk import BaseHook, BaseNotifier


class Filed(BaseNotifier):
    """Appends a line to the file that a Connection names."""

    template_fields = ("title", "text")

    def __init__(self):
        super().__init__()
        self.title, self.text = "{{ wxa_title }}", "{{ wxa_text }}"

    def notify(self, context):
        told = {"event": context["wxa_event"], "title": self.title, "text": self.text}
        with Path(BaseHook.get_connection("told").host).open("a") as file:
            file.write(json.dumps(told) + "\\n")


filed = Filed()
'''
DAGS: Final = """
import os, signal, time
from datetime import timedelta
from pathlib import Path

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG, AsyncCallback, BaseHook, DeadlineAlert, DeadlineReference, task

from airflow_wxa.notifications import WxaNotifier
from airflow_wxa.operators import WxaReleaseOperator
from our_notifiers import filed

tell = WxaNotifier(filed, language="en")
each = {"on_failure_callback": tell, "on_success_callback": tell}
of_dag = {"schedule": None, "params": {"appid": ""}, "is_paused_upon_creation": False}
code = {"webviewdomain": ["https://m.example.com"], "template_id": 47, "user_version": "9.9.9", "auditid": "7"}
late = DeadlineAlert(
    reference=DeadlineReference.DAGRUN_QUEUED_AT,
    interval=timedelta(seconds=1),
    callback=AsyncCallback(WxaNotifier, {"through": "our_notifiers.filed", "language": "en"}),
)


@task
def refuse():
    raise ValueError("a bug of ours")


@task
def kill():
    for pid in (os.getppid(), os.getpid()):
        os.kill(pid, signal.SIGKILL)


@task
def dawdle():
    end = time.monotonic() + 150
    while time.monotonic() < end and "Run late" not in Path(BaseHook.get_connection("told").host).read_text():
        time.sleep(1)


with DAG("of_task", default_args=each, **of_dag):
    WxaReleaseOperator(task_id="release", appid="{{ params.appid }}", **code)

with DAG("of_mapped", default_args=each, **of_dag):
    WxaReleaseOperator.partial(task_id="release", **code).expand(appid=["wx0000000000000001"])

with DAG("of_dag", on_failure_callback=tell, on_success_callback=tell, **of_dag):
    refuse() >> ApprovalOperator(task_id="approve", subject="Release?")

with DAG("of_killed", default_args=each, **of_dag):
    kill()

with DAG("of_deadline", default_args=each, deadline=late, on_success_callback=tell, **of_dag):
    dawdle()

with DAG("of_approval", default_args=each, on_failure_callback=tell, on_success_callback=tell, **of_dag):
    ApprovalOperator(task_id="approve", subject="Release {{ params.appid }}?", notifiers=[tell])
"""
CLEAR: Final = "then Clear that task"
#: DAG → event, end of its title, and next step.
TOLD: Final = {
    "of_task": ("run_stopped", "run", "clear configure_domains"),
    "of_mapped": ("run_stopped", f"run release[{APPID}]", "clear configure_domains"),
    "of_dag": ("run_stopped", "run", CLEAR),
    "of_killed": ("run_stopped", "run", CLEAR),
    "of_deadline": ("deadline_missed", "run", "which task it waits for"),
    "of_approval": ("approval_wanted", "run", "answer it under Required Actions"),
}


def test_each_thing_is_told_once(tmp_path: Path, wxa_sandbox: RunningSandbox) -> None:
    place, told = tmp_path / "modules", tmp_path / "told.jsonl"
    place.mkdir()
    told.touch()
    (place / "our_notifiers.py").write_text(MODULE, "utf-8")
    environment = against(
        wxa_sandbox,
        PYTHONPATH=os.pathsep.join([str(place), os.environ.get("PYTHONPATH", "")]),
        AIRFLOW_CONN_TOLD=json.dumps({"conn_type": "generic", "host": str(told)}),
        AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT="30",
        AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL="3",
    )
    airflow = ThrowawayAirflow(home=tmp_path, environment=environment, dags={"told.py": DAGS})

    def read() -> list[dict[str, Any]]:
        return [json.loads(line) for line in told.read_text("utf-8").splitlines()]

    with airflow.running(*TOLD):
        runs = {dag_id: Run(airflow, dag_id).triggered({"appid": APPID}) for dag_id in TOLD}
        until(lambda: len(read()) >= len(TOLD), read)
        runs["of_approval"].answer("approve")
        states = {dag_id: run.ends() for dag_id, run in runs.items()}
        time.sleep(TWICE_SECONDS)
    seen = {}
    for each in read():
        dag_id, _, name = each["title"].split(": ")[1].partition(" ")
        text = each["text"]
        assert APPID in text.split("/mini-program/")[0]
        assert TOLD[dag_id][2] in text
        assert f"{airflow.url}/dags/{dag_id}/runs/run\n" in text
        assert dag_id not in seen, "told twice"
        seen[dag_id] = (each["event"], name)
    assert seen == {dag_id: (event, title) for dag_id, (event, title, _) in TOLD.items()}
    assert states == dict.fromkeys(TOLD, "failed") | {"of_deadline": "success", "of_approval": "success"}
