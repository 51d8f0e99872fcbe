import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_wxa.dags import fleet_files


def test_the_rerun_manifest_is_for_its_owner_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__LOGGING__BASE_LOG_FOLDER", str(tmp_path))
    monkeypatch.setattr(fleet_files, "rerun_manifest", lambda *_: "apps: []")
    monkeypatch.setattr(fleet_files, "outcomes_csv", lambda *_: ["appid\n"])
    run: Any = SimpleNamespace(dag_id="wxa_fleet_release", run_id="spring", key=None)
    fleets: Any = SimpleNamespace(apps=lambda _: [])
    for _ in range(2):
        fleet_files.write_files(run, fleets)
    (rerun,) = tmp_path.rglob("rerun.yaml")
    assert rerun.read_text() == "apps: []"
    assert stat.S_IMODE(rerun.stat().st_mode) == 0o600
