"""What each stage of a fleet costs a Mini Program when the store is full, without Airflow; prints a table, writes JSON.

pytest -m benchmark tests/benchmarks/test_growth.py -s                        # 300 and 3,000, as CI runs it
WXA_BENCHMARK=full pytest -m benchmark tests/benchmarks/test_growth.py -s     # 1,000, 10,000 and 100,000

The store holds the run's whole fleet, with the ledger of what its other shards have written, and an earlier run of all.
What is done for a whole run is measured on all of it, what a shard does on a shard, against the emulated WeChat in a
process of its own. Counted is CPU: this process and the database's.
"""

import itertools
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import psutil
import pytest

from airflow_wxa.access import PlatformCredentials
from airflow_wxa.api.call import Call
from airflow_wxa.api.redaction import Secret
from airflow_wxa.client import Egress
from airflow_wxa.fleet.manifest import read_manifest
from airflow_wxa.fleet.plan import AppPlan, Totals, plan_digest
from airflow_wxa.fleet.shard import Wake
from airflow_wxa.fleet.summary import Summary, outcomes_csv, rerun_manifest
from airflow_wxa.fleet.waves import wave_counts
from airflow_wxa.store import Store, TaskRef
from airflow_wxa.store.fleets import RunKey
from airflow_wxa.store.mini_programs import MiniPrograms, Wanted
from airflow_wxa.store.tables import fleet_app, metadata
from airflow_wxa.triggers.fleet import WxaFleetTrigger
from tests.benchmarks.figures import FERNET_KEY, IS_FULL, keep
from tests.fleet.driving import PLATFORM, Drive
from tests.fleet.fleets import appid, manifest, token
from tests.fleet.test_manifest import Files
from tests.store.databases import new_postgresql_database

pytestmark = pytest.mark.benchmark

SIZES = (1000, 10_000, 100_000) if IS_FULL else (300, 3000)
SHARD = 200
AT_ONCE = 1000
EARLIER = RunKey("wxa_fleet_release", "earlier")
WRITES: Final = ("setwebviewdomain", "commit", "submit_audit", "release")
MOST_GROWTH = 1.3
#: Of a single stage; a stage that reads the whole run for each Mini Program grows as the sizes do, tenfold.
MOST_GROWTH_OF_A_STAGE = MOST_GROWTH if IS_FULL else 2.5
MOST_OF_A_CHECK_MS = 0.5  # five seconds for a manifest of ten thousand
#: Where a whole stage is this cheap, its figure is that of a handful of statements.
NOTHING_MS = 0.05
SERVER = """
import sys
from airflow_wxa.sandbox import run
from tests.fleet.fleets import fleet_world
run(fleet_world(int(sys.argv[1])), "127.0.0.1", 0, announce=lambda running: print(running.url, flush=True))
"""


class OneShard(Drive):
    """Drives the first shard only, which is all that the emulated WeChat knows and that there are tokens for."""

    def shards(self, task_id: str) -> list[tuple[str, int]]:  # noqa: ARG002  (alike in all stages)
        return [("rest", 0)]


@contextmanager
def wechat() -> Iterator[str]:
    with subprocess.Popen([sys.executable, "-c", SERVER, str(SHARD)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def cpu_seconds() -> float:
    """Return the CPU of this process, and of the PostgreSQL that it has started."""
    used = time.process_time()
    for server in psutil.Process().children(recursive=True):
        if server.name().startswith("postgres"):
            spent = server.cpu_times()
            used += spent.user + spent.system + spent.children_user + spent.children_system
    return used


def written_by_others(drive: Drive, key: RunKey, first: int, count: int) -> None:
    """Put into the ledger what a fleet's other shards write."""
    for begin in range(first, count, AT_ONCE):
        for endpoint in WRITES:
            appids = [appid(number) for number in range(begin, min(begin + AT_ONCE, count))]
            task = TaskRef(key.dag_id, key.run_id, endpoint, triggered_by="lin")
            calls = [Call.to(endpoint, each, {"template_id": 47} if endpoint != "release" else None) for each in appids]
            noted = drive.ledger().intend(PLATFORM, calls, task)
            sheets = {each: str(each) for each in noted} if endpoint == "submit_audit" else None
            drive.ledger().answered(dict.fromkeys(noted, 0), sheets)


def vacuumed(drive: Drive) -> Callable[[], None]:
    """Return what does the work of PostgreSQL's autovacuum, which would come at any stage, and turn that off."""
    database = drive.ledger()._database

    def execute(*statements: str) -> None:
        if database.engine.dialect.name == "postgresql":
            with database.reading() as connection:
                for statement in statements:
                    connection.exec_driver_sql(statement)

    turned_off = [f"ALTER TABLE {table} SET (autovacuum_enabled = off)" for table in metadata.tables]
    execute(*turned_off, "VACUUM (ANALYZE)")
    return lambda: execute("VACUUM (ANALYZE)")


class Costs:
    """CPU by stage, in milliseconds a Mini Program."""

    def __init__(self) -> None:
        self.by_stage: dict[str, float] = {}

    def of(self, stage: str, count: int, work: Callable[[], object]) -> Any:
        begun = cpu_seconds()
        result = work()
        self.by_stage[stage] = self.by_stage.get(stage, 0.0) + (cpu_seconds() - begun) * 1000 / count
        return result


def carried(url: str, store_url: str, count: int) -> dict[str, float]:
    """Carry one fleet through its stages, and return what each costs a Mini Program."""
    costs, drive = Costs(), OneShard(store_url, url, {appid(number): token(number) for number in range(SHARD)})
    key, fleets, text = drive.key, drive.fleets, manifest(count)
    drive.key = EARLIER
    drive.load(text, SHARD)
    written_by_others(drive, EARLIER, 0, count)
    drive.key = key
    written_by_others(drive, key, SHARD, count)
    vacuum = vacuumed(drive)
    mine, others = fleet_app.c.position < SHARD, range(SHARD, count)

    def all_go_on(**values: Any) -> None:
        """Bring those of other shards as far as a stage does."""
        for first in range(SHARD, count, 100):
            fleets.change(key, dict.fromkeys(others[first - SHARD : first - SHARD + 100], values))

    def per_shard(task_id: str) -> Callable[[], list[Wake | None]]:
        return lambda: drive.stage(task_id)

    costs.of("fleet check", count, lambda: read_manifest("fleet", Files(fleet=text)))
    costs.of("load_manifest", count, lambda: drive.load(text, SHARD))
    costs.of("plan_release: calls", SHARD, lambda: drive.plan(mine))
    plan = {"steps": ["configure", "commit", "submit", "release"], "why": ""}
    costs.of("plan_release: rows", len(others), lambda: all_go_on(stage="plan_release", plan=plan))
    costs.of("vacuum", count, vacuum)
    plans = ((app.appid, AppPlan.from_json(app.plan or {})) for app in fleets.apps(key))
    costs.of("plan_release: sum", count, lambda: Totals.of(plans))
    costs.of("plan_release: digest", count, lambda: fleets.planned(key, plan_digest("one", fleets.apps(key))))
    costs.of("shards", count, lambda: fleets.shards(key, "rest"))
    costs.of("configure_domains", SHARD, per_shard("configure_domains"))
    all_go_on(done="configure_domains", audit_grant="waiting", stage="configure_domains")
    costs.of("domain_gate", count, lambda: fleets.open_quota(key, PLATFORM, count * 9 // 10, 0))
    costs.of("commit_code", SHARD, per_shard("commit_code"))
    costs.of("submit_audit", SHARD, per_shard("submit_audit"))
    all_go_on(done="submit_audit", audit_grant="spent", outcome=None, auditid="1", submitted_at=time.time())
    costs.of("vacuum", count, vacuum)
    costs.of("release_rest", SHARD, per_shard("release_rest"))
    assert {app.outcome for app in fleets.apps(key, mine)} == {"released"}
    costs.of("ledger: last releases", count, lambda: drive.ledger().released_at(PLATFORM))
    shard = [appid(number) for number in range(SHARD)]
    costs.of("ledger: of a shard", SHARD, lambda: drive.ledger().since_release(PLATFORM, shard))
    costs.of("triggers of all shards", count, lambda: [trigger(first) for first in range(0, count, SHARD)])
    costs.of("gates", count, lambda: wave_counts(fleets.counts(key)))
    costs.of("summarize: rows", count, lambda: fleets.end_rest(key, fleet_app.c.position >= 0, "not_reached", "", ""))
    costs.of("summarize: counts", count, lambda: Summary.of(fleets.apps(key)))
    costs.of("summarize: files", count, lambda: written(drive))
    board = MiniPrograms(store_url)
    costs.of("board: page", count, lambda: board.page([key.dag_id], Wanted()))
    costs.of("board: counts", count, lambda: board.tally([key.dag_id], Wanted()))
    store = Store(store_url, [FERNET_KEY])
    renewals = {appid(number): Secret(f"refreshtoken@@@{number}") for number in range(count)}
    costs.of("accounts: import", count, lambda: store.put_renewals(PLATFORM, renewals))
    platform = PlatformCredentials(PLATFORM, Secret("appsecret"), store, Egress(url))
    costs.of("accounts: read", SHARD, lambda: platform.preload([]) or store.merchants(PLATFORM, list(drive.tokens)))
    costs.of("accounts: keys", count, store.rotate_keys)
    return costs.by_stage


def trigger(first: int) -> str:
    """Return what Airflow keeps of the trigger of one shard."""
    sheets = [{"appid": appid(first + at), "auditid": "1234567", "seen_by": 0.0} for at in range(SHARD)]
    of_run: dict[str, Any] = {"dag_id": "wxa_fleet_release", "run_id": "spring", "wxa_conn_id": "wxa_default"}
    return json.dumps(WxaFleetTrigger(**of_run, sheets=sheets, poll_seconds=60.0, end_time=0.0).serialize()[1])


def written(drive: Drive) -> int:
    """Return the length of the files that a run leaves."""
    lines = outcomes_csv(drive.run, drive.fleets.apps(drive.key))
    return sum(map(len, lines)) + len(rerun_manifest(drive.run, drive.fleets.apps(drive.key)))


@pytest.fixture(params=["sqlite", "postgresql"])
def new_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], str]]:
    """Give what makes the URL of an empty store."""
    if request.param == "sqlite":
        numbers = itertools.count()
        yield lambda: f"sqlite:///{tmp_path / f'{next(numbers)}.db'}"
    else:
        with ExitStack() as stack:
            yield lambda: stack.enter_context(contextmanager(new_postgresql_database)())


def test_no_stage_costs_a_mini_program_more_in_a_larger_fleet(new_store: Callable[[], str]) -> None:
    rows = []
    for count in (SIZES[0], *SIZES):  # the first loads modules and compiles statements, and does not count
        url = new_store()
        with wechat() as answering:
            rows.append(carried(answering, url, count))
        print(f"{count:,}: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB at most")
    del rows[0]
    database = url.partition("+")[0].partition(":")[0]
    first, last = rows[0], rows[-1]
    print(f"\n{database}, load {os.getloadavg()[0]:.1f}: CPU ms a Mini Program")
    print(f"{'stage':24}" + "".join(f"{count:>10,}" for count in SIZES) + f"{'growth':>9}")
    for stage in first:
        growth = last[stage] / first[stage] if first[stage] else 0.0
        print(f"{stage:24}" + "".join(f"{row[stage]:10.3f}" for row in rows) + f"{growth:9.2f}")
    whole = [sum(row.values()) for row in rows]
    print(f"{'all':24}" + "".join(f"{each:10.3f}" for each in whole) + f"{whole[-1] / whole[0]:9.2f}")
    keep(f"growth_{database}", {"database": database, "sizes": SIZES, "cpu_ms": rows})
    grown = {
        stage: last[stage] / first[stage]
        for stage in first
        if last[stage] > max(MOST_GROWTH_OF_A_STAGE * first[stage], first[stage] + NOTHING_MS)
    }
    assert grown == {}
    assert last["fleet check"] <= MOST_OF_A_CHECK_MS
    assert whole[-1] <= MOST_GROWTH * whole[0]
