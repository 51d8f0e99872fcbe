"""Made-up endings of the stories, and an Airflow that is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_wxa import store
from airflow_wxa.cli.demo.endings import Row
from airflow_wxa.cli.demo.journal import MERCHANT_TOKEN, PLATFORM_TOKEN
from airflow_wxa.cli.demo.stories import FIRST_PLATFORM, SECOND_PLATFORM, STORIES
from airflow_wxa.sandbox import Entry
from airflow_wxa.sandbox.pushes import Delivery

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PLATFORMS = (FIRST_PLATFORM, SECOND_PLATFORM)


def entry_of(path: str, appid: str | None, body: Mapping[str, str] | None = None) -> Entry:
    return Entry(seq=1, method="POST", path=path, appid=appid, body=dict(body or {}), errcode=0, time=0.0)


def noted(appid: str, endpoint: str, *, errcode: int = 0, is_answered: bool = True) -> store.Entry:
    """A row of the ledger."""
    return store.Entry(
        id=1,
        component_appid=FIRST_PLATFORM,
        appid=appid,
        endpoint=endpoint,
        task=store.TaskRef(),
        sent_at=0.0,
        before=None,
        asked={},
        answered_at=0.0 if is_answered else None,
        errcode=errcode if is_answered else None,
        errmsg="",
        rid="",
        after=None,
        resolved_by="",
        result=("refused" if errcode else "ok") if is_answered else "unknown",
    )


@pytest.fixture
def rows() -> list[Row]:
    """All stories, each ended as it must."""
    return [Row(story=story, seen=story.must_end) for story in STORIES]


@pytest.fixture
def token_requests() -> list[Entry]:
    """The requests for tokens: one of each platform, one of each Mini Program."""
    return [entry_of(PLATFORM_TOKEN, appid, {"component_appid": appid}) for appid in PLATFORMS] + [
        entry_of(MERCHANT_TOKEN, story.component_appid, {"authorizer_appid": story.appid}) for story in STORIES
    ]


@pytest.fixture
def journal(token_requests: list[Entry]) -> list[Entry]:
    """The calls of all stories, in their order."""
    return token_requests + [entry_of(f"/wxa/{call}", story.appid) for story in STORIES for call in story.calls]


@pytest.fixture
def deliveries() -> list[Delivery]:
    """The pushes of both tickets, taken."""
    return [Delivery(event="component_verify_ticket", appid=appid, status=200, answer="success") for appid in PLATFORMS]


@pytest.fixture
def ledger() -> list[store.Entry]:
    """The rows of all stories: every call that changed something was taken."""
    return [noted(story.appid, call) for story in STORIES for call in story.calls]


@pytest.fixture
def no_airflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a program in Airflow's place that says why it fails, and ends; return its file, to be changed."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    program = folder / "airflow.py"
    program.write_text("import sys\nprint('no space left on device')\nsys.exit(3)\n", "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return program
