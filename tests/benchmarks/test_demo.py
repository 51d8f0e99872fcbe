"""CPU and wall time of `airflow-wxa demo`, as installed, and of an earlier commit's beside it, by turns.

WXA_BENCHMARK=full pytest -m benchmark tests/benchmarks/test_demo.py -s

Each is installed into an environment of its own from git, so a shallow clone cannot run it. Void on a machine that
does something else: the load is printed at the start, and above 0.5 nothing is measured.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.airflow_session import ROOT
from tests.benchmarks.figures import by_turns, only_full, ratio, spent

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = only_full("eight demos, on a machine that does nothing else")

EARLIER = "10e62ee"
ROUNDS = 3
QUIET = 0.5
MOST = 0.9


def installed(at: Path, commit: str) -> Path:
    """Install a commit as pip does and return its `airflow-wxa`."""
    subprocess.run(["git", "clone", "--quiet", ROOT, at], check=True)
    subprocess.run(["git", "-C", at, "checkout", "--quiet", commit], check=True)
    subprocess.run(["python3", "-m", "venv", at / ".venv"], check=True)
    subprocess.run([at / ".venv/bin/pip", "install", "--quiet", at], check=True)
    return at / ".venv/bin/airflow-wxa"


def wait_until_quiet() -> float:
    deadline = time.monotonic() + 600
    while (load := os.getloadavg()[0]) > QUIET:
        if time.monotonic() > deadline:
            pytest.skip(f"the load is {load:.2f}: a figure of time would be void")
        time.sleep(5)
    return load


def demo(command: Path) -> tuple[float, float]:
    """Run it to its end and return its CPU seconds, with all processes that it started, and its wall time."""
    cpu, wall = spent(lambda: subprocess.run([command, "demo"], check=True, stdout=subprocess.DEVNULL))
    print(f"{command.parents[2].name:8} {cpu:6.1f} CPU s {wall:6.1f} s", flush=True)
    return cpu, wall


def test_the_demo_takes_less_than_an_earlier_one(tmp_path: Path) -> None:
    if shutil.which("git") is None:
        pytest.skip("git installs the earlier commit")
    commands = {commit: installed(tmp_path / commit, commit) for commit in (EARLIER, "HEAD")}
    for command in commands.values():
        demo(command)  # the first compiles
    print(f"\nload {wait_until_quiet():.2f} at the start")
    found = by_turns({commit: partial(demo, command) for commit, command in commands.items()}, ROUNDS)
    ours, theirs = (zip(*found[commit], strict=True) for commit in ("HEAD", EARLIER))
    ratios = [ratio(*each) for each in zip(ours, theirs, strict=True)]
    print(f"against {EARLIER}: {ratios[0]:.2f}x CPU, {ratios[1]:.2f}x wall")
    assert max(ratios) <= MOST
