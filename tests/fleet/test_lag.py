"""Reads that lag behind a fleet's writes, longer than one task waits for them: nobody is blamed, nothing sent twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import pytest

from airflow_wxa.fleet import shard
from airflow_wxa.sandbox import Looseness, seeded_fleet
from airflow_wxa.sandbox.loose import Lag
from airflow_wxa.sandbox.server import serve
from airflow_wxa.steps import lag
from tests.fleet.driving import Drive
from tests.fleet.test_outcomes import manifest, tokens

if TYPE_CHECKING:
    from pathlib import Path

#: Reads in a row that one try makes before it leaves it to the next.
PATIENCE = 6
OWN = tuple(kind for kind in get_args(Lag) if not kind.startswith("platform"))


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pause and try as often as otherwise, but not as long."""
    monkeypatch.setattr(lag, "_PAUSES", (0.0,) * (PATIENCE - 1))
    monkeypatch.setattr(shard, "RETRY_SECONDS", (0.0, 0.0, 0.0))


def released(loose: Looseness, store: Path) -> None:
    fleet = seeded_fleet(4, loose=loose)
    with serve(fleet.world) as wechat:
        drive = Drive(f"sqlite:///{store / 'wxa.db'}", wechat.url, tokens(fleet))
        drive.load(manifest(fleet))
        drive.submitted()
        drive.released("rest")
    assert {app.outcome: app.what for app in drive.apps().values()} == {"released": ""}
    for path in ("/wxa/commit", "/wxa/submit_audit", "/wxa/release"):
        assert wechat.journal.count(path) == len(fleet.kinds), path


@pytest.mark.parametrize("reads", [1, PATIENCE + 3])
@pytest.mark.parametrize("kind", OWN)
def test_what_lags_behind_one_task_is_no_news_to_the_next(kind: Lag, reads: int, tmp_path: Path) -> None:
    released(Looseness(lag={kind: reads}), tmp_path)


def test_a_sheet_that_nobody_knows_yet_is_in_audit(tmp_path: Path) -> None:
    released(Looseness(unseen_after_submit=2 * PATIENCE), tmp_path)
