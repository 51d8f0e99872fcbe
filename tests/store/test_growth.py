"""A store that is full costs a Mini Program what an empty one does; no transaction grows with a fleet."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, update

from airflow_wxa.errors import WxaStateError
from airflow_wxa.store import Ledger, TaskRef
from airflow_wxa.store.engine import open_engine
from airflow_wxa.store.fleets import Fleets, NewApp, RunKey
from airflow_wxa.store.mini_programs import MiniPrograms, Wanted
from airflow_wxa.store.tables import fleet_app
from tests.store.conftest import PLATFORM

KEY = RunKey("wxa_fleet_release", "run")
COUNT = 1203  # more than one transaction takes


def appid(number: int) -> str:
    return f"wx{number:016x}"


APPS = [NewApp(appid(number), "rest", number // 200, {}) for number in range(COUNT)]


@pytest.fixture
def transactions(store_url: str) -> Iterator[list[int]]:
    """Count the parameters' rows of each transaction that writes."""
    rows: list[int] = []

    def executed(*told: Any) -> None:
        if rows:
            rows[-1] += len(told[3]) if isinstance(told[3], list) else 1

    listening = (("begin", lambda *_: rows.append(0)), ("before_cursor_execute", executed))
    for name, heard in listening:
        event.listen(open_engine(store_url), name, heard)
    yield rows
    for name, heard in listening:
        event.remove(open_engine(store_url), name, heard)


def load(fleets: Fleets, digest: str = "one") -> bool:
    return fleets.load(KEY, PLATFORM, {"release": {"user_version": "1.4.0"}}, digest, APPS)


def board(store_url: str) -> dict[str, str]:
    rows = MiniPrograms(store_url).all([KEY.dag_id], Wanted())
    return {row.appid: row.outcome for row in rows}


def test_a_fleet_is_loaded_granted_and_ended_by_small_transactions(store_url: str, transactions: list[int]) -> None:
    fleets = Fleets(store_url)
    killed = [*APPS[:700], None]
    with pytest.raises(TypeError):
        fleets.load(KEY, PLATFORM, {"release": {}}, "one", killed)  # type: ignore[arg-type]  # its end
    run = fleets.run(KEY)
    assert run is not None
    assert run.digest != "one"
    transactions.clear()
    assert load(fleets)  # begun anew
    assert len(transactions) >= COUNT // 500
    assert [app.position for app in fleets.apps(KEY)] == list(range(COUNT))
    assert len(board(store_url)) == COUNT
    assert not load(fleets)

    for first in range(0, COUNT, 401):
        fleets.change(KEY, {at: {"audit_grant": "waiting"} for at in range(first, first + 401)})
    transactions.clear()
    assert fleets.open_quota(KEY, PLATFORM, 400, 0) == COUNT - 400
    assert transactions[0] < 20  # while it locks the runs of the platform
    assert [app.position for app in fleets.apps(KEY) if app.audit_grant == "held"] == list(range(400))
    without = [each for each, outcome in board(store_url).items() if outcome == "no_quota"]
    assert sorted(without) == [appid(number) for number in range(400, COUNT)]
    passed = fleets.pass_on(KEY, {0: {"outcome": "blocked"}, 1: {"outcome": "blocked"}}, "rest/9")
    told = [(app.position, app.carrier, app.audit_grant, app.outcome) for app in passed]
    assert told == [(at, "rest/9", "held", None) for at in (400, 401)]

    whole = fleet_app.c.position >= 0
    fleets._database.write(update(fleet_app).where(whole).values(outcome=None))
    fleets.change(KEY, {3: {"outcome": "released"}})
    transactions.clear()
    assert fleets.end_rest(KEY, whole, "not_reached", "why", "next") == COUNT - 1
    assert len(transactions) >= COUNT // 500
    assert fleets.end_rest(KEY, whole, "not_reached", "why", "next") == 0
    ended = board(store_url)
    assert ended.pop(appid(3)) == "released"
    assert set(ended.values()) == {"not_reached"}


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_a_run_is_not_taken_for_empty_as_soon_as_it_is_loaded(store_url: str) -> None:
    fleets = Fleets(store_url)
    fleets.load(RunKey(KEY.dag_id, "earlier"), PLATFORM, {"release": {}}, "one", APPS)
    load(fleets)
    of_run = "EXPLAIN (FORMAT JSON) SELECT * FROM wxa_fleet_app WHERE dag_id = %s AND run_id = %s"
    with open_engine(store_url).connect() as connection:
        [plan] = connection.exec_driver_sql(of_run, (KEY.dag_id, KEY.run_id)).scalar_one()
    assert plan["Plan"]["Plan Rows"] == pytest.approx(COUNT, rel=0.2)


def test_rows_of_two_manifests_are_never_mixed(store_url: str) -> None:
    fleets, newer = Fleets(store_url), Fleets(store_url)

    class Overtaken(list[NewApp]):
        """Apps in whose midst a newer attempt loads another manifest."""

        def __getitem__(self, which: Any) -> Any:
            if which.start == 500:
                newer.load(KEY, PLATFORM, {"release": {}}, "two", APPS[:7])
            return super().__getitem__(which)

    with pytest.raises(WxaStateError, match="a newer attempt"):
        fleets.load(KEY, PLATFORM, {"release": {}}, "one", Overtaken(APPS))
    run = fleets.run(KEY)
    assert run is not None
    assert run.digest == "two"
    assert len(list(fleets.apps(KEY))) == 7


def test_a_look_up_reads_the_rows_of_one_mini_program(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'wxa.db'}"
    ledger, asked, task = Ledger(url), [], TaskRef(KEY.dag_id, KEY.run_id, "release")
    event.listen(open_engine(url), "before_cursor_execute", lambda *told: asked.append(told[2:4]))
    ledger.writes_of(PLATFORM, [appid(1)], task)
    ledger.decision(PLATFORM, appid(1), task, "approve_release")
    with open_engine(url).connect() as connection:
        plans = [
            " ".join(row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters))
            for statement, parameters in asked[:]
            if "FROM wxa_ledger" in statement
        ]
    assert len(plans) == 2
    assert all("ix_wxa_ledger_run_appid (run_id=? AND appid=?)" in plan for plan in plans)


def test_a_store_that_is_there_is_opened_without_alembic(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'wxa.db'}"
    Ledger(url)
    program = (
        "import sys; from airflow_wxa.store import Ledger; Ledger(sys.argv[1]).entries();"
        "print(sum(name.split('.')[0] in ('alembic', 'mako') for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program, url], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"
