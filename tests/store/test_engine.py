"""How the database is opened: private, by many at once, with a schema that is up to date, and what is said if not."""

from __future__ import annotations

import concurrent.futures
import logging
import multiprocessing
import os
import sqlite3
import stat
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from cryptography.fernet import Fernet
from sqlalchemy import Engine, event, inspect, select, text
from sqlalchemy.exc import OperationalError

from airflow_wxa.errors import WxaSpecError, WxaTransportError
from airflow_wxa.store import Store
from airflow_wxa.store import engine as engine_module
from airflow_wxa.store.engine import (
    VERSION_TABLE,
    Database,
    _check_schema,
    _created,
    migrate,
    open_engine,
    unreachable,
)
from airflow_wxa.store.tables import credential, metadata
from tests.store.processes import together

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


pytestmark = pytest.mark.usefixtures("from_migrations")

PLATFORM = "wx00000000000000c1"
KEY = Fernet.generate_key().decode()
COUNT_TABLES = {
    "sqlite": "SELECT count(*) FROM sqlite_master WHERE name LIKE 'wxa%'",
    "postgresql": "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename LIKE 'wxa%'",
}


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}


@pytest.mark.parametrize(("query", "seconds"), [("", 10), ("?connect_timeout=3", 3)])
def test_a_server_that_is_silent_is_given_up_soon(query: str, seconds: int) -> None:
    pytest.importorskip("psycopg2")
    engine = _created(f"postgresql+psycopg2://wxa@127.0.0.1:1/wxa{query}")
    _, connecting = engine.dialect.create_connect_args(engine.url)
    assert int(connecting["connect_timeout"]) == seconds


def test_a_server_that_falls_silent_later_is_given_up_as_well() -> None:
    pytest.importorskip("psycopg2")
    engine = _created("postgresql+psycopg2://wxa@127.0.0.1:1/wxa?keepalives_idle=5")
    _, connecting = engine.dialect.create_connect_args(engine.url)
    assert int(connecting["tcp_user_timeout"]) == 30_000
    assert int(connecting["keepalives_idle"]) == 5


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_a_connection_that_may_only_read_after_a_failover_is_given_up(store_url: str) -> None:
    store = Store(store_url, [KEY])
    with open_engine(store_url).begin() as connection:  # the only one of the pool
        connection.execute(text("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"))
    with pytest.raises(WxaTransportError, match="read-only transaction"):
        store.ensure(PLATFORM)
    store.ensure(PLATFORM)
    assert store.platform(PLATFORM) is not None


def test_an_error_that_only_the_driver_knows_is_a_store_that_does_not_answer(store_url: str) -> None:
    database = Database(store_url)
    driver = database.engine.dialect.loaded_dbapi
    with pytest.raises(WxaTransportError, match="the store does not answer"), database.reading():
        raise driver.OperationalError("died before it was given back")


# The file ---------------------------------------------------------------------------------------------------------


def test_a_file_that_was_deleted_is_made_anew_for_all(tmp_path: Path, open_umask: None) -> None:
    url, there = f"sqlite:///{tmp_path / 'wxa.db'}", "select count(*) from wxa_credential"
    store = Store(url, [KEY])
    for file in list(tmp_path.iterdir()):
        file.unlink()
    store.ensure(PLATFORM)
    with closing(sqlite3.connect(tmp_path / "wxa.db")) as another:
        assert another.execute(there).fetchone() == (1,)
    assert set(modes(tmp_path).values()) == {0o600}


def test_a_file_that_was_put_back_from_a_copy_is_the_one_that_is_read(tmp_path: Path) -> None:
    url, copy = f"sqlite:///{tmp_path / 'wxa.db'}", tmp_path / "copy.db"
    store = Store(url, [KEY])
    with closing(sqlite3.connect(tmp_path / "wxa.db")) as another:
        another.execute("VACUUM INTO ?", [str(copy)])
    store.ensure(PLATFORM)
    for side in ("-wal", "-shm"):
        (tmp_path / f"wxa.db{side}").unlink()
    copy.replace(tmp_path / "wxa.db")
    assert store.platform(PLATFORM) is None


# Privacy ---------------------------------------------------------------------------------------------------------


def test_the_file_and_its_side_files_are_private_whatever_the_umask(tmp_path: Path, open_umask: None) -> None:
    store = Store(f"sqlite:///{tmp_path / 'wxa.db'}", [KEY])
    store.ensure(PLATFORM)
    assert modes(tmp_path) == {"wxa.db": 0o600, "wxa.db-wal": 0o600, "wxa.db-shm": 0o600}


def test_the_file_is_private_before_anything_is_in_it(
    tmp_path: Path, open_umask: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, int]] = []
    monkeypatch.setattr("airflow_wxa.store.engine._check_schema", lambda _: seen.append(modes(tmp_path)))
    open_engine(f"sqlite:///{tmp_path / 'wxa.db'}")
    assert seen == [{"wxa.db": 0o600}]


def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    Store(f"sqlite:///{tmp_path / 'home' / 'wxa.db'}", [KEY])
    assert modes(tmp_path / "home")["wxa.db"] == 0o600


def test_opening_says_nothing_in_a_tasks_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    open_engine(f"sqlite:///{tmp_path / 'quiet.db'}")
    assert caplog.records == []


def test_a_store_in_memory_makes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    open_engine("sqlite:///:memory:").dispose()
    assert not list(tmp_path.iterdir())


# Schema ----------------------------------------------------------------------------------------------------------


def test_tables_and_migrations_agree(store_url: str) -> None:
    with open_engine(store_url).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []


def test_migrations_can_be_undone_and_done_again(store_url: str) -> None:
    engine = open_engine(store_url)
    config = Config()
    config.set_main_option("script_location", "airflow_wxa.store:migrations")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        assert connection.execute(text(COUNT_TABLES[engine.dialect.name])).scalar_one() == 0
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    Store(store_url, [KEY]).ensure(PLATFORM)


def first_use(url: str) -> str:
    Store(url, [KEY]).ensure(PLATFORM)
    return "opened"


@pytest.mark.parametrize("processes", [3, pytest.param(8, marks=pytest.mark.load)])
def test_processes_that_open_a_new_store_at_the_same_time_all_can(store_url: str, processes: int) -> None:
    assert together(processes, first_use, store_url) == ["opened"] * processes


def test_threads_that_open_a_new_store_at_the_same_time_all_can(store_url: str) -> None:
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert list(pool.map(first_use, [store_url] * 8)) == ["opened"] * 8


def test_threads_that_open_a_store_at_the_same_time_share_one_engine_and_leave_none_open(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_engine(store_url).dispose()
    made, all_there = list[Engine](), threading.Barrier(4)
    create = engine_module.create_engine

    def created(*arguments: Any, **named: Any) -> Engine:
        all_there.wait(30)
        made.append(create(*arguments, **named))
        return made[-1]

    monkeypatch.setattr(engine_module, "create_engine", created)
    monkeypatch.setattr(engine_module, "_engines", {})
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        (kept,) = set(pool.map(open_engine, [store_url] * 4))
    assert len(made) == 4
    assert [each.pool.checkedin() for each in made if each is not kept] == [0] * 3  # type: ignore[attr-defined]
    kept.dispose()


def test_a_store_that_is_up_to_date_is_opened_without_a_migration(store_url: str) -> None:
    engine = open_engine(store_url)
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *told: statements.append(told[2]))
    _check_schema(engine)
    assert not [each for each in statements if "CREATE" in each or "UPDATE" in each or "BEGIN" in each]


def test_a_store_of_a_newer_version_is_used_as_it_is(store_url: str) -> None:
    migrate(store_url)
    engine = _created(store_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version_wxa SET version_num = '9999'"))
        connection.execute(text("ALTER TABLE wxa_credential ADD COLUMN what_is_new TEXT"))
    engine.dispose()
    Store(store_url, [KEY]).ensure(PLATFORM)
    assert migrate(store_url) == ("9999", "9999")


def test_a_database_of_another_program_is_refused(store_url: str, tmp_path: Path) -> None:
    engine = _created(store_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('a1b2c3d4e5f6')"))
        before = inspect(connection).get_table_names()
    for work in (open_engine, migrate):
        with pytest.raises(WxaSpecError, match=r"another program[\s\S]*'a1b2c3d4e5f6'[\s\S]*database of its own"):
            work(store_url)
    with engine.connect() as connection:
        assert inspect(connection).get_table_names() == before
    engine.dispose()


# Readers and writers ---------------------------------------------------------------------------------------------


def test_readers_do_not_wait_for_a_writer(store_url: str) -> None:
    store = Store(store_url, [KEY])
    with Database(store_url).writing() as connection:
        connection.execute(credential.insert().values(component_appid=PLATFORM, appid="", generation=0, state=""))
        begin = time.perf_counter()
        assert store.merchants(PLATFORM) == {}
        assert time.perf_counter() - begin < 1


def test_a_writer_waits_for_another_and_loses_nothing(store_url: str) -> None:
    store = Store(store_url, [KEY])
    store.ensure(PLATFORM)
    threads = [threading.Thread(target=_count_up, args=[store_url, 20]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = store.platform(PLATFORM)
    assert seen is not None
    assert seen.generation == 80


def _count_up(url: str, times: int) -> None:
    for _ in range(times):
        with Database(url).writing() as connection:
            now = connection.execute(select(credential.c.generation).with_for_update()).scalar_one()
            connection.execute(credential.update().values(generation=now + 1))


def test_what_fails_in_a_transaction_leaves_nothing(store_url: str) -> None:
    store = Store(store_url, [KEY])
    with pytest.raises(ZeroDivisionError), Database(store_url).writing() as connection:  # noqa: PT012  one transaction
        connection.execute(credential.insert().values(component_appid=PLATFORM, appid="", generation=0, state=""))
        raise ZeroDivisionError
    assert store.platform(PLATFORM) is None


def test_an_engine_belongs_to_one_process(store_url: str) -> None:
    store = Store(store_url, [KEY])
    store.ensure(PLATFORM)
    ours = id(store._database.engine)
    context = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(1, context) as pool:
        theirs, seen = pool.submit(_look, store_url).result(30)
    assert (theirs != ours, seen) == (True, True)
    assert store.platform(PLATFORM) is not None  # and ours still works


def _look(url: str) -> tuple[int, bool]:
    store = Store(url, [KEY])
    return id(store._database.engine), store.platform(PLATFORM) is not None


# What is said ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg2://wxa:hidden-pw@127.0.0.1:1/wxa",
        "postgresql+psycopg2://wxa@127.0.0.1:1/wxa?password=hidden-pw",
    ],
)
def test_a_database_that_does_not_answer_is_named_without_its_password(url: str) -> None:
    pytest.importorskip("psycopg2")
    with pytest.raises(WxaTransportError, match=r"does not answer[\s\S]*127.0.0.1:1/wxa[\s\S]*refused") as error:
        Store(url, [KEY])
    assert error.value.retryable
    assert "hidden-pw" not in f"{error.value} {error.value!r} {vars(error.value)}"


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "wxa.db").mkdir()
    with pytest.raises(WxaTransportError, match=r"wxa\.db, it says unable to open"):
        Store(f"sqlite:///{tmp_path / 'wxa.db'}", [KEY])


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "wxa.db").write_bytes(b"not a database" * 100)
    with pytest.raises(WxaTransportError, match="not a database"):
        Store(f"sqlite:///{tmp_path / 'wxa.db'}", [KEY])


@pytest.mark.parametrize(
    "url",
    [
        "mysql://wxa:hidden-pw@host/wxa",
        "sqlite:///file:wxa.db?mode=memory&uri=true&hidden-pw",
        "no url: hidden-pw",
        "postgresql+nodriver://u:hidden-pw@h/d",
        "sqlite+aiosqlite:///hidden-pw.db",
    ],
)
def test_a_url_that_cannot_be_right_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(WxaSpecError, match="sql_alchemy_conn is refused") as error:
        Store(url, [KEY])
    assert "hidden-pw" not in str(error.value)


def test_an_error_of_the_database_shows_no_parameter(store_url: str) -> None:
    database = Database(store_url)
    with pytest.raises(WxaTransportError) as error, database.writing() as connection:
        connection.execute(text("SELECT :value FROM missing"), {"value": "hidden-value"})
    assert "missing" in str(error.value)
    assert "hidden-value" not in str(error.value)


def test_the_first_line_of_what_the_driver_says_is_enough(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'wxa.db'}")
    error = unreachable(engine, OperationalError("SELECT 1", None, Exception("first line\nsecond line")))
    assert error.values["it says"] == "first line"
