"""Made-up endings of the stories, and an Airflow that is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_wxa.cli.demo.endings import Row
from airflow_wxa.cli.demo.stories import STORIES
from airflow_wxa.sandbox import Entry

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def rows() -> list[Row]:
    """All stories, each ended as it must."""
    return [Row(story=story, seen=story.must_end) for story in STORIES]


@pytest.fixture
def journal() -> list[Entry]:
    """The calls of all stories, in their order."""
    return [
        Entry(seq=1, method="POST", path=f"/wxa/{call}", appid=story.appid, body={}, errcode=0, time=0.0)
        for story in STORIES
        for call in story.calls
    ]


@pytest.fixture
def no_airflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a program in Airflow's place that says why it fails, and ends; return its file, to be changed."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    program = folder / "airflow.py"
    program.write_text("import sys\nprint('no space left on device')\nsys.exit(3)\n", "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return program
