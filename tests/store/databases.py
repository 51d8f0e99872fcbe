"""The databases that every test of store and access runs on: SQLite, and PostgreSQL where it is installed."""

import atexit
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import create_engine

from airflow_wxa.cli.demo.airflow import free_port
from airflow_wxa.errors import WxaError
from airflow_wxa.store.engine import open_engine
from airflow_wxa.store.tables import metadata
from tests.store.templates import migrations

ROLE: Final = "airflow"
START_SECONDS: Final = 30
#: PostgreSQL and pgbouncer refuse to run as root, as containers do.
SERVER_USER: Final = "postgres" if os.geteuid() == 0 else None
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Postgresql:
    """A PostgreSQL server of the tests' own; it ends with them."""

    port: int

    def url(self, database: str) -> str:
        return f"postgresql+psycopg2://{ROLE}@127.0.0.1:{self.port}/{database}"

    def administer(self, statement: str, database: str = "postgres") -> object:
        """Carry a statement out as the superuser, and return its first value, if it has one."""
        engine = create_engine(self.url(database), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            found = connection.exec_driver_sql(statement)
            value = found.scalar() if found.returns_rows else None
        engine.dispose()
        return value


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Return the URL of a store of the test's own: its tables are there, unless it is about the migrations."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'wxa.db'}"  # copied when it is opened
    elif "from_migrations" in request.fixturenames:
        url = _new_schema("")
        yield url
        with suppress(WxaError):
            open_engine(url).dispose()  # the schema stays, and goes with its server
    else:
        url = _emptied.pop() if _emptied else _new_schema(_migrations())
        yield url
        with open_engine(url).begin() as connection:  # emptied faster than another one is made
            connection.exec_driver_sql(_emptying())
        _emptied.append(url)


#: Schemas that no test uses any more, as the migrations leave them.
_emptied: Final[list[str]] = []


@cache
def _migrations() -> str:
    return migrations(_new_schema(""))


@cache
def _emptying() -> str:
    kept = [each for each in _migrations().split(";\n") if each.startswith("INSERT INTO wxa_")]
    limits = [f"SET LOCAL lock_timeout = '{START_SECONDS}s'"]  # a process that was killed may not have let go yet
    return "; ".join([*limits, *(str(table.delete()) for table in metadata.sorted_tables), *kept])


def _new_schema(statements: str) -> str:
    server, name = _running(), f"wxa_{next(_numbers)}"
    server.administer(f"CREATE SCHEMA {name}; SET search_path TO {name}; {statements}")
    return f"{server.url('postgres')}?options=-csearch_path%3D{name}"


def _running() -> Postgresql:
    server = _postgresql()
    if isinstance(server, str):
        (pytest.fail if os.environ.get("CI") else pytest.skip)(server)
    return server


def new_postgresql_database() -> Iterator[str]:
    """Give the URL of an empty PostgreSQL database; without PostgreSQL leave the test out, in CI fail it."""
    server, name = _running(), f"wxa_{next(_numbers)}"
    server.administer(f"CREATE DATABASE {name} STRATEGY file_copy")
    url = server.url(name)
    yield url
    open_engine(url).dispose()  # the database stays, and goes with its server: dropping it takes longer than the test


@cache
def _postgresql() -> Postgresql | str:
    """Start the server once for all tests; return why there is none otherwise."""
    programs = programs_of_postgresql()
    if programs is None:
        return "PostgreSQL is not installed (Debian: apt-get install postgresql)"
    try:
        import psycopg2  # noqa: F401, PLC0415  (the extra that users of PostgreSQL install)
    except ModuleNotFoundError:
        return "psycopg2 is not installed (pip install 'airflow-wxa[postgres]')"
    home, port = server_home("wxa-postgresql-"), free_port()
    made: list[str | Path] = [programs / "initdb", "-D", home / "data", "-A", "trust", "-U", ROLE]
    made += ["--no-sync", "-E", "UTF8", "--locale=C"]
    subprocess.run(made, **server_user(home), check=True, capture_output=True)
    options = {"fsync": "off", "unix_socket_directories": "", "max_connections": "300", "listen_addresses": "127.0.0.1"}
    command: list[str | Path] = [programs / "postgres", "-D", home / "data", "-p", str(port)]
    command += [f"--{name}={value}" for name, value in options.items()]
    until_the_end = ExitStack()
    until_the_end.callback(shutil.rmtree, home, ignore_errors=True)
    until_the_end.enter_context(running(home, command, port))
    atexit.register(until_the_end.close)
    return Postgresql(port)


def programs_of_postgresql() -> Path | None:
    """Return where initdb and postgres are; Debian keeps them out of PATH."""
    found = shutil.which("initdb")
    candidates = [Path(found).resolve().parent] if found else []
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((each for each in candidates if (each / "postgres").exists()), None)


def server_home(prefix: str) -> Path:
    """Return a new folder of the user that servers run as."""
    home = Path(tempfile.mkdtemp(prefix=prefix))
    if SERVER_USER is not None:
        shutil.chown(home, SERVER_USER, SERVER_USER)
    return home


def server_user(home: Path) -> dict[str, Any]:
    """Return how a server's program is started: libpq looks for certificates at home."""
    return {"user": SERVER_USER, "cwd": home, "env": os.environ | {"HOME": str(home)}}


@contextmanager
def running(
    home: Path, command: Sequence[str | Path], port: int, end: int = signal.SIGINT
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends.

    :param end: the signal that it ends by, its clients cut off.
    """
    log = home / f"{port}.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(command, **server_user(home), stdout=sink, stderr=sink)
    try:
        _wait_for(port, process, log)
        yield process
    finally:
        process.send_signal(end)
        process.wait(20)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    engine = create_engine(Postgresql(port).url("postgres"))
    while process.poll() is None and time.monotonic() < until:
        try:
            engine.connect().close()
        except Exception:  # noqa: BLE001  (whatever it is, it is not ready)
            time.sleep(0.05)
        else:
            engine.dispose()
            return
    raise RuntimeError(f"PostgreSQL did not start: {log.read_text(errors='replace')}")
