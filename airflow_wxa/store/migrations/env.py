"""Alembic's environment: the connection comes from :mod:`airflow_wxa.store.engine`, already in a transaction."""

from __future__ import annotations

from alembic import context

from airflow_wxa.store.engine import VERSION_TABLE
from airflow_wxa.store.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, version_table=VERSION_TABLE)
context.run_migrations()
