"""Indexes by which a shard finds its own Mini Programs of a large fleet, and a run those of earlier ones."""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"

_RUN = ["dag_id", "run_id"]
_COLUMNS = {
    "shard": [*_RUN, "carrier", "position"],
    "wave": [*_RUN, "wave", "shard", "position"],
    "grant": [*_RUN, "audit_grant", "position"],
}


def upgrade() -> None:
    """Let the indexes begin as the primary key does: SQLite takes the primary key where another serves no better."""
    for name, columns in _COLUMNS.items():
        op.drop_index(f"ix_wxa_fleet_app_{name}", "wxa_fleet_app")
        op.create_index(f"ix_wxa_fleet_app_{name}", "wxa_fleet_app", columns)
    op.create_index("ix_wxa_fleet_app_appid", "wxa_fleet_app", [*_RUN, "appid"])
