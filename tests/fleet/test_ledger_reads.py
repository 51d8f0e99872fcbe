"""The number of times that a fleet reads the ledger: questions of one moment are read together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_wxa.hooks.recorder import Recorder
from airflow_wxa.sandbox import serve
from airflow_wxa.store import Ledger
from tests.fleet.driving import Drive
from tests.fleet.fleets import appid, fleet_world, manifest, token

if TYPE_CHECKING:
    from pathlib import Path

MAX_READS = 40  # 19 are seen for 120; 141 while each moment's questions were read together, 244 before that


@pytest.mark.parametrize("count", [40, pytest.param(120, marks=pytest.mark.load)])
def test_a_fleet_reads_the_ledger_for_many_mini_programs_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    reads: list[int] = []
    writes_of = Ledger.writes_of

    def counted(self: Ledger, platform: str, appids: Any, *args: Any, **how: Any) -> Any:
        reads.append(len(appids))
        return writes_of(self, platform, appids, *args, **how)

    monkeypatch.setattr(Ledger, "writes_of", counted)
    with serve(fleet_world(count)) as wechat:
        tokens = {appid(number): token(number) for number in range(count)}
        drive = Drive(f"sqlite:///{tmp_path / 'wxa.db'}", wechat.url, tokens)
        drive.load(manifest(count))
        drive.submitted()
        drive.released()
    assert {app.outcome for app in drive.apps().values()} == {"released"}
    print(f"\na fleet of {count} read the ledger {len(reads)} times, for {sum(reads)} questions")
    assert len(reads) <= MAX_READS


def test_a_release_asks_the_ledger_for_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another attempt of the task may have sent it since this one began: what was read then would send it twice."""
    with serve(fleet_world(3)) as wechat:
        drive = Drive(f"sqlite:///{tmp_path / 'wxa.db'}", wechat.url, {appid(n): token(n) for n in range(3)})
        drive.load(manifest(3))
        drive.submitted()
        monkeypatch.setattr(Recorder, "noted", lambda *_: pytest.fail("read ahead"))
        drive.released()
    assert {app.outcome for app in drive.apps().values()} == {"released"}
