"""An emulated WeChat in a process of its own, whose reviewers decide when the test says so.

Run as a program it serves as many Mini Programs as its argument says, each with a sheet in audit, and prints its URL.
A line of JSON on its input is a list of appids whose sheets are approved; it answers each with a line.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from airflow_wxa.sandbox import MiniProgram, Platform, World
from airflow_wxa.sandbox.server import serve
from airflow_wxa.sandbox.state import AuditPlan, AuditSheet, Stage
from airflow_wxa.sandbox.testing import COMPONENT_APPID, COMPONENT_APPSECRET, PLATFORM_TOKEN

AUDITID = 400000001
NEVER = 10**9  # polls


def appid_of(number: int) -> str:
    return f"wxa{number:015x}"


def token_of(number: int) -> str:
    return f"merchant-token-of-number-{number}"


def _mini_program(number: int) -> MiniProgram:
    sheet = AuditSheet(
        auditid=AUDITID,
        user_version="1.4.0",
        user_desc="1.4.0 [wxa:1a2b3c4d]",
        submit_audit_time=0,
        plan=AuditPlan(polls=NEVER),
        stage=Stage.AUDITING,
    )
    return MiniProgram(
        appid=appid_of(number),
        component_appid=COMPONENT_APPID,
        authorizer_access_token=token_of(number),
        sheets=[sheet],
    )


def _serve(count: int) -> None:
    platform = Platform(
        component_appid=COMPONENT_APPID, component_access_token=PLATFORM_TOKEN, component_appsecret=COMPONENT_APPSECRET
    )
    world = World(platforms=[platform], mini_programs=[_mini_program(number) for number in range(count)])
    by_appid = {each.appid: each for each in world.mini_programs}
    with serve(world) as running:
        sys.stdout.write(f"{running.url}\n")
        sys.stdout.flush()
        for line in sys.stdin:
            for appid in json.loads(line):
                by_appid[appid].sheets[-1].stage = Stage.APPROVED
            sys.stdout.write(f"{running.journal.count('/wxa/get_auditstatus')}\n")
            sys.stdout.flush()


class Reviewers:
    """The process, as the test sees it.

    :param url: where it listens.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.url = self._line()

    def approve(self, appids: Sequence[str]) -> int:
        """Approve these; returns how many looks there were so far."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{json.dumps(appids)}\n")
        self._process.stdin.flush()
        return int(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextmanager
def reviewers(count: int) -> Iterator[Reviewers]:
    """Run the process while the block runs."""
    command = [sys.executable, str(Path(__file__)), str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Reviewers(process)
        finally:
            process.terminate()


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
