"""A stop lets running calls finish and no new write start; the rerun manifest finishes the rest."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from typing import TYPE_CHECKING

import yaml
from sqlalchemy import event

from airflow_wxa.fleet import pace
from airflow_wxa.fleet.manifest import read_manifest
from airflow_wxa.fleet.summary import rerun_manifest
from airflow_wxa.sandbox import seeded_fleet
from airflow_wxa.sandbox.server import serve
from airflow_wxa.store.fleets import Fleets, NewApp, RunKey
from tests.fleet.driving import Drive
from tests.fleet.test_manifest import FIRST, SECOND, Files
from tests.fleet.test_outcomes import manifest, tokens

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

LOOK_SECONDS = 0.1
WRITES = ("/wxa/setwebviewdomain", "/wxa/commit", "/wxa/submit_audit", "/wxa/release")


def test_a_stopped_wave_writes_no_more_and_the_rerun_manifest_finishes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "_LOOK_SECONDS", LOOK_SECONDS)
    fleet = seeded_fleet(30, seed=3)
    with serve(fleet.world) as wechat:
        drive = Drive(f"sqlite:///{tmp_path / 'wxa.db'}", wechat.url, tokens(fleet))
        asked = manifest(fleet, waves={"canary": {"apps": 2}, "early": {"apps": 20}}, pace={"concurrency": 2})
        drive.load(asked)
        drive.submitted()
        drive.released("canary")
        fleet.world.latency = {"*": 0.02}
        early = threading.Thread(target=drive.released, args=("early",))
        early.start()
        while wechat.journal.count("/wxa/release") < 4:
            time.sleep(0.01)
        drive.fleets.stop(drive.key, "lin")
        time.sleep(5 * LOOK_SECONDS)
        written = sum(wechat.journal.count(path) for path in WRITES)
        early.join()
        fleet.world.latency = {}
        assert sum(wechat.journal.count(path) for path in WRITES) == written

        unfinished = [appid for appid, app in drive.apps().items() if app.outcome != "released"]
        assert 5 < len(unfinished) < 28
        rest = rerun_manifest(drive.run, drive.fleets.apps(drive.key))
        assert yaml.safe_load(rest)["apps"] == unfinished

        again = Drive(drive.store_url, wechat.url, tokens(fleet), key=RunKey("wxa_fleet_release", "again"))
        again.load(rest)
        again.submitted()
        again.released()
        assert {app.outcome for app in again.apps().values()} == {"released"}
        assert wechat.journal.count("/wxa/release") == len(fleet.kinds)
        assert wechat.journal.count("/wxa/submit_audit") == len(fleet.kinds)


def test_the_rerun_manifest_asks_for_the_same_texts_and_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = {"template_id": "47", "user_version": "8e12", "domain_action": "get"}
    own = {"ext_json": {"ext": {"shop": "7e2", "till": 7, "rate": 0.00001, "sign": "no"}}}
    drive = Drive(f"sqlite:///{tmp_path / 'wxa.db'}", "http://127.0.0.1:1", {})
    drive.load(json.dumps({"release": release, "apps": [{"appid": FIRST, **own}, SECOND]}))
    text = rerun_manifest(drive.run, drive.fleets.apps(drive.key))
    again = read_manifest(text, Files())
    assert (again.common["release"], again.apps[0].given) == (release, own)
    monkeypatch.setattr("airflow_wxa.fleet.summary._ENTRIES_AT_ONCE", 1)
    assert rerun_manifest(drive.run, drive.fleets.apps(drive.key)) == text


def test_a_stop_is_seen_by_a_shard_of_more_mini_programs_than_a_question_to_the_store_takes(tmp_path: Path) -> None:
    fleets, key = Fleets(f"sqlite:///{tmp_path / 'wxa.db'}"), RunKey("wxa_fleet_release", "spring")
    event.listen(  # as SQLite is built where a distribution does not change it
        fleets._database.engine, "connect", lambda db, _: db.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 32_766)
    )
    fleets._database.engine.dispose()
    fleets.load(key, "wx00000000000000c1", {"release": {}}, "digest", [NewApp("wx0000000000000001", "rest", 0, {})])
    of_shard = pace.Pace({}, fleets, fleets.run(key))
    of_shard.appids = {f"wx{number:016x}" for number in range(40_000)}
    fleets.stop(key, "lin")
    of_shard._look()
    assert of_shard.is_stopped
