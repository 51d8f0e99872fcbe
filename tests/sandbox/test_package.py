from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import airflow_wxa.sandbox

ROOM = Path(airflow_wxa.sandbox.__file__).parent
USERS_TEST = """
import pytest, requests

@pytest.fixture
def wxa_world(wxa_world):
    wxa_world.platforms[0].published = []
    return wxa_world

def test_it(wxa_sandbox):
    token = wxa_sandbox.world.mini_programs[0].authorizer_access_token
    url = wxa_sandbox.url + "/wxa/setwebviewdomain"
    assert requests.post(url, params={"access_token": token}, json={}).json()["errcode"] == 89020
"""


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


def test_the_sandbox_imports_no_other_room_and_no_airflow() -> None:
    names = {name for path in ROOM.rglob("*.py") for name in imported(path)}
    ours = {name for name in names if name.partition(".")[0] in ("airflow", "airflow_wxa")}
    assert {name for name in ours if not f"{name}.".startswith("airflow_wxa.sandbox.")} == set()


def test_every_exported_name_is_there_once() -> None:
    names = airflow_wxa.sandbox.__all__
    assert sorted(set(names)) == names
    assert [name for name in names if not hasattr(airflow_wxa.sandbox, name)] == []


def test_a_users_test_suite_takes_the_fixtures_by_name_and_overrides_the_world(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["airflow_wxa.sandbox.testing"]\n', encoding="utf-8")
    (tmp_path / "test_users.py").write_text(USERS_TEST, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
        str(tmp_path),
    ]
    root = Path(airflow_wxa.sandbox.__file__).parents[2]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60, check=False)
    assert "1 passed" in run.stdout, run.stdout + run.stderr
