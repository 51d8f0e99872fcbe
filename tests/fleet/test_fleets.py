from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import update

from airflow_wxa.fleet.stages import BEFORE_SUBMISSION
from airflow_wxa.store.fleets import Fleets, NewApp, RunKey
from airflow_wxa.store.mini_programs import MiniPrograms, Wanted
from airflow_wxa.store.tables import fleet_app, fleet_run
from tests.fleet.driving import PLATFORM
from tests.store.databases import store_url  # noqa: F401  a fixture

KEY, OTHER = RunKey("wxa_fleet_release", "one"), RunKey("wxa_fleet_release", "two")


@pytest.fixture
def fleets(store_url: str) -> Fleets:  # noqa: F811
    return Fleets(store_url)


def load(fleets: Fleets, count: int, key: RunKey = KEY) -> None:
    apps = [NewApp(f"wx{number:016x}", "rest", number // 2, {}) for number in range(count)]
    fleets.load(key, PLATFORM, {}, f"of {count}", apps)
    waiting: dict[str, Any] = {"audit_grant": "waiting", "done": "configure_domains"}
    fleets.change(key, dict.fromkeys(range(count), waiting))


def grant(fleets: Fleets, usable: int, key: RunKey = KEY) -> list[int]:
    """Hand the quota out, and return the positions that hold a grant."""
    fleets.open_quota(key, PLATFORM, usable, fleets.held_elsewhere(key, PLATFORM))
    return held(fleets, key)


def held(fleets: Fleets, key: RunKey = KEY) -> list[int]:
    return [app.position for app in fleets.apps(key, fleet_app.c.audit_grant == "held")]


def test_what_was_loaded_is_read_in_order_and_the_same_manifest_leaves_progress_alone(fleets: Fleets) -> None:
    load(fleets, 1234)
    assert [app.position for app in fleets.apps(KEY)] == list(range(1234))
    fleets.change(KEY, {1: {"outcome": "released"}})
    other = [NewApp("wx1", "rest", 0, {})]
    assert not fleets.load(KEY, PLATFORM, {}, "of 1234", other)
    assert next(iter(fleets.apps(KEY, fleet_app.c.outcome.is_not(None)))).position == 1
    assert fleets.load(KEY, PLATFORM, {}, "other", other)
    assert [app.outcome for app in fleets.apps(KEY)] == [None]


def test_grants_go_by_the_order_and_a_gate_that_is_cleared_counts_what_was_spent(fleets: Fleets) -> None:
    load(fleets, 5)
    assert fleets.open_quota(KEY, PLATFORM, usable=3, held_before=0) == 2
    assert held(fleets) == [0, 1, 2]
    assert [app.outcome for app in fleets.apps(KEY)] == [None, None, None, "no_quota", "no_quota"]
    fleets.change(KEY, {0: {"audit_grant": "spent"}})
    assert fleets.open_quota(KEY, PLATFORM, usable=2, held_before=0) == 2
    assert held(fleets) == [1, 2]


def test_what_another_run_holds_is_not_granted_twice_and_is_free_when_it_has_ended(fleets: Fleets) -> None:
    load(fleets, 5)
    load(fleets, 5, OTHER)
    assert (grant(fleets, 6), grant(fleets, 6, OTHER)) == ([0, 1, 2, 3, 4], [0])
    fleets.end(KEY)
    assert grant(fleets, 5, OTHER) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("manifest", "is_stopped", "count"),
    [({}, False, 0), ({"carry_over": True}, False, 5), ({"carry_over": True}, True, 0)],
)
def test_what_a_run_of_long_ago_held_is_free_unless_it_carries_over(
    fleets: Fleets, manifest: dict[str, Any], is_stopped: bool, count: int
) -> None:
    load(fleets, 5)
    grant(fleets, 5)
    long_ago = fleet_run.c.loaded_at - 40 * 86400
    fleets._database.write(update(fleet_run).values(loaded_at=long_ago, manifest=manifest))
    if is_stopped:
        fleets.stop(KEY, "lin")
    assert fleets.held_elsewhere(OTHER, PLATFORM) == count


def test_what_one_gives_back_goes_to_the_next_and_what_failed_needs_a_grant_again(fleets: Fleets) -> None:
    load(fleets, 6)
    grant(fleets, 3)
    (taken,) = fleets.pass_on(KEY, {1: {"outcome": "blocked", "stage": "commit_code"}}, "rest/0")
    assert (taken.position, taken.carrier, taken.outcome) == (3, "rest/0", None)
    mine = fleet_app.c.carrier == "rest/0"
    assert [app.position for app in fleets.apps(KEY, mine, fleet_app.c.outcome.is_(None))] == [0, 3]
    assert held(fleets) == [0, 2, 3]
    fleets.reopen(KEY, mine, "commit_code", needs_grant=BEFORE_SUBMISSION)
    assert next(fleets.apps(KEY, fleet_app.c.position == 1)).outcome == "no_quota"
    assert held(fleets) == [0, 2, 3]
    fleets.pass_on(KEY, {0: {"outcome": "blocked", "stage": "commit_code"}}, "rest/0")
    assert held(fleets) == [1, 2, 3]


def test_shards_that_give_back_at_the_same_moment_neither_lose_nor_double_a_grant(fleets: Fleets) -> None:
    load(fleets, 40)
    grant(fleets, 20)

    def give_back(position: int) -> Sequence[int]:
        return [app.position for app in fleets.pass_on(KEY, {position: {"outcome": "failed"}}, f"rest/{position}")]

    with ThreadPoolExecutor(4) as threads:
        passed = [position for taken in threads.map(give_back, range(0, 20, 2)) for position in taken]
    assert sorted(passed) == list(range(20, 30))
    assert len(held(fleets)) == 20


def test_a_hold_is_the_latest_for_all_shards(fleets: Fleets) -> None:
    commits, of_one = ("", "commit", True), ("wx0000000000000001", "commit", True)
    fleets.hold(PLATFORM, commits, 100.0, 45011)
    fleets.hold(PLATFORM, commits, 50.0, 9402202)
    fleets.hold(PLATFORM, of_one, 200.0, 45009)
    assert fleets.held(PLATFORM) == {commits: (100.0, 45011), of_one: (200.0, 45009)}
    assert fleets.held("wx00000000000000c2") == {}


def test_what_has_not_ended_is_ended_by_the_hundred(fleets: Fleets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_wxa.store.fleets._ROWS_AT_ONCE", 2)
    load(fleets, 7)
    fleets.change(KEY, {position: {"outcome": "released"} for position in (0, 1, 4)})
    assert fleets.end_rest(KEY, fleet_app.c.position < 6, "not_reached", "a gate came first", "") == 3
    assert [app.position for app in fleets.apps(KEY, fleet_app.c.outcome == "not_reached")] == [2, 3, 5]


def test_a_run_that_is_summed_up_again_does_not_hide_a_later_one(fleets: Fleets, store_url: str) -> None:  # noqa: F811
    load(fleets, 1)
    everything = fleet_app.c.position >= 0
    assert fleets.end_rest(KEY, everything, "not_reached", "a gate came first", "") == 1
    load(fleets, 1, OTHER)
    fleets.change(OTHER, {0: {"outcome": "released"}})
    assert fleets.end_rest(KEY, everything, "not_reached", "a gate came first", "") == 0
    (shown,) = MiniPrograms(store_url).all([KEY.dag_id], Wanted())
    assert (shown.run_id, shown.outcome) == (OTHER.run_id, "released")
