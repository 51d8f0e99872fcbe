"""Domains and the privacy guide of a fleet: what a manifest asks for, and what goes offline only with leave."""

from typing import Any, Final

import pytest

from airflow_wxa.api.server_domain import modify_domain
from airflow_wxa.fleet.plan import AppPlan, Totals, plan_digest
from airflow_wxa.sandbox import World
from airflow_wxa.sandbox.state import MiniProgram
from airflow_wxa.sandbox.testing import PLATFORM_TOKEN
from airflow_wxa.sandbox.values import ReleaseInfo
from airflow_wxa.store import TaskRef
from tests.fleet.driving import PLATFORM, STAGES, Drive, Drives
from tests.fleet.fleets import NO_DOMAINS, appid, fleet_world

GUIDE: Final = {
    "owner_setting": {"contact_email": "ops@example.com", "notice_method": "弹窗"},
    "setting_list": [{"privacy_key": "Location", "privacy_text": "展示附近门店"}],
}
SERVER: Final = "https://a.example.com"
REGISTERED: Final[Any] = {"server_testing": ["example.com"], "server_published": ["example.com"]}


def test_each_gets_its_server_domains_and_guide_and_what_wechat_refuses_blocks_one_alone(drive: Drives) -> None:
    world = fleet_world(4, **REGISTERED, without_icp={"b.example.com"})
    first, refused, used_up, individual = world.mini_programs
    individual.individual = True
    own = {"appid": refused.appid, "server_domains": {"requestdomain": [SERVER, "https://b.example.com"]}}
    release = {"server_domains": {"requestdomain": [SERVER]}, "privacy_setting": GUIDE}
    here = drive(world, release=release, apps=[first.appid, own, used_up.appid, individual.appid])
    spent = modify_domain(used_up.appid, "add", {"requestdomain": frozenset({SERVER})})
    here.ledger().intend(PLATFORM, [spent] * 50, TaskRef("before", "r", "t"))
    here.submitted()
    ended = here.apps()
    for each in (first, individual):
        assert each.third_domain["requestdomain"] == [SERVER]
        assert each.privacy["2"]["setting_list"] == GUIDE["setting_list"]
        assert ended[each.appid].auditid
    for each, why in ((refused, "no_icp_domain https://b.example.com"), (used_up, "0 of 50")):
        assert (ended[each.appid].outcome, each.exp_info) == ("blocked", None)
        assert why in ended[each.appid].what
    assert used_up.domain_changes == []


def test_the_review_gets_what_the_manifest_has_for_it(drive: Drives) -> None:
    form = {"ugc_declare": {"scene": [1], "method": [1], "has_audit_team": 1, "audit_desc": "two people read it"}}
    words = {"user_desc": "spring sale", "version_desc": "account: a/b", "ext_json": {"ext": {"shop": "8016"}}}
    own = {"appid": appid(0), "audit_form": form, "privacy_api_not_use": True}
    here = drive(2, release=words, apps=[own, appid(1)])
    here.submitted()
    sent = {call.appid: call.body for call in here.wechat.journal if call.path == "/wxa/submit_audit"}
    asked = [(each.get("ugc_declare"), each.get("privacy_api_not_use") or False) for _, each in sorted(sent.items())]
    assert asked == [(form["ugc_declare"], True), (None, False)]
    assert {each["version_desc"] for each in sent.values()} == {"account: a/b"}
    committed = [each.body for each in here.wechat.journal if each.path == "/wxa/commit"]
    assert all(each["user_desc"].startswith("spring sale [wxa:") and "8016" in each["ext_json"] for each in committed)
    assert len(committed) == 2


@pytest.mark.parametrize(
    ("asked", "kept", "missing"),
    [
        ({"server_domains": {"requestdomain": [SERVER]}, **NO_DOMAINS}, "example.com", f"requestdomain {SERVER}"),
        ({"domain_action": "all", "webviewdomain": None}, "example.org", "platform list https://example.com"),
    ],
)
def test_no_domain_is_lost_unseen(drive: Drives, asked: dict[str, Any], kept: str, missing: str) -> None:
    here = drive(fleet_world(1, **REGISTERED), release=asked)
    here.platform_token = PLATFORM_TOKEN
    here.submitted()
    (platform,) = here.wechat.world.platforms
    platform.testing = platform.published = [kept]
    platform.server_testing = platform.server_published = []
    here.released("rest")
    (app,) = here.apps().values()
    assert (app.outcome, missing in app.what) == ("blocked", True)


def test_all_domains_of_the_platform_are_proved_to_be_effective(drive: Drives) -> None:
    here = drive(1, release={"webviewdomain": None, "domain_action": "all"})
    here.plan()
    planned = plan_digest(here.run.digest, here.fleets.apps(here.key))
    here.submitted()
    assert here.apps()[appid(0)].plan["after"] == ["https://example.com"]  # type: ignore[index]
    assert plan_digest(here.run.digest, here.fleets.apps(here.key)) == planned
    here.released("rest")
    assert here.outcomes == {"released": 1}


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
def test_unasked_it_is_blocked_before_its_write_without_leave(drive: Drives, world: World, leave: str | None) -> None:
    here = drive(world, release={"domain_action": "add", "on_lost_domains": leave})
    here.plan()
    assert go_on(here) == ["released", "released" if leave else "blocked", "released", "released"]
    if leave:
        return
    blocked = here.apps()[appid(1)]
    assert (blocked.stage, OWN in blocked.what) == ("configure_domains", True)
    assert "on_lost_domains: release" in blocked.next_step
    calls = [call for call in here.wechat.journal if (call.path, call.appid) == ("/wxa/setwebviewdomain", appid(1))]
    assert {call.body["action"] for call in calls} == {"get"}


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
    apps = [{"appid": each, "webviewdomain": [domain]} for each, domain in own.items()]
    release = {"domain_mode": "direct", "webviewdomain": None}
    online(world.mini_program(appid(1)))
    here = drive(world, release=release, apps=apps)
    for run in (here, here.another("later", release={**release, "user_version": "1.5.0"}, apps=apps)):
        run.plan()
        assert go_on(run) == ["released", "released", "released", "blocked"]
        last = run.apps()[appid(3)]
        assert (last.errcode, f"{own[appid(3)]}/" in last.what) == (86103, True)
    written = [
        (str(call.appid), call.path, call.body["action"])
        for call in here.wechat.journal
        if call.path.startswith("/wxa/setwebview") and call.body["action"] != "get" and call.errcode == 0
    ]
    assert sorted(written) == [(appid(number), "/wxa/setwebviewdomain_directly", "set") for number in range(3)]
    assert [each.effective_webviewdomain for each in world.mini_programs[:3]] == [[own[appid(n)]] for n in range(3)]
