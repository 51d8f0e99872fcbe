"""When each Mini Program of a fleet was released."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add the column; one that was released before has nothing in it."""
    op.add_column("wxa_fleet_app", sa.Column("released_at", sa.Float))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("wxa_fleet_app", "released_at")
