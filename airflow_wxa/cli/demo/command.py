"""``airflow-wxa demo``: an emulated WeChat, a real Airflow, six releases, and nothing left behind."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console

from airflow_wxa.cli.demo.airflow import AirflowStartError, ThrowawayAirflow
from airflow_wxa.cli.demo.endings import read_row
from airflow_wxa.cli.demo.interruption import Interrupted, interruptible, uninterrupted
from airflow_wxa.cli.demo.ledger import read_ledger
from airflow_wxa.cli.demo.progress import progress_on
from airflow_wxa.cli.demo.releases import Releases
from airflow_wxa.cli.demo.report import Report, show
from airflow_wxa.cli.demo.stories import DAG_ID, STORIES
from airflow_wxa.cli.demo.tickets import TicketNotTakenError, push_tickets
from airflow_wxa.cli.demo.worlds import connections, demo_world
from airflow_wxa.sandbox import serve

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from airflow_wxa.cli.demo.progress import Progress
    from airflow_wxa.sandbox import World

#: Seconds between two looks; WeChat's sensors look once a minute, an emulated one need not be waited for.
POLLS: Final = {"AIRFLOW__WXA__PRIVACY_POLL_SECONDS": "1", "AIRFLOW__WXA__AUDIT_POLL_SECONDS": "1"}
FILE_WIDTH: Final = 120
REFUSED: Final = 2
SIGNAL_EXIT: Final = 128


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What the command line decides; see its help."""

    json: Path | None = None
    home: Path | None = None
    debug: bool = False
    port: int = 0

    @property
    def problems(self) -> list[str]:
        """What would be noticed only after minutes, or would touch what is not ours."""
        found = []
        if self.json is not None and (self.json.is_dir() or not self.json.absolute().parent.is_dir()):
            found.append(f"--json {self.json}: no file can be written there")
        if self.home is not None and self.home.exists() and not (self.home.is_dir() and _is_empty(self.home)):
            found.append(f"--home {self.home}: must be absent or an empty directory")
        return found


def run(arguments: argparse.Namespace) -> int:
    """Run the demo as the command line says.

    :return: 0 when everything ended as it must, 1 when not, 2 for options that cannot be, 128 and the signal's number
        when it was interrupted.
    """
    options = Options(json=arguments.json, home=arguments.home, debug=arguments.debug, port=arguments.port)
    return run_demo(options, _console())


def run_demo(options: Options, console: Console, *, world: World | None = None) -> int:
    """Run the demo; see :func:`run`.

    :param world: of :func:`~airflow_wxa.cli.demo.worlds.demo_world`; default: one with random secrets.
    """
    if options.problems:
        console.print(*options.problems, sep="\n", style="red", markup=False)
        return REFUSED
    try:
        with interruptible(), home_of(options) as home:
            report = play(options, home, progress_on(console, STORIES), world or demo_world())
    except Interrupted as interrupted:
        console.print(f"interrupted ({interrupted}): everything it had started is ended", style="yellow")
        return SIGNAL_EXIT + interrupted.signum
    except (AirflowStartError, TicketNotTakenError) as error:
        console.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        return 1
    if options.json is not None:
        options.json.write_text(json.dumps(report.to_json(), ensure_ascii=False, indent=1) + "\n", "utf-8")
    show(report, console)
    if options.home is not None:
        kept = f"is kept in {options.home}: logs, airflow.db, wxa.db, sandbox-journal.json"
    else:
        kept = "is removed, with the screenshots named above; --home DIR keeps it"
    console.print(f"  AIRFLOW_HOME {kept}", markup=False)
    return report.exit_code


def play(options: Options, home: Path, progress: Progress, world: World) -> Report:
    """Start everything in ``home``, release, read what came of it, and end everything.

    :raises AirflowStartError: Airflow did not come up.
    :raises TicketNotTakenError: the push receiver in it refused a ticket.
    """
    started = time.monotonic()
    with progress, serve(world) as sandbox:
        environment = connections(sandbox) | POLLS
        airflow = ThrowawayAirflow(home, environment, port=options.port, debug=options.debug, tell=progress.component)
        progress.note(f"Emulated WeChat at {sandbox.url}, Airflow at {airflow.url}")
        try:
            airflow.start(DAG_ID)
            push_tickets(sandbox, airflow.url, progress.note)
            states = Releases(airflow.api, STORIES, progress.release).run()
            rows = [
                read_row(
                    airflow.api,
                    story,
                    run_state=states[story.word],
                    effective=sandbox.world.mini_program(story.appid).effective_webviewdomain,
                )
                for story in STORIES
            ]
        finally:
            airflow.stop()
        report = Report(
            rows=rows,
            journal=list(sandbox.journal),
            deliveries=list(sandbox.deliveries),
            ledger=read_ledger(home),
            seconds=time.monotonic() - started,
        )
    (home / "sandbox-journal.json").write_text(
        json.dumps([entry.to_json() for entry in report.journal], ensure_ascii=False, indent=1), "utf-8"
    )
    return report


@contextmanager
def home_of(options: Options) -> Iterator[Path]:
    """Give the AIRFLOW_HOME: the one that was asked for, which stays, or one that goes."""
    if options.home is not None:
        options.home.mkdir(parents=True, exist_ok=True)
        yield options.home.resolve()
        return
    home = Path(tempfile.mkdtemp(prefix="wxa-demo-"))
    try:
        yield home
    finally:
        with uninterrupted():
            shutil.rmtree(home)


def _console() -> Console:
    """Return the terminal; a file or a pipe gets lines that hold the table, unless COLUMNS says otherwise."""
    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = FILE_WIDTH
    return console


def _is_empty(folder: Path) -> bool:
    return next(folder.iterdir(), None) is None
