"""What a manifest can ask for besides: server domains before code, and the privacy guide before the submission."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from airflow_wxa.api.server_domain import modify_domain
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.fleet.plan import plan_digest
from airflow_wxa.sandbox import seeded_fleet
from airflow_wxa.sandbox.server import serve
from airflow_wxa.steps import lag
from airflow_wxa.store import TaskRef
from tests.fleet.driving import PLATFORM, Drive

if TYPE_CHECKING:
    from pathlib import Path

GUIDE: dict[str, Any] = {
    "owner_setting": {"contact_email": "ops@example.com", "notice_method": "弹窗"},
    "setting_list": [{"privacy_key": "Location", "privacy_text": "展示附近门店"}],
}


def test_each_gets_its_server_domains_and_guide_and_what_wechat_refuses_blocks_one_alone(tmp_path: Path) -> None:
    fleet = seeded_fleet(4, seed=3, shares={})
    first, refused, used_up, individual = fleet.world.mini_programs
    individual.individual = True
    for platform in fleet.world.platforms:
        platform.server_testing, platform.server_published = ["example.com"], ["example.com"]
        platform.without_icp = {"b.example.com"}
    release = {
        "template_id": 47,
        "user_version": "3.2.0",
        "webviewdomain": ["https://m.example.com"],
        "server_domains": {"requestdomain": ["https://a.example.com"]},
        "privacy_setting": GUIDE,
    }
    own = {"requestdomain": ["https://a.example.com", "https://b.example.com"]}
    apps = [first.appid, {"appid": refused.appid, "server_domains": own}, used_up.appid, individual.appid]
    with serve(fleet.world) as wechat:
        tokens = {each.appid: each.fixed_token for each in fleet.world.mini_programs}
        drive = Drive(f"sqlite:///{tmp_path / 'wxa.db'}", wechat.url, tokens)
        spent = modify_domain(used_up.appid, "add", {"requestdomain": frozenset({"https://a.example.com"})})
        drive.ledger().intend(PLATFORM, [spent] * 50, TaskRef("before", "r", "t"))
        drive.load(yaml.safe_dump({"release": release, "apps": apps}, allow_unicode=True))
        drive.submitted()
        ended = {app.appid: app for app in drive.fleets.apps(drive.key)}
    for each in (first, individual):
        assert each.third_domain["requestdomain"] == ["https://a.example.com"]
        assert each.privacy["2"]["setting_list"] == GUIDE["setting_list"]
        assert ended[each.appid].auditid
    assert (ended[refused.appid].outcome, ended[used_up.appid].outcome) == ("blocked", "blocked")
    assert "no_icp_domain https://b.example.com" in str(ended[refused.appid].what)
    assert "0 of 50" in str(ended[used_up.appid].what)
    assert used_up.domain_changes == []
    assert {each.exp_info is None for each in (refused, used_up)} == {True}


def test_the_review_gets_what_the_manifest_has_for_it(tmp_path: Path) -> None:
    fleet = seeded_fleet(2, seed=3, shares={})
    first, other = fleet.world.mini_programs
    form = {"ugc_declare": {"scene": [1], "method": [1], "has_audit_team": 1, "audit_desc": "two people read it"}}
    words = {"user_desc": "spring sale", "version_desc": "account: a/b", "ext_json": {"ext": {"shop": "8016"}}}
    release = {"template_id": 47, "user_version": "3.2.0", "webviewdomain": ["https://m.example.com"], **words}
    apps = [{"appid": first.appid, "audit_form": form, "privacy_api_not_use": True}, other.appid]
    with serve(fleet.world) as wechat:
        tokens = {each.appid: each.fixed_token for each in fleet.world.mini_programs}
        drive = Drive(f"sqlite:///{tmp_path / 'wxa.db'}", wechat.url, tokens)
        drive.load(yaml.safe_dump({"release": release, "apps": apps}))
        drive.submitted()
        sent = {each.appid: each.body for each in wechat.journal if each.path == "/wxa/submit_audit"}
        committed = [each.body for each in wechat.journal if each.path == "/wxa/commit"]
    assert sent[first.appid]["ugc_declare"] == form["ugc_declare"]
    assert "ugc_declare" not in sent[other.appid]
    assert [sent[each.appid].get("privacy_api_not_use", False) for each in (first, other)] == [True, False]
    assert {each["version_desc"] for each in sent.values()} == {"account: a/b"}
    assert all(each["user_desc"].startswith("spring sale [wxa:") and "8016" in each["ext_json"] for each in committed)
    assert len(committed) == 2


@pytest.mark.parametrize(
    ("asked", "kept", "missing"),
    [
        (
            {"server_domains": {"requestdomain": ["https://a.example.com"]}, "domain_action": "get"},
            ["example.com"],
            "requestdomain https://a.example.com",
        ),
        ({"domain_action": "all"}, ["example.org"], "not on the platform list https://example.com"),
    ],
)
def test_no_domain_is_lost_unseen(
    asked: dict[str, Any], kept: list[str], missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lag, "_PAUSES", (0.0,))
    fleet = seeded_fleet(1, seed=3, shares={})
    (platform,), (account,) = fleet.world.platforms, fleet.world.mini_programs
    platform.server_testing, platform.server_published = ["example.com"], ["example.com"]
    with serve(fleet.world) as wechat:
        drive = Drive(
            f"sqlite:///{tmp_path / 'wxa.db'}",
            wechat.url,
            {account.appid: account.fixed_token},
            platform_token=platform.component_access_token,
        )
        release = {"template_id": 47, "user_version": "3.2.0", **asked}
        drive.load(yaml.safe_dump({"release": release, "apps": [account.appid]}))
        drive.submitted()
        platform.testing, platform.published = kept, kept
        platform.server_testing, platform.server_published = [], []
        drive.released("rest")
    (app,) = drive.apps().values()
    assert app.outcome == "blocked"
    assert missing in app.what


def test_all_domains_of_the_platform_are_proved_to_be_effective(tmp_path: Path) -> None:
    fleet = seeded_fleet(1, seed=3, shares={})
    (account,) = fleet.world.mini_programs
    with serve(fleet.world) as wechat:
        drive = Drive(f"sqlite:///{tmp_path / 'wxa.db'}", wechat.url, {account.appid: account.fixed_token})
        release = {"template_id": 47, "user_version": "3.2.0", "domain_action": "all"}
        drive.load(yaml.safe_dump({"release": release, "apps": [account.appid]}))
        drive.plan()
        planned = plan_digest(drive.run.digest, drive.fleets.apps(drive.key))
        drive.submitted()
        assert drive.apps()[account.appid].plan["after"] == ["https://example.com"]  # type: ignore[index]
        assert plan_digest(drive.run.digest, drive.fleets.apps(drive.key)) == planned
        drive.released("rest")
    assert drive.apps()[account.appid].outcome == "released"


@pytest.mark.parametrize("wrong", [{"requestdomain": ["http://a.example.com"]}, {"action": "get"}, {"domains": []}])
def test_a_manifest_that_asks_for_what_cannot_be_is_refused(wrong: dict[str, Any], tmp_path: Path) -> None:
    drive = Drive(f"sqlite:///{tmp_path / 'wxa.db'}", "http://127.0.0.1:1", {})
    release = {"template_id": 47, "user_version": "1", "webviewdomain": ["https://m.example.com"]}
    document = {"release": {**release, "server_domains": wrong}, "apps": ["wx0000000000000001"]}
    with pytest.raises(WxaSpecError, match="server_domains"):
        drive.load(yaml.safe_dump(document))
