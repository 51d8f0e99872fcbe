"""``airflow wxa rotate-keys``: the store's secrets under the newest key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

from airflow_wxa.cli.opening import explained
from airflow_wxa.hooks.store import open_store

if TYPE_CHECKING:
    import argparse


@explained
def run(arguments: argparse.Namespace) -> int:  # noqa: ARG001  (one store for all Connections)
    """Encrypt all secrets with the first key.

    :return: 0.
    """
    rows = open_store().rotate_keys()
    Console().print(
        f"{rows} rows are encrypted with the first key; the others can leave \\[wxa] encryption_keys now.",
        highlight=False,
    )
    return 0
