"""Runs by their nonce, holds by Mini Program, domains online before a write, and indexes for fleets.

Revisions 0006 to 0010 never left development.
"""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0005"


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
    op.drop_table("wxa_fleet_pace")  # made anew: a hold lasts until midnight at most
    op.create_table(
        "wxa_fleet_pace",
        sa.Column("component_appid", sa.String(32), primary_key=True),
        sa.Column("appid", sa.String(32), primary_key=True),
        sa.Column("endpoint", sa.String(64), primary_key=True),
        sa.Column("writes", sa.Boolean, primary_key=True),
        sa.Column("held_until", sa.Float, nullable=False),
        sa.Column("errcode", sa.Integer, nullable=False),
    )
    op.create_index("ix_wxa_ledger_run_appid", "wxa_ledger", ["run_id", "appid"])
    op.create_index("ix_wxa_ledger_nonce", "wxa_ledger", ["nonce"])
    op.create_index("ix_wxa_fleet_app_wave", "wxa_fleet_app", ["run_id", "wave", "shard"])
    op.create_index("ix_wxa_fleet_app_grant", "wxa_fleet_app", ["run_id", "audit_grant", "position"])
    op.drop_index("ix_wxa_ledger_run_id", "wxa_ledger")  # beside it, the new one would not be used
