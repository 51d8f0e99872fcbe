"""The running fleet, from the store."""

from typing import Any

from airflow.sdk import Context

from airflow_wxa.errors import WxaSpecError
from airflow_wxa.hooks.store import open_fleets
from airflow_wxa.store.fleets import FleetRun, Fleets, RunKey
from airflow_wxa.texts import Text


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
            Text("fleet_is_unknown"),
            [Text("fleet_run_is_unknown", run_id=repr(context["ti"].run_id))],
        )
    return run


def shards_of(fleets: Fleets, run: FleetRun, *waves: str) -> list[dict[str, Any]]:
    """Return the shards of waves, for tasks to be mapped over."""
    return [{"wave": wave, "number": number} for wave in waves for number in fleets.shards(run.key, wave)]
