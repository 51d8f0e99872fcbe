"""The nonce of a run, and who joined it; the time of the migration, before which runs had none."""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the tables and the column; rows from before have no nonce."""
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
    op.add_column("wxa_ledger", sa.Column("nonce", sa.String(32)))
    op.create_index("ix_wxa_ledger_nonce", "wxa_ledger", ["nonce"])
    op.execute(f"INSERT INTO wxa_run VALUES ('', '', '', {time.time()}, 0, {time.time()})")  # noqa: S608  (figures)


def downgrade() -> None:
    """Drop them."""
    op.drop_index("ix_wxa_ledger_nonce", "wxa_ledger")
    op.drop_column("wxa_ledger", "nonce")
    op.drop_table("wxa_run_task")
    op.drop_table("wxa_run")
