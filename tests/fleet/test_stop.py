"""A stop lets running calls finish and no new write start; the rerun manifest finishes the rest."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import yaml

from airflow_wxa.fleet.summary import rerun_manifest
from airflow_wxa.sandbox import seeded_fleet
from airflow_wxa.sandbox.server import serve
from airflow_wxa.store.fleets import RunKey
from tests.fleet.driving import Drive
from tests.fleet.test_outcomes import manifest, tokens

if TYPE_CHECKING:
    from pathlib import Path

WRITES = ("/wxa/setwebviewdomain", "/wxa/commit", "/wxa/submit_audit", "/wxa/release")


def test_a_stopped_wave_writes_no_more_and_the_rerun_manifest_finishes_it(tmp_path: Path) -> None:
    fleet = seeded_fleet(60, seed=3)
    fleet.world.latency = {"*": 0.02}
    with serve(fleet.world) as wechat:
        drive = Drive(f"sqlite:///{tmp_path / 'wxa.db'}", wechat.url, tokens(fleet))
        asked = manifest(fleet, waves={"canary": {"apps": 2}, "early": {"apps": 40}}, pace={"concurrency": 2})
        drive.load(asked)
        drive.submitted()
        drive.released("canary")
        early = threading.Thread(target=drive.released, args=("early",))
        early.start()
        while wechat.journal.count("/wxa/release") < 6:
            time.sleep(0.01)
        drive.fleets.stop(drive.key, "lin")
        time.sleep(2)  # a shard looks once a second
        written = sum(wechat.journal.count(path) for path in WRITES)
        early.join()
        assert sum(wechat.journal.count(path) for path in WRITES) == written

        unfinished = [appid for appid, app in drive.apps().items() if app.outcome != "released"]
        assert 10 < len(unfinished) < 58
        rest = rerun_manifest(drive.run, drive.fleets.apps(drive.key))
        assert yaml.safe_load(rest)["apps"] == unfinished

        again = Drive(drive.store_url, wechat.url, tokens(fleet), key=RunKey("wxa_fleet_release", "again"))
        again.load(rest)
        again.submitted()
        again.released()
        assert {app.outcome for app in again.apps().values()} == {"released"}
        assert wechat.journal.count("/wxa/release") == len(fleet.kinds)
        assert wechat.journal.count("/wxa/submit_audit") == len(fleet.kinds)
