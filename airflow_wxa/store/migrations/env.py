"""Alembic's environment: the connection comes from :mod:`airflow_wxa.store.engine`, already in a transaction."""

from __future__ import annotations

from alembic import context

from airflow_wxa.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
