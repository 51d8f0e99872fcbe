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


@pytest.mark.benchmark
def test_a_fresh_interpreter_imports_api_and_steps_in_less_than_0_3_s(capsys: pytest.CaptureFixture[str]) -> None:
    seconds = sorted(seconds_of("import airflow_wxa.api, airflow_wxa.steps") for _ in range(INTERPRETERS))
    median = statistics.median(seconds)
    bare = statistics.median(seconds_of("pass") for _ in range(INTERPRETERS))
    with capsys.disabled():
        sys.stdout.write(
            f"\nimport of airflow_wxa.api and airflow_wxa.steps: median of {INTERPRETERS}: {median:.3f} s"
            f"\n  lowest {seconds[0]:.3f} s, highest {seconds[-1]:.3f} s, an interpreter without imports {bare:.3f} s\n"
        )
    assert median < 0.3


def seconds_of(code: str) -> float:
    """Return the wall time of one interpreter from start to end."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
    return time.perf_counter() - begin
