"""CPU of a task from its fork to its first line and to its end: those of a release, and an empty PythonOperator beside.

WXA_BENCHMARK=full pytest -m benchmark tests/benchmarks/test_task_start.py -s

The processes tell it themselves, by callbacks. The package is compiled once, as pip does when it installs. Run alone
on a quiet machine; what counts is the ratio of the starts: all that follows is calls to WeChat and rows of the ledger.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from typing import TYPE_CHECKING, Any

import pytest

from airflow_wxa.cli.demo.airflow import ThrowawayAirflow
from airflow_wxa.sandbox.server import serve
from tests.benchmarks.test_fleets import FOLDER, IS_FULL
from tests.fleet.fleets import appid, fleet_world

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.benchmark,
    pytest.mark.skipif(not IS_FULL, reason="two Airflows for minutes, on a quiet machine: WXA_BENCHMARK=full"),
]

ROUNDS = 3
#: Whether the package is preloaded, as by default → most times the CPU that the start of an empty task takes.
MOST = {True: 1.1, False: 1.5}
REPORT = """
import json, time
from pathlib import Path

spent = []


def begin(context):
    spent[:] = [time.process_time()]


def report(context):
    line = json.dumps({"task": context["ti"].task_id, "cpu": [*spent, time.process_time()]})
    with (Path(__file__).parent / "cpu.jsonl").open("a") as file:
        file.write(line + "\\n")


callbacks = {"on_execute_callback": begin, "on_success_callback": report}
"""
EMPTY = f"""{REPORT}

from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG



def nothing():
    pass


with DAG("empty", schedule=None, is_paused_upon_creation=False, default_args=callbacks):
    PythonOperator(task_id="nothing", python_callable=nothing)
"""
OURS = f"""{REPORT}

from airflow_wxa.dags.wxa_release import release_dag

dag = release_dag(default_args=callbacks)
"""


def run_to_the_end(airflow: ThrowawayAirflow, dag_id: str, run_id: str, conf: dict[str, Any]) -> None:
    airflow.api.trigger(dag_id, run_id, conf)
    deadline = time.monotonic() + 600
    while (state := airflow.api.run_states(dag_id)[run_id]) not in {"success", "failed"}:
        assert time.monotonic() < deadline
        airflow.check_lives()
        time.sleep(0.5)
    assert state == "success"


def cpu_by_task(home: Path, *, preload: bool) -> dict[str, list[tuple[float, float]]]:
    """Return the CPU seconds of each task to its first line and to its end, of runs of both DAGs by turns."""
    home.mkdir()
    with serve(fleet_world(ROUNDS)) as wechat:
        settings = {
            "AIRFLOW_CONN_WXA_DEFAULT": wechat.connection(),
            "AIRFLOW__WXA__PRELOAD": str(preload),
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPYCACHEPREFIX": str(home / "compiled"),
            "AIRFLOW__WXA__PRIVACY_POLL_SECONDS": "1",
            "AIRFLOW__WXA__AUDIT_POLL_SECONDS": "1",
        }
        airflow = ThrowawayAirflow(home, settings, {"empty.py": EMPTY, "ours.py": OURS})
        try:
            airflow.start("empty", "wxa_release")
            for turn in range(ROUNDS):
                conf = {"appid": appid(turn), "template_id": 47, "user_version": "1.4.0", "approval": False}
                run_to_the_end(airflow, "empty", f"{turn}-before", {})
                run_to_the_end(airflow, "wxa_release", f"{turn}", conf | {"webviewdomain": ["https://m.example.com"]})
                run_to_the_end(airflow, "empty", f"{turn}-behind", {})
        finally:
            airflow.stop()
    found: dict[str, list[tuple[float, float]]] = {}
    for line in (home / "dags" / "cpu.jsonl").read_text("utf-8").splitlines():
        found.setdefault(json.loads(line)["task"], []).append(json.loads(line)["cpu"])
    return found


@pytest.mark.parametrize("preload", [True, False], ids=["as installed", "not preloaded"])
def test_a_task_of_ours_starts_almost_as_an_empty_one(tmp_path: Path, preload: bool) -> None:
    found = cpu_by_task(tmp_path / "home", preload=preload)
    medians = {task: [statistics.median(each) for each in zip(*told, strict=True)] for task, told in found.items()}
    empty, whole = medians.pop("nothing")
    print(f"\npreload {preload}, load {os.getloadavg()[0]:.1f}: an empty PythonOperator {empty:.3f}, {whole:.3f} CPU s")
    for task, (start, end) in medians.items():
        print(f"  {task:24} start {start:.3f} CPU s, {start / empty:.2f}x; to its end {end:.3f}, {end / whole:.2f}x")
    ratio = statistics.median(start for start, _ in medians.values()) / empty
    print(f"  median start of ours: {ratio:.2f}x")
    FOLDER.mkdir(parents=True, exist_ok=True)
    told = {"empty": [empty, whole], "ours": medians, "ratio": ratio}
    (FOLDER / f"task_start_{'preloaded' if preload else 'installed'}.json").write_text(
        json.dumps(told, indent=2) + "\n"
    )
    assert ratio <= MOST[preload]
