"""The processes of a throw-away Airflow, and everything that they start.

A component is started as the leader of a session of its own. Airflow puts each task into a process group of its own,
so ending the component's group would leave running tasks behind as orphans; none of its processes leaves the session,
though, and a process keeps its session when its parent dies.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil  # type: ignore[import-untyped]

from airflow_wxa.cli.demo.interruption import uninterrupted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

PATIENCE_SECONDS = 4.0
LOOK_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class Component:
    """A process that was started, and the file that holds what it says."""

    name: str
    process: subprocess.Popen[bytes]
    output: Path

    def last_lines(self, count: int = 15) -> str:
        """Return the end of what it said."""
        return "\n".join(self.output.read_text("utf-8", errors="replace").splitlines()[-count:])


@dataclass(slots=True)
class ProcessSessions:
    """Processes that are started one by one, and ended together.

    :param cwd: where they run.
    """

    cwd: Path
    components: list[Component] = field(default_factory=list)

    def start(self, name: str, command: Sequence[str], env: Mapping[str, str], output: Path) -> Component:
        """Start a process in a session of its own, its output in a file."""
        with uninterrupted(), output.open("wb") as sink:
            process = subprocess.Popen(  # noqa: S603  the command is ours
                command,
                cwd=self.cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            component = Component(name=name, process=process, output=output)
            self.components.append(component)
        return component

    def stop(self, patience: float = PATIENCE_SECONDS) -> None:
        """End every process of every session: ask first, then kill, until none is left."""
        with uninterrupted():
            self._signal(signal.SIGTERM)
            deadline = time.monotonic() + patience
            while self.pids() and time.monotonic() < deadline:
                time.sleep(LOOK_SECONDS)
            while self._signal(signal.SIGKILL):
                time.sleep(LOOK_SECONDS)
            for component in self.components:
                component.process.wait()
            self.components.clear()

    def pids(self) -> list[int]:
        """Return what is still alive."""
        for component in self.components:
            component.process.poll()  # a child that ended stays in the table until somebody asks
        sessions = {component.process.pid for component in self.components}
        return [pid for pid in psutil.pids() if _session(pid) in sessions and not _is_ended(pid)]

    def _signal(self, signum: int) -> list[int]:
        alive = self.pids()
        for pid in alive:
            try:
                os.kill(pid, signum)
            except ProcessLookupError:
                continue
        return alive


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def _is_ended(pid: int) -> bool:
    """Tell whether a process is gone, or a zombie that only waits for its parent."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
