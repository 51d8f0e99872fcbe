"""Two lines in a DAGs folder are one ``wxa_release``, however the package was installed and whatever Airflow adds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from airflow_wxa.cli.demo.airflow import DAGS
from tests.real_airflow.airflows import ROOT, build_wheel

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.real_airflow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a wheel, as an install lays them down."""
    folder = tmp_path_factory.mktemp("wheel")
    with zipfile.ZipFile(build_wheel(folder)) as archive:
        archive.extractall(folder / "installed")
    return folder / "installed"


@pytest.mark.parametrize("load_examples", ["True", "False"])
@pytest.mark.parametrize("installed", ["wheel", "checkout"])
def test_there_is_one_wxa_release(wheel: Path, tmp_path: Path, installed: str, load_examples: str) -> None:
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "wxa_release.py").write_text(DAGS["wxa_release.py"], "utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")} | {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__LOAD_EXAMPLES": load_examples,
        "PYTHONPATH": str(wheel if installed == "wheel" else ROOT),
    }

    def airflow(*arguments: str) -> str:
        command = [sys.executable, "-m", "airflow", *arguments]
        run = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr[-3000:]
        return run.stdout

    airflow("db", "migrate")
    airflow("dags", "reserialize")
    listed = airflow("dags", "list", "--output", "json", "--columns", "dag_id,fileloc,bundle_name")
    dags = json.loads(listed[listed.index("[{") :])
    ours = [dag for dag in dags if dag["dag_id"].startswith("wxa_")]
    assert [(dag["dag_id"], dag["bundle_name"]) for dag in ours] == [("wxa_release", "dags-folder")]
    assert (len(dags) > 1) == (load_examples == "True")
    where = [sys.executable, "-c", "import airflow_wxa; print(airflow_wxa.__file__)"]
    shown = subprocess.run(where, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert shown.stdout.startswith(environment["PYTHONPATH"])
