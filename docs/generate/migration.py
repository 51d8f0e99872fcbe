"""The migration that the tables ask for: written once, from their difference to the newest migration."""

from __future__ import annotations

import subprocess
import sys
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, Literal

from alembic.autogenerate import produce_migrations, render_python_code
from alembic.migration import MigrationContext
from sqlalchemy import TypeDecorator, create_engine

from airflow_wxa.store.engine import VERSION_TABLE, migrate
from airflow_wxa.store.tables import metadata
from docs.generate.translated import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import UpgradeOps

_FOLDER: Final = ROOT / "airflow_wxa/store/migrations/versions"
_MIGRATION: Final = '''"""{what}."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"


def upgrade() -> None:
    """Add what is new; rows from before have nothing in it."""
    {upgrade}
'''


def write_migration(what: str) -> Path:
    """Write the migration from the newest one to the tables, and return its file.

    :param what: its first line, such as ``Users who asked for a release``.
    """
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/wxa.db"
        _, before = migrate(url)
        engine = create_engine(url)
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
            changes = produce_migrations(context, metadata)
        engine.dispose()
    if changes.upgrade_ops is None or changes.upgrade_ops.is_empty():
        raise SystemExit("no migration: the tables are as the newest one makes them")
    revision = f"{int(before) + 1:04}"
    path = _FOLDER / f"{revision}_{'_'.join(what.lower().split())}.py"
    upgrade = _code(changes.upgrade_ops)
    path.write_text(_MIGRATION.format(what=what, revision=revision, before=before, upgrade=upgrade), "utf-8")
    subprocess.run([sys.executable, "-m", "ruff", "format", "-q", str(path)], check=True)
    return path


def _code(changes: UpgradeOps) -> str:
    """Return the calls of Alembic, without its comments, columns of our own types as plain ones."""
    lines = render_python_code(changes, render_item=_plain).splitlines()
    return "\n    ".join(line.strip() for line in lines if not line.strip().startswith("#"))


def _plain(kind: str, item: Any, _: AutogenContext) -> str | Literal[False]:
    return f"sa.{item.impl_instance!r}" if kind == "type" and isinstance(item, TypeDecorator) else False
