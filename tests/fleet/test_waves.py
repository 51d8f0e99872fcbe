from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from airflow_wxa.fleet.waves import places, read_waves, wave_counts
from airflow_wxa.fleet.window import opens_at


def test_waves_take_the_first_and_rest_what_is_left() -> None:
    waves = read_waves({"canary": {"apps": 3}, "early": {"percent": 21}})
    assert list(places(waves, 10, 2)) == [
        *[("canary", 0), ("canary", 0), ("canary", 1)],
        *[("early", 0), ("early", 0), ("early", 1)],
        *[("rest", 0), ("rest", 0), ("rest", 1), ("rest", 1)],
    ]


def test_without_waves_all_are_in_rest() -> None:
    assert set(places(read_waves({}), 5, 200)) == {("rest", 0)}


def test_a_canary_larger_than_the_fleet_takes_it_all() -> None:
    assert list(places(read_waves({"canary": {"apps": 9}}), 2, 200)) == [("canary", 0)] * 2


def test_only_what_failed_in_the_wave_itself_counts() -> None:
    counts = [
        ("early", "release_early", "released", None, 90),
        ("early", "release_early", "rejected", None, 2),
        ("early", "commit_code", "blocked", 61007, 1),
        ("early", "plan_release", "blocked", 61003, 3),
        ("early", "submit_audit", "failed", None, 1),
        ("early", "release_early", "pending", None, 2),
        ("early", "domain_gate", "no_quota", None, 1),
    ]
    early = wave_counts(counts)["early"]
    assert (early.total, early.released, early.failed, early.failed_percent) == (100, 90, 4, 4.0)


WINDOW = {"days": ["mon", "tue", "fri"], "from": "10:00", "to": "17:00", "time_zone": "Asia/Shanghai"}


def at(text: str) -> float:
    return dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Asia/Shanghai")).timestamp()


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2026-11-23T12:00", "2026-11-23T12:00"),  # Monday, open
        ("2026-11-23T09:59", "2026-11-23T10:00"),
        ("2026-11-23T17:00", "2026-11-24T10:00"),
        ("2026-11-25T12:00", "2026-11-27T10:00"),  # Wednesday
        ("2026-11-27T23:00", "2026-11-30T10:00"),
    ],
)
def test_a_window_opens(now: str, opens: str) -> None:
    assert opens_at({"window": WINDOW}, at(now)) == at(opens)


def test_without_a_window_it_is_always_open() -> None:
    assert opens_at({}, 12.0) == 12.0


def test_a_window_of_one_day_opens_again_a_week_later() -> None:
    assert opens_at({"window": WINDOW | {"days": ["mon"]}}, at("2026-11-23T18:00")) == at("2026-11-30T10:00")
