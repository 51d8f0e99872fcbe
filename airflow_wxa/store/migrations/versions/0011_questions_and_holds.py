"""Runs by their nonce, holds by Mini Program, domains online before a write, and indexes for fleets.

Revisions 0006 to 0010 never left development.
"""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0005"

_INDEXES = {
    "ix_wxa_ledger_run_appid": ("wxa_ledger", ["run_id", "appid"]),
    "ix_wxa_ledger_nonce": ("wxa_ledger", ["nonce"]),
    "ix_wxa_fleet_app_wave": ("wxa_fleet_app", ["run_id", "wave", "shard"]),
    "ix_wxa_fleet_app_grant": ("wxa_fleet_app", ["run_id", "audit_grant", "position"]),
}


def upgrade() -> None:
    """Add tables, columns and indexes; rows from before have nothing in the new columns."""
    op.create_table(
        "wxa_run",
        sa.Column("dag_id", sa.String(250), primary_key=True),
        sa.Column("run_id", sa.String(250), primary_key=True),
        sa.Column("nonce", sa.String(32), nullable=False),
        sa.Column("run_after", sa.Float),
        sa.Column("is_older", sa.Integer, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
    )
    op.create_table(
        "wxa_run_task",
        sa.Column("nonce", sa.String(32), primary_key=True),
        sa.Column("task_id", sa.String(250), primary_key=True),
        sa.Column("map_index", sa.Integer, primary_key=True),
        sa.Column("ti_id", sa.String(36), nullable=False),
    )
    # The time of the migration, before which runs had no nonce.
    op.execute(f"INSERT INTO wxa_run VALUES ('', '', '', {time.time()}, 0, {time.time()})")  # noqa: S608  (figures)
    op.add_column("wxa_ledger", sa.Column("nonce", sa.String(32)))
    op.add_column("wxa_ledger", sa.Column("online", sa.JSON))
    op.add_column("wxa_outcome", sa.Column("wxa_conn_id", sa.String(250)))
    _make_pace("appid", "endpoint", writes=True)
    for name, (table, columns) in _INDEXES.items():
        op.create_index(name, table, columns)
    op.drop_index("ix_wxa_ledger_run_id", "wxa_ledger")  # beside it, the new one would not be used


def downgrade() -> None:
    """Bring back what was there."""
    op.create_index("ix_wxa_ledger_run_id", "wxa_ledger", ["run_id"])
    for name, (table, _) in _INDEXES.items():
        op.drop_index(name, table)
    _make_pace("endpoint", writes=False)
    op.drop_column("wxa_outcome", "wxa_conn_id")
    for name in ("online", "nonce"):
        op.drop_column("wxa_ledger", name)
    for table in ("wxa_run_task", "wxa_run"):
        op.drop_table(table)


def _make_pace(*called: str, writes: bool) -> None:
    """Make the table of holds anew: a hold lasts until midnight at most."""
    op.drop_table("wxa_fleet_pace")
    op.create_table(
        "wxa_fleet_pace",
        sa.Column("component_appid", sa.String(32), primary_key=True),
        *(sa.Column(name, sa.String(64 if name == "endpoint" else 32), primary_key=True) for name in called),
        *([sa.Column("writes", sa.Boolean, primary_key=True)] if writes else []),
        sa.Column("held_until", sa.Float, nullable=False),
        sa.Column("errcode", sa.Integer, nullable=False),
    )
