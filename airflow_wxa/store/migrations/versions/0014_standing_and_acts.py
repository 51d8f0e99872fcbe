"""A Mini Program's facts apart from the runs about it, times of reviews and releases, and acts of the board."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0011"

_TIMES = ("online_at", "own_at", "effective_at", "lost_at", "drift_at", "account_at", "quota_at")
_MOVED = ("name", "online_version", "online_at")


def upgrade() -> None:
    """Create the tables, and move the facts that the latest run of each Mini Program had left."""
    op.create_table(
        "wxa_standing",
        sa.Column("component_appid", sa.String(32), primary_key=True),
        sa.Column("appid", sa.String(32), primary_key=True),
        sa.Column("name", sa.String(250)),
        sa.Column("online_version", sa.Text),
        *(sa.Column(name, sa.String(250)) for name in ("online_by", "online_dag_id", "online_run_id")),
        *(sa.Column(name, sa.JSON) for name in ("own", "effective", "lost", "drift", "account", "quota")),
        sa.Column("lost_count", sa.Integer),
        sa.Column("drift_word", sa.String(16)),
        *(sa.Column(name, sa.Float) for name in _TIMES),
    )
    for name in _MOVED:  # each from the row that knew it last
        later = "later.component_appid = m.component_appid and later.appid = m.appid"
        op.execute(
            f"insert into wxa_standing (component_appid, appid, {name}) "  # noqa: S608  (names of our own)
            f"select m.component_appid, m.appid, min(m.{name}) from wxa_mini_program m where m.{name} is not null "
            f"and m.at = (select max(later.at) from wxa_mini_program later where {later} and later.{name} is not null) "
            f"group by m.component_appid, m.appid "
            f"on conflict (component_appid, appid) do update set {name} = excluded.{name}"
        )
        op.drop_column("wxa_mini_program", name)
    op.add_column("wxa_ledger", sa.Column("reviewed_at", sa.Float))
    op.add_column("wxa_fleet_app", sa.Column("released_at", sa.Float))
    op.create_table(
        "wxa_act",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("by", sa.String(250), nullable=False),
        sa.Column("at", sa.Float, nullable=False),
    )
    op.create_index("ix_wxa_act_at", "wxa_act", ["at"])
