"""Open the database: one engine a process, SQLite kept private, the schema created or checked.

Workers of two versions share a store while an upgrade rolls through. So a worker creates the schema of an empty
database and changes no other: ``airflow wxa db migrate`` does. Migrations only add, so that an older version goes on
with a newer schema; a newer version waits for the migration, by an error that is retried.
"""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager, suppress
from dataclasses import fields
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import column, create_engine, event, inspect, select, table, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from tenacity import Retrying, retry_if_exception_message, stop_after_delay, wait_random

from airflow_wxa.api.redaction import Secret
from airflow_wxa.errors import WxaError, WxaSpecError, WxaTransportError
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from dataclasses import Field

    from sqlalchemy import CompoundSelect, Connection, Engine, ExceptionContext, Executable, Row, Select, Table


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


T = TypeVar("T", bound=_Dataclass)

_BUSY_SECONDS: Final = 30
_WHILE_LOCKED: Final = Retrying(
    retry=retry_if_exception_message(match="database is locked"),
    stop=stop_after_delay(_BUSY_SECONDS),
    wait=wait_random(0.01, 0.1),
    reraise=True,
)
#: A host that drops packets, before a connection or after it, would hold a caller for minutes.
_UNLESS_ASKED: Final = {
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",  # milliseconds
}
_READ_ONLY: Final = "25006"  # SQLSTATE read_only_sql_transaction
_OF_DRIVER: Final[dict[str, dict[str, Any]]] = {
    "psycopg2": {"executemany_mode": "values_plus_batch"},  # its own takes a round trip for each row
    # Behind pgbouncer in transaction mode the statement that was prepared is another connection's.
    "psycopg": {"connect_args": {"prepare_threshold": None}},
}
#: SQLSTATE, or words of pgbouncer's, which has none → the next step.
_NEXT_STEPS: Final = {
    _READ_ONLY: "name_the_primary",
    "3F000": "create_the_schema",
    "unsupported startup parameter": "pgbouncer_takes_no_options",
}
_PRIVATE: Final = 0o600
#: Not Alembic's usual name: the stores of the first version keep theirs there, and that version refuses a newer one.
VERSION_TABLE: Final = "alembic_version_wxa"
_USUAL_VERSION_TABLE: Final = "alembic_version"
_MIGRATIONS: Final = resources.files(__package__).joinpath("migrations")
_MIGRATION_LOCK: Final = 0x777861  # "wxa"; any number that nobody else locks in a database of our own
_engines: Final[dict[tuple[Secret, int], Engine]] = {}
#: Which file each engine of SQLite has open.
_files: Final[WeakKeyDictionary[Engine, tuple[int, int]]] = WeakKeyDictionary()


class Database:
    """A database of ours, opened anew in every process that uses it.

    :param url: an SQLAlchemy URL of SQLite or PostgreSQL; the schema is created on first use. A password in it stays
        out of tracebacks that show variables when it comes as a :class:`~airflow_wxa.api.redaction.Secret`.
    :raises WxaSpecError: the URL cannot be right.
    :raises WxaTransportError: the database does not answer; so do both methods.
    """

    def __init__(self, url: str | Secret) -> None:
        self._url = url if isinstance(url, Secret) else Secret(url)
        _ = self.engine

    @property
    def engine(self) -> Engine:
        """This process's engine; asked for each time, since a forked child must get one of its own."""
        return open_engine(self._url)

    @property
    def file(self) -> Path | None:
        """The file of SQLite; ``None`` for a server."""
        url = self.engine.url
        return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection for statements that stand alone."""
        # Of the connection, not of the engine: SQLAlchemy makes another engine, with listeners, for each such option.
        with self._explained() as engine, engine.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a connection in a transaction, committed at the end of the block."""
        with self._explained() as engine, engine.begin() as connection:
            yield connection

    def rows(self, query: Select[*tuple[Any, ...]]) -> Sequence[Row[*tuple[Any, ...]]]:
        """Return the rows of a query that stands alone."""
        with self.reading() as connection:
            return connection.execute(query).all()

    def column(self, query: Select[*tuple[Any, ...]] | CompoundSelect[*tuple[Any, ...]]) -> Sequence[Any]:
        """Return the first value of each row."""
        with self.reading() as connection:
            return connection.execute(query).scalars().all()

    def value(self, query: Select[*tuple[Any, ...]]) -> Any:
        """Return the first value of the first row; ``None`` without any."""
        with self.reading() as connection:
            return connection.execute(query).scalar()

    def write(self, statement: Executable, values: Sequence[Mapping[str, Any]] | None = None) -> int:
        """Execute one statement in a transaction, and return how many rows it changed."""
        with self.writing() as connection:
            return connection.execute(statement, values).rowcount

    def count_anew(self, table: Table) -> None:
        """Let PostgreSQL count a table that many rows have come to.

        Until its autovacuum comes by it takes a new run for empty, and reads all of it by an index for each row asked
        for; in a large table a run is too small for the autovacuum to come soon.
        """
        if self.engine.dialect.name == "postgresql":
            with suppress(WxaTransportError), self.reading() as connection:  # who may not goes on, slower
                connection.exec_driver_sql(f"ANALYZE (SKIP_LOCKED) {table.name}")

    def insert(self, table: Table) -> Any:
        """Return an insert that knows ``on_conflict_do_nothing``: each dialect has its own."""
        return (postgresql if self.engine.dialect.name == "postgresql" else sqlite).insert(table)

    @contextmanager
    def _explained(self) -> Iterator[Engine]:
        engine = self.engine
        try:
            yield engine
        # The driver's own: of a connection that is dead when it is given back.
        except (SQLAlchemyError, engine.dialect.loaded_dbapi.Error) as error:
            raise unreachable(engine, error) from None


class OfStore:
    """Reads and writes a part of the store.

    :param url: the store's URL.
    :raises WxaTransportError: the store does not answer; so does every method.
    """

    def __init__(self, url: str | Secret) -> None:
        self._database = Database(url)


def read_as(kind: type[T], row: Row[*tuple[Any, ...]], **own: Any) -> T:
    """Return a row as a dataclass whose fields are its columns; a text that is missing is empty.

    :param own: fields that are no columns.
    """
    found = {each: getattr(row, each.name) for each in fields(kind) if each.name not in own}
    read = {each.name: "" if value is None and each.type == "str" else value for each, value in found.items()}
    return kind(**own, **read)


def open_engine(url: str | Secret) -> Engine:
    """Return the engine of this process for ``url``, its schema up to date.

    :raises WxaSpecError: not a URL of SQLite or PostgreSQL, or the driver is not installed.
    :raises WxaTransportError: the database does not answer.
    """
    # A forked child must not share its parent's connections.
    key = (url if isinstance(url, Secret) else Secret(url), os.getpid())
    engine = _engines.get(key)
    if engine is not None and _files.get(engine) != _file_of(engine):
        # Deleted, or put back from a copy: what this process writes would go into the old file, which nobody sees.
        _engines.pop(key, None)
        engine.dispose()
        engine = None
    if engine is None:
        opened = _opened(key[0])
        engine = _engines.setdefault(key, opened)
        if engine is not opened:
            opened.dispose()  # another thread was quicker
    return engine


def _opened(url: Secret) -> Engine:
    engine = _created(url)
    with _schema_of(engine):
        _check_schema(engine)
    if (file := _file_of(engine)) is not None:
        _files[engine] = file
    return engine


def migrate(url: str | Secret) -> tuple[str, str]:
    """Bring a store's schema up to date, and return its revision before (``""``: it was empty) and after.

    Others may go on working meanwhile, also with an older version of this package.

    :raises WxaSpecError: as :func:`open_engine`.
    :raises WxaTransportError: the database does not answer.
    """
    engine = _created(url)
    with _schema_of(engine):
        revisions = _upgrade(engine, only_empty=False)
    engine.dispose()
    return revisions


@contextmanager
def _schema_of(engine: Engine) -> Iterator[None]:
    """Let the schema be looked at; an engine whose store refuses it is closed."""
    try:
        with _quiet_migrations():
            if engine.dialect.name == "sqlite":
                _keep_private(engine)
            yield
    except (SQLAlchemyError, OSError) as error:  # OSError: the file, or its folder, is not ours
        engine.dispose()
        raise unreachable(engine, error) from None
    except WxaError:
        engine.dispose()
        raise


def unreachable(engine: Engine, error: Exception) -> WxaTransportError:
    """Return the error for a store that does not answer; it shows the URL without its password."""
    # No query either: drivers take a password there as well.
    url = engine.url.set(query={}).render_as_string(hide_password=True)
    said = getattr(error, "orig", None) or getattr(error, "strerror", None) or type(error).__name__
    cause = str(said).strip().splitlines()
    known = {_sqlstate(said), *(words for words in _NEXT_STEPS if words in str(said))}
    return WxaTransportError(
        Text("store_is_read_only") if _READ_ONLY in known else Text("store_does_not_answer"),
        values={"store": url, "it says": cause[0] if cause else ""},
        why=Text("writes_need_the_store"),
        next_step=next((Text(step) for words, step in _NEXT_STEPS.items() if words in known), Text("check_the_store")),
        source="airflow-wxa docs store",
    )


def _sqlstate(error: object) -> str | None:
    """Return PostgreSQL's code of an error, whichever driver raised it."""
    return getattr(error, "pgcode", None) or getattr(error, "sqlstate", None)


def _created(url: str | Secret) -> Engine:
    try:
        parsed = make_url(url.reveal() if isinstance(url, Secret) else url)
        backend = parsed.get_backend_name()
        # A URI could name a file that is not private, or none at all.
        is_async = parsed.get_dialect().is_async
        if is_async or backend not in {"sqlite", "postgresql"} or (parsed.database or "").startswith("file:"):
            raise ValueError(backend)  # noqa: TRY301  (one refusal for all reasons)
        if parsed.get_driver_name().startswith("psycopg"):
            parsed = parsed.set(query={**_UNLESS_ASKED, **parsed.query})
        options = _OF_DRIVER.get(parsed.get_dialect().driver, {})
        engine = create_engine(parsed, pool_pre_ping=backend == "postgresql", **options)
    except (SQLAlchemyError, ValueError, ModuleNotFoundError) as error:
        raise WxaSpecError(
            Text("store_url_is_refused"), [Text("sql_alchemy_conn_is_refused", error=type(error).__name__)]
        ) from None
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_immediately)
    else:
        event.listen(engine, "handle_error", _leave_a_standby)
    return engine


def _leave_a_standby(failed: ExceptionContext) -> None:
    """Give a connection up that may only read: after a failover it would answer, and refuse each write, for ever."""
    if _sqlstate(failed.original_exception) == _READ_ONLY:
        failed.is_disconnect = True


def _prepare_sqlite(connection: Any, record: object) -> None:  # noqa: ARG001
    connection.isolation_level = None  # so that "begin" is ours to say
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000}")
    # Processes that make the file at the same moment refuse each other here at once, whatever busy_timeout says.
    _WHILE_LOCKED(connection.execute, "PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")  # a rotated refresh token must survive a power cut


def _begin_immediately(connection: Connection) -> None:
    # A transaction that reads first and writes later would fail at once when another one writes in between.
    # Statements that stand alone get no transaction: they would wait for whoever writes, and make writers wait.
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _keep_private(engine: Engine) -> None:
    """Create the file readable by its owner only, before SQLite does it by the umask."""
    if engine.url.database and engine.url.database != ":memory:":
        path = Path(engine.url.database)
        path.parent.mkdir(parents=True, exist_ok=True)
        # Never opened when it exists: closing it would take away the locks of connections that this process has.
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, _PRIVATE))


def _file_of(engine: Engine) -> tuple[int, int] | None:
    """Return which file lies under the name of SQLite's; ``None``: none, or it is no SQLite."""
    if engine.dialect.name != "sqlite" or not engine.url.database:
        return None
    try:
        file = os.stat(engine.url.database)  # noqa: PTH116  (each statement asks, and a Path takes four times as long)
    except OSError:
        return None
    return file.st_dev, file.st_ino


@contextmanager
def _quiet_migrations() -> Iterator[None]:
    """Keep Alembic's "Context impl …" out of each task's log; Airflow's own migrations go on telling."""
    logger = logging.getLogger("alembic.runtime.migration")
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)


def _check_schema(engine: Engine) -> None:
    """Create the schema of an empty database, go on with ours or a newer one, refuse an older one for now."""
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        revision = _revision(connection)
    if not revision:
        _upgrade(engine, only_empty=True)
    elif revision < (wanted := _head()):
        raise WxaTransportError(
            Text("store_schema_is_old"),
            values={"store": engine.url.database, "its revision": revision, "wanted": wanted},
        )


def _upgrade(engine: Engine, *, only_empty: bool) -> tuple[str, str]:
    """Migrate, and return the revision before and after; one process does, the others wait and find it done."""
    # A hundred modules, which every task would import and only a schema that changes needs.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
        before, wanted = _revision(connection), _head()
        if before >= wanted or (before and only_empty):
            return before, before
        config.attributes["connection"] = connection
        if before:
            command.stamp(config, before)  # under our own name: it may be known under Alembic's only
        command.upgrade(config, "head")
    return before, wanted


def _revision(connection: Connection) -> str:
    """Return the schema's revision, ``""`` for an empty database. Ours have four digits and count up.

    :raises WxaSpecError: the schema is another program's.
    """
    if revision := _noted_revision(connection, VERSION_TABLE):
        return revision
    revision = _noted_revision(connection, _USUAL_VERSION_TABLE)
    if revision and revision not in _revisions():
        raise WxaSpecError(
            Text("store_database_is_foreign"),
            [Text("alembic_version_is_foreign", database=connection.engine.url.database, revision=repr(revision))],
        )
    return revision


def _noted_revision(connection: Connection, version_table: str) -> str:
    if not inspect(connection).has_table(version_table):
        return ""
    return connection.execute(select(column("version_num")).select_from(table(version_table))).scalars().first() or ""


def _head() -> str:
    return max(_revisions())


@cache
def _revisions() -> frozenset[str]:
    """Return the revisions that there are: the files' names begin with them."""
    names = (each.name for each in _MIGRATIONS.joinpath("versions").iterdir())
    return frozenset(name.partition("_")[0] for name in names if name.endswith(".py"))
