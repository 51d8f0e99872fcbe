"""The ledger's index on the run gives way to one that finds a Mini Program in the run of a fleet."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Replace the index: beside the old one, the new one would not be used."""
    op.create_index("ix_wxa_ledger_run_appid", "wxa_ledger", ["run_id", "appid"])
    op.drop_index("ix_wxa_ledger_run_id", "wxa_ledger")


def downgrade() -> None:
    """Bring the old one back."""
    op.create_index("ix_wxa_ledger_run_id", "wxa_ledger", ["run_id"])
    op.drop_index("ix_wxa_ledger_run_appid", "wxa_ledger")
