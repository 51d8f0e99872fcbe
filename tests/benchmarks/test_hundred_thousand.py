"""What is done for a whole campaign at once, at 100,000 Mini Programs: no quantity grows faster than they do.

pytest -m benchmark tests/benchmarks/test_hundred_thousand.py -s                      # 2,000 and 20,000
WXA_BENCHMARK=full pytest -m benchmark tests/benchmarks/test_hundred_thousand.py -s   # 10,000 and 100,000

A shard's own work is measured by ``test_growth.py`` beside it, with calls.
"""

from __future__ import annotations

import json
import resource
import time
from typing import TYPE_CHECKING, Any, Final

import pytest

from airflow_wxa.fleet.manifest import read_manifest
from airflow_wxa.fleet.plan import AppPlan, Totals, plan_digest
from airflow_wxa.fleet.summary import Summary, rerun_manifest
from airflow_wxa.fleet.waves import wave_counts
from airflow_wxa.store.mini_programs import MiniPrograms, Wanted
from airflow_wxa.store.tables import fleet_app
from airflow_wxa.triggers.fleet import WxaFleetTrigger
from tests.benchmarks.figures import IS_FULL, keep
from tests.benchmarks.test_growth import cpu_seconds, new_store, written_by_others  # noqa: F401  a fixture among them
from tests.fleet.driving import PLATFORM, Drive
from tests.fleet.fleets import appid, manifest
from tests.fleet.test_manifest import Files

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.benchmark

SIZES = (10_000, 100_000) if IS_FULL else (2_000, 20_000)
SHARD: Final = 200
MOST_GROWTH: Final = 1.5  # of the CPU for one Mini Program, where there are ten times as many
NOTHING_MS: Final = 0.02
PLAN = AppPlan(("configure", "commit", "submit", "wait", "release"), "trial version: none")


class Figures:
    """CPU and wall seconds of each quantity, and the memory that the process has held at most by then."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.by_name: dict[str, dict[str, float]] = {}

    def of(self, name: str, work: Callable[[], Any]) -> Any:
        begun, cpu = time.monotonic(), cpu_seconds()
        found = work()
        held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        took = {"cpu": cpu_seconds() - cpu, "wall": time.monotonic() - begun, "MiB": held}
        self.by_name[name] = took
        return found


def measured(store_url: str, count: int) -> dict[str, dict[str, float]]:
    figures, drive = Figures(count), Drive(store_url, "http://127.0.0.1:9", {})
    text, key, fleets = manifest(count, waves={"canary": {"apps": 50}}), drive.key, drive.fleets
    figures.of("check", lambda: read_manifest("fleet", Files(fleet=text)))
    figures.of("load", lambda: drive.load(text, SHARD))
    planned = {"stage": "plan_release", **PLAN.values}
    for first in range(0, count, SHARD):
        fleets.change(key, dict.fromkeys(range(first, min(first + SHARD, count)), planned))
    plans = ((app.appid, AppPlan.from_json(app.plan or {})) for app in fleets.apps(key))
    figures.of("plan: sum and digest", lambda: (Totals.of(plans), plan_digest("one", fleets.apps(key))))
    figures.of("quota", lambda: fleets.open_quota(key, PLATFORM, count * 9 // 10, 0))
    written_by_others(drive, key, 0, count)
    shard = [appid(number) for number in range(SHARD)]
    figures.of("ledger: order by last release", lambda: drive.ledger().released_at(PLATFORM))
    figures.of("ledger: look-up for a shard", lambda: drive.ledger().since_release(PLATFORM, shard))
    figures.of("gate", lambda: wave_counts(fleets.counts(key)))
    fleets.end_rest(key, fleet_app.c.position >= 0, "not_reached", "", "")
    figures.of("summary", lambda: Summary.of(fleets.apps(key)))
    figures.of("rerun manifest", lambda: rerun_manifest(drive.run, fleets.apps(key)))
    board = MiniPrograms(store_url)
    figures.of("board: first page", lambda: board.page([key.dag_id], Wanted()))
    figures.of("board: counts", lambda: board.tally([key.dag_id], Wanted()))
    figures.of("triggers of all shards", lambda: [triggers(number) for number in range(-(-count // SHARD))])
    return figures.by_name


def triggers(number: int) -> int:
    """Return the bytes that Airflow keeps of the trigger of one shard."""
    sheets = [{"appid": appid(number * SHARD + at), "auditid": "1234567", "seen_by": 0.0} for at in range(SHARD)]
    shard: dict[str, Any] = {
        "dag_id": "wxa_fleet_release",
        "run_id": "spring",
        "wxa_conn_id": "wxa_default",
        "sheets": sheets,
    }
    return len(json.dumps(WxaFleetTrigger(**shard, poll_seconds=60.0, end_time=0.0).serialize()[1]))


def test_no_quantity_grows_faster_than_the_fleet(new_store: Callable[[], str], request: pytest.FixtureRequest) -> None:  # noqa: F811
    found = {count: measured(new_store(), count) for count in SIZES}
    small, large = (found[count] for count in SIZES)
    lines = [f"{'':32}{'':>8}" + "".join(f"{count:>10,} CPU s   wall s   MiB" for count in SIZES)]
    per_one = {count: {name: each["cpu"] * 1000 / count for name, each in found[count].items()} for count in SIZES}
    for name, each in small.items():
        shown = "".join(f"{at['cpu']:>16.2f}{at['wall']:>9.2f}{at['MiB']:>6.0f}" for at in (each, large[name]))
        lines.append(f"{name:32}{shown}")
    print("\n" + "\n".join(lines))
    keep(f"hundred-thousand-{request.node.callspec.id}", found)
    before, after = (per_one[count] for count in SIZES)
    assert {name: after[name] for name in after if after[name] > MOST_GROWTH * before[name] + NOTHING_MS} == {}
