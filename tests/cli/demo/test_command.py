import os
import signal
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from airflow_wxa.cli.demo.command import Options, PushRefusedError, home_of, run_demo
from tests.cli.demo.conftest import living

#: It has a child of its own, and tells of both beside the home that goes.
HANGING = """import os, pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
pathlib.Path(os.environ["TMPDIR"]).parents[1].joinpath("pids").write_text(f"{os.getpid()} {child.pid}")
time.sleep(60)
"""
DEMO = [sys.executable, "-c", "from airflow_wxa.cli.main import main; raise SystemExit(main())", "demo"]


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory below which a demo makes its temporary home."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def demo(options: Options) -> tuple[int, str]:
    sink = StringIO()
    exit_code = run_demo(options, Console(file=sink, width=120))
    return exit_code, sink.getvalue()


def test_a_home_that_holds_something_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "airflow.db").write_text("precious", "utf-8")
    exit_code, shown = demo(Options(home=tmp_path))
    assert exit_code == 2
    assert "must be absent or an empty directory" in shown
    assert [(path.name, path.read_text("utf-8")) for path in tmp_path.iterdir()] == [("airflow.db", "precious")]


def test_all_problems_of_the_options_are_told_at_once_and_a_home_that_cannot_be_made(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert len(Options(home=file, json=tmp_path / "absent" / "rows.json").problems) == 2
    assert len(Options(json=tmp_path).problems) == 1
    assert Options(json=tmp_path / "rows.json", keep=True).problems == ["--json and --keep: one of them"]
    assert Options(home=tmp_path / "new", json=tmp_path / "rows.json").problems == []
    # What only the attempt can tell.
    assert demo(Options(home=file / "home")) == (1, f"{file / 'home'}: Not a directory\n")


def test_a_temporary_home_goes_and_one_that_was_asked_for_stays(temporary: Path, tmp_path: Path) -> None:
    with home_of(Options()) as home:
        (home / "airflow.db").touch()
        assert home.parent == temporary
    assert list(temporary.iterdir()) == []
    with home_of(Options(home=tmp_path / "deep" / "home")) as home:
        pass
    assert home.is_dir()


def refuse(*_: object) -> None:
    raise PushRefusedError("the push receiver in Airflow's API server answered HTTP 403")


def test_a_start_that_fails_makes_exit_code_1_is_said_and_leaves_nothing(
    temporary: Path, no_airflow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exit_code, shown = demo(Options())
    assert exit_code == 1
    said = ("Airflow's database ended with exit code 3", "no space left on device", "--home DIR")
    assert [part for part in said if part not in shown] == []
    monkeypatch.setattr("airflow_wxa.cli.demo.command.play", refuse)
    assert demo(Options()) == (1, "the push receiver in Airflow's API server answered HTTP 403\n")
    assert list(temporary.iterdir()) == []


def test_an_interrupted_start_leaves_neither_processes_nor_files(temporary: Path, no_airflow: Path) -> None:
    no_airflow.write_text(HANGING, "utf-8")
    with subprocess.Popen(DEMO, stdout=subprocess.PIPE, env=dict(os.environ), text=True) as process:
        assert process.stdout is not None
        assert any("database starting" in line for line in process.stdout)
        while not (temporary / "pids").exists() or not (temporary / "pids").read_text("utf-8"):
            time.sleep(0.05)
        process.send_signal(signal.SIGHUP)
        shown, _ = process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGHUP
    assert "interrupted (SIGHUP)" in shown
    assert [path.name for path in temporary.iterdir()] == ["pids"]
    started = [int(pid) for pid in (temporary / "pids").read_text("utf-8").split()]
    assert (len(started), living(started)) == (2, [])
