"""``[wxa] preload``: what a forked task inherits, which process imports it, and what may go wrong."""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from unittest.mock import Mock

import pytest

import tests.airflow_session  # noqa: F401  (it must come before Airflow)
from tests.tables import each_row

PROGRAM = """
import sys
sys.argv = ["airflow", "scheduler", "--skip-serve-logs"]
import airflow
before = set(sys.modules)
from airflow_wxa.dags.wxa_release import release_dag
release_dag()
print(len(before), *sorted({name for name in set(sys.modules) - before if name.startswith("airflow_wxa")}))
"""


def test_a_task_of_a_scheduler_imports_none_of_ours(tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
    env |= {"AIRFLOW_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()[-1].split()) == 1


@pytest.fixture
def imported(monkeypatch: pytest.MonkeyPatch) -> Mock:
    monkeypatch.setattr("airflow_wxa.preload.import_module", noted := Mock(wraps=import_module))
    return noted


@each_row(
    "command, setting, imports",
    [
        ("scheduler", "", True),
        ("dag-processor", "True", True),
        ("celery worker", "", True),
        ("scheduler", "False", False),
        ("api-server", "True", False),
        ("db migrate", "", False),
    ],
)
def test_those_import_it_that_fork_tasks_or_parsers_unless_it_is_forbidden(
    imported: Mock, monkeypatch: pytest.MonkeyPatch, command: str, setting: str, imports: bool
) -> None:
    from airflow_wxa.preload import preload  # noqa: PLC0415  (Airflow's home must be set first)

    imported.reset_mock()
    monkeypatch.setenv("AIRFLOW__WXA__PRELOAD", setting or "True")
    preload(["airflow", *command.split()])
    names = [each.args[0] for each in imported.mock_calls]
    assert ("airflow_wxa.dags.wxa_release" in names, bool(names)) == (imports, imports)


def test_a_scheduler_starts_whatever_is_wrong_with_a_package(
    imported: Mock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from airflow_wxa.preload import preload  # noqa: PLC0415  (as above)

    monkeypatch.setitem(sys.modules, "airflow_wxa.dags", None)  # an import of it fails
    preload(["airflow", "scheduler"])
    assert "ModuleNotFoundError" in caplog.text
