"""Releases by day, person and DAG, and how long reviews took, as the ledger tells it."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update

from airflow_wxa.api.call import Call
from airflow_wxa.api.endpoints import BEIJING
from airflow_wxa.errors import WxaStateError
from airflow_wxa.store import Ledger, TaskRef
from airflow_wxa.store.history import History
from airflow_wxa.store.ledger import Result
from airflow_wxa.store.tables import ledger as table
from tests.store.conftest import PLATFORM

APPIDS = [f"wx{number:016x}" for number in range(3)]
DAGS = ["wxa_release", "wxa_fleet_release", "wxa_rollback"]
TODAY = dt.datetime.now(BEIJING).date()


@pytest.fixture
def days_ago(ledger: Ledger) -> Callable[..., None]:
    """Return what moves the rows of a run into the past, to the noon of a day."""

    def move(run_id: str, days: int) -> None:
        at = dt.datetime.combine(TODAY - dt.timedelta(days), dt.time(12), BEIJING).timestamp()
        with ledger._database.writing() as connection:
            connection.execute(update(table).where(table.c.run_id == run_id).values(sent_at=at, answered_at=at))

    return move


def release(ledger: Ledger, run_id: str, appids: list[str], version: str, *, dag_id: str = "wxa_release",
            by: str = "li", answer: Any = 0, endpoint: str = "release", **said: Any) -> None:  # fmt: skip
    task = TaskRef(dag_id, run_id, "release", triggered_by=by)
    for appid in appids:
        call = Call.to("release", appid) if endpoint == "release" else Call.to("submit_audit", appid, {})
        (noted,) = ledger.intend(PLATFORM, [call], task)
        if answer is not None:
            ledger.answered({noted: answer}, {noted: said.get("auditid", "")})
        outcome = {"outcome": "released", "appid": appid, "release_version": version, **said}
        ledger.settle(PLATFORM, task, [Result(appid, endpoint, outcome)])


def test_a_feed_says_who_released_and_approved(ledger: Ledger, store_url: str, days_ago: Callable[..., None]) -> None:
    release(ledger, "monday", APPIDS[:1], "1.4.0", name="Tea 茶馆")
    task = TaskRef("wxa_release", "monday", "approve_release")
    ledger.decided(PLATFORM, APPIDS[0], task, {"outcome": "approved", "by": "wang"})
    release(ledger, "spring", APPIDS, "3.2.0", dag_id="wxa_fleet_release", by="zhao")
    refused = WxaStateError("refused", errcode=85020, errmsg="no")
    release(ledger, "refused", APPIDS, "9", answer=refused, outcome="stopped")
    days_ago("monday", 1)
    history = History(store_url)
    fleet, single = history.releases(DAGS)
    assert (fleet.by, fleet.count, fleet.versions, fleet.day) == ("zhao", 3, ("3.2.0",), TODAY.isoformat())
    assert (single.by, single.approved_by, single.name, single.count) == ("li", "wang", "Tea 茶馆", 1)
    yesterday = (TODAY - dt.timedelta(1)).isoformat()
    assert [each.run_id for each in history.releases(DAGS, day=yesterday)] == ["monday"]
    assert [each.run_id for each in history.releases(DAGS, by="zhao")] == ["spring"]
    assert [each.run_id for each in history.releases(DAGS, dag_id="wxa_release")] == ["monday"]
    assert [each.run_id for each in history.releases(["wxa_release"], by="zhao", day="no day")] == []
    assert history.choices(DAGS) == (["li", "zhao"], ["wxa_fleet_release", "wxa_release"])
    days_ago("spring", 40)
    release(ledger, "lost", APPIDS[:1], "1.4.0", answer=None, outcome="stopped")
    assert [each.run_id for each in history.releases(DAGS)] == ["monday"]
    release(ledger, "found", APPIDS[1:2], "1.4.0", answer=None)  # settled by its own step, which resolves it
    assert [each.run_id for each in history.releases(DAGS)] == ["found", "monday"]


def test_a_review_takes_until_it_is_seen_ended(ledger: Ledger, store_url: str, days_ago: Callable[..., None]) -> None:
    release(ledger, "r", APPIDS[:1], "", endpoint="submit_audit", outcome="submitted", auditid="4711")
    history, task = History(store_url), TaskRef("wxa_release", "r", "wait_for_audit")
    days_ago("r", 1)
    # Noted once, at the first sight of an end.
    for outcome, count in (("auditing", 0), ("delayed", 0), ("approved", 1), ("approved", 1)):
        said = {"outcome": outcome, "auditid": "4711"}
        ledger.settle(PLATFORM, task, [Result(APPIDS[0], "get_auditstatus", said)])
        assert len(history.reviews(DAGS)) == count
    (seconds,) = history.reviews(DAGS)
    noon = dt.datetime.combine(TODAY - dt.timedelta(1), dt.time(12), BEIJING)
    assert seconds == pytest.approx((dt.datetime.now(BEIJING) - noon).total_seconds(), abs=120)
    assert history.reviews(["another_teams"]) == []
