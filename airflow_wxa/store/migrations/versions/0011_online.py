"""What was online before a write that changes it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the column; rows from before have nothing in it."""
    op.add_column("wxa_ledger", sa.Column("online", sa.JSON))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("wxa_ledger", "online")
