"""Airflows of the tests that start a real one: their start and end, waiting, the Connection, and other versions."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from airflow_wxa.cli.demo.airflow import ThrowawayAirflow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from airflow_wxa.cli.demo.processes import Component
    from airflow_wxa.sandbox import RunningSandbox

SECONDS: Final = 300.0
SOON: Final = {"AIRFLOW__WXA__PRIVACY_POLL_SECONDS": "0.5", "AIRFLOW__WXA__AUDIT_POLL_SECONDS": "0.5"}


def until(is_so: Callable[[], Any], what: object, seconds: float = SECONDS) -> Any:
    """Wait for something, and return it.

    :param what: said when it does not come; a function is asked then.
    """
    end = time.monotonic() + seconds
    while not (found := is_so()):
        assert time.monotonic() < end, what() if callable(what) else f"{what}: not within {seconds:.0f} s"
        time.sleep(0.3)
    return found


@contextmanager
def started(airflow: ThrowawayAirflow, *dag_ids: str, patience: float = SECONDS) -> Iterator[ThrowawayAirflow]:
    """Run an Airflow that knows these DAGs while the block runs."""
    try:
        airflow.start(*dag_ids, patience=patience)
        yield airflow
    finally:
        airflow.stop()


def connection(wechat: RunningSandbox, **extra: Any) -> str:
    """Return the Connection to an emulated WeChat with all of its tokens, as JSON."""
    made = json.loads(wechat.connection())
    platform = wechat.world.platforms[0].component_appid
    return json.dumps(made | {"login": platform, "extra": made["extra"] | extra})


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
