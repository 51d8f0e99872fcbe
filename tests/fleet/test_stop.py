"""A stop lets running calls finish and no new write start; the rerun manifest finishes the rest."""

import json
import sqlite3
import threading
import time

import pytest
import yaml
from sqlalchemy import event

from airflow_wxa.fleet import pace
from airflow_wxa.fleet.manifest import read_manifest
from airflow_wxa.fleet.summary import rerun_manifest
from airflow_wxa.store.fleets import Fleets, NewApp, RunKey
from tests.fleet.driving import Drive, Drives
from tests.fleet.test_manifest import FIRST, SECOND, Files

LOOK_SECONDS = 0.1
WRITES = ("/wxa/setwebviewdomain", "/wxa/commit", "/wxa/submit_audit", "/wxa/release")


def test_a_stopped_wave_writes_no_more_and_the_rerun_manifest_finishes_it(
    drive: Drives, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "_LOOK_SECONDS", LOOK_SECONDS)
    here = drive(16, waves={"canary": {"apps": 2}, "early": {"apps": 12}}, pace={"concurrency": 2})
    world, journal = here.wechat.world, here.wechat.journal
    here.submitted()
    here.released("canary")
    world.latency = {"*": 0.02}
    early = threading.Thread(target=here.released, args=("early",))
    early.start()
    while journal.count("/wxa/release") < 4:
        time.sleep(0.01)
    here.fleets.stop(here.key, "lin")
    time.sleep(5 * LOOK_SECONDS)
    written = sum(journal.count(path) for path in WRITES)
    early.join()
    world.latency = {}
    assert sum(journal.count(path) for path in WRITES) == written

    unfinished = [appid for appid, app in here.apps().items() if app.outcome != "released"]
    assert 2 < len(unfinished) < 14
    rest = rerun_manifest(here.run, here.fleets.apps(here.key))
    assert yaml.safe_load(rest)["apps"] == unfinished

    again = Drive.on(here.wechat, here.store_url, "again")
    again.load(rest)
    assert again.carried() == {"released": len(unfinished)}
    assert (journal.count("/wxa/release"), journal.count("/wxa/submit_audit")) == (16, 16)


def test_the_rerun_manifest_asks_for_the_same_texts_and_numbers(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = {"template_id": "47", "user_version": "8e12", "domain_action": "get"}
    own = {"ext_json": {"ext": {"shop": "7e2", "till": 7, "rate": 0.00001, "sign": "no"}}}
    drive = Drive(store_url, "http://127.0.0.1:1", {})
    drive.load(json.dumps({"release": release, "apps": [{"appid": FIRST, **own}, SECOND]}))
    text = rerun_manifest(drive.run, drive.fleets.apps(drive.key))
    again = read_manifest(text, Files())
    assert (again.common["release"], again.apps[0].given) == (release, own)
    monkeypatch.setattr("airflow_wxa.fleet.summary._ENTRIES_AT_ONCE", 1)
    assert rerun_manifest(drive.run, drive.fleets.apps(drive.key)) == text


def test_a_stop_is_seen_by_a_shard_of_more_mini_programs_than_a_question_to_the_store_takes(store_url: str) -> None:
    fleets, key = Fleets(store_url), RunKey("wxa_fleet_release", "spring")
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
