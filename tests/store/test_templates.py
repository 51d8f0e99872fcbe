"""A store that begins as a copy is the one that the migrations make."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from airflow_wxa.store.engine import VERSION_TABLE, _created, _head, _revision, open_engine
from airflow_wxa.store.tables import metadata
from tests.store.templates import _template, migrations

if TYPE_CHECKING:
    from pathlib import Path


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


@pytest.mark.usefixtures("from_migrations")
def test_a_test_about_the_migrations_begins_with_nothing(store_url: str) -> None:
    engine = _created(store_url)
    with engine.connect() as connection:
        assert _revision(connection) == ""
    engine.dispose()  # Python 3.13 warns of a connection that nobody closed


def statements(file: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
