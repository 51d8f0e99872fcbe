"""Whatever stops or waits on a real Airflow is told once, by worker, DAG processor and triggerer.

``pytest -m real_airflow -n0 -s tests/real_airflow/test_notifier.py`` prints the table.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Final

import pytest

from airflow_wxa.cli.demo.airflow import ThrowawayAirflow
from airflow_wxa.sandbox import RunningSandbox
from airflow_wxa.sandbox.testing import APPID
from tests.real_airflow.airflows import ENDED, connection, started, until

pytestmark = pytest.mark.real_airflow

TWICE_SECONDS: Final = 15.0
READING_SECONDS: Final = 5.0
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
    environment = {
        "PYTHONPATH": os.pathsep.join([str(place), os.environ.get("PYTHONPATH", "")]),
        "AIRFLOW_CONN_WXA_DEFAULT": connection(wxa_sandbox),
        "AIRFLOW_CONN_TOLD": json.dumps({"conn_type": "generic", "host": str(told)}),
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "3",
    }
    airflow = ThrowawayAirflow(home=tmp_path, environment=environment, dags={"told.py": DAGS})
    with started(airflow, *TOLD):
        for dag_id in TOLD:
            airflow.api.trigger(dag_id, "run", {"appid": APPID})
        until(lambda: len(read(told)) >= len(TOLD), lambda: read(told))
        time.sleep(READING_SECONDS)
        airflow.api.approve("of_approval", "run", "approve")
        states = until(lambda: ends(airflow), "all end")
        time.sleep(TWICE_SECONDS)
        lines = read(told)
    sys.stdout.write("".join(f"\n{each['event']} | {each['title']} | {each['text']!r}" for each in lines) + "\n")
    seen = sorted((each["title"].split(": ")[1].split()[0], each["event"]) for each in lines)
    assert seen == sorted((dag_id, event) for dag_id, (event, _, _) in TOLD.items())
    for each in lines:
        dag_id, _, name = each["title"].split(": ")[1].partition(" ")
        _, title, step = TOLD[dag_id]
        assert name == title
        assert APPID in each["text"].split("/mini-program/")[0]
        assert step in each["text"]
        assert f"{airflow.url}/dags/{dag_id}/runs/run\n" in each["text"]
    assert states == dict.fromkeys(TOLD, "failed") | {"of_deadline": "success", "of_approval": "success"}


def read(told: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in told.read_text("utf-8").splitlines()]


def ends(airflow: ThrowawayAirflow) -> dict[str, str]:
    """Return the states of all runs once they have ended."""
    states = {dag_id: airflow.api.run_states(dag_id)["run"] for dag_id in TOLD}
    return states if set(states.values()) <= ENDED else {}
