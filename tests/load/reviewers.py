"""An emulated WeChat in a process of its own, whose reviewers decide when the test says so.

Run as a program it serves a fleet of as many Mini Programs as its argument says, each with a sheet in audit, and prints
its URL. A line of JSON on its input is a list of appids whose sheets are approved; it answers each with a line.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from airflow_wxa.sandbox import AuditPlan, seeded_fleet, serve

AUDITID = 400000001


def _serve(count: int) -> None:
    world = seeded_fleet(count).world
    for each in world.mini_programs:
        each.audit = AuditPlan(result="by_hand")
        trial = {"exp_time": 0, "exp_version": "1.4.0", "exp_desc": "1.4.0 [wxa:1a2b3c4d]"}
        each.submit(trial, auditid=AUDITID, now=0)  # type: ignore[arg-type]
    with serve(world) as running:
        print(running.url, flush=True)
        for line in sys.stdin:
            for appid in json.loads(line):
                world.mini_program(appid).decide("approved")
            print(running.journal.count("/wxa/get_auditstatus"), flush=True)


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
