"""``[wxa] preload``: what a forked task inherits, which process imports it, and what may go wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import sys
command, parsed = sys.argv[1], sys.argv[2]
sys.argv = ["airflow", *command.split()]
import airflow
before = set(sys.modules)
from airflow_wxa.dags.wxa_release import release_dag
release_dag()
imported = {name for name in set(sys.modules) - before if name.startswith("airflow_wxa")}
print(len(imported))
"""


def imported_by_a_task(home: Path, command: str, **environment: str) -> int:
    """Return how many modules of ours a parse still imports, in a process as ``command`` starts it."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
    env |= {"AIRFLOW_HOME": str(home), **environment}
    called = [sys.executable, "-c", PROGRAM, command, "wxa_release"]
    done = subprocess.run(called, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("command", ["scheduler --skip-serve-logs", "dag-processor", "celery worker"])
def test_what_forks_tasks_has_imported_all_that_they_parse(tmp_path: Path, command: str) -> None:
    assert imported_by_a_task(tmp_path, command) == 0


@pytest.mark.parametrize(
    ("command", "preload"), [("scheduler", "False"), ("api-server", "True"), ("db migrate", "True")]
)
def test_nothing_is_imported_where_forbidden_or_where_nothing_forks(tmp_path: Path, command: str, preload: str) -> None:
    assert imported_by_a_task(tmp_path, command, AIRFLOW__WXA__PRELOAD=preload) > 50


def test_a_scheduler_starts_whatever_is_wrong_with_a_package(tmp_path: Path) -> None:
    # An import of it fails.
    program = (
        "import sys; sys.argv = ['airflow', 'scheduler']; sys.modules['airflow_wxa.dags'] = None; import airflow;"
        "print('started')"
    )
    env = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
    env |= {"AIRFLOW_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=False)
    assert done.stdout.endswith("started\n"), done.stderr
