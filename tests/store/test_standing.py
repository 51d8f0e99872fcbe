"""Facts of a Mini Program stay until a later reading says otherwise, whichever run brought them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from airflow_wxa.store import Ledger, TaskRef
from airflow_wxa.store.ledger import Result
from airflow_wxa.store.mini_programs import MiniProgram, MiniPrograms, Wanted
from airflow_wxa.store.questions import Question, told

PLATFORM, APPID = "wx00000000000000c1", "wx00000000000000a1"
RELEASE = TaskRef("wxa_release", "monday", "release", triggered_by="li")
DRIFT = TaskRef("wxa_domain_drift", "daily", "compare_domains")
DAGS = ["wxa_release", "wxa_fleet_release", "wxa_domain_drift"]
KEPT, GONE = "https://m.example.com", "https://h5.merchant.example"


def settle(ledger: Ledger, task: TaskRef = RELEASE, endpoint: str = "release", **said: Any) -> None:
    ledger.settle(PLATFORM, task, [Result(APPID, endpoint, {"appid": APPID, **said})])


def released(ledger: Ledger, version: str = "1.4.0", at: int = 1_790_000_000, **said: Any) -> None:
    settle(ledger, outcome="released", release_version=version, release_time=at, **said)


def seen(store_url: str, dag_ids: list[str] = DAGS) -> MiniProgram:
    row = MiniPrograms(store_url).of(APPID, dag_ids)
    assert row is not None
    return row


def online(row: MiniProgram) -> tuple[Any, ...]:
    return row.online_version, row.online_at, row.online_by, row.online_run_id


def count(board: MiniPrograms, kind: str) -> int:
    number = board.tally(DAGS, Wanted()).kinds[kind]
    assert board.page(DAGS, Wanted(kind=kind))[1] == number
    return number


def test_a_fleet_that_touches_a_mini_program_hides_nothing_of_what_is_online(ledger: Ledger, store_url: str) -> None:
    released(ledger, effective=[KEPT])
    fleet = TaskRef("wxa_fleet_release", "spring", "configure_domains")
    settle(ledger, fleet, "setwebviewdomain", outcome="configured", after=[KEPT, GONE])
    row = seen(store_url)
    assert online(row) == ("1.4.0", 1_790_000_000, "li", "monday")
    assert (row.outcome, row.run_id, row.user_version) == ("configured", "spring", "")
    assert (row.own, row.effective) == ([KEPT, GONE], [KEPT])
    assert row.own_at is not None
    # A version of another run does not stand beside this run's outcome.
    settle(ledger, endpoint="submit_audit", outcome="submitted", user_version="1.5.0", auditid="4711")
    settle(ledger, replace(RELEASE, run_id="tuesday"), "setwebviewdomain", outcome="unchanged")
    assert (seen(store_url).user_version, seen(store_url).auditid) == ("", "")


def test_a_foreign_release_is_nobodys_of_ours(ledger: Ledger, store_url: str) -> None:
    for read, expected in [
        ({}, ("1.4.0", 1_790_000_000, "li", "monday")),
        ({"release_version": "1.4.0"}, ("1.4.0", 1_790_000_000, "li", "monday")),
        ({"release_version": "9.9.9", "release_time": 1_790_000_500}, ("9.9.9", 1_790_000_500, None, "")),
        ({"release_version": "1.4.0", "release_time": 1_790_000_500}, ("1.4.0", 1_790_000_500, None, "")),
        ({"release_version": "9.9.9"}, ("9.9.9", None, None, "")),
    ]:
        released(ledger)
        ledger.know(PLATFORM, DRIFT, {APPID: {"outcome": "as_wanted", "name": "Tea 茶馆", **read}})
        row = seen(store_url)
        assert online(row) == expected, read
        assert (row.name, row.drift_word) == ("Tea 茶馆", "as_wanted")
        assert (row.outcome, row.run_id) == ("released", "monday")  # a reading stands above no run


def test_a_question_tells_name_and_online_version(ledger: Ledger, store_url: str) -> None:
    facts = told("WeChat", name="Tea", online={"version": "1.3.0", "time": 7}, user_version="1.4.0")
    ledger.asked(PLATFORM, APPID, RELEASE, lambda nonce: Question("release", facts, nonce))
    row = seen(store_url)
    assert (row.name, *online(row)) == ("Tea", "1.3.0", 7, None, "")
    assert row.outcome == "asked"


def test_lost_domains_stay_lost_until_they_are_effective_again(ledger: Ledger, store_url: str) -> None:
    released(ledger, effective=[KEPT], lost=[GONE])
    board = MiniPrograms(store_url)
    assert count(board, "lost") == 1
    ledger.know(PLATFORM, DRIFT, {APPID: {"outcome": "as_wanted", "effective": [KEPT]}})
    assert seen(store_url).lost == [GONE]
    drifted = {"outcome": "differs", "missing": [GONE], "own": [KEPT], "effective": [KEPT, GONE]}
    ledger.know(PLATFORM, DRIFT, {APPID: drifted})
    row = seen(store_url)
    assert (row.lost, row.drift, row.own) == ([], {"missing": [GONE]}, [KEPT])
    assert count(board, "lost") == 0
    assert count(board, "differs") == 1


def test_whoever_may_see_a_reading_sees_what_only_it_knows_and_the_quota(ledger: Ledger, store_url: str) -> None:
    ledger.know(PLATFORM, DRIFT, {APPID: {"outcome": "differs", "missing": [GONE]}})
    assert seen(store_url).outcome == "differs"
    assert MiniPrograms(store_url).of(APPID, ["wxa_release"]) is None
    quota = {"rest": 12, "limit": 30}
    settle(ledger, endpoint="submit_audit", outcome="submitted", auditid="1", quota=quota)
    ((platform, read, at),) = MiniPrograms(store_url).quota(DAGS)
    assert (platform, read) == (PLATFORM, quota)
    assert at > 1_700_000_000
    assert MiniPrograms(store_url).quota(["another_teams"]) == []
    assert MiniPrograms(store_url).page(DAGS, Wanted())[1] == 1
