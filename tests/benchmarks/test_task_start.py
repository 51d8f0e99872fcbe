"""CPU of a task from its fork to its first line and to its end: of a release, and of empty PythonOperators beside.

One of them is alone in its DAG, another stands in a DAG with as many tasks and the same params as a release: what that
costs is Airflow's own, which builds and checks all of a DAG for each task.

WXA_BENCHMARK=full pytest -m benchmark tests/benchmarks/test_task_start.py -s

The processes tell it themselves, by callbacks. The package is compiled once, as pip does when it installs. Run alone
on a quiet machine; what counts is the ratio of the starts: all that follows is calls to WeChat and rows of the ledger.
"""

import json
import os
import statistics
import time
from pathlib import Path

import pytest

from airflow_wxa.cli.demo.airflow import ThrowawayAirflow
from airflow_wxa.sandbox.server import serve
from tests.airflow_session import PLAIN
from tests.benchmarks.figures import keep, only_full
from tests.fleet.fleets import appid, fleet_world
from tests.real_airflow.airflows import Run

pytestmark = only_full("two Airflows for minutes, on a quiet machine")

ROUNDS = 3
#: Whether the package is preloaded, as by default → most times the CPU that the start of an empty task takes. Without
#: preloading a task imports the package; where nothing is forked, an empty one imports all of Airflow as well.
MOST = {True: 1.5, False: 5.0}
#: Preloaded, and against the empty task in a DAG as large.
MOST_OF_LARGE = 1.3
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


def nothing():
    pass


callbacks = {"on_execute_callback": begin, "on_success_callback": report}
"""
EMPTY = f"""{REPORT}

from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG

with DAG("empty", schedule=None, is_paused_upon_creation=False, default_args=callbacks):
    PythonOperator(task_id="empty", python_callable=nothing)
"""
LARGE = f"""{REPORT}
from airflow.providers.standard.operators.python import PythonOperator, ShortCircuitOperator
from airflow.sdk import DAG
from airflow.sdk.definitions.param import ParamsDict

from airflow_wxa.release.dag import release_params

with DAG("large", schedule=None, is_paused_upon_creation=False, default_args=callbacks) as dag:
    first = ShortCircuitOperator(task_id="large", python_callable=nothing)  # skips the others
    first >> [PythonOperator(task_id=f"t{{number}}", python_callable=nothing) for number in range(14)]
dag.params = ParamsDict(release_params())
"""
OURS = f"""{REPORT}

from airflow_wxa.dags.wxa_release import release_dag

dag = release_dag(default_args=callbacks)
"""


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
        dags = {"empty.py": EMPTY, "large.py": LARGE, "ours.py": OURS}
        with ThrowawayAirflow(home, settings, dags).running("empty", "large", "wxa_release") as airflow:
            for turn in range(ROUNDS):
                for dag_id in ("empty", "large", "wxa_release", "large", "empty"):
                    run_id, conf = f"{turn}-{time.time()}", {**PLAIN, "appid": appid(turn)}
                    airflow.api.trigger(dag_id, run_id, {} if dag_id == "empty" else conf)
                    assert Run(airflow, dag_id, run_id).ends(600) == "success"
    found: dict[str, list[tuple[float, float]]] = {}
    for line in (home / "dags" / "cpu.jsonl").read_text("utf-8").splitlines():
        found.setdefault(json.loads(line)["task"], []).append(json.loads(line)["cpu"])
    return found


@pytest.mark.parametrize("preload", [True, False], ids=["as installed", "not preloaded"])
def test_a_task_of_ours_starts_almost_as_an_empty_one(tmp_path: Path, preload: bool) -> None:
    found = cpu_by_task(tmp_path / "home", preload=preload)
    medians = {task: [statistics.median(each) for each in zip(*told, strict=True)] for task, told in found.items()}
    (empty, whole), (large, _) = medians.pop("empty"), medians.pop("large")
    print(
        f"\npreload {preload}, load {os.getloadavg()[0]:.1f}: an empty PythonOperator starts in {empty:.3f} CPU s, "
        f"in a DAG as large in {large:.3f}, {large / empty:.2f}x; to its end {whole:.3f}"
    )
    for task, (start, end) in medians.items():
        print(f"  {task:24} start {start:.3f} CPU s, {start / empty:.2f}x; to its end {end:.3f}, {end / whole:.2f}x")
    start = statistics.median(start for start, _ in medians.values())
    print(f"  median start of ours: {start / empty:.2f}x an empty one, {start / large:.2f}x one in a DAG as large")
    told = {"empty": [empty, whole], "large": large, "ours": medians, "ratio": start / empty}
    keep(f"task_start_{'preloaded' if preload else 'installed'}", told)
    assert start / empty <= MOST[preload]
    assert not preload or start / large <= MOST_OF_LARGE
