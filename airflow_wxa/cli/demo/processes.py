"""The processes of a throw-away Airflow and everything that they start; and signals at moments where nothing gets lost.

A component is started as the leader of a session of its own. Airflow puts each task into a process group of its own,
so ending the component's group would leave running tasks behind as orphans; none of its processes leaves the session,
though, and a process keeps its session when its parent dies.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from types import FrameType

SIGNALS: Final = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
PATIENCE_SECONDS: Final = 4.0
LOOK_SECONDS: Final = 0.05


class Interrupted(KeyboardInterrupt):
    """Somebody asked the program to end.

    :param signum: the signal; a shell expects 128 and this number as the exit code.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise :class:`Interrupted` on the first signal; later ones are ignored, so that cleaning up is not cut short."""

    def interrupt(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001
        for each in SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        raise Interrupted(signum)

    # SIGINT is taken even where a shell has it ignored (a command started with "&"): whoever sends it means it.
    # SIGHUP stays ignored under nohup.
    taken = [each for each in SIGNALS if each == signal.SIGINT or signal.getsignal(each) is not signal.SIG_IGN]
    before = {each: signal.signal(each, interrupt) for each in taken}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Keep signals back until the block is over: between starting a process and writing down that it runs."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are handled in the main thread only
        return
    received: list[int] = []
    before = {each: signal.signal(each, lambda signum, _: received.append(signum)) for each in SIGNALS}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
    if received:
        signal.raise_signal(received[0])


@dataclass(frozen=True, kw_only=True, slots=True)
class Component:
    """A process that was started, and the file that holds what it says."""

    name: str
    process: subprocess.Popen[bytes]
    output: Path

    def last_lines(self, count: int = 15) -> str:
        """Return the end of its output."""
        return "\n".join(self.output.read_text("utf-8", errors="replace").splitlines()[-count:])


@dataclass(slots=True)
class ProcessSessions:
    """Processes that are started one by one in a directory, and ended together."""

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
        return [pid for pid in psutil.pids() if _lives_in(pid, sessions)]

    def _signal(self, signum: int) -> list[int]:
        alive = self.pids()
        for pid in alive:
            with suppress(ProcessLookupError):
                os.kill(pid, signum)
        return alive


def _lives_in(pid: int, sessions: set[int]) -> bool:
    """Tell whether a process belongs to one of the sessions and is more than a zombie that waits for its parent."""
    try:
        return os.getsid(pid) in sessions and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, PermissionError, psutil.NoSuchProcess):
        return False
