"""What a manifest can ask for besides: server domains before code, and the privacy guide before the submission."""

from typing import Any, Final

import pytest

from airflow_wxa.api.server_domain import modify_domain
from airflow_wxa.fleet.plan import plan_digest
from airflow_wxa.sandbox.testing import PLATFORM_TOKEN
from airflow_wxa.steps import lag
from airflow_wxa.store import TaskRef
from tests.fleet.driving import PLATFORM, Drives
from tests.fleet.fleets import appid, fleet_world, manifest
from tests.fleet.test_manifest import problems

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
    first, other = (
        {call.appid: call.body for call in here.wechat.journal if call.path == "/wxa/submit_audit"}[appid(at)]
        for at in (0, 1)
    )
    assert (first["ugc_declare"], first["privacy_api_not_use"]) == (form["ugc_declare"], True)
    assert "ugc_declare" not in other
    assert not other.get("privacy_api_not_use")
    assert {each["version_desc"] for each in (first, other)} == {"account: a/b"}
    committed = [each.body for each in here.wechat.journal if each.path == "/wxa/commit"]
    assert all(each["user_desc"].startswith("spring sale [wxa:") and "8016" in each["ext_json"] for each in committed)
    assert len(committed) == 2


@pytest.mark.parametrize(
    ("asked", "kept", "missing"),
    [
        (
            {"server_domains": {"requestdomain": [SERVER]}, "domain_action": "get"},
            ["example.com"],
            f"requestdomain {SERVER}",
        ),
        ({"domain_action": "all"}, ["example.org"], "not on the platform list https://example.com"),
    ],
)
def test_no_domain_is_lost_unseen(
    drive: Drives, asked: dict[str, Any], kept: list[str], missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lag, "_PAUSES", (0.0,))
    world = fleet_world(1, **REGISTERED)
    here = drive(world, release={"webviewdomain": None, **asked})
    here.platform_token = PLATFORM_TOKEN
    here.submitted()
    (platform,) = world.platforms
    platform.testing, platform.published = kept, kept
    platform.server_testing, platform.server_published = [], []
    here.released("rest")
    (app,) = here.apps().values()
    assert app.outcome == "blocked"
    assert missing in app.what


def test_all_domains_of_the_platform_are_proved_to_be_effective(drive: Drives) -> None:
    here = drive(1, release={"webviewdomain": None, "domain_action": "all"})
    here.plan()
    planned = plan_digest(here.run.digest, here.fleets.apps(here.key))
    here.submitted()
    assert here.apps()[appid(0)].plan["after"] == ["https://example.com"]  # type: ignore[index]
    assert plan_digest(here.run.digest, here.fleets.apps(here.key)) == planned
    here.released("rest")
    assert here.outcomes == {"released": 1}


@pytest.mark.parametrize("wrong", [{"requestdomain": ["http://a.example.com"]}, {"action": "get"}, {"domains": []}])
def test_a_manifest_that_asks_for_what_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    assert "server_domains" in problems(manifest(1, release={"server_domains": wrong}))[0]
