"""The tables. Secrets in them are encrypted; times are epoch seconds by the database's own clock."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Dialect,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    TypeDecorator,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import FunctionElement

from airflow_wxa.texts import Text, from_data, to_data

if TYPE_CHECKING:
    from sqlalchemy.sql.compiler import SQLCompiler


_BEHIND: Final = "\x1f"  # separates a text from its key and values
_KEPT_OUT: Final = re.compile(f"[\0{_BEHIND}]")


class Words(TypeDecorator[str]):
    """Text that every database takes: without NUL and lone surrogates, cut to its length.

    Texts of WeChat and people must not keep a write from being noted.
    """

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002  SQLAlchemy's
        """Return the text as it is stored and looked for."""
        if value is None:
            return None
        length: int | None = getattr(self.impl_instance, "length", None)
        return _KEPT_OUT.sub("\N{REPLACEMENT CHARACTER}", value).encode("utf-8", "replace").decode()[:length]


class LongWords(Words):
    """The same, of any length; a text of ours has its key and values behind the English, for readers in years."""

    impl = sqlalchemy.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Return the text as it is stored."""
        told = super().process_bind_param(value, dialect)
        if told is None or not isinstance(value, Text):
            return told
        return f"{told}{_BEHIND}{json.dumps(to_data(value), ensure_ascii=True)}"

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002  SQLAlchemy's
        """Return the text as it was before."""
        _, _, data = (value or "").partition(_BEHIND)
        return from_data(json.loads(data)) if data else value


class Said(TypeDecorator[Any]):
    """JSON whose texts keep key and values."""

    impl = JSON
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002  SQLAlchemy's
        """Return it as it is stored."""
        return to_data(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002  SQLAlchemy's
        """Return it as it was before."""
        return from_data(value)


metadata = MetaData()

credential = Table(
    "wxa_credential",
    metadata,
    Column("component_appid", Words(32), primary_key=True),
    Column("appid", Words(32), primary_key=True, doc="a Mini Program; empty: the platform itself"),
    Column("access_token", LongWords(), doc="encrypted"),
    Column("access_expires_at", Float),
    Column("access_lifetime", Float),
    Column("renewal", LongWords(), doc="encrypted: a merchant's refresh token, the platform's newest ticket"),
    Column("renewal_at", Float, doc="when it was stored, or refused"),
    Column("generation", Integer, nullable=False, default=0, doc="counts what was stored: compare-and-set"),
    Column("lease_owner", Words(40), doc="who refreshes right now"),
    Column("lease_until", Float),
    Column("state", Words(16), nullable=False, default="authorised"),
    Column("granted", JSON, doc="ids of the permission sets"),
    Column("user_name", Words(64), doc="original id gh_…, by which message pushes name a Mini Program"),
)

push = Table(
    "wxa_push",
    metadata,
    Column("component_appid", Words(32), primary_key=True),
    Column("kind", Words(64), primary_key=True, doc="InfoType or Event"),
    Column("account", Words(64), primary_key=True, doc="appid, or gh_… id; empty: the platform itself"),
    Column("create_time", Integer, primary_key=True, doc="WeChat's CreateTime"),
    Column("received_at", Float, nullable=False),
    Column("told", JSON, doc="fields of an audit event: hints, never the truth"),
)


ledger = Table(
    "wxa_ledger",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("component_appid", Words(32), nullable=False),
    Column("appid", Words(32), nullable=False, index=True, doc="empty: the platform's own list"),
    Column("endpoint", Words(64), nullable=False),
    Column("dag_id", Words(250), nullable=False),
    Column("run_id", Words(250), nullable=False),
    Column("task_id", Words(250), nullable=False),
    Column("map_index", Integer, nullable=False),
    Column("try_number", Integer, nullable=False),
    Column("triggered_by", Words(250), nullable=False),
    Column("sent_at", Float, nullable=False, index=True),
    Column("before", JSON, doc="what the step had read"),
    Column("asked", JSON, nullable=False, doc="the body"),
    Column("answered_at", Float, doc="missing: the answer was lost, what was done is unknown"),
    Column("errcode", Integer),
    Column("errmsg", LongWords()),
    Column("rid", Words(64)),
    Column("after", JSON, doc="what the step came to"),
    Column("resolved_by", Words(250), doc="the run that found out what became of a lost answer"),
    Column("fingerprint", Words(16), doc="of the version that was committed, submitted or released"),
    Column("auditid", Words(64), doc="that a submission was answered"),
    Column("reviewed_at", Float, doc="when the review of that sheet was first seen ended"),
    Column("online", JSON(none_as_null=True), doc="domains by list before a write that changes what is online"),
    Column("nonce", Words(32), index=True, doc="of the run; missing: from before nonces, or outside of a run"),
)

run = Table(
    "wxa_run",
    metadata,
    Column("dag_id", Words(250), primary_key=True),
    Column("run_id", Words(250), primary_key=True, doc="empty: the migration, whose time is run_after"),
    Column("nonce", Words(32), nullable=False),
    Column("run_after", Float),
    Column("is_older", Integer, nullable=False, doc="0 or 1: rows without nonce count"),
    Column("at", Float, nullable=False),
)

run_task = Table(
    "wxa_run_task",
    metadata,
    Column("nonce", Words(32), primary_key=True),
    Column("task_id", Words(250), primary_key=True),
    Column("map_index", Integer, primary_key=True),
    Column("ti_id", Words(36), nullable=False, doc="task instance of the first try; -: a later one joined first"),
)
# Alone, either would be preferred, and read a fleet's whole run for each Mini Program.
Index("ix_wxa_ledger_run_appid", ledger.c.run_id, ledger.c.appid)

outcome = Table(
    "wxa_outcome",
    metadata,
    Column("dag_id", Words(250), primary_key=True),
    Column("run_id", Words(250), primary_key=True),
    Column("appid", Words(32), primary_key=True),
    Column("component_appid", Words(32), nullable=False),
    Column("task_id", Words(250), nullable=False),
    Column("at", Float, nullable=False),
    Column("said", Said(), nullable=False, doc="the latest outcome, or the error's parts"),
    Column("wxa_conn_id", Words(250), doc="the Connection that was worked with; missing in rows from before"),
)

fence = Table(
    "wxa_fence",
    metadata,
    Column("component_appid", Words(32), primary_key=True),
    Column("appid", Words(32), primary_key=True),
    Column("endpoint", Words(64), primary_key=True),
    Column("attempt", Words(40), nullable=False, doc="the newest; an older one may not send any more"),
    Column("sent", Integer, nullable=False, doc="0 or 1: this attempt has been used"),
)

fleet_run = Table(
    "wxa_fleet_run",
    metadata,
    Column("dag_id", Words(250), primary_key=True),
    Column("run_id", Words(250), primary_key=True, index=True),
    Column("component_appid", Words(32), nullable=False, index=True),
    Column("loaded_at", Float, nullable=False),
    Column("manifest", JSON, nullable=False, doc="what all its Mini Programs share"),
    Column("digest", Words(64), nullable=False, doc="of the manifest, its Mini Programs and their order included"),
    Column("plan_digest", Words(64), nullable=False, default="", doc="of the plan; what is approved"),
    Column("audits_granted", Integer, nullable=False, default=0, doc="submissions that this run may make"),
    Column("stopped_by", Words(250)),
    Column("stopped_at", Float),
    Column("ended_at", Float, doc="what it holds of the audit quota is free from then on"),
)

fleet_app = Table(
    "wxa_fleet_app",
    metadata,
    Column("dag_id", Words(250), primary_key=True),
    Column("run_id", Words(250), primary_key=True),
    Column("position", Integer, primary_key=True, doc="in the manifest; the priority"),
    Column("appid", Words(32), nullable=False),
    Column("wave", Words(16), nullable=False),
    Column("shard", Integer, nullable=False),
    Column("given", JSON, nullable=False, doc="what the manifest gives this one Mini Program"),
    Column("plan", JSON),
    Column("carrier", Words(32), nullable=False, doc="wave/shard that brings it up to its submission"),
    Column("audit_grant", Words(8), nullable=False, default="", doc="empty: needs none; waiting, held, spent"),
    Column("done", Words(32), nullable=False, default="", doc="the last task that is done with it"),
    Column("individual", Integer, nullable=False, default=0, doc="1: 89231 was answered"),
    Column("auditid", Words(32), nullable=False, default=""),
    Column("submitted_at", Float),
    Column("again_at", Float, doc="not to be tried before"),
    Column("released_at", Float),
    Column("tries", Integer, nullable=False, default=0, doc="of the task that has it now"),
    Column("stage", Words(64), nullable=False, doc="task id that had it last"),
    Column("outcome", Words(16), doc="missing: not ended"),
    Column("errcode", Integer),
    Column("what", LongWords(), nullable=False, default=""),
    Column("next_step", LongWords(), nullable=False, default=""),
)
_OF_RUN: Final = (fleet_app.c.dag_id, fleet_app.c.run_id)  # without both, SQLite prefers the primary key
Index("ix_wxa_fleet_app_appid", *_OF_RUN, fleet_app.c.appid)
Index("ix_wxa_fleet_app_shard", *_OF_RUN, fleet_app.c.carrier, fleet_app.c.position)
Index("ix_wxa_fleet_app_wave", *_OF_RUN, fleet_app.c.wave, fleet_app.c.shard, fleet_app.c.position)
Index("ix_wxa_fleet_app_grant", *_OF_RUN, fleet_app.c.audit_grant, fleet_app.c.position)

fleet_pace = Table(
    "wxa_fleet_pace",
    metadata,
    Column("component_appid", Words(32), primary_key=True),
    Column("appid", Words(32), primary_key=True, doc="empty: all Mini Programs of the platform"),
    Column("endpoint", Words(64), primary_key=True),
    Column("writes", Boolean, primary_key=True, doc="its writes, or its reads"),
    Column("held_until", Float, nullable=False, doc="not to be called before"),
    Column("errcode", Integer, nullable=False, doc="what taught it"),
)

mini_program = Table(
    "wxa_mini_program",
    metadata,
    Column("component_appid", Words(32), primary_key=True),
    Column("appid", Words(32), primary_key=True),
    Column("dag_id", Words(250), primary_key=True),
    Column("run_id", Words(250), nullable=False),
    Column("task_id", Words(250), nullable=False),
    Column("at", Float, nullable=False, index=True),
    Column("outcome", Words(32), nullable=False),
    Column("errcode", Integer, nullable=False),
    Column("who", Words(32), nullable=False, doc="who must act"),
    Column("what", LongWords(), nullable=False),
    Column("next_step", LongWords(), nullable=False),
    Column("wave", Words(64), doc="missing: not known, like the columns below"),
    Column("user_version", LongWords()),
    Column("auditid", Words(64)),
)

standing = Table(
    "wxa_standing",
    metadata,
    Column("component_appid", Words(32), primary_key=True),
    Column("appid", Words(32), primary_key=True, doc="empty: the platform, whose quota stands here"),
    Column("name", Words(250), doc="the merchant's; missing: not known, like the columns below"),
    Column("online_version", LongWords()),
    Column("online_at", Float, doc="as WeChat tells it"),
    Column("online_by", Words(250), doc="the user who triggered the run; missing: no run of ours put it online"),
    Column("online_dag_id", Words(250)),
    Column("online_run_id", Words(250)),
    Column("own", JSON(none_as_null=True)),
    Column("own_at", Float, doc="when it was read, like the times below"),
    Column("effective", JSON(none_as_null=True)),
    Column("effective_at", Float),
    Column("lost", JSON(none_as_null=True), doc="business domains that a release took offline"),
    Column("lost_count", Integer),
    Column("lost_at", Float),
    Column("drift", JSON(none_as_null=True), doc="how they differ from what is wanted"),
    Column("drift_word", Words(16)),
    Column("drift_at", Float),
    Column("account", JSON(none_as_null=True), doc="what the owner has to do and to know"),
    Column("account_at", Float),
    Column("quota", JSON(none_as_null=True), doc="audits of this month: rest and limit"),
    Column("quota_at", Float),
)

act = Table(
    "wxa_act",
    metadata,
    Column("key", Words(64), primary_key=True, doc="digest of the act and of the state that it changes"),
    Column("by", Words(250), nullable=False, doc="who did it"),
    Column("at", Float, nullable=False, index=True),
)


class database_now(FunctionElement[float]):  # noqa: N801  (a SQL function, spelled as SQL's are)
    """Epoch seconds by the database's clock: machines that share a store need not agree on the time."""

    inherit_cache = True
    type = Float()


@compiles(database_now, "sqlite")
def _sqlite_now(element: database_now, compiler: SQLCompiler, **kwargs: Any) -> str:  # noqa: ARG001
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(database_now, "postgresql")
def _postgresql_now(element: database_now, compiler: SQLCompiler, **kwargs: Any) -> str:  # noqa: ARG001
    return "extract(epoch from clock_timestamp())"
