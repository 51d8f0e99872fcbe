"""Files that a fleet leaves beside Airflow's logs: each Mini Program's outcome, and the rerun manifest."""

import logging
import os
import re
from collections.abc import Iterable

from airflow.sdk import ObjectStoragePath
from airflow.sdk.configuration import conf

from airflow_wxa.fleet.summary import outcomes_csv, rerun_manifest
from airflow_wxa.store.fleets import FleetRun, Fleets

log = logging.getLogger(__name__)


def write_files(run: FleetRun, fleets: Fleets) -> dict[str, str]:
    """Write both, and return where; without a place to write to there are none, and the log says so."""
    of_run = ("wxa_fleet", run.dag_id, run.run_id)
    written = {
        "outcomes": write_file(*of_run, "outcomes.csv", outcomes_csv(run, fleets.apps(run.key))),
        # Private from its first byte on: merchants' ext_json stands in it.
        "rerun manifest": write_file(*of_run, "rerun.yaml", rerun_manifest(run, fleets.apps(run.key)), mode=0o600),
    }
    return {name: where for name, where in written.items() if where}


def write_file(kind: str, dag_id: str, run_id: str, name: str, text: Iterable[str], mode: int = 0o666) -> str:
    """Write one file of a run in place of an earlier one, and return where.

    :param text: in parts; an empty one leaves no file.
    :param mode: of a file on a disk.
    :return: ``""`` without a file, or without a place to write to, which the log says.
    """
    folder = _log_folder() / kind / _safe(dag_id) / _safe(run_id)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / name
        file.unlink(missing_ok=True)
        if not text:
            return ""
        if file.protocol in ("", "file"):
            os.close(os.open(file.path, os.O_CREAT | os.O_EXCL, mode))
        with file.open("w", encoding="utf-8", newline="") as opened:  # type: ignore[no-untyped-call]
            opened.writelines([text] if isinstance(text, str) else text)  # a string is its characters
    except (OSError, ValueError, ImportError) as error:
        log.warning("no file beside the logs, below %s: %s", folder, error)
        return ""
    return str(file)


def _log_folder() -> ObjectStoragePath:
    remote = conf.get("logging", "remote_base_log_folder", fallback="")
    is_remote = conf.getboolean("logging", "remote_logging", fallback=False) and "://" in remote
    return ObjectStoragePath(remote if is_remote else conf.get("logging", "base_log_folder"))


def _safe(name: str) -> str:
    return re.sub(r"[^\w.:+-]", "_", name)
