"""What a fleet takes offline: listed in its plan, bounded by what was approved, blocked where nobody said yes."""

from typing import Any

import pytest

from airflow_wxa.fleet.plan import AppPlan, Totals
from airflow_wxa.sandbox import World
from airflow_wxa.sandbox.state import MiniProgram
from airflow_wxa.sandbox.values import ReleaseInfo
from tests.fleet.driving import STAGES, Drive, Drives
from tests.fleet.fleets import appid, fleet_world

OWN, LATE = "https://h5.merchant.example", "https://late.merchant.example"


def online(account: MiniProgram, *domains: str) -> None:
    account.release_info = ReleaseInfo(release_version="1.0.0", release_desc="", release_time=1)
    account.mp_webviewdomain = list(domains)
    account.effective_webviewdomain = list(domains)


@pytest.fixture
def world() -> World:
    world = fleet_world(4)
    for number, account in enumerate(world.mini_programs):
        online(account, *([OWN] if number == 1 else []))
    return world


def go_on(here: Drive) -> list[str | None]:
    for stage in STAGES:
        here.stage(stage)
    here.released()
    return [app.outcome for app in here.apps().values()]


@pytest.mark.parametrize("leave", [None, "release"])
def test_without_approval_it_is_blocked_before_its_write_unless_there_is_leave(
    drive: Drives, world: World, leave: str | None
) -> None:
    here = drive(world, release={"domain_action": "add", "on_lost_domains": leave})
    here.plan()
    assert go_on(here) == ["released", "released" if leave else "blocked", "released", "released"]
    if leave:
        return
    blocked = here.apps()[appid(1)]
    assert (blocked.stage, OWN in blocked.what) == ("configure_domains", True)
    assert "on_lost_domains: release" in blocked.next_step
    calls = [
        call.body for call in here.wechat.journal if call.path == "/wxa/setwebviewdomain" and call.appid == appid(1)
    ]
    assert {call["action"] for call in calls} == {"get"}


def test_what_the_plan_listed_may_go_and_no_more(drive: Drives, world: World) -> None:
    here = drive(world, release={"domain_action": "add"})
    here.plan(is_asked=True)
    totals = Totals.of((app.appid, AppPlan.from_json(app.plan)) for app in here.apps().values() if app.plan)
    assert (totals.losing, totals.offline) == (1, [(appid(1), OWN)])
    online(world.mini_program(appid(2)), LATE)  # between the plan and its work
    assert go_on(here) == ["released", "released", "blocked", "released"]
    assert LATE in here.apps()[appid(2)].what


def test_each_merchant_has_a_domain_of_its_own_in_direct_mode(drive: Drives, world: World) -> None:
    world.platforms[0].unverifiable = {"m3.example.net"}
    own = {appid(number): f"https://m{number}.example.net" for number in range(4)}
    how: Any = {"domain_mode": "direct", "webviewdomain": None}
    how = {"release": how, "apps": [{"appid": each, "webviewdomain": [domain]} for each, domain in own.items()]}
    online(world.mini_program(appid(1)))
    here = drive(world, **how)
    how["release"] |= {"user_version": "1.5.0"}
    for run in (here, here.another("later", **how)):
        run.plan()
        assert go_on(run) == ["released", "released", "released", "blocked"]
        last = run.apps()[appid(3)]
        assert (last.errcode, f"{own[appid(3)]}/" in last.what) == (86103, True)
    accepted = [
        (call.appid, call.path, call.body["action"])
        for call in here.wechat.journal
        if call.path.startswith("/wxa/setwebview") and call.body["action"] != "get" and call.errcode == 0
    ]
    assert sorted(accepted) == [(each, "/wxa/setwebviewdomain_directly", "set") for each in list(own)[:3]]
    assert [account.effective_webviewdomain for account in world.mini_programs[:3]] == [
        [own[each]] for each in list(own)[:3]
    ]
