"""Indexes that find a shard by its wave, and the Mini Programs that wait for quota, without reading a whole run."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Create both."""
    op.create_index("ix_wxa_fleet_app_wave", "wxa_fleet_app", ["run_id", "wave", "shard"])
    op.create_index("ix_wxa_fleet_app_grant", "wxa_fleet_app", ["run_id", "audit_grant", "position"])


def downgrade() -> None:
    """Drop them."""
    op.drop_index("ix_wxa_fleet_app_grant", "wxa_fleet_app")
    op.drop_index("ix_wxa_fleet_app_wave", "wxa_fleet_app")
