"""A store that is down: what cannot be noted is not sent, the error says so, and a rerun finishes when it is back."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy.engine import make_url

from airflow_wxa.api.endpoints import CATALOGUE
from airflow_wxa.errors import WxaTransportError
from airflow_wxa.sandbox import RunningSandbox
from airflow_wxa.store import Ledger, engine
from tests.chaos.mortal import recorded
from tests.chaos.releasing import Plan, Task, carried
from tests.chaos.witness import Witness
from tests.store.databases import _postgresql, new_postgresql_database

Store = tuple[str, Callable[[], AbstractContextManager[None]]]

pytestmark = pytest.mark.chaos

PLAN: Final = Plan(withdraw_foreign_audit=True)
WRITING: Final = ("register_platform_domains", "configure_domains_again", "commit_code", "submit_audit", "release")
WRITES: Final = {row.path for row in CATALOGUE.values() if row.writes}


@contextmanager
def locked(url: str) -> Iterator[None]:
    """Hold SQLite's one writing transaction, which ends with its connection."""
    with closing(sqlite3.connect(str(make_url(url).database), isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield


@contextmanager
def unreadable(url: str) -> Iterator[None]:
    """Put something in SQLite's place that is no file; permissions would not keep root out."""
    file = Path(str(make_url(url).database))
    opened = engine.open_engine(url)
    opened.dispose()
    away = file.rename(file.with_suffix(".away"))
    file.mkdir()
    try:
        yield
    finally:
        opened.dispose()
        file.rmdir()
        away.rename(file)


@contextmanager
def shut(url: str) -> Iterator[None]:
    """Cut off PostgreSQL's clients, and let none in."""
    server, name = _postgresql(), make_url(url).database
    assert not isinstance(server, str)
    server.administer(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    server.administer(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")  # noqa: S608
    try:
        yield
    finally:
        server.administer(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


@pytest.fixture(params=[locked, unreadable, shut], ids=["SQLite locked", "SQLite unreadable", "PostgreSQL shut"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """Give a store's URL, and what takes it down for a while."""
    monkeypatch.setattr(engine, "_BUSY_SECONDS", 0.05)  # instead of the half minute that a writer waits for another
    sqlite = iter([f"sqlite:///{tmp_path / 'wxa.db'}"])
    databases = new_postgresql_database() if request.param is shut else sqlite
    url = next(databases)
    yield url, partial(request.param, url)
    next(databases, None)


@pytest.mark.parametrize("task_id", WRITING)
def test_a_store_that_is_down_lets_no_write_out_and_a_rerun_finishes_when_it_is_back(
    wxa_sandbox: RunningSandbox, witness: Witness, store: Store, task_id: str
) -> None:
    url, down = store
    tried = recorded(wxa_sandbox.url, url)
    Ledger(url)  # the store was made long ago

    def tried_without_a_store(task: Task, try_number: int) -> Any:
        with down() if task.task_id == task_id else nullcontext():
            return tried(task, try_number)

    with pytest.raises(WxaTransportError, match="the store does not answer") as raised:
        carried(PLAN, tried_without_a_store)
    assert "a write that cannot be noted beforehand, is not sent" in raised.value.why
    assert raised.value.next_step
    bodies = [entry.body or {} for entry in wxa_sandbox.journal if entry.path in WRITES]
    written = sum(body.get("action") != "get" for body in bodies)  # reading a list is no write, though of the same path
    assert written == WRITING.index(task_id) + (task_id in {"submit_audit", "release"})
    carried(PLAN, tried)
    witness.assert_released_once(wxa_sandbox.world, PLAN.description)
    assert {entry.result for entry in Ledger(url).entries()} == {"ok"}
