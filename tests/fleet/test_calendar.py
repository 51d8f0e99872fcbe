"""A simulated calendar: no release in a freeze, no deadline within days without reviews, hours over midnight."""

import datetime as dt
import random
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock, patch
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import update

from airflow_wxa.fleet import shard
from airflow_wxa.fleet.summary import time_left
from airflow_wxa.fleet.window import deadline, opens_at
from airflow_wxa.store.tables import fleet_run
from tests.fleet.driving import Drives
from tests.fleet.fleets import NEVER, appid, fleet_world
from tests.fleet.test_manifest import FIRST, RELEASE, problems, read

WINDOW = {"days": ["mon", "tue", "fri"], "from": "10:00", "to": "17:00", "time_zone": "Asia/Shanghai"}
FESTIVAL = {"from": "2027-02-05", "to": "2027-02-13", "reason": "Spring Festival"}
SATURDAY = {"from": "2026-11-28", "to": "2026-11-28"}
NIGHT = {"days": ["fri"], "from": "22:00", "to": "02:00"}
HOUR = 3600.0


def at(text: str) -> float:
    return dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Asia/Shanghai")).timestamp()


@pytest.mark.parametrize(
    ("calendar", "now", "opens"),
    [
        ({}, "2026-11-23T12:00", "2026-11-23T12:00"),
        ({"window": WINDOW}, "2026-11-23T12:00", "2026-11-23T12:00"),  # Monday, open
        ({"window": WINDOW}, "2026-11-23T09:59", "2026-11-23T10:00"),
        ({"window": WINDOW}, "2026-11-23T17:00", "2026-11-24T10:00"),
        ({"window": WINDOW}, "2026-11-25T12:00", "2026-11-27T10:00"),  # Wednesday
        ({"window": WINDOW}, "2026-11-27T23:00", "2026-11-30T10:00"),
        ({"window": WINDOW | {"days": ["mon"]}}, "2026-11-23T18:00", "2026-11-30T10:00"),
        ({"freeze": [FESTIVAL]}, "2027-02-04T23:59", "2027-02-04T23:59"),
        ({"freeze": [FESTIVAL]}, "2027-02-05T00:00", "2027-02-14T00:00"),
        ({"freeze": [FESTIVAL, {"from": "2027-02-14", "to": "2027-02-14"}]}, "2027-02-09T12:00", "2027-02-15T00:00"),
        ({"window": NIGHT}, "2026-11-27T21:00", "2026-11-27T22:00"),
        ({"window": NIGHT}, "2026-11-28T01:59", "2026-11-28T01:59"),  # still Friday's night
        ({"window": NIGHT}, "2026-11-28T02:00", "2026-12-04T22:00"),
        ({"window": NIGHT, "freeze": [SATURDAY]}, "2026-11-28T01:00", "2026-12-04T22:00"),
        ({"window": {"days": ["mon"]}}, "2026-11-24T08:00", "2026-11-30T00:00"),
        ({"window": {"dates": [{"from": "2026-12-01", "to": "2026-12-02"}], "from": "10:00", "to": "12:00"}},
         "2026-11-24T08:00", "2026-12-01T10:00"),
        ({"window": {"from": "09:00", "to": "10:00"}, "freeze": [{"from": "2026-11-24", "to": "2026-11-25"}]},
         "2026-11-24T09:30", "2026-11-26T09:00"),
    ],
)  # fmt: skip
def test_a_release_waits_for_the_calendar(calendar: dict[str, Any], now: str, opens: str) -> None:
    assert opens_at(calendar, at(now)) == at(opens)


def test_no_moment_of_a_year_is_released_in_a_freeze_or_outside_the_window() -> None:
    freezes = [FESTIVAL, {"from": "2027-05-01", "to": "2027-05-05"}]
    calendar = {"window": NIGHT | {"days": ["thu", "fri"]}, "freeze": freezes}
    moments = random.Random(5)  # noqa: S311  (the same each time)
    for _ in range(500):
        now = at("2026-12-01T00:00") + moments.uniform(0, 365 * 24 * HOUR)
        opens = opens_at(calendar, now)
        assert opens >= now
        assert opens_at(calendar, opens) == opens
        for freeze in freezes:
            assert not at(f"{freeze['from']}T00:00") <= opens <= at(f"{freeze['to']}T23:59")


STOP = [{"from": "2027-02-04", "to": "2027-02-14"}]
STOPS = [*STOP, {"from": "2027-02-16", "to": "2027-02-17"}]


@pytest.mark.parametrize(
    ("since", "hours", "ends"),
    [
        ("2027-01-20T12:00", 24, "2027-01-21T12:00"),
        ("2027-02-03T12:00", 24, "2027-02-15T12:00"),
        ("2027-02-10T12:00", 23, "2027-02-15T23:00"),  # the hours begin when reviews do
        ("2027-02-10T12:00", 24, "2027-02-18T00:00"),  # and go on when they do again
        ("2027-02-20T12:00", 24, "2027-02-21T12:00"),
        ("2027-01-30T12:00", 264, "2027-02-23T12:00"),
    ],
)
def test_a_deadline_grows_by_the_days_without_reviews(since: str, hours: float, ends: str) -> None:
    assert deadline({"reviews_stop": STOPS, "audit_timeout_hours": hours}, at(since)) == at(ends)


def test_holidays_come_from_the_library_or_from_a_file() -> None:
    pytest.importorskip("holidays")
    apps = f"apps: [{FIRST}]\n"
    shop = {"shop.csv": "from,to,reason\n2027-11-11,2027-11-12,11.11\n"}
    days = read(f"{RELEASE}{apps}freeze: [{{holidays: CN}}, {{csv: shop.csv}}]", **shop).common["freeze"]
    assert {"from": "2027-11-11", "to": "2027-11-12", "reason": "11.11"} in days
    assert [each for each in days if each["from"] == "2027-10-01"]
    (text,) = problems(f"{RELEASE}{apps}freeze: [{{holidays: Mars}}]")
    assert "is no country that the library holidays knows" in text
    assert "no such file" in problems(f"{RELEASE}{apps}freeze: [{{csv: none.csv}}]")[0]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("freeze: [{from: 2027-02-30, to: 2027-03-01}]", "must be days such as 2027-02-05"),
        ("freeze: [{from: 2027-02-05, to: 2027-02-04}]", "from not behind to"),
        ("freeze: [{from: 2000-01-01, to: 2099-01-01}]", "leave no hour for a release"),
        ("freeze: [{from: 9999-12-31, to: 9999-12-31}]", "must be days such as 2027-02-05"),
        ("reviews_stop: [{from: 2027-02-05, to: 9999-12-31}]", "must be days such as 2027-02-05"),
        ("waves: {canary: {apps: 1, soak_minutes: 1.0e+308}}", "must be minutes, 0 to 525600"),
        ("freeze: [soon]", "must be {from, to, reason}"),
        ("expedite: {wave: last, most: 5}", "must be canary, early or rest"),
        ("order: newest", "must be manifest or oldest_first"),
    ],
)
def test_a_calendar_that_cannot_be_right_is_refused_with_its_line(line: str, said: str) -> None:
    (problem,) = problems(f"{RELEASE}apps: [{FIRST}]\n{line}")
    assert problem.startswith("manifest:3:")
    assert said in problem


#: One time, that a test sets, for the shards alone.
Clock = list[float]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    now = [at("2027-02-05T12:00")]
    monkeypatch.setattr(shard, "time", SimpleNamespace(time=lambda: now[0]))
    return now


@patch.object(shard, "timing")
def test_a_shard_waits_out_a_freeze_and_times_each_review_once(timing: Mock, drive: Drives, clock: Clock) -> None:
    here = drive(3, freeze=[FESTIVAL])
    here.wechat.world.mini_programs[1].audit.result = "rejected"
    here.submitted()
    (wake,) = here.stage("release_rest")
    assert wake is not None
    assert (wake.at, here.accepted("release")) == (at("2027-02-14T00:00"), [])
    clock[0] = wake.at
    here.released("rest")
    assert here.outcomes == {"released": 2, "rejected": 1}
    timed = sorted((call.args[0], call.kwargs["outcome"]) for call in timing.call_args_list)
    assert timed == [("wxa.audit_wait", outcome) for outcome in ("approved", "approved", "rejected")]


def test_an_approved_version_whose_days_are_over_is_named_and_its_run_shown(drive: Drives, clock: Clock) -> None:
    here = drive(2)
    here.submitted()
    dated = {**here.run.manifest, "window": {"dates": [FESTIVAL]}}
    here.fleets._database.write(update(fleet_run).values(manifest=dated))
    clock[0] = at("2027-02-14T00:00")
    assert "no release" in time_left(here.run, here.fleets.apps(here.key), clock[0])
    here.released("rest")
    assert here.wechat.journal.count("/wxa/release") == 0
    assert here.outcomes == {"blocked": 2}
    assert all("leave no hour" in app.what and "other days" in app.next_step for app in here.apps().values())


def test_a_review_over_the_festival_is_not_pending_before_reviews_go_on(drive: Drives, clock: Clock) -> None:
    clock[0] = at("2027-02-03T12:00")
    here = drive(fleet_world(2, audit_polls=NEVER), reviews_stop=STOP, audit_timeout_hours=24)
    here.submitted()
    for moment, outcome in (("10T12:00", None), ("15T11:00", None), ("15T12:01", "pending")):
        clock[0] = at(f"2027-02-{moment}")
        here.stage("release_rest")
        assert here.outcomes == {outcome: 2}


@pytest.mark.parametrize(("most", "left", "sped_up"), [(2, 5, 2), (5, 1, 1)])
def test_the_first_of_a_wave_are_expedited_within_the_rest(drive: Drives, most: int, left: int, sped_up: int) -> None:
    world = fleet_world(6, audit_polls=3, speedup_limit=5, speedup_rest=left)
    here = drive(world, waves={"canary": {"apps": 3}}, expedite={"wave": "canary", "most": most})
    here.submitted()
    here.stage("submit_audit")
    asked = here.accepted("speedupaudit")
    assert len(set(asked)) == len(asked) == sped_up
    # All of them are submitted at once: where fewer are left, those whose answers come first have them.
    assert set(asked) <= {appid(number) for number in range(min(most, 3))}
    assert here.outcomes == {None: 6}


def test_a_review_is_expedited_also_if_its_shard_was_killed_before(drive: Drives) -> None:
    world = fleet_world(2, audit_polls=3, speedup_limit=5, speedup_rest=0)
    here = drive(world, waves={"canary": {"apps": 2}}, expedite={"wave": "canary", "most": 1})
    here.submitted()
    world.platforms[0].speedup_rest = 5
    here.fleets.change(here.key, {number: {"done": "commit_code"} for number in range(2)})
    for _ in range(2):
        here.stage("submit_audit")
    assert (here.accepted("speedupaudit"), here.wechat.journal.count("/wxa/submit_audit")) == ([appid(0)], 2)
