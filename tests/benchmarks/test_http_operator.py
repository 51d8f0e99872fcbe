"""The domain step of a fleet against the way people do it now: one mapped HttpOperator task per Mini Program.

Both run on the same Airflow and call the same server. The other way takes long, so that its size can be set; ours is
always 1,000 Mini Programs in five shards, three times.

pytest -m benchmark tests/benchmarks/test_http_operator.py -s                              # 30 mapped tasks
WXA_HTTP_OPERATORS=1000 pytest -m benchmark tests/benchmarks/test_http_operator.py -s
"""

import datetime as dt
import json
import os
import statistics
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest
import yaml

from airflow_wxa.cli.demo.airflow import ThrowawayAirflow, connection_of
from tests.benchmarks.figures import FERNET_KEY, PLATFORM, keep
from tests.benchmarks.fleet_server import WANTED, counted, fleet_server
from tests.benchmarks.fleet_work import RELEASE, Work, token
from tests.fleet.fleets import appid
from tests.real_airflow.airflows import Run

pytestmark = pytest.mark.benchmark

PROVIDER = "apache-airflow-providers-http"
COUNT, SHARDS = 1000, 5
MAPPED = int(os.environ.get("WXA_HTTP_OPERATORS", "30"))
PATIENCE = 3600.0
OURS = """
from airflow.sdk import DAG, Param

from airflow_wxa.dags.fleet_tasks import load_manifest
from airflow_wxa.operators.fleet import WxaFleetShardOperator

params = {"manifest": Param("", type="string"), "shard_size": 200, "wxa_conn_id": "wxa_default", "approval": False}
with DAG("shards", schedule=None, is_paused_upon_creation=False, params=params):
    WxaFleetShardOperator.partial(task_id="configure_domains").expand(shard=load_manifest({}))
"""
THEIRS = """
import json
from pathlib import Path

from airflow.providers.http.operators.http import HttpOperator
from airflow.sdk import DAG

with DAG("mapped", schedule=None, is_paused_upon_creation=False, max_active_tasks=64):
    HttpOperator.partial(
        task_id="set_webview_domain", http_conn_id="wechat", method="POST", headers={"Content-Type": "application/json"}
    ).expand_kwargs(json.loads((Path(__file__).parent / "calls.json").read_text()))
"""


def seconds_of(airflow: ThrowawayAirflow, dag_id: str, run_id: str, conf: dict[str, Any]) -> float:
    """Run a DAG, and return the seconds between its start and its end as Airflow has them."""
    airflow.api.trigger(dag_id, run_id, conf)
    assert Run(airflow, dag_id, run_id).ends(PATIENCE) == "success"
    run = airflow.api._get(f"/dags/{dag_id}/dagRuns/{run_id}")
    begin, end = (dt.datetime.fromisoformat(run[name]) for name in ("start_date", "end_date"))
    return (end - begin).total_seconds()


def test_five_shards_take_a_fiftieth_of_a_thousand_mapped_tasks(tmp_path: Path) -> None:
    if not any(distributions(name=PROVIDER)):
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"not installed: {PROVIDER}")
    home, store_url = tmp_path / "home", f"sqlite:///{tmp_path / 'wxa.db'}"
    home.mkdir()
    Work(COUNT, "", store_url).fill()
    body = json.dumps({"action": "set", "webviewdomain": WANTED})
    mapped = [
        {"endpoint": f"wxa/setwebviewdomain?access_token={token(number)}", "data": body} for number in range(MAPPED)
    ]
    dags = {"ours.py": OURS, "theirs.py": THEIRS, "calls.json": json.dumps(mapped)}
    manifest = yaml.safe_dump({"release": RELEASE, "apps": [appid(number) for number in range(COUNT)]})
    with fleet_server() as url:
        settings = {
            "AIRFLOW_CONN_WXA_DEFAULT": connection_of(url, PLATFORM, "appsecret"),
            "AIRFLOW_CONN_WECHAT": json.dumps({"conn_type": "http", "host": url}),
            "AIRFLOW__WXA__SQL_ALCHEMY_CONN": store_url,
            "AIRFLOW__WXA__ENCRYPTION_KEYS": FERNET_KEY,
            "AIRFLOW__CORE__PARALLELISM": "8",
        }
        with ThrowawayAirflow(home, settings, dags).running("shards", "mapped") as airflow:
            conf = {"manifest": manifest, "shard_size": COUNT // SHARDS}
            ours = [seconds_of(airflow, "shards", "run-0", conf)]
            instances = [task.task_id for task in airflow.api.task_instances("shards", "run-0")]
            before = counted(url)["counts"]["/wxa/setwebviewdomain"]
            theirs = seconds_of(airflow, "mapped", "run", {})
            called = counted(url)["counts"]["/wxa/setwebviewdomain"] - before
            ours += [seconds_of(airflow, "shards", f"run-{each}", conf) for each in (1, 2)]
    assert instances.count("configure_domains") == SHARDS
    assert called == MAPPED
    median = statistics.median(ours)
    whole = theirs * COUNT / MAPPED
    keep("http_operator", {"ours": ours, "theirs": {"way": "HttpOperator", "count": MAPPED, "seconds": theirs}})
    how = "measured" if MAPPED == COUNT else f"at that rate; measured: {MAPPED} in {theirs:.0f} s"
    print(
        f"\n{COUNT} Mini Programs in {SHARDS} shards: {', '.join(f'{each:.1f}' for each in ours)} s; "
        f"{COUNT} mapped HttpOperator tasks: {whole:.0f} s ({how}): {whole / median:.0f} times as long"
    )
    assert whole >= 50 * median
