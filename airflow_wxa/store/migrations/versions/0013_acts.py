"""Acts of the board's readers, each of which is done once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "wxa_act",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("by", sa.String(250), nullable=False),
        sa.Column("at", sa.Float, nullable=False),
    )
    op.create_index("ix_wxa_act_at", "wxa_act", ["at"])


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("wxa_act")
