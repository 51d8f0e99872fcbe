"""The Connection that a run worked with, for what is asked later on the run's behalf: the trial version's picture."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the column; rows from before have none."""
    op.add_column("wxa_outcome", sa.Column("wxa_conn_id", sa.String(250)))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("wxa_outcome", "wxa_conn_id")
