"""Airflow of another version, or with another version of this package: an environment of its own, the same launcher."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from airflow_wxa.cli.demo.airflow import ThrowawayAirflow

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_wxa.cli.demo.processes import Component


class OfVersion(ThrowawayAirflow):
    """An Airflow that runs with another interpreter."""

    python = sys.executable

    def _spawn(self, name: str, arguments: tuple[str, ...]) -> Component:
        command = (self.python, "-m", "airflow", *arguments)
        return self.processes.start(name, command, self.component_env(), self.home / f"{name}.out")


def installed(place: Path, *steps: list[str]) -> str:
    """Make an environment, install what each step says, and return its Python."""
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, place], check=True)
    python = str(place / "bin" / "python")
    for each in steps:
        subprocess.run([*uv, "pip", "install", "--quiet", "--python", python, *each], check=True)
    return python
