"""Where each Mini Program stands, for the board."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the table; it fills with the next outcomes."""
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


def downgrade() -> None:
    """Drop it."""
    op.drop_table("wxa_mini_program")
