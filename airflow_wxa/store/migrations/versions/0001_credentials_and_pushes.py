"""Credentials and the push log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "wxa_credential",
        sa.Column("component_appid", sa.String(32), primary_key=True),
        sa.Column("appid", sa.String(32), primary_key=True),
        sa.Column("access_token", sa.Text),
        sa.Column("access_expires_at", sa.Float),
        sa.Column("access_lifetime", sa.Float),
        sa.Column("renewal", sa.Text),
        sa.Column("renewal_at", sa.Float),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("lease_owner", sa.String(40)),
        sa.Column("lease_until", sa.Float),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("granted", sa.JSON),
        sa.Column("user_name", sa.String(64)),
    )
    op.create_table(
        "wxa_push",
        sa.Column("component_appid", sa.String(32), primary_key=True),
        sa.Column("kind", sa.String(64), primary_key=True),
        sa.Column("account", sa.String(64), primary_key=True),
        sa.Column("create_time", sa.Integer, primary_key=True),
        sa.Column("received_at", sa.Float, nullable=False),
        sa.Column("told", sa.JSON),
    )
