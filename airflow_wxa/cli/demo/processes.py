"""The processes of a throw-away Airflow and everything that they start; and signals at moments where nothing gets lost.

A component is started as the leader of a session of its own. Airflow puts each task into a process group of its own,
so ending the component's group would leave running tasks behind as orphans; none of its processes leaves the session,
though, and a process keeps its session when its parent dies.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import Pipe
from typing import TYPE_CHECKING, Final

import psutil

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
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
    process: subprocess.Popen[bytes] | Forked
    output: Path

    def last_lines(self, count: int = 15) -> str:
        """Return the end of its output."""
        return "\n".join(self.output.read_text("utf-8", errors="replace").splitlines()[-count:])


@dataclass(slots=True)
class ProcessSessions:
    """Processes that are started one by one in a directory, and ended together."""

    cwd: Path
    components: list[Component] = field(default_factory=list)

    def start(
        self, name: str, command: Sequence[str], env: Mapping[str, str], output: Path, pass_fds: Collection[int] = ()
    ) -> Component:
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
                pass_fds=pass_fds,
            )
            component = Component(name=name, process=process, output=output)
            self.components.append(component)
        return component

    def stop(self, patience: float = PATIENCE_SECONDS) -> None:
        """End every process of every session: ask first, then kill, until none is left, a fork server last."""
        with uninterrupted():
            self._signal(signal.SIGTERM, self.components)
            deadline = time.monotonic() + patience
            while self.pids() and time.monotonic() < deadline:
                time.sleep(LOOK_SECONDS)
            while self.components:
                while self._signal(signal.SIGKILL, self.components[-1:]):
                    time.sleep(LOOK_SECONDS)
                self.components.pop().process.wait()

    def kill_children(self, component: Component) -> None:
        """Kill all that a component has started."""
        for pid in self.pids([component]):
            if pid != component.process.pid:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def pids(self, components: Collection[Component] | None = None) -> list[int]:
        """Return what is still alive of these components, of all by default."""
        of = self.components if components is None else components
        for component in of:
            component.process.poll()  # a child that ended stays in the table until somebody asks
        sessions = {component.process.pid for component in of}
        return [pid for pid in psutil.pids() if _lives_in(pid, sessions)]

    def _signal(self, signum: int, components: Collection[Component]) -> list[int]:
        alive = self.pids(components)
        for pid in alive:
            with suppress(ProcessLookupError):
                os.kill(pid, signum)
        return alive


class ForkServer:
    """A process that has imported Airflow, see :mod:`airflow_wxa.cli.demo.fork_server`, and forks its components.

    :param env: of every component.
    """

    def __init__(self, sessions: ProcessSessions, env: Mapping[str, str]) -> None:
        self._sessions = sessions
        self._connection, theirs = Pipe()
        with theirs:
            fd = theirs.fileno()
            command = (sys.executable, "-m", "airflow_wxa.cli.demo.fork_server", str(fd))
            self.component = sessions.start("fork-server", command, env, sessions.cwd / "fork-server.out", (fd,))
        self._is_ready = False
        self._ended: dict[int, int] = {}

    def is_ready(self) -> bool:
        """Tell whether the next component is forked at once."""
        self._hear()
        return self._is_ready

    def fork(self, name: str, arguments: Sequence[str], output: Path) -> Component:
        """Fork a component, its output in a file; without a process that could do it, return that process itself.

        :param arguments: of the command ``airflow``.
        """
        self._is_ready = False
        with uninterrupted():
            with suppress(BrokenPipeError):
                self._connection.send((arguments, output))
            while not (pid := self._hear()):
                if self.component.process.poll() is not None:
                    return self.component
                self._connection.poll(LOOK_SECONDS)
            component = Component(name=name, process=Forked(pid, self), output=output)
            self._sessions.components.append(component)
        return component

    def exit_code(self, pid: int) -> int | None:
        """Return the exit code of a component; ``None`` while it runs."""
        self._hear()
        if pid not in self._ended and self.component.process.poll() is not None:
            return -signal.SIGKILL  # nobody can tell any more, and nobody waits for it
        return self._ended.get(pid)

    def _hear(self) -> int:
        """Take in what it has said, and return the process that it has forked, if any."""
        forked = 0
        with suppress(EOFError, ConnectionResetError):
            while self._connection.poll():
                pid, code = self._connection.recv()
                if code is not None:
                    self._ended[pid] = code
                elif pid:
                    forked = pid
                else:
                    self._is_ready = True
        return forked


class Forked(psutil.Process):  # type: ignore[misc]  # psutil has no types
    """A process of a fork server, asked like one of :mod:`subprocess`."""

    def __init__(self, pid: int, server: ForkServer) -> None:
        super().__init__(pid)
        self._server = server

    def poll(self) -> int | None:
        """Return the exit code; ``None`` while it runs."""
        return self._server.exit_code(self.pid)

    def wait(self) -> int:
        """Return the exit code once there is one."""
        while (code := self.poll()) is None:
            time.sleep(LOOK_SECONDS)
        return code


def _lives_in(pid: int, sessions: set[int]) -> bool:
    """Tell whether a process belongs to one of the sessions and is more than a zombie that waits for its parent."""
    try:
        return os.getsid(pid) in sessions and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, PermissionError, psutil.NoSuchProcess):
        return False
