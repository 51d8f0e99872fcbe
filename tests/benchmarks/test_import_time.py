"""What a Dag file and a command pay for importing the rooms that decide."""

from __future__ import annotations

import statistics
import subprocess
import sys
from functools import partial

import pytest

from tests.airflow_session import ROOT
from tests.benchmarks.figures import by_turns, spent

INTERPRETERS = 10


@pytest.mark.benchmark
def test_a_fresh_interpreter_imports_api_and_steps_in_less_than_0_3_s() -> None:
    def seconds(code: str) -> float:
        return spent(lambda: subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT))[1]

    codes = {"ours": "import airflow_wxa.api, airflow_wxa.steps", "bare": "pass"}
    found = by_turns({name: partial(seconds, code) for name, code in codes.items()}, INTERPRETERS)
    ours, bare = sorted(found["ours"]), min(found["bare"])
    print(f"\nimport of airflow_wxa.api and airflow_wxa.steps: {ours[0]:.3f} to {ours[-1]:.3f} s, nothing {bare:.3f} s")
    assert statistics.median(ours) < 0.3
