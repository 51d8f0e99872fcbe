"""Fleets, the board, and version and auditid of a write, which tell lag from a colleague.

Revisions 0003 and 0004 never left development.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0002"


def upgrade() -> None:
    """Create the tables; rows from before have nothing in the new columns."""
    op.create_table(
        "wxa_fleet_run",
        sa.Column("dag_id", sa.String(250), primary_key=True),
        sa.Column("run_id", sa.String(250), primary_key=True, index=True),
        sa.Column("component_appid", sa.String(32), nullable=False, index=True),
        sa.Column("loaded_at", sa.Float, nullable=False),
        sa.Column("manifest", sa.JSON, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("plan_digest", sa.String(64), nullable=False),
        sa.Column("audits_granted", sa.Integer, nullable=False),
        sa.Column("stopped_by", sa.String(250)),
        sa.Column("stopped_at", sa.Float),
        sa.Column("ended_at", sa.Float),
    )
    op.create_table(
        "wxa_fleet_app",
        sa.Column("dag_id", sa.String(250), primary_key=True),
        sa.Column("run_id", sa.String(250), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("appid", sa.String(32), nullable=False),
        sa.Column("wave", sa.String(16), nullable=False),
        sa.Column("shard", sa.Integer, nullable=False),
        sa.Column("given", sa.JSON, nullable=False),
        sa.Column("plan", sa.JSON),
        sa.Column("carrier", sa.String(32), nullable=False),
        sa.Column("audit_grant", sa.String(8), nullable=False),
        sa.Column("done", sa.String(32), nullable=False),
        sa.Column("individual", sa.Integer, nullable=False),
        sa.Column("auditid", sa.String(32), nullable=False),
        sa.Column("submitted_at", sa.Float),
        sa.Column("again_at", sa.Float),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("stage", sa.String(64), nullable=False),
        sa.Column("outcome", sa.String(16)),
        sa.Column("errcode", sa.Integer),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("next_step", sa.Text, nullable=False),
    )
    op.create_index("ix_wxa_fleet_app_shard", "wxa_fleet_app", ["run_id", "carrier", "outcome"])
    op.create_table(
        "wxa_fleet_pace",
        sa.Column("component_appid", sa.String(32), primary_key=True),
        sa.Column("endpoint", sa.String(64), primary_key=True),
        sa.Column("held_until", sa.Float, nullable=False),
        sa.Column("errcode", sa.Integer, nullable=False),
    )
    op.create_table(
        "wxa_mini_program",
        sa.Column("component_appid", sa.String(32), primary_key=True),
        sa.Column("appid", sa.String(32), primary_key=True),
        sa.Column("dag_id", sa.String(250), primary_key=True),
        sa.Column("run_id", sa.String(250), nullable=False),
        sa.Column("task_id", sa.String(250), nullable=False),
        sa.Column("at", sa.Float, nullable=False, index=True),
        sa.Column("outcome", sa.String(32), nullable=False),
        sa.Column("errcode", sa.Integer, nullable=False),
        sa.Column("who", sa.String(32), nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("next_step", sa.Text, nullable=False),
        sa.Column("wave", sa.String(64)),
        sa.Column("name", sa.String(250)),
        sa.Column("user_version", sa.Text),
        sa.Column("auditid", sa.String(64)),
        sa.Column("online_version", sa.Text),
        sa.Column("online_at", sa.Float),
    )
    op.add_column("wxa_ledger", sa.Column("fingerprint", sa.String(16)))
    op.add_column("wxa_ledger", sa.Column("auditid", sa.String(64)))
