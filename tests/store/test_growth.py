"""A store that is full costs a Mini Program what an empty one does; no transaction grows with a fleet."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from airflow_wxa.api.authorisation import Grant
from airflow_wxa.api.redaction import Secret
from airflow_wxa.errors import WxaStateError
from airflow_wxa.store import Ledger, Store, TaskRef
from airflow_wxa.store.engine import open_engine
from airflow_wxa.store.fleets import Fleets, NewApp, RunKey
from airflow_wxa.store.mini_programs import MiniPrograms, Wanted
from airflow_wxa.store.tables import fleet_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PLATFORM = "wx00000000000000c1"
KEY = RunKey("wxa_fleet_release", "run")
FERNET_KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
OTHER_FERNET_KEY = "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXowMTIzNDU="
COUNT = 1203  # more than one transaction takes


def appid(number: int) -> str:
    return f"wx{number:016x}"


APPS = [NewApp(appid(number), "rest", number // 200, {}) for number in range(COUNT)]


@pytest.fixture
def transactions(store_url: str) -> Iterator[list[int]]:
    """Count the parameters' rows of each transaction that writes."""
    rows: list[int] = []
    engine = open_engine(store_url)

    def begun(*_: object) -> None:
        rows.append(0)

    def executed(*told: Any) -> None:
        if rows:
            parameters = told[3]
            rows[-1] += len(parameters) if isinstance(parameters, list) else 1

    event.listen(engine, "begin", begun)
    event.listen(engine, "before_cursor_execute", executed)
    yield rows
    event.remove(engine, "begin", begun)
    event.remove(engine, "before_cursor_execute", executed)


def load(fleets: Fleets, digest: str = "one") -> bool:
    return fleets.load(KEY, PLATFORM, {"release": {"user_version": "1.4.0"}}, digest, APPS)


def board(store_url: str) -> dict[str, str]:
    rows = MiniPrograms(store_url).all([KEY.dag_id], Wanted())
    return {row.appid: row.outcome for row in rows}


def test_a_fleet_is_loaded_by_many_small_transactions(store_url: str, transactions: list[int]) -> None:
    fleets = Fleets(store_url)
    assert load(fleets)
    assert len(transactions) >= COUNT // 500
    assert [app.position for app in fleets.apps(KEY)] == list(range(COUNT))
    assert len(board(store_url)) == COUNT
    assert not load(fleets)


def test_a_load_that_was_killed_is_begun_anew(store_url: str) -> None:
    fleets = Fleets(store_url)
    killed = [*APPS[:700], None]
    with pytest.raises(TypeError):
        fleets.load(KEY, PLATFORM, {"release": {}}, "one", killed)  # type: ignore[arg-type]  # its end
    run = fleets.run(KEY)
    assert run is not None
    assert run.digest != "one"
    assert load(fleets)
    assert len(list(fleets.apps(KEY))) == COUNT


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


def test_quota_is_granted_in_order_whatever_the_size(store_url: str, transactions: list[int]) -> None:
    fleets = Fleets(store_url)
    load(fleets)
    fleets.change(KEY, {at: {"audit_grant": "waiting"} for at in range(COUNT)})
    transactions.clear()
    assert fleets.open_quota(KEY, PLATFORM, 400, 0) == COUNT - 400
    assert transactions[0] < 20  # while it locks the runs of the platform
    granted = [app.position for app in fleets.apps(KEY) if app.audit_grant == "held"]
    assert granted == list(range(400))
    assert sorted(each for each, outcome in board(store_url).items() if outcome == "no_quota") == [
        appid(number) for number in range(400, COUNT)
    ]
    passed = fleets.pass_on(KEY, {0: {"outcome": "blocked"}, 1: {"outcome": "blocked"}}, "rest/9")
    assert [(app.position, app.carrier, app.audit_grant, app.outcome) for app in passed] == [
        (400, "rest/9", "held", None),
        (401, "rest/9", "held", None),
    ]


def test_what_was_not_reached_is_ended_once_by_many_small_transactions(store_url: str, transactions: list[int]) -> None:
    fleets = Fleets(store_url)
    load(fleets)
    fleets.change(KEY, {3: {"outcome": "released"}})
    transactions.clear()
    assert fleets.end_rest(KEY, fleet_app.c.position >= 0, "not_reached", "why", "next") == COUNT - 1
    assert len(transactions) >= COUNT // 500
    assert fleets.end_rest(KEY, fleet_app.c.position >= 0, "not_reached", "why", "next") == 0
    assert board(store_url)[appid(3)] == "released"
    assert list(board(store_url).values()).count("not_reached") == COUNT - 1


@pytest.mark.parametrize(
    "look_up",
    [
        lambda ledger, task: ledger.accepted(PLATFORM, [appid(1)], task, seconds=600),
        lambda ledger, task: ledger.withdrawn(PLATFORM, [appid(1)], task),
        lambda ledger, task: ledger.auditids(PLATFORM, [appid(1)], task),
        lambda ledger, task: ledger.decision(PLATFORM, appid(1), task, "approve_release"),
    ],
)
def test_a_look_up_reads_the_rows_of_one_mini_program(
    tmp_path: Path, look_up: Callable[[Ledger, TaskRef], object]
) -> None:
    url = f"sqlite:///{tmp_path / 'wxa.db'}"
    ledger, asked = Ledger(url), []
    event.listen(open_engine(url), "before_cursor_execute", lambda *told: asked.append(told[2:4]))
    look_up(ledger, TaskRef(KEY.dag_id, KEY.run_id, "release"))
    with open_engine(url).connect() as connection:
        plans = [
            " ".join(row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters))
            for statement, parameters in asked[:]
            if "FROM wxa_ledger" in statement
        ]
    assert plans
    assert all("ix_wxa_ledger_run_appid (run_id=? AND appid=?)" in plan for plan in plans)


def test_keys_are_rotated_together(store_url: str) -> None:
    store = Store(store_url, [FERNET_KEY])
    store.put_renewals(PLATFORM, {appid(number): Secret(f"refresh {number}") for number in range(300)})
    store.store_grant(store.merchants(PLATFORM)[appid(0)], Grant(Secret("access"), 7200, Secret("refresh 0")))
    assert Store(store_url, [OTHER_FERNET_KEY, FERNET_KEY]).rotate_keys() == 300
    rows = Store(store_url, [OTHER_FERNET_KEY]).merchants(PLATFORM)
    assert rows[appid(0)].access_token == Secret("access")
    assert rows[appid(299)].renewal == Secret("refresh 299")


def test_a_store_that_is_there_is_opened_without_alembic(store_url: str) -> None:
    Ledger(store_url)
    program = (
        "import sys; from airflow_wxa.store import Ledger; Ledger(sys.argv[1]).entries();"
        "print(sum(name.split('.')[0] in ('alembic', 'mako') for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program, store_url], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"
