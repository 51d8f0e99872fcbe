"""What type checkers and editors see of the operators: wrong arguments are found, right ones taken, each offered."""

import json
import re
import subprocess
import sys
from collections import Counter
from typing import Any

import jedi
import pytest

from docs.generate.pages import described
from tests.airflow_session import ROOT
from tests.operators.test_templated_fields import CLASSES

SAMPLE = ROOT / "tests/operators/arguments.py"
LINES = SAMPLE.read_text("utf-8").splitlines()
WRONG = {number for number, line in enumerate(LINES, 1) if "  # wrong: " in line}
RIGHT = range(LINES.index("def right(hook: WxaHook) -> None:") + 2, len(LINES) + 1)


def test_mypy_finds_every_wrong_argument_and_takes_every_right_one() -> None:
    assert (len(WRONG), len(RIGHT)) == (12, 6)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", str(SAMPLE)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert Counter(map(int, re.findall(r"arguments\.py:(\d+): error", run.stdout))) == Counter(WRONG), run.stdout
    assert run.stderr == ""


def test_pyright_finds_every_wrong_argument_and_takes_every_right_one() -> None:
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--outputjson", str(SAMPLE)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if not run.stdout.startswith("{"):
        pytest.skip(f"pyright does not start here, it needs Node.js: {run.stderr[-200:]}")
    found: list[dict[str, Any]] = json.loads(run.stdout)["generalDiagnostics"]
    assert Counter(each["range"]["start"]["line"] + 1 for each in found) == Counter(WRONG), run.stdout


def test_an_editor_offers_every_argument_of_every_operator() -> None:
    """Of each kind of class by jedi; that the stub has those of all is held by ``tests/test_provider.py``."""
    kinds = {cls.__mro__[1]: cls for cls in CLASSES}.values()
    calls = [
        (cls, f"from {cls.__module__.rsplit('.', 1)[0]} import {cls.__name__}; {cls.__name__}{method}(")
        for cls in kinds
        for method in ("", ".partial")
    ]
    script = jedi.Script("".join(f"{call})\n" for _, call in calls), path=ROOT / "dag.py", project=jedi.Project(ROOT))
    for line, (cls, call) in enumerate(calls, 1):
        found = script.complete(line, len(call))
        offered = {each.name.removesuffix("=") for each in found if each.name.endswith("=")}
        assert {parameter.name for parameter, _ in described(cls)} | {"task_id"} <= offered, cls.__name__
