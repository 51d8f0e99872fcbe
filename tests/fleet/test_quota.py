"""The month's audit quota is a budget: in the manifest's order, over months, by one run or by weekly ones."""

import datetime as dt
import time
from collections.abc import Callable
from typing import Any

import pytest

from airflow_wxa.api.code import getversioninfo
from airflow_wxa.api.endpoints import BEIJING
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
from tests.airflow_session import Run
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


@pytest.fixture
def four(connected: Serves, store_url: str) -> Drive:
    """Return a release of four Mini Programs of ``wxa_default``."""
    drive = Drive.on(connected(4), store_url)
    drive.load(manifest(4), shard_size=2)
    return drive


def test_a_quota_that_others_have_used_up_is_met_once_and_asked_for_again_next_month(four: Drive) -> None:
    journal, (platform,) = four.wechat.journal, four.wechat.world.platforms
    platform.audit_rest = 0
    four.submitted(usable=1)
    ended = [(app.outcome, app.errcode) for app in four.apps().values()]
    assert ended == [("no_quota", 85085), *[("no_quota", None)] * 3]
    assert (journal.count("/wxa/commit"), journal.count("/wxa/submit_audit")) == (1, 1)
    platform.audit_rest = 3
    assert audit_quota(WxaHook(), four.fleets, four.run) == 3
    four.gate(3)
    four.stage("commit_code")
    four.stage("submit_audit")
    four.released("rest")
    ended = [(app.outcome, app.errcode) for app in four.apps().values()]
    # Without a reserve the first beyond what was granted tries.
    assert ended == [*[("released", None)] * 3, ("no_quota", 85085)]


def test_a_quota_that_wechat_does_not_tell_is_no_traceback(four: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approve_plan, "queryquota", getversioninfo)  # an answer without rest
    with pytest.raises(WxaTransportError, match="how many submissions are left"):
        audit_quota(WxaHook(), four.fleets, four.run)


class Months:
    """An emulated WeChat whose month turns whenever a run waits for it.

    :param released: Mini Programs that were released in each month, in WeChat's order.
    """

    def __init__(self, wechat: RunningSandbox, a_month: int) -> None:
        self.world, self.wechat, self.a_month = wechat.world, wechat, a_month
        self.released: list[list[str]] = []

    def turn(self, now: dt.datetime) -> float:
        self.released.append(accepted(self.wechat, "release")[sum(map(len, self.released)) :])
        self.world.advance(31 * 86400)
        self.world.platforms[0].audit_rest = self.a_month
        return now.timestamp() + 0.05

    def release(self, **common: Any) -> Run:
        run = Fleet(self.wechat).release(carry_over=True, shard_size=8, **common)
        self.turn(dt.datetime.now(dt.UTC))
        return run


@pytest.fixture
def months(airflow_database: None, connected: Serves, monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], Months]:
    """Return what starts a fleet of so many, with so many submissions a month."""

    def start(count: int, a_month: int) -> Months:
        made = Months(connected(fleet_world(count, audit_limit=a_month, audit_rest=a_month)), a_month)
        monkeypatch.setattr(fleet_operator, "looks_again", made.turn)
        return made

    return start


@pytest.mark.parametrize("reserve", [0, 3])
@pytest.mark.parametrize("count", [10, pytest.param(200, marks=pytest.mark.load)])
def test_all_are_released_in_order_over_five_months(
    months: Callable[[int, int], Months], count: int, reserve: int
) -> None:
    usable = count // 5
    here = months(count, usable + reserve)
    run = here.release(audit_quota_reserve=reserve)
    assert (run.state, run.xcoms["fleet_result"]) == ("success", {"released": count}), run.errors
    assert [sorted(each) for each in here.released] == [
        [appid(number) for number in range(first, first + usable)] for first in range(0, count, usable)
    ]
    submitted = [each.errcode for each in here.wechat.journal if each.path == "/wxa/submit_audit"]
    assert submitted.count(0) == count
    assert submitted.count(85085) <= (0 if reserve else 5)


def test_a_canary_that_waits_for_quota_and_one_that_is_rejected(months: Callable[[int, int], Months]) -> None:
    here = months(6, 2)
    here.world.mini_programs[4].audit.result = "rejected"
    run = here.release()
    assert run.xcoms["fleet_result"] == {"released": 5, "rejected": 1}, run.errors
    assert [len(each) for each in here.released] == [2, 2, 1]


def test_a_run_that_is_stopped_wakes_and_carries_nothing_over(
    months: Callable[[int, int], Months], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = months(6, 2)

    def stopped(now: dt.datetime) -> float:
        open_fleets().stop(Fleet(here.wechat).key, "lin")
        return now.timestamp() + 3600

    monkeypatch.setattr(fleet_operator, "looks_again", stopped)
    began = time.monotonic()
    run = here.release()
    assert time.monotonic() - began < 600
    assert "stopped by lin" in str(run.errors["fleet_result"])
    assert len(here.released[0]) == 2


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
    assert dt.datetime.fromtimestamp(looks_again(dt.datetime.fromisoformat(now)), BEIJING).isoformat() == looks


class OfLedger(Files):
    """Sources that know what the ledger knows, and the Mini Programs of a drive."""

    def __init__(self, drive: Drive, text: str) -> None:
        super().__init__(fleet=text)
        self._drive = drive

    def authorised(self) -> list[str]:
        return list(self._drive.tokens)

    def released_at(self) -> dict[str, float]:
        return self._drive.ledger().released_at(PLATFORM)


@pytest.mark.parametrize(("count", "a_month"), [(6, 2), pytest.param(200, 40, marks=pytest.mark.load)])
def test_weekly_releases_of_a_quarter_serve_each_once_before_any_twice(
    serving: Serves, store_url: str, count: int, a_month: int
) -> None:
    wechat = serving(fleet_world(count, audit_limit=a_month, audit_rest=a_month))
    platform = wechat.world.platforms[0]
    for week in range(13):
        if week in (5, 9):  # a month turns
            platform.audit_rest = a_month
        drive = Drive.on(wechat, store_url, f"w{week}")
        text = manifest(0, apps={"authorised": True}, release={"user_version": f"1.4.{week}", **NO_DOMAINS})
        drive.load(text, sources=OfLedger(drive, text))
        drive.submitted(usable=max(1, platform.audits_left))
        drive.released("rest")
        drive.fleets.end(drive.key)
    served = drive.accepted("release")
    print(f"\n13 weekly releases of {count} with {a_month} submissions a month: {len(served)} served, all different")
    assert len(served) == len(set(served)) == 3 * a_month


def test_an_answer_that_is_lost_behind_the_turn_spends_nothing_twice(
    months: Callable[[int, int], Months], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_wxa.fleet.shard.RETRY_SECONDS", (0.0, 0.0, 0.0))
    here, kinds = months(10, 2), iter(LOST)

    def turn(now: dt.datetime) -> float:
        kind = next(kinds)
        for path in ("/wxa/commit", "/wxa/submit_audit", "/wxa/release"):
            here.wechat.add_fault(Fault(path=path, kind=kind))
        return here.turn(now)

    monkeypatch.setattr(fleet_operator, "looks_again", turn)
    run = here.release()
    assert run.xcoms["fleet_result"] == {"released": 10}, run.errors
    assert [len(each.sheets) for each in here.world.mini_programs] == [1] * 10
    assert here.world.platforms[0].audits_left == 2  # the month after the last has turned
    assert next(kinds, None) is None
