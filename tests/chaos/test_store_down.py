"""A store that is down: what cannot be noted is not sent, the error says so, and a rerun finishes when it is back."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy.engine import make_url

from airflow_wxa.api.endpoints import CATALOGUE
from airflow_wxa.errors import WxaTransportError
from airflow_wxa.hooks.recorder import Recorder
from airflow_wxa.sandbox import RunningSandbox
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.store import Ledger, engine
from tests.chaos.mortal import Mortal, MortalClient
from tests.chaos.releasing import Plan, Recorded, Task, carried
from tests.chaos.witness import THE_TIME, Witness, end_state
from tests.store.databases import _postgresql, new_postgresql_database

Down = Callable[[], AbstractContextManager[None]]

pytestmark = pytest.mark.chaos

PLAN: Final = Plan(withdraw_foreign_audit=True)
WRITING: Final = ("register_platform_domains", "configure_domains_again", "commit_code", "submit_audit", "release")
WRITES: Final = {row.path for row in CATALOGUE.values() if row.writes}


@contextmanager
def locked(url: str) -> Iterator[None]:
    """Hold SQLite's one writing transaction."""
    connection = sqlite3.connect(str(make_url(url).database), isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


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


Store = tuple[str, "Down"]


@pytest.fixture(params=["SQLite locked", "SQLite unreadable", "PostgreSQL shut"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """Give a store's URL, and what takes it down for a while."""
    monkeypatch.setattr(engine, "_BUSY_SECONDS", 0.05)  # instead of the half minute that a writer waits for another
    down = {"SQLite locked": locked, "SQLite unreadable": unreadable, "PostgreSQL shut": shut}[request.param]
    databases = new_postgresql_database() if down is shut else iter([f"sqlite:///{tmp_path / 'wxa.db'}"])
    url = next(databases)
    yield url, lambda: down(url)
    next(databases, None)


class Release:
    """Releases with the ledger in one store; before one of the tasks the store goes down."""

    def __init__(self, running: RunningSandbox, url: str) -> None:
        self.running = running
        self.recorded = Recorded(url, self._client)

    def _client(self, recorder: Recorder) -> MortalClient:
        return MortalClient(self.running.url, recorder, Mortal("after", -1))

    def run(self, down: Down | None = None, task_id: str = "") -> None:
        def work(task: Task, try_number: int) -> Any:
            if down is None or task.task_id != task_id:
                return self.recorded(task, try_number)
            with down():
                return self.recorded(task, try_number)

        carried(PLAN, work)

    def writes(self) -> int:
        """Return how many writes have reached WeChat; reading a list is none, though the path is the same."""
        bodies = [entry.body or {} for entry in self.running.journal if entry.path in WRITES]
        return sum(body.get("action") != "get" for body in bodies)


@pytest.mark.parametrize("task_id", WRITING)
def test_a_store_that_is_down_lets_no_write_out_and_a_rerun_finishes_when_it_is_back(
    wxa_sandbox: RunningSandbox, witness: Witness, store: Store, task_id: str
) -> None:
    url, down = store
    wxa_sandbox.world.clock = lambda: THE_TIME
    release = Release(wxa_sandbox, url)
    Ledger(url)  # the store was made long ago
    with pytest.raises(WxaTransportError, match="the store does not answer") as raised:
        release.run(down, task_id)
    assert "a write that cannot be noted beforehand, is not sent" in raised.value.why
    assert raised.value.next_step
    assert release.writes() == WRITING.index(task_id) + (task_id in {"submit_audit", "release"})
    release.run()
    assert witness.submitted == [PLAN.description]
    assert witness.published == [(PLAN.description, ("https://m.example.com",))]
    assert len(wxa_sandbox.world.mini_program(APPID).withdrawals) == 1
    assert {entry.result for entry in Ledger(url).entries()} == {"ok"}
    assert end_state(wxa_sandbox.world)["mini_programs"][0]["release_info"]["release_version"] == "1.4.0"
