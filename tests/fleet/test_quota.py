"""The month's audit quota is a budget: in the manifest's order, over months, by one run or by weekly ones."""

import datetime as dt
import time
from collections.abc import Callable
from functools import partial
from unittest.mock import patch

import pytest

from airflow_wxa.api.code import getversioninfo
from airflow_wxa.errors import WxaTransportError
from airflow_wxa.hooks.store import open_fleets
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.operators import approve_plan
from airflow_wxa.operators import fleet as fleet_operator
from airflow_wxa.operators.approve_plan import audit_quota
from airflow_wxa.operators.fleet import looks_again
from airflow_wxa.sandbox import seeded_fleet
from airflow_wxa.sandbox.exchange import Fault
from airflow_wxa.sandbox.server import RunningSandbox
from tests.fleet.driving import PLATFORM, Drive, Drives
from tests.fleet.fleets import LOST, NO_DOMAINS, Serves, accepted, appid, fleet_world, manifest
from tests.fleet.test_manifest import Files
from tests.fleet.walking import Fleet

REST, RESERVE, FLEET = 18, 2, 30
GRANTED = REST - RESERVE


def test_as_many_are_submitted_as_the_quota_has_the_first_that_could_be(drive: Drives) -> None:
    fleet = seeded_fleet(FLEET, seed=5)
    fleet.world.platforms[0].audit_rest = REST
    appids = list(fleet.kinds)
    no_right, no_code = appids[3], appids[10]
    fleet.world.mini_program(no_right).granted_sets = set()
    here = drive(fleet.world, shard_size=5, audit_quota_reserve=RESERVE)
    fault = Fault(path="/wxa/commit", kind="errcode_before", errcode=85013, appid=no_code, times=None)
    here.wechat.add_fault(fault)
    here.carried(usable=GRANTED)
    could = [appid for appid in appids if appid not in (no_right, no_code)][:GRANTED]
    assert sorted(here.accepted("submit_audit")) == sorted(could)
    journal = here.wechat.journal
    assert not [each for each in journal if each.errcode == 85085]
    assert {each.appid for each in journal if each.path == "/wxa/commit"} == {*could, no_code}
    outcomes = {appid: app.outcome for appid, app in here.apps().items()}
    assert [appid for appid, outcome in outcomes.items() if outcome == "released"] == could
    assert [appid for appid, outcome in outcomes.items() if outcome == "no_quota"] == appids[-(FLEET - GRANTED - 2) :]
    assert (outcomes[no_right], outcomes[no_code]) == ("blocked", "blocked")


def test_a_quota_that_others_used_up_is_met_once_and_asked_for_next_month(drive: Drives) -> None:
    four = drive(4, shard_size=2)
    journal, (platform,) = four.wechat.journal, four.wechat.world.platforms
    platform.audit_rest = 0
    four.submitted(usable=1)
    ended = [(app.outcome, app.errcode) for app in four.apps().values()]
    assert ended == [("no_quota", 85085), *[("no_quota", None)] * 3]
    assert (journal.count("/wxa/commit"), journal.count("/wxa/submit_audit")) == (1, 1)
    platform.audit_rest = 3
    assert audit_quota(WxaHook(), four.fleets, four.run) == 3
    four.gate(3)
    for stage in ("commit_code", "submit_audit", "release_rest"):
        four.stage(stage)
    ended = [(app.outcome, app.errcode) for app in four.apps().values()]
    # Without a reserve the first beyond what was granted tries.
    assert ended == [*[("released", None)] * 3, ("no_quota", 85085)]
    is_left_out = patch.object(approve_plan, "queryquota", getversioninfo)  # an answer without rest
    with is_left_out, pytest.raises(WxaTransportError, match="how many submissions are left"):
        audit_quota(WxaHook(), four.fleets, four.run)


class Months(Fleet):
    """An emulated WeChat whose month turns whenever a run waits for it.

    :param released: Mini Programs that were released in each month, in WeChat's order.
    """

    def __init__(self, wechat: RunningSandbox, a_month: int) -> None:
        super().__init__(wechat)
        self.a_month = a_month
        self.released: list[list[str]] = []

    def turn(self, now: dt.datetime) -> float:
        self.released.append(accepted(self.sandbox, "release")[sum(map(len, self.released)) :])
        self.world.advance(31 * 86400)
        self.world.platforms[0].audit_rest = self.a_month
        return now.timestamp() + 0.05


#: Takes the number of Mini Programs, and that of submissions a month.
Starts = Callable[[int, int], Months]


@pytest.fixture
def months(airflow_database: None, serving: Serves, monkeypatch: pytest.MonkeyPatch) -> Starts:
    def start(count: int, a_month: int) -> Months:
        made = Months(serving(fleet_world(count, audit_limit=a_month, audit_rest=a_month)), a_month)
        monkeypatch.setattr(fleet_operator, "looks_again", made.turn)
        return made

    return start


@pytest.mark.parametrize("reserve", [0, 3])
@pytest.mark.parametrize("count", [10, pytest.param(200, marks=pytest.mark.load)])
def test_all_are_released_in_order_over_five_months_and_a_rejection(months: Starts, count: int, reserve: int) -> None:
    usable = count // 5
    here = months(count, usable + reserve)
    here.world.mini_programs[0].audit.result = "rejected"
    run = here.release(carry_over=True, shard_size=8, audit_quota_reserve=reserve)
    assert (run.state, here.outcomes) == ("success", {"released": count - 1, "rejected": 1}), run.errors
    here.turn(dt.datetime.now(dt.UTC))
    assert [sorted(each) for each in here.released] == [
        [appid(number) for number in range(max(1, first), first + usable)] for first in range(0, count, usable)
    ]
    submitted = [each.errcode for each in here.sandbox.journal if each.path == "/wxa/submit_audit"]
    assert submitted.count(0) == count
    assert submitted.count(85085) <= (0 if reserve else 5)


def test_a_run_that_is_stopped_wakes_and_carries_nothing_over(months: Starts, monkeypatch: pytest.MonkeyPatch) -> None:
    here, began = months(6, 2), time.monotonic()

    def stopped(now: dt.datetime) -> float:
        open_fleets().stop(here.key, "lin")
        return now.timestamp() + 3600

    monkeypatch.setattr(fleet_operator, "looks_again", stopped)
    assert "stopped by lin" in str(here.release(carry_over=True).errors["fleet_result"])
    assert time.monotonic() - began < 600
    assert here.spent["release"] == 2


@pytest.mark.parametrize(
    ("now", "looks"),
    [
        ("2026-11-30T15:59:59+00:00", "2026-12-01T00:00:00+08:00"),
        ("2026-11-02T12:00:00+08:00", "2026-12-01T00:00:00+08:00"),
        ("2026-12-01T00:00:01+08:00", "2026-12-01T01:00:01+08:00"),  # WeChat's counter may turn later than the clock
        ("2027-01-31T12:00:00+08:00", "2027-02-01T00:00:00+08:00"),
    ],
)
def test_the_month_turns_in_beijing(now: str, looks: str) -> None:
    assert looks_again(dt.datetime.fromisoformat(now)) == dt.datetime.fromisoformat(looks).timestamp()


@pytest.mark.parametrize(("count", "a_month"), [(6, 2), pytest.param(200, 40, marks=pytest.mark.load)])
def test_weekly_releases_of_a_quarter_serve_each_once_before_any_twice(
    serving: Serves, store_url: str, count: int, a_month: int
) -> None:
    wechat = serving(fleet_world(count, audit_limit=a_month, audit_rest=a_month))
    (platform,) = wechat.world.platforms
    for week in range(13):
        if week in (5, 9):  # a month turns
            platform.audit_rest = a_month
        run = Drive.on(wechat, store_url, f"w{week}")
        release = {"user_version": f"1.4.{week}", **NO_DOMAINS}
        sources = Files(fleet=manifest(0, apps={"authorised": True}, release=release))
        sources.authorised = lambda: [each.appid for each in wechat.world.mini_programs]
        sources.released_at = partial(run.ledger().released_at, PLATFORM)
        run.load("", sources=sources)
        run.submitted(usable=max(1, platform.audits_left))
        run.released("rest")
        run.fleets.end(run.key)
    served = accepted(wechat, "release")
    assert len(served) == len(set(served)) == 3 * a_month


def test_an_answer_lost_behind_the_turn_spends_nothing_twice(months: Starts, monkeypatch: pytest.MonkeyPatch) -> None:
    here, kinds = months(10, 2), iter(LOST)

    def turn(now: dt.datetime) -> float:
        kind = next(kinds)
        for path in ("/wxa/commit", "/wxa/submit_audit", "/wxa/release"):
            here.sandbox.add_fault(Fault(path=path, kind=kind))
        return here.turn(now)

    monkeypatch.setattr(fleet_operator, "looks_again", turn)
    here.ends({"released": 10}, carry_over=True, shard_size=8)
    assert [len(each.sheets) for each in here.world.mini_programs] == [1] * 10
    assert here.world.platforms[0].audits_left == 0
    assert next(kinds, None) is None
