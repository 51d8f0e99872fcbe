"""What a fleet costs beside other ways of making the same calls; prints a table, writes JSON, draws the growth.

pytest -m benchmark tests/benchmarks/test_fleets.py -s          # a tenth, as CI runs it
WXA_BENCHMARK=full pytest -m benchmark tests/benchmarks/test_fleets.py -s
"""

import json
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.airflow_session import ROOT
from tests.benchmarks.figures import FOLDER, IS_FULL, by_turns, keep
from tests.benchmarks.fleet_server import REQUESTS, counted, fleet_server
from tests.benchmarks.growth import drawn

pytestmark = pytest.mark.benchmark

SMALL = 1000 if IS_FULL else 100
SIZES = (100, 1000, 10_000) if IS_FULL else (100, 1000)
ROUNDS = 3
CALLS = 3
#: What test_http_operator.py measured, when it has run.
HTTP_OPERATOR = FOLDER / "http_operator.json"
#: The picture of the README is drawn by a full run.
PICTURE = (ROOT / "docs" if IS_FULL else FOLDER) / "fleet-growth.svg"


@pytest.fixture
def url() -> Iterator[str]:
    with fleet_server() as running:
        yield running


def measured(way: str, count: int, url: str, folder: Path, shared: str = "") -> dict[str, Any]:
    """Run one way in a process of its own.

    :param shared: name of a store that ways share; ``""``: one of its own.
    """
    httpx.get(f"{url}/reset")
    store = folder / f"{shared or time.monotonic_ns()}.db"
    command = [sys.executable, "-m", "tests.benchmarks.fleet_work", way, str(count), url, f"sqlite:///{store}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout) | {"way": way, "count": count, **counted(url)}


def told(name: str, rows: list[dict[str, Any]]) -> None:
    keep(name, rows)
    print(f"\n{'way':10} {'count':>6} {'requests':>8} {'seconds':>8} {'CPU s':>7} {'ms each':>8} {'peak MiB':>9}")
    for row in rows:
        each = 1000 * row["seconds"] / row["count"]
        print(
            f"{row['way']:10} {row['count']:6} {sum(row['counts'].values()):8} {row['seconds']:8.2f} {row['cpu']:7.2f} "
            f"{each:8.2f} {row['peak_mib']:9.0f}"
        )


def test_a_shard_costs_little_more_than_bare_httpx_and_does_not_grow(url: str, tmp_path: Path) -> None:
    rows = []
    for count in SIZES:
        ways = {way: partial(measured, way, count, url, tmp_path) for way in ("httpx", "ours")}
        rows += [row for some in by_turns(ways, ROUNDS).values() for row in some]
        rows.append(measured("wechatpy", count, url, tmp_path))
    told("fleet_growth", rows)
    others = [json.loads(HTTP_OPERATOR.read_text())["theirs"]] if HTTP_OPERATOR.exists() else []
    drawn([*rows, *others], PICTURE)
    each = Counter(path for path, _ in REQUESTS)
    for row in rows:
        assert row["counts"] == {path: most * row["count"] for path, most in each.items()}, row["way"]
    assert len({row["content_bytes"] / row["count"] for row in rows if row["way"] != "wechatpy"}) == 1

    def median(way: str, count: int, figure: str) -> float:
        return statistics.median(row[figure] for row in rows if (row["way"], row["count"]) == (way, count))

    largest = SIZES[-1]
    ratio = median("ours", largest, "seconds") / median("httpx", largest, "seconds")
    cpu = median("ours", largest, "cpu") / median("httpx", largest, "cpu")
    growth = (median("ours", largest, "seconds") / largest) / (median("ours", SMALL, "seconds") / SMALL)
    print(
        f"ours against bare httpx at {largest}: {ratio:.2f} of its time, {cpu:.2f} of its CPU; "
        f"from {SMALL} to {largest}: {growth:.2f} of the time each"
    )
    assert ratio <= 1.3
    assert cpu <= 0.8
    assert 0.8 <= growth <= 1.2


def test_a_shard_task_takes_no_more_memory_in_a_larger_fleet(url: str, tmp_path: Path) -> None:
    rows = [
        measured(way, count, url, tmp_path, shared=f"fleet of {count}")
        for count in (SMALL, SIZES[-1])
        for way in ("fill", "shard")
    ]
    told("fleet_memory", rows)
    _, small, _, large = (row["peak_mib"] for row in rows)
    print(f"one shard task: {small:.0f} MiB in a fleet of {SMALL}, {large:.0f} MiB in one of {SIZES[-1]}")
    assert large < 1.1 * small


def test_a_plan_holds_its_concurrency_and_costs_little_more_than_its_calls(url: str, tmp_path: Path) -> None:
    count = SIZES[-1]
    rows = [measured(way, count, url, tmp_path) for way in ("bare plan", "plan")]
    told("fleet_plan", rows)
    bare, planned = rows
    more_cpu = 1000 * (planned["cpu"] - bare["cpu"]) / count / CALLS
    print(f"plan of {count}: {more_cpu:+.2f} ms of CPU a call above bare httpx, {planned['most_under_way']} at once")
    assert planned["most_under_way"] == 16
    assert planned["peak_mib"] < 500
    assert more_cpu <= 1.0


def test_a_cold_fleet_refreshes_each_token_once(tmp_path: Path) -> None:
    count = SIZES[-1]
    with fleet_server(0.05) as url:
        row = measured("cold", count, url, tmp_path)
    told("fleet_cold_tokens", [row])
    assert row["counts"]["/cgi-bin/component/api_authorizer_token"] == count
    assert row["seconds"] <= 60 * count / 10_000 or not IS_FULL
