"""What a fleet takes offline: listed in its plan, bounded by what was approved, blocked where nobody said yes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_wxa.fleet.plan import AppPlan, Totals
from airflow_wxa.sandbox.server import serve
from airflow_wxa.sandbox.values import ReleaseInfo
from tests.fleet.driving import Drive
from tests.fleet.fleets import appid, fleet_world, manifest, token

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow_wxa.sandbox.server import RunningSandbox
    from airflow_wxa.sandbox.state import MiniProgram

OWN, LATE = "https://h5.merchant.example", "https://late.merchant.example"
RELEASE = {
    "template_id": 47,
    "user_version": "1.4.0",
    "domain_action": "add",
    "webviewdomain": ["https://m.example.com"],
}


def online(account: MiniProgram, *domains: str) -> None:
    account.release_info = ReleaseInfo(release_version="1.0.0", release_desc="", release_time=1)
    account.mp_webviewdomain = list(domains)
    account.effective_webviewdomain = list(domains)


@pytest.fixture
def wechat() -> Iterator[RunningSandbox]:
    world = fleet_world(4)
    for number, account in enumerate(world.mini_programs):
        online(account, *([OWN] if number == 1 else []))
    with serve(world) as running:
        yield running


def drive(wechat: RunningSandbox, tmp_path: Path, *, is_asked: bool, apps: object = None, **release: object) -> Drive:
    fleet = Drive(f"sqlite:///{tmp_path / 'wxa.db'}", wechat.url, {appid(number): token(number) for number in range(4)})
    fleet.platform_token = ""
    fleet.load(manifest(4, release=RELEASE | release, **({"apps": apps} if apps else {})))
    fleet.plan(is_asked=is_asked)
    return fleet


def go_on(fleet: Drive) -> dict[str, str | None]:
    fleet.stage("configure_domains")
    fleet.gate()
    fleet.stage("commit_code")
    fleet.stage("submit_audit")
    fleet.released()
    return {appid: app.outcome for appid, app in fleet.apps().items()}


def test_without_approval_it_is_blocked_before_its_write(wechat: RunningSandbox, tmp_path: Path) -> None:
    fleet = drive(wechat, tmp_path, is_asked=False)
    assert list(go_on(fleet).values()) == ["released", "blocked", "released", "released"]
    blocked = fleet.apps()[appid(1)]
    assert (blocked.stage, OWN in blocked.what) == ("configure_domains", True)
    assert "on_lost_domains: release" in blocked.next_step
    writes = [call for call in wechat.journal if call.appid == appid(1) and call.path == "/wxa/setwebviewdomain"]
    assert [call.body["action"] for call in writes if call.body["action"] != "get"] == []


def test_with_leave_it_is_released(wechat: RunningSandbox, tmp_path: Path) -> None:
    fleet = drive(wechat, tmp_path, is_asked=False, on_lost_domains="release")
    assert set(go_on(fleet).values()) == {"released"}


def test_what_the_plan_listed_may_go_and_no_more(wechat: RunningSandbox, tmp_path: Path) -> None:
    fleet = drive(wechat, tmp_path, is_asked=True)
    plans = [(app.appid, AppPlan.from_json(app.plan)) for app in fleet.apps().values() if app.plan]
    totals = Totals.of(plans)
    assert (totals.losing, totals.offline) == (1, [(appid(1), OWN)])
    online(wechat.world.mini_program(appid(2)), LATE)  # between the plan and its work
    assert list(go_on(fleet).values()) == ["released", "released", "blocked", "released"]
    assert LATE in fleet.apps()[appid(2)].what


def test_each_merchant_has_a_domain_of_its_own_in_direct_mode(wechat: RunningSandbox, tmp_path: Path) -> None:
    wechat.world.platforms[0].unverifiable = {"m3.example.net"}
    own = {appid(number): f"https://m{number}.example.net" for number in range(4)}
    apps = [{"appid": each, "webviewdomain": [domain]} for each, domain in own.items()]
    how = {"domain_mode": "direct", "domain_action": "set"}
    online(wechat.world.mini_program(appid(1)))
    for version in ("1.4.0", "1.5.0"):
        (tmp_path / version).mkdir()
        fleet = drive(wechat, tmp_path / version, is_asked=False, apps=apps, user_version=version, **how)
        assert list(go_on(fleet).values()) == ["released", "released", "released", "blocked"]
    last = fleet.apps()[appid(3)]
    assert (last.errcode, f"{own[appid(3)]}/" in last.what) == (86103, True)
    writes = [
        call for call in wechat.journal if call.path.startswith("/wxa/setwebview") and call.body["action"] != "get"
    ]
    accepted = [(call.appid, call.path, call.body["action"]) for call in writes if call.errcode == 0]
    assert sorted(accepted) == [(each, "/wxa/setwebviewdomain_directly", "set") for each in list(own)[:3]]
    assert [account.effective_webviewdomain for account in wechat.world.mini_programs[:3]] == [
        [own[each]] for each in list(own)[:3]
    ]
