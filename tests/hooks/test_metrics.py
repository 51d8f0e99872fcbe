"""What is counted: by which name, with which tags, and that page and dashboard name the same."""

import json
import re
import socket
import timeit
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from airflow.sdk._shared.observability.metrics import stats
from airflow.sdk.exceptions import AirflowFailException

from airflow_wxa.client import telemetry
from airflow_wxa.hooks.metrics import AirflowStats
from airflow_wxa.hooks.metrics import _stats as set_up
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.sandbox import RunningSandbox
from airflow_wxa.sandbox.state import Stage
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.sensors import WxaAuditSensor
from tests.triggers.waiting import sheet

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


@pytest.fixture
def sink() -> Iterator[Mock]:
    telemetry.send_to(sink := Mock())
    yield sink
    telemetry.send_to(AirflowStats())


def test_calls_errcodes_and_outcomes_are_counted_without_an_appid(wxa_default: RunningSandbox, sink: Mock) -> None:
    hook = WxaHook()
    hook.configure_domains(APPID, "add", ["https://m.example.com"])
    with pytest.raises(AirflowFailException):
        hook.commit(APPID, 404, "1.0")
    sent = [each.args for each in sink.incr.mock_calls]
    assert ("wxa.calls", {"endpoint": "setwebviewdomain", "result": "ok"}) in sent
    assert ("wxa.calls", {"endpoint": "commit", "result": "refused"}) in sent
    assert ("wxa.errcodes", {"endpoint": "commit", "errcode": "85014"}) in sent
    outcomes = [tags["outcome"] for name, tags in sent if name == "wxa.outcomes"]
    assert outcomes == ["configured", "stopped"]
    assert all(telemetry.METRICS[name] == tuple(tags) for name, tags in sent)
    assert APPID not in str(sink.mock_calls)


def test_the_wait_for_a_review_is_taken(wxa_default: RunningSandbox, sink: Mock) -> None:
    wxa_default.world.mini_program(APPID).sheets.append(sheet(7, Stage.APPROVED))
    WxaAuditSensor(task_id="wait", appid=APPID, auditid="7").execute({})
    [(name, milliseconds, tags)] = [each.args for each in sink.timing.mock_calls]
    assert (name, milliseconds >= 0, tags) == ("wxa.audit_wait", True, {"outcome": "approved"})


def test_airflows_stats_send_them(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as statsd, monkeypatch.context() as configured:
        statsd.bind(("127.0.0.1", 0))
        statsd.settimeout(10)
        named = {"STATSD_ON": "True", "STATSD_HOST": "127.0.0.1", "STATSD_PORT": str(statsd.getsockname()[1])}
        for name, value in named.items():
            configured.setenv(f"AIRFLOW__METRICS__{name}", value)
        set_up.cache_clear()
        telemetry.send_to(AirflowStats())
        telemetry.count("wxa.calls", endpoint="commit", result="ok")
        sent = statsd.recv(1000)
        backend = vars(stats).get("_get_backend", set_up)()  # Airflow 3.2 gives the backend itself
        backend.statsd.close()
    set_up.cache_clear()
    set_up()  # with no server again: Airflow measures this and that in tests to come
    assert sent.startswith(b"airflow.wxa.calls")


def test_a_backend_that_fails_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_wxa.hooks.metrics._stats", lambda: 1 / 0)
    AirflowStats().incr("wxa.calls", {})
    AirflowStats().timing("wxa.audit_wait", 1.0, {})


def test_a_count_costs_little_beside_a_call() -> None:
    telemetry.send_to(AirflowStats())
    counting = timeit.timeit(lambda: telemetry.count("wxa.calls", endpoint="commit", result="ok"), number=2000)
    parsing = timeit.timeit(lambda: json.loads(json.dumps({"errcode": 0, "list": [*range(200)]})), number=2000)
    assert counting < 20 * parsing


def test_the_page_names_each_metric_with_its_tags() -> None:
    rows = re.findall(
        r"^\| `(wxa\.\w+)` \| \S.*? \| (.*?) \|", (REFERENCE / "metrics.md").read_text("utf-8"), re.MULTILINE
    )
    assert {name: tuple(re.findall(r"`(\w+)`", tags)) for name, tags in rows} == dict(telemetry.METRICS)


def test_the_dashboard_asks_for_metrics_and_tags_that_there_are() -> None:
    dashboard: dict[str, Any] = json.loads((REFERENCE / "wxa-dashboard.json").read_text("utf-8"))
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    names = {f"airflow_{name.replace('.', '_')}": tags for name, tags in telemetry.METRICS.items()}
    seen = set()
    for query in asked:
        series = re.findall(r"airflow_wxa_[a-z_]+", query)
        (name,) = {re.sub(r"(_total|_milliseconds(_bucket|_sum|_count))$", "", each) for each in series}
        seen.add(name)
        tags = {each.strip() for group in re.findall(r"by \((.*?)\)", query) for each in group.split(",")} - {"le"}
        filtered = set(re.findall(r"[{,](\w+)(?:=|!=|=~)", query))
        assert tags | filtered <= set(names[name]), query
    assert seen == names.keys()
