"""Files that a fleet leaves beside Airflow's logs: each Mini Program's outcome, and the rerun manifest."""

import logging
import os
import re

from airflow.sdk import ObjectStoragePath
from airflow.sdk.configuration import conf

from airflow_wxa.fleet.summary import outcomes_csv, rerun_manifest
from airflow_wxa.store.fleets import FleetRun, Fleets

log = logging.getLogger(__name__)


def write_files(run: FleetRun, fleets: Fleets) -> dict[str, str]:
    """Write both, and return where; without a place to write to there are none, and the log says so."""
    folder = _log_folder() / "wxa_fleet" / _safe(run.dag_id) / _safe(run.run_id)
    written = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        outcomes = folder / "outcomes.csv"
        with outcomes.open("w", encoding="utf-8", newline="") as file:  # type: ignore[no-untyped-call]
            file.writelines(outcomes_csv(run, fleets.apps(run.key)))
        written["outcomes"] = str(outcomes)
        rerun = folder / "rerun.yaml"
        rerun.unlink(missing_ok=True)  # of a time when less was finished
        if text := rerun_manifest(run, fleets.apps(run.key)):
            if rerun.protocol in ("", "file"):  # private from its first byte on: merchants' ext_json stands in it
                os.close(os.open(rerun.path, os.O_CREAT | os.O_EXCL, 0o600))
            rerun.write_text(text, encoding="utf-8")
            written["rerun manifest"] = str(rerun)
    except (OSError, ValueError, ImportError) as error:
        log.warning("no files beside the logs, below %s: %s", folder, error)
    return written


def write_text(kind: str, dag_id: str, run_id: str, name: str, text: str) -> str:
    """Write one file of a run, and return where; ``""`` without a place to write to."""
    folder = _log_folder() / kind / _safe(dag_id) / _safe(run_id)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    except (OSError, ValueError, ImportError) as error:
        log.warning("no file beside the logs, below %s: %s", folder, error)
        return ""
    return str(folder / name)


def _log_folder() -> ObjectStoragePath:
    remote = conf.get("logging", "remote_base_log_folder", fallback="")
    is_remote = conf.getboolean("logging", "remote_logging", fallback=False) and "://" in remote
    return ObjectStoragePath(remote if is_remote else conf.get("logging", "base_log_folder"))


def _safe(name: str) -> str:
    return re.sub(r"[^\w.:+-]", "_", name)
