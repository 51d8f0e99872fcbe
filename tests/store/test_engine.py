"""How the database is opened: private, by many at once, with a schema that is up to date, and what is said if not."""

import concurrent.futures
import logging
import multiprocessing
import os
import sqlite3
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, event, inspect, select, text

from airflow_wxa.errors import WxaError, WxaSpecError, WxaTransportError
from airflow_wxa.store import Store
from airflow_wxa.store import engine as engine_module
from airflow_wxa.store.engine import VERSION_TABLE, Database, _check_schema, _created, migrate, open_engine
from airflow_wxa.store.tables import credential, metadata
from tests.store.conftest import KEY, PLATFORM, SECOND
from tests.store.processes import together
from tests.tables import each_row

from_migrations = pytest.mark.usefixtures("from_migrations")


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}


@pytest.mark.parametrize("asked", [{}, {"connect_timeout": "3", "keepalives_idle": "5"}])
def test_a_server_that_is_or_falls_silent_is_given_up_soon(asked: dict[str, str]) -> None:
    pytest.importorskip("psycopg2")
    engine = _created(f"postgresql+psycopg2://wxa@127.0.0.1:1/wxa?{urlencode(asked)}")
    _, connecting = engine.dialect.create_connect_args(engine.url)
    wanted = {"connect_timeout": "10", "keepalives_idle": "30", "tcp_user_timeout": "30000"} | asked
    assert {name: connecting[name] for name in wanted} == wanted


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_a_connection_that_may_only_read_after_a_failover_is_given_up(store_url: str) -> None:
    store = Store(store_url, [KEY])
    open_engine(store_url).dispose()
    with open_engine(store_url).begin() as connection:  # the only one of the pool
        connection.execute(text("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"))
    with pytest.raises(WxaTransportError, match="read-only transaction"):
        store.ensure(PLATFORM)
    store.ensure(PLATFORM)
    assert store.platform(PLATFORM) is not None


# The file ---------------------------------------------------------------------------------------------------------


def test_the_file_that_lies_there_is_used_also_where_one_was_deleted_before(tmp_path: Path, open_umask: None) -> None:
    store, copy = Store(f"sqlite:///{tmp_path / 'wxa.db'}", [KEY]), tmp_path / "copy.db"
    for file in list(tmp_path.iterdir()):
        file.unlink()
    store.ensure(SECOND)
    with closing(sqlite3.connect(tmp_path / "wxa.db")) as another:
        assert another.execute("select count(*) from wxa_credential").fetchone() == (1,)
        another.execute("VACUUM INTO ?", [str(copy)])
    assert {mode for name, mode in modes(tmp_path).items() if name != copy.name} == {0o600}
    store.ensure(PLATFORM)
    for side in ("-wal", "-shm"):
        (tmp_path / f"wxa.db{side}").unlink()
    copy.replace(tmp_path / "wxa.db")
    assert (store.platform(PLATFORM), store.platform(SECOND) is None) == (None, False)


# Privacy ---------------------------------------------------------------------------------------------------------


@from_migrations
def test_the_file_and_its_side_files_are_private_before_anything_is_in_them(
    tmp_path: Path, open_umask: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    folder, seen = tmp_path / "made", list[dict[str, int]]()
    check = engine_module._check_schema
    monkeypatch.setattr(engine_module, "_check_schema", lambda engine: (seen.append(modes(folder)), check(engine)))
    Store(f"sqlite:///{folder / 'wxa.db'}", [KEY]).ensure(PLATFORM)
    assert seen == [{"wxa.db": 0o600}]
    assert modes(folder) == {"wxa.db": 0o600, "wxa.db-wal": 0o600, "wxa.db-shm": 0o600}
    assert caplog.records == []  # a task's log hears nothing of the migrations
    monkeypatch.chdir(tmp_path)
    open_engine("sqlite:///:memory:").dispose()
    assert list(tmp_path.iterdir()) == [folder]


# Schema ----------------------------------------------------------------------------------------------------------


@from_migrations
def test_the_migrations_make_the_tables_that_the_code_has(store_url: str) -> None:
    engine, statements = open_engine(store_url), list[str]()
    event.listen(engine, "before_cursor_execute", lambda *told: statements.append(told[2]))
    _check_schema(engine)  # up to date: nothing is migrated
    assert not [each for each in statements if "CREATE" in each or "UPDATE" in each or "BEGIN" in each]
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []


def first_use(url: str) -> str:
    Store(url, [KEY]).ensure(PLATFORM)
    return "opened"


@from_migrations
@pytest.mark.parametrize("processes", [3, pytest.param(8, marks=pytest.mark.load)])
def test_processes_that_open_a_new_store_at_the_same_time_all_can(store_url: str, processes: int) -> None:
    assert together(processes, first_use, store_url) == ["opened"] * processes


@from_migrations
def test_threads_that_open_a_new_store_leave_one_engine_open(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made, all_there = list[Engine](), threading.Barrier(4)
    create = engine_module.create_engine

    def created(*arguments: Any, **named: Any) -> Engine:
        all_there.wait(30)
        made.append(create(*arguments, **named))
        return made[-1]

    monkeypatch.setattr(engine_module, "create_engine", created)
    monkeypatch.setattr(engine_module, "_engines", {})
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(first_use, [store_url] * 4)) == ["opened"] * 4
    kept = open_engine(store_url)
    assert len(made) == 4
    assert [each.pool.checkedin() for each in made if each is not kept] == [0] * 3  # type: ignore[attr-defined]
    kept.dispose()


@from_migrations
def test_a_store_of_a_newer_version_is_used_as_it_is(store_url: str) -> None:
    migrate(store_url)
    with open_engine(store_url).begin() as connection:
        connection.execute(text("UPDATE alembic_version_wxa SET version_num = '9999'"))
        connection.execute(text("ALTER TABLE wxa_credential ADD COLUMN what_is_new TEXT"))
    open_engine(store_url).dispose()
    Store(store_url, [KEY]).ensure(PLATFORM)
    assert migrate(store_url) == ("9999", "9999")


@from_migrations
def test_a_database_of_another_program_is_refused(store_url: str) -> None:
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


def test_readers_do_not_wait_for_a_writer_and_what_fails_in_a_transaction_leaves_nothing(store_url: str) -> None:
    store = Store(store_url, [KEY])
    with pytest.raises(ZeroDivisionError), Database(store_url).writing() as connection:  # noqa: PT012  one transaction
        connection.execute(credential.insert().values(component_appid=PLATFORM, appid="", generation=0, state=""))
        begin = time.perf_counter()
        assert store.platform(PLATFORM) is None
        assert time.perf_counter() - begin < 1
        raise ZeroDivisionError
    assert store.platform(PLATFORM) is None


def test_a_writer_waits_for_another_and_loses_nothing(store_url: str) -> None:
    store = Store(store_url, [KEY])
    store.ensure(PLATFORM)

    def count_up(_: int) -> None:
        for _ in range(10):
            with Database(store_url).writing() as connection:
                now = connection.execute(select(credential.c.generation).with_for_update()).scalar_one()
                connection.execute(credential.update().values(generation=now + 1))

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(count_up, range(4)))
    seen = store.platform(PLATFORM)
    assert seen is not None
    assert seen.generation == 40


_inherited: dict[str, Store] = {}


def _has_another_engine(ours: int) -> bool:
    store = _inherited["store"]
    return id(store._database.engine) != ours and store.platform(PLATFORM) is not None


def test_an_engine_belongs_to_one_process(store_url: str) -> None:
    store = _inherited["store"] = Store(store_url, [KEY])
    store.ensure(PLATFORM)
    with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
        assert pool.submit(_has_another_engine, id(store._database.engine)).result(30)
    assert store.platform(PLATFORM) is not None  # and ours still works


# What is said ----------------------------------------------------------------------------------------------------


NO_STORES = ["mysql://wxa:hidden-pw@host/wxa", "no url: hidden-pw", "postgresql+nodriver://u:hidden-pw@h/d"]
NO_FILES = ["sqlite:///file:wxa.db?mode=memory&uri=true&hidden-pw", "sqlite+aiosqlite:///hidden-pw.db"]
SILENT = r"does not answer[\s\S]*127.0.0.1:1/wxa[\s\S]*refused"


@each_row(
    "url, kind, said",
    [
        ("postgresql+psycopg2://wxa:hidden-pw@127.0.0.1:1/wxa", WxaTransportError, SILENT),
        ("postgresql+psycopg2://wxa@127.0.0.1:1/wxa?password=hidden-pw", WxaTransportError, SILENT),
        ("sqlite:///{folder}", WxaTransportError, r"folder\.db, it says unable to open"),
        ("sqlite:///{text}", WxaTransportError, "not a database"),
        *((url, WxaSpecError, "sql_alchemy_conn is refused") for url in (*NO_STORES, *NO_FILES)),
    ],
)
def test_a_database_that_cannot_be_opened_is_named_in_a_line_without_its_password(
    tmp_path: Path, url: str, kind: type[WxaError], said: str
) -> None:
    if "psycopg2" in url:
        pytest.importorskip("psycopg2")
    folder, file = tmp_path / "folder.db", tmp_path / "text.db"
    folder.mkdir(exist_ok=True)
    file.write_bytes(b"not a database" * 100)
    with pytest.raises(kind, match=said) as error:
        Store(url.format(folder=folder, text=file), [KEY])
    assert error.value.retryable == (kind is WxaTransportError)
    assert "hidden-pw" not in f"{error.value} {error.value!r} {vars(error.value)}"
    assert "\n" not in str(error.value.values.get("it says", ""))  # the driver's first is enough


def test_an_error_of_the_database_shows_no_parameter_and_one_of_the_driver_is_explained(store_url: str) -> None:
    database = Database(store_url)
    with pytest.raises(WxaTransportError) as error, database.writing() as connection:
        connection.execute(text("SELECT :value FROM missing"), {"value": "hidden-value"})
    assert "missing" in str(error.value)
    assert "hidden-value" not in str(error.value)
    with pytest.raises(WxaTransportError, match="the store does not answer"), database.reading():
        raise database.engine.dialect.loaded_dbapi.OperationalError("died before it was given back")
