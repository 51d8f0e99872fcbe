"""What tells lag from somebody else's work: of which version a write was, and which auditid it was answered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the columns; rows from before have neither."""
    op.add_column("wxa_ledger", sa.Column("fingerprint", sa.String(16)))
    op.add_column("wxa_ledger", sa.Column("auditid", sa.String(64)))


def downgrade() -> None:
    """Drop them."""
    op.drop_column("wxa_ledger", "auditid")
    op.drop_column("wxa_ledger", "fingerprint")
