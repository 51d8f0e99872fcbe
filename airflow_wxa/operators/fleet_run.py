"""What the store has of the running fleet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_wxa.errors import WxaSpecError
from airflow_wxa.hooks.store import open_fleets
from airflow_wxa.store.fleets import RunKey

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_wxa.store.fleets import FleetRun


def run_key(context: Context) -> RunKey:
    """Return what names the running run."""
    return RunKey(context["ti"].dag_id, context["ti"].run_id)


def fleet_run(context: Context) -> FleetRun:
    """Return what the store has of the running run.

    :raises WxaSpecError: nothing.
    """
    run = open_fleets().run(run_key(context))
    if run is None:
        raise WxaSpecError(
            "the store knows no Mini Programs of this run",
            [f"run {context['ti'].run_id!r}: load_manifest has not run, or its rows were erased"],
            next_step="clear load_manifest and what follows",
            source="airflow-wxa docs fleets",
        )
    return run
