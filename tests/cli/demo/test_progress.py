from __future__ import annotations

from io import StringIO

from rich.console import Console

from airflow_wxa.cli.demo.progress import LiveProgress, PlainProgress, progress_on
from airflow_wxa.cli.demo.stories import STORIES

PLAIN = STORIES[0]


def test_a_file_gets_a_line_for_each_event_and_no_control_characters() -> None:
    sink = StringIO()
    with progress_on(Console(file=sink), STORIES) as progress:
        progress.note("Emulated WeChat at http://127.0.0.1:1")
        progress.component("scheduler", "starting")
        progress.component("scheduler", "up")
        for state in ("scheduled", "queued", "running", "success"):
            progress.release(PLAIN, "commit_code", state)
    assert isinstance(progress, PlainProgress)
    assert [line.partition(" s  ")[2] for line in sink.getvalue().splitlines()] == [
        "Emulated WeChat at http://127.0.0.1:1",
        "scheduler starting",
        "scheduler up",
        "plain: commit_code running",
    ]
    assert "\x1b" not in sink.getvalue()


def test_a_terminal_gets_a_picture_that_is_wiped_off() -> None:
    sink = StringIO()
    with progress_on(Console(file=sink, force_terminal=True, width=100), STORIES) as progress:
        progress.component("scheduler", "up")
    assert isinstance(progress, LiveProgress)
    assert sink.getvalue().endswith("\x1b[2K")


def test_the_picture_shows_components_and_each_runs_task() -> None:
    progress = LiveProgress(Console(file=StringIO()), STORIES)
    progress.component("scheduler", "up")
    progress.component("triggerer", "starting")
    sink = StringIO()
    console = Console(file=sink, width=100)
    console.print(progress.picture())
    assert "Starting Airflow" in sink.getvalue()
    assert "✓ scheduler  … triggerer" in sink.getvalue()
    progress.release(PLAIN, "wait_for_audit", "deferred")
    console.print(progress.picture())
    assert "Releasing six Mini Programs" in sink.getvalue()
    assert f"plain         {PLAIN.appid}  wait_for_audit  deferred" in sink.getvalue()
