"""The pace of a fleet: 45009 holds up one tired merchant only, a stop lets no new write start."""

import datetime as dt
import json
import sqlite3
import threading
import time
from itertools import pairwise
from unittest.mock import patch

import yaml
from sqlalchemy import event

from airflow_wxa.api.call import Call, Reply
from airflow_wxa.api.endpoints import BEIJING
from airflow_wxa.api.errcodes import error_for
from airflow_wxa.errors import WxaApiError, WxaQuotaError
from airflow_wxa.fleet import pace
from airflow_wxa.fleet.manifest import read_manifest
from airflow_wxa.fleet.pace import HeldError, Pace
from airflow_wxa.fleet.summary import rerun_manifest
from airflow_wxa.sandbox.exchange import Fault
from airflow_wxa.steps import Step
from airflow_wxa.store.fleets import Fleets, NewApp, RunKey
from tests.fleet.driving import PLATFORM, Drive, Drives
from tests.fleet.fleets import appid
from tests.fleet.test_manifest import FIRST, SECOND, Files


def commits_asked(here: Drive, number: int) -> int:
    return sum((call.path, call.appid) == ("/wxa/commit", appid(number)) for call in here.wechat.journal)


def test_all_but_one_are_released_at_once_and_the_tired_one_says_when_it_is_free(drive: Drives) -> None:
    here = drive(10, shard_size=4)
    tired = Fault(path="/wxa/commit", kind="errcode_before", errcode=45009, appid=appid(7), times=None)
    here.wechat.add_fault(tired)
    assert here.carried() == {"released": 9, "failed": 1}
    app = here.apps()[appid(7)]
    tomorrow = dt.datetime.now(BEIJING) + dt.timedelta(days=1)
    assert (app.errcode, app.stage) == (45009, "commit_code")
    assert f"free at {tomorrow:%Y-%m-%d} 00:00 (UTC+8)" in app.what
    assert "rerun manifest" in app.next_step

    # A later run of the day does not ask again, and releases the others all the same.
    asked = commits_asked(here, 7)
    later = here.another("later", release={"user_version": "1.4.1"})
    assert later.carried() == {"released": 9, "failed": 1}
    assert "not sent" in later.apps()[appid(7)].what
    assert commits_asked(here, 7) == asked


def test_85020_twice_although_the_sheet_reads_approved_is_released_at_the_third_look(drive: Drives) -> None:
    here = drive(2)
    here.wechat.add_fault(Fault(path="/wxa/release", kind="errcode_before", errcode=85020, appid=appid(1), times=2))
    assert here.carried() == {"released": 2}
    looks = [call.path for call in here.wechat.journal if call.appid == appid(1)]
    released = [index for index, path in enumerate(looks) if path == "/wxa/release"]
    assert len(released) == 3
    for first, second in pairwise(released):  # fresh reads before each
        assert {"/wxa/getversioninfo", "/wxa/get_latest_auditstatus"} <= set(looks[first + 1 : second])


def paced(pace: Pace, call: Call, errcode: int = 0) -> str:
    """Return what became of a call that WeChat answers so."""

    def step() -> Step[str]:
        yield call
        return "answered"

    carried = pace.paced(step())
    try:
        assert next(carried) == call
        if errcode:
            carried.throw(error_for(errcode, endpoint=call.endpoint, appid=call.appid))
        carried.send(Reply({}))
    except StopIteration as stop:
        return str(stop.value)
    except HeldError:
        return "held"
    except WxaQuotaError as error:
        return "not sent" if "not sent" in error.what else "used up"
    except WxaApiError:
        return "refused"
    raise AssertionError("neither an answer nor a refusal")


def commit(number: int) -> Call:
    return Call.to("commit", appid(number))


def test_three_different_merchants_in_a_row_are_the_platforms_counter() -> None:
    pace = Pace({})
    assert [paced(pace, commit(number), 45009) for number in (0, 0, 1)] == ["used up", "not sent", "used up"]
    assert paced(pace, commit(2)) == "answered"  # somebody's commit is taken: it is not the platform's
    assert [paced(pace, commit(number), 45009) for number in (3, 4, 5)] == ["used up", "used up", "held"]
    assert paced(pace, commit(6)) == "held"
    pace = Pace({})  # another refusal says that the platform has calls left
    said = [paced(pace, commit(number), errcode) for number, errcode in enumerate((45009, 45009, 85013, 45009))]
    assert said == ["used up", "used up", "refused", "used up"]


def test_reads_of_an_endpoint_go_on_where_its_writes_are_used_up() -> None:
    pace = Pace({})
    write = Call.to("setwebviewdomain", appid(0), {"action": "add", "webviewdomain": ["https://m.example.com"]})
    read = Call.to("setwebviewdomain", appid(0), {"action": "get"})
    assert paced(pace, write, 45009) == "used up"
    assert [paced(pace, read), paced(pace, write)] == ["answered", "not sent"]


def test_the_platforms_own_token_is_the_platforms_counter() -> None:
    assert paced(Pace({}), Call.to("modify_wxa_jump_domain", None, {"action": "get"}), 45009) == "held"


LOOK_SECONDS = 0.1
WRITES = ("/wxa/setwebviewdomain", "/wxa/commit", "/wxa/submit_audit", "/wxa/release")


@patch.object(pace, "_LOOK_SECONDS", LOOK_SECONDS)
def test_a_stopped_wave_writes_no_more_and_the_rerun_manifest_finishes_it(drive: Drives) -> None:
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


def test_the_rerun_manifest_asks_for_the_same_texts_and_numbers(store_url: str) -> None:
    release = {"template_id": "47", "user_version": "8e12", "domain_action": "get"}
    own = {"ext_json": {"ext": {"shop": "7e2", "till": 7, "rate": 0.00001, "sign": "no"}}}
    drive = Drive(store_url, "http://127.0.0.1:1", {})
    drive.load(json.dumps({"release": release, "apps": [{"appid": FIRST, **own}, SECOND]}))
    text = rerun_manifest(drive.run, drive.fleets.apps(drive.key))
    again = read_manifest(text, Files())
    assert (again.common["release"], again.apps[0].given) == (release, own)
    with patch("airflow_wxa.fleet.summary._ENTRIES_AT_ONCE", 1):
        assert rerun_manifest(drive.run, drive.fleets.apps(drive.key)) == text


def test_a_stop_is_seen_by_a_shard_of_more_mini_programs_than_a_question_to_the_store_takes(store_url: str) -> None:
    fleets, key = Fleets(store_url), RunKey("wxa_fleet_release", "spring")
    event.listen(  # as SQLite is built where a distribution does not change it
        fleets._database.engine, "connect", lambda db, _: db.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 32_766)
    )
    fleets._database.engine.dispose()
    fleets.load(key, PLATFORM, {"release": {}}, "digest", [NewApp(FIRST, "rest", 0, {})])
    of_shard = pace.Pace({}, fleets, fleets.run(key))
    of_shard.appids = {f"wx{number:016x}" for number in range(40_000)}
    fleets.stop(key, "lin")
    of_shard._look()
    assert of_shard.is_stopped
