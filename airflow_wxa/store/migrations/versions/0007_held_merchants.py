"""A hold concerns the reads or the writes of one Mini Program, or of all."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make the table anew: a hold lasts until midnight at most."""
    op.drop_table("wxa_fleet_pace")
    op.create_table(
        "wxa_fleet_pace",
        sa.Column("component_appid", sa.String(32), primary_key=True),
        sa.Column("appid", sa.String(32), primary_key=True),
        sa.Column("endpoint", sa.String(64), primary_key=True),
        sa.Column("writes", sa.Boolean, primary_key=True),
        sa.Column("held_until", sa.Float, nullable=False),
        sa.Column("errcode", sa.Integer, nullable=False),
    )


def downgrade() -> None:
    """Make it as it was."""
    op.drop_table("wxa_fleet_pace")
    op.create_table(
        "wxa_fleet_pace",
        sa.Column("component_appid", sa.String(32), primary_key=True),
        sa.Column("endpoint", sa.String(64), primary_key=True),
        sa.Column("held_until", sa.Float, nullable=False),
        sa.Column("errcode", sa.Integer, nullable=False),
    )
