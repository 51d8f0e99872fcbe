"""What a Dag file and a command pay for importing the rooms that decide."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

import airflow_wxa

INTERPRETERS = 10
ROOT = Path(airflow_wxa.__file__).parents[1]


def seconds_of(code: str) -> list[float]:
    """Return the wall times of some interpreters from start to end, the lowest first."""
    found = []
    for _ in range(INTERPRETERS):
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
        found.append(time.perf_counter() - begin)
    return sorted(found)


@pytest.mark.benchmark
def test_a_fresh_interpreter_imports_api_and_steps_in_less_than_0_3_s() -> None:
    ours, bare = seconds_of("import airflow_wxa.api, airflow_wxa.steps"), seconds_of("pass")
    print(
        f"\nimport of airflow_wxa.api and airflow_wxa.steps: {ours[0]:.3f} to {ours[-1]:.3f} s, nothing {bare[0]:.3f} s"
    )
    assert statistics.median(ours) < 0.3
