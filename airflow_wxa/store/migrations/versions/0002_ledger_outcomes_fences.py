"""The ledger of writes, the outcomes of runs, the fences of calls that WeChat does not guard."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the three tables."""
    op.create_table(
        "wxa_ledger",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("component_appid", sa.String(32), nullable=False),
        sa.Column("appid", sa.String(32), nullable=False, index=True),
        sa.Column("endpoint", sa.String(64), nullable=False),
        sa.Column("dag_id", sa.String(250), nullable=False),
        sa.Column("run_id", sa.String(250), nullable=False, index=True),
        sa.Column("task_id", sa.String(250), nullable=False),
        sa.Column("map_index", sa.Integer, nullable=False),
        sa.Column("try_number", sa.Integer, nullable=False),
        sa.Column("triggered_by", sa.String(250), nullable=False),
        sa.Column("sent_at", sa.Float, nullable=False, index=True),
        sa.Column("before", sa.JSON),
        sa.Column("asked", sa.JSON, nullable=False),
        sa.Column("answered_at", sa.Float),
        sa.Column("errcode", sa.Integer),
        sa.Column("errmsg", sa.Text),
        sa.Column("rid", sa.String(64)),
        sa.Column("after", sa.JSON),
        sa.Column("resolved_by", sa.String(250)),
    )
    op.create_table(
        "wxa_outcome",
        sa.Column("dag_id", sa.String(250), primary_key=True),
        sa.Column("run_id", sa.String(250), primary_key=True),
        sa.Column("appid", sa.String(32), primary_key=True),
        sa.Column("component_appid", sa.String(32), nullable=False),
        sa.Column("task_id", sa.String(250), nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("said", sa.JSON, nullable=False),
    )
    op.create_table(
        "wxa_fence",
        sa.Column("component_appid", sa.String(32), primary_key=True),
        sa.Column("appid", sa.String(32), primary_key=True),
        sa.Column("endpoint", sa.String(64), primary_key=True),
        sa.Column("attempt", sa.String(40), nullable=False),
        sa.Column("sent", sa.Integer, nullable=False),
    )
