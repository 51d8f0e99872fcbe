import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_wxa.cli.demo.processes import SIGNALS, Interrupted, ProcessSessions, interruptible
from tests.cli.demo.conftest import living

Start = Callable[[str], None]

# As Airflow does with a task: a child in a process group of its own, which outlives its parent.
ORPHAN = """
import os, signal, time
if os.fork() == 0:
    os.setpgid(0, 0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("ready", flush=True)
    time.sleep(60)
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)
"""
POLITE = 'import time; print("ready", flush=True); time.sleep(60)'


@pytest.fixture
def sessions(tmp_path: Path) -> Iterator[ProcessSessions]:
    started = ProcessSessions(cwd=tmp_path)
    yield started
    started.stop(patience=0)


@pytest.fixture
def start(sessions: ProcessSessions, tmp_path: Path) -> Start:
    """Start a program and wait until it says that it is ready."""

    def started(program: str) -> None:
        output = tmp_path / f"{len(sessions.components)}.out"
        sessions.start("program", [sys.executable, "-c", program], {}, output)
        deadline = time.monotonic() + 10
        while "ready" not in output.read_text("utf-8"):
            assert time.monotonic() < deadline
            time.sleep(0.01)

    return started


@pytest.mark.parametrize("program", [POLITE, STUBBORN, ORPHAN])
def test_nothing_is_left_of_a_program(sessions: ProcessSessions, start: Start, program: str) -> None:
    start(program)
    pids = sessions.pids()
    assert pids
    sessions.stop(patience=0.1)
    assert (sessions.pids(), sessions.components) == ([], [])
    assert living(pids) == []


def test_a_program_has_a_session_of_its_own_its_last_lines_are_kept_and_it_is_not_waited_for_when_it_has_ended(
    sessions: ProcessSessions, start: Start
) -> None:
    start("for line in range(30): print('line', line)\n" + POLITE)
    (component,) = sessions.components
    assert os.getsid(component.process.pid) != os.getsid(0)
    assert component.last_lines(2) == "line 29\nready"
    began = time.monotonic()
    sessions.stop(patience=30)
    assert time.monotonic() - began < 5


def test_a_signal_waits_until_a_start_is_noted(
    sessions: ProcessSessions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = subprocess.Popen

    def interrupted_start(*args: Any, **kwargs: Any) -> object:
        process = started(*args, **kwargs)
        signal.raise_signal(signal.SIGINT)
        return process

    monkeypatch.setattr("airflow_wxa.cli.demo.processes.subprocess.Popen", interrupted_start)
    with pytest.raises(Interrupted, match="SIGINT"), interruptible():
        sessions.start("program", [sys.executable, "-c", POLITE], {}, tmp_path / "out")
    assert len(sessions.components) == 1


def test_each_signal_interrupts_and_is_named_but_under_nohup_the_one_that_is_ignored() -> None:
    for signum in SIGNALS:
        with pytest.raises(Interrupted, match=signum.name) as interrupted, interruptible():
            signal.raise_signal(signum)
        assert interrupted.value.signum == signum
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_second_signal_does_not_cut_cleaning_up_short_and_the_handlers_before_are_put_back() -> None:
    cleaned, before = [], [signal.getsignal(each) for each in SIGNALS]
    with pytest.raises(Interrupted, match="SIGTERM"), interruptible():  # noqa: PT012  one piece of work
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGINT)
            cleaned.append(True)
    assert cleaned == [True]
    assert [signal.getsignal(each) for each in SIGNALS] == before
