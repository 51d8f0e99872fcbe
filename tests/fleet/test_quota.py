"""The month's audit quota is handed out in the manifest's order, and what one does not use goes to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_wxa.api.code import getversioninfo
from airflow_wxa.errors import WxaTransportError
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.operators import approve_plan
from airflow_wxa.operators.approve_plan import audit_quota
from airflow_wxa.sandbox import seeded_fleet
from airflow_wxa.sandbox.exchange import Fault
from airflow_wxa.sandbox.server import serve
from tests.fleet import fleets
from tests.fleet.driving import Drive
from tests.fleet.test_outcomes import manifest, tokens

if TYPE_CHECKING:
    from pathlib import Path

REST, RESERVE, FLEET = 30, 2, 50  # a tenth of a fleet of 500
GRANTED = REST - RESERVE


def test_as_many_are_submitted_as_the_quota_has_the_first_that_could_be(tmp_path: Path) -> None:
    fleet = seeded_fleet(FLEET, seed=5)
    fleet.world.platforms[0].audit_rest = REST
    appids = list(fleet.kinds)
    no_right, no_code = appids[3], appids[10]
    fleet.world.mini_program(no_right).granted_sets = set()
    with serve(fleet.world) as wechat:
        wechat.add_fault(Fault(path="/wxa/commit", kind="errcode_before", errcode=85013, appid=no_code, times=None))
        drive = Drive(f"sqlite:///{tmp_path / 'wxa.db'}", wechat.url, tokens(fleet))
        drive.load(manifest(fleet, audit_quota_reserve=RESERVE), shard_size=5)
        drive.submitted(usable=REST - RESERVE, parallel=True)
        drive.released()
    journal = wechat.journal
    submitted = [each.appid for each in journal if each.path == "/wxa/submit_audit" and each.errcode == 0]
    could = [appid for appid in appids if appid not in (no_right, no_code)][:GRANTED]
    assert sorted(submitted) == sorted(could)
    assert not [each for each in journal if each.errcode == 85085]
    committed = {each.appid for each in journal if each.path == "/wxa/commit"}
    assert committed == {*could, no_code}
    outcomes = {appid: app.outcome for appid, app in drive.apps().items()}
    assert [appid for appid, outcome in outcomes.items() if outcome == "released"] == could
    assert [appid for appid, outcome in outcomes.items() if outcome == "no_quota"] == appids[-(FLEET - GRANTED - 2) :]
    assert (outcomes[no_right], outcomes[no_code]) == ("blocked", "blocked")


def test_a_quota_that_others_have_used_up_is_met_once_and_asked_for_again_next_month(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = fleets.fleet_world(4)
    world.platforms[0].audit_rest = 0
    with serve(world) as wechat:
        monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", fleets.fleet_connection(wechat.url, 4))
        known = {fleets.appid(number): fleets.token(number) for number in range(4)}
        drive = Drive(f"sqlite:///{tmp_path / 'wxa.db'}", wechat.url, known)
        drive.load(fleets.manifest(4), shard_size=2)
        drive.submitted(usable=1)
        assert [(app.outcome, app.errcode) for app in drive.apps().values()] == [
            ("no_quota", 85085),
            *[("no_quota", None)] * 3,
        ]
        assert (wechat.journal.count("/wxa/commit"), wechat.journal.count("/wxa/submit_audit")) == (1, 1)
        world.platforms[0].audit_rest = 3
        assert audit_quota(WxaHook(), drive.fleets, drive.run) == 3
        drive.gate(3)
        drive.stage("commit_code")
        drive.stage("submit_audit")
        drive.released("rest")
    ended = [(app.outcome, app.errcode) for app in drive.apps().values()]
    # Without a reserve the first beyond what was granted tries.
    assert ended == [*[("released", None)] * 3, ("no_quota", 85085)]


def test_a_quota_that_wechat_does_not_tell_is_no_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approve_plan, "queryquota", getversioninfo)  # an answer without rest
    with serve(fleets.fleet_world(2)) as wechat:
        monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", fleets.fleet_connection(wechat.url, 2))
        known = {fleets.appid(number): fleets.token(number) for number in range(2)}
        drive = Drive(f"sqlite:///{tmp_path / 'wxa.db'}", wechat.url, known)
        drive.load(fleets.manifest(2))
        with pytest.raises(WxaTransportError, match="how many submissions are left"):
            audit_quota(WxaHook(), drive.fleets, drive.run)
