"""README's "Use it", walked as it stands there: its lines in three terminals, and a real Airflow."""

import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from airflow_wxa.cli.demo.airflow import AirflowApi, free_port
from airflow_wxa.cli.demo.processes import Component, ProcessSessions
from tests.real_airflow.airflows import ROOT, WAITING

README = (ROOT / "README.md").read_text("utf-8")
WALK = README.partition("## Use it")[2].partition("Against the real WeChat")[0]
SANDBOX, AIRFLOW, PASSWORD, TRIGGER, DAGS_TEST = re.findall(r"^```sh\n(.*?)^```$", WALK, re.DOTALL | re.MULTILINE)
RUN_ID = re.findall(r"--run-id (\S+)", TRIGGER)[0]

WORDS_PER_MINUTE = 200  # of unhurried reading
PASTE_SECONDS = 10  # find the terminal, copy, paste, read the first lines of what it prints
APPROVE_SECONDS = 60  # open the page, log in, two clicks, read the approval
READING_SECONDS = 8.0  # nobody answers faster
PATIENCE_SECONDS = 300


def test_the_walk_is_read_and_pasted_within_six_minutes() -> None:
    prose, _, _ = re.sub(r"^```sh\n.*?^```$", "", WALK, flags=re.DOTALL | re.MULTILINE).partition("For one release")
    reading = 60 * len(prose.split()) / WORDS_PER_MINUTE
    pasting = PASTE_SECONDS * 8  # three times activate, four blocks, the Connection
    assert reading + pasting + APPROVE_SECONDS <= 6 * 60


class Walk:
    """Three terminals of a user whose home is empty.

    Airflow's ports are free ones, as a neighbour may have README's; nothing else is set.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.processes = ProcessSessions(cwd=home)
        self.url = f"http://localhost:{free_port()}"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "PYTHONUNBUFFERED": "1",  # as a terminal makes it
            "AIRFLOW__API__PORT": self.url.rpartition(":")[2],
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
        }

    def paste(self, terminal: str, lines: str) -> Component:
        """Open a terminal as README says, and paste lines into it."""
        command = ["bash", "-c", f"set -e\n. {sys.prefix}/bin/activate\n{lines}"]
        return self.processes.start(terminal, command, self.environment, self.home / f"{terminal}.out")

    def said(self, terminal: Component) -> str:
        return terminal.output.read_text("utf-8", errors="replace")

    def until(self, is_so: Callable[[], object], *terminals: Component) -> None:
        """Wait for something, as long as these terminals are busy."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_so():
            assert time.monotonic() < deadline, "\n\n".join(each.last_lines(20) for each in terminals)
            assert all(each.process.poll() is None for each in terminals), terminals[-1].last_lines(60)
            time.sleep(0.5)

    def page_opens(self) -> bool:
        try:
            return httpx.get(self.url, trust_env=False).is_success
        except httpx.TransportError:
            return False

    def finish(self, terminal: Component) -> str:
        """Wait until a command ends well, and return what it said."""
        self.until(lambda: terminal.process.poll() is not None)
        assert terminal.process.poll() == 0, terminal.last_lines(60)
        return self.said(terminal)


@pytest.fixture
def walk(tmp_path: Path) -> Iterator[Walk]:
    walk = Walk(tmp_path)
    yield walk
    walk.processes.stop()


@pytest.mark.real_airflow
def test_readmes_lines_bring_a_mini_program_online(walk: Walk) -> None:
    sandbox = walk.paste("1", SANDBOX)
    walk.until(lambda: "A release to try" in walk.said(sandbox), sandbox)
    connection = re.search(r"^export AIRFLOW_CONN_WXA_DEFAULT=.*$", walk.said(sandbox), re.MULTILINE)
    assert connection, walk.said(sandbox)
    airflow = walk.paste("2", f"{connection[0]}\n{AIRFLOW}")  # the doctor is content there
    walk.until(lambda: "Airflow is ready" in walk.said(airflow), sandbox, airflow)
    walk.until(walk.page_opens, sandbox, airflow)
    password = re.search(r'{"admin": "(.+)"}', walk.finish(walk.paste("3", PASSWORD)))
    assert password
    api = AirflowApi.login(walk.url, {"username": "admin", "password": password[1]})
    walk.until(lambda: api.knows("wxa_release"), sandbox, airflow)
    walk.finish(walk.paste("3", f"{PASSWORD}\n{TRIGGER}"))

    def state(task_id: str) -> str:
        return {each.task_id: each.state for each in api.task_instances("wxa_release", RUN_ID)}.get(task_id, "")

    def is_online() -> bool:
        # A scheduler takes a task that was answered within its loop for a lost one, and asks again a minute later;
        # nobody reads so fast.
        if state("approve_release") in WAITING:
            time.sleep(READING_SECONDS)
            api.approve("wxa_release", RUN_ID, "approve_release")
        return state("verify_release") == "success"

    walk.until(is_online, sandbox, airflow)
    api.close()
    ledger = walk.finish(walk.paste("3", f"{PASSWORD}\nCOLUMNS=200 airflow wxa ledger"))
    assert re.search(r"admin .*approve_release.*approved", ledger), ledger
    said = walk.finish(walk.paste("3", f"{PASSWORD}\n{connection[0]}\n{DAGS_TEST}"))
    assert "1.0.0 of wx1000000000000002 is online since" in said
