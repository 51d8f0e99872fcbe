from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import airflow_wxa.sandbox
from airflow_wxa import pytest_plugin, testing


def test_a_users_test_suite_takes_the_fixtures_by_name_and_overrides_the_world(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/reference/test-kit.md").read_text("utf-8")
    (tmp_path / "test_page.py").write_text(page.partition("```python\n")[2].partition("```")[0], "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", tmp_path, tmp_path]
    # Where the checkout was installed before it had an entry point, the plugin is named.
    is_found = any(each.name == "wxa" for each in entry_points(group="pytest11"))
    command += [] if is_found else ["-p", "airflow_wxa.pytest_plugin"]
    root, home = Path(airflow_wxa.sandbox.__file__).parents[2], {"AIRFLOW_HOME": str(tmp_path)}
    run = subprocess.run(
        command, cwd=root, env={**os.environ, **home}, capture_output=True, text=True, timeout=120, check=False
    )
    assert "3 passed" in run.stdout + run.stderr


def test_a_test_suite_that_asks_for_nothing_imports_nothing() -> None:
    script = "import sys, pytest, airflow_wxa.pytest_plugin; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert {each for each in loaded if each.startswith("airflow_wxa")} == {"airflow_wxa", "airflow_wxa.pytest_plugin"}
    assert {"airflow", "fastapi", "starlette", "pydantic", "httpx", "requests", "uvicorn"} & set(loaded) == set()


def test_the_fixtures_come_with_the_module_of_tests_too() -> None:
    for name in ("wxa_world", "wxa_sandbox", "wxa_connection", "wxa_default"):
        assert getattr(testing, name) is getattr(pytest_plugin, name)
