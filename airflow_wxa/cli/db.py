"""``airflow wxa db migrate``: bring the store's schema up to date."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from airflow_wxa.api.redaction import Secret
from airflow_wxa.cli.opening import command
from airflow_wxa.hooks.store import store_url
from airflow_wxa.store.engine import migrate

if TYPE_CHECKING:
    import argparse


@command
def migrate_store(arguments: argparse.Namespace) -> int:  # noqa: ARG001  (it takes none)
    """Migrate, and say from where to where.

    :return: 0.
    """
    before, after = migrate(Secret(store_url()))
    done = {"": f"was created, revision {after}", after: f"is up to date, revision {after}"}
    sys.stdout.write(f"the store {done.get(before, f'was migrated from revision {before} to {after}')}\n")
    return 0
