"""A store of the first version under this one, that version's statements beside this one's schema, and copies."""

import re
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

from airflow_wxa.api.authorisation import Grant
from airflow_wxa.api.redaction import Secret
from airflow_wxa.api.values import THE_PLATFORM
from airflow_wxa.errors import WxaTransportError
from airflow_wxa.store import Ledger, Result, Store, TaskRef
from airflow_wxa.store.engine import VERSION_TABLE, _created, _head, _revision, migrate, open_engine
from airflow_wxa.store.tables import metadata
from tests.store.templates import _template, migrations

from_migrations = pytest.mark.usefixtures("from_migrations")

KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
PLATFORM = "wx00000000000000c1"
IN_AUDIT, LOST = "wx0000000000000001", "wx0000000000000002"
STATEMENTS = Path(__file__).with_name("store_0002.sql").read_text("utf-8").replace("%", "%%").strip().split(";\n")


@pytest.fixture
def first_store(store_url: str) -> str:
    """Return the URL of a store that the first version made and filled."""
    engine = _created(store_url)
    with engine.begin() as connection:
        for statement in STATEMENTS:
            connection.exec_driver_sql(statement)
    engine.dispose()
    return store_url


def tables(url: str) -> dict[str, set[str]]:
    """Return the columns of each table."""
    engine = _created(url)
    found = inspect(engine)
    columns = {name: {column["name"] for column in found.get_columns(name)} for name in found.get_table_names()}
    engine.dispose()
    return columns


@from_migrations
def test_this_version_waits_for_the_migration_and_changes_nothing_meanwhile(first_store: str) -> None:
    before = tables(first_store)
    for opened in (lambda: Store(first_store, [KEY]), lambda: Ledger(first_store)):
        with pytest.raises(WxaTransportError, match=r"older than this version[\s\S]*airflow wxa db migrate") as refused:
            opened()
        assert refused.value.retryable
    assert tables(first_store) == before
    migrate(first_store)
    assert Store(first_store, [KEY]).platform(PLATFORM) is not None  # the same process, without a restart


@from_migrations
def test_nothing_is_lost_by_the_migration_and_what_waited_goes_on(first_store: str) -> None:
    assert migrate(first_store) == ("0002", _head())
    assert migrate(first_store) == (_head(), _head())
    store, ledger = Store(first_store, [KEY]), Ledger(first_store)
    rows = store.merchants(PLATFORM)
    renewals = {IN_AUDIT: Secret("refresh one, rotated"), LOST: Secret("refresh two")}
    assert {appid: row.renewal for appid, row in rows.items()} == renewals
    assert rows[IN_AUDIT].access_token == Secret("access one")
    told = [(entry.appid, entry.endpoint, entry.result) for entry in ledger.entries()]
    assert told[:2] == [(LOST, "approve_release", "ok"), (LOST, "release", "unknown")]
    assert told[2:] == [(IN_AUDIT, "submit_audit", "ok"), (IN_AUDIT, "undocodeaudit", "ok")]
    assert (ledger.outcome("wxa_release", "manual__1", IN_AUDIT) or {})["auditid"] == "1234567"
    assert store.take_lease(rows[IN_AUDIT], "me", 30)
    assert store.store_grant(rows[IN_AUDIT], Grant(Secret("access two"), 7200, Secret("refresh three")))
    task = TaskRef("wxa_release", "manual__2", "release", -1, 2, "lin")
    ledger.settle(PLATFORM, task, [Result(LOST, "release", {"outcome": "released"}, resolves=True)])
    assert {entry.result for entry in ledger.entries(appid=LOST)} == {"ok", "resolved"}


@from_migrations
def test_the_first_version_goes_on_beside_this_schema(first_store: str, tmp_path: Path) -> None:
    migrate(first_store)
    new = f"sqlite:///{tmp_path / 'new.db'}"
    assert migrate(new) == ("", _head())
    assert tables(first_store) == tables(new) | {"alembic_version": {"version_num"}}
    assert set(metadata.tables) < set(tables(new))
    engine = _created(first_store)
    with engine.connect() as connection:  # it looks there, and refuses what it does not know
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "0002"
    with engine.begin() as connection:  # what it wrote, for another platform, other runs and rows
        for statement in (each for each in STATEMENTS if "INSERT INTO wxa_" in each):
            other = statement.replace(PLATFORM, "wx00000000000000c2").replace("manual__", "later__")
            connection.exec_driver_sql(re.sub(r"VALUES\((?=\d)", "VALUES(10", other))
    engine.dispose()
    assert Store(first_store, [KEY]).merchant("wx00000000000000c2", THE_PLATFORM) is not None
    assert len(Ledger(first_store).entries()) == 8


def test_a_copy_is_what_the_migrations_make(store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    migrations(f"sqlite:///{tmp_path / 'made.db'}")
    _template()
    monkeypatch.setattr(command, "upgrade", None)  # no migration is run from here on
    with open_engine(store_url).connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []
        assert _revision(connection) == _head()
    if store_url.startswith("sqlite"):
        assert statements(tmp_path / "wxa.db") == statements(tmp_path / "made.db")
        assert stat.S_IMODE((tmp_path / "wxa.db").stat().st_mode) == 0o600
        assert {file.name.partition(".db")[0] for file in tmp_path.iterdir()} == {"wxa", "made"}


def statements(file: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
