"""Accounts are looked at before anything is spent on them, once a day, and a look that is refused stops nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_wxa.dags.wxa_fleet_release import fleet_release_dag
from airflow_wxa.fleet import pace
from airflow_wxa.sandbox.exchange import Fault
from airflow_wxa.sandbox.server import serve
from tests.airflow_session import run_dag
from tests.fleet.fleets import appid, fleet_connection, fleet_world, manifest
from tests.fleet.test_fleet_dag import Fleet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOOKS = ("/wxa/icp/get_icp_entrance_info", "/wxa/get_category", "/wxa/getillegalrecords")


@pytest.fixture
def fleet(airflow_database: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Fleet]:
    world = fleet_world(6)
    with serve(world) as running:
        monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", fleet_connection(running.url, 6))
        monkeypatch.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", f"sqlite:///{tmp_path / 'wxa.db'}")
        yield Fleet(running, world)


def looked_at(fleet: Fleet) -> list[str]:
    return sorted(str(each.appid) for each in fleet.sandbox.journal if each.path == LOOKS[0])


def test_whose_owner_has_something_to_do_is_blocked_before_anything_is_spent(fleet: Fleet) -> None:
    programs = fleet.world.mini_programs
    programs[1].filing_status = 1024
    programs[2].categories = []
    programs[3].privacy_keys = ["Location"]
    programs[4].illegal_records = [{"illegal_reason": "induces sharing", "create_time": fleet.world.now()}]  # type: ignore[typeddict-item]
    programs[4].granted_sets |= {76}
    run = fleet.release(manifest(6))
    assert run.xcoms["fleet_result"] == {"released": 3, "blocked": 3}, run.errors
    said = {app.appid: app for app in fleet.apps}
    for number, word in ((1, "备案"), (2, "服务类目"), (3, "用户隐私保护指引")):
        assert word in said[appid(number)].what
        assert "hand this to the merchant" in said[appid(number)].next_step
        assert said[appid(number)].stage == "plan_release"
    assert "induces sharing" in str((said[appid(4)].plan or {})["why"])
    spent = {each.appid for each in fleet.sandbox.journal if each.path in ("/wxa/commit", "/wxa/submit_audit")}
    assert spent == {appid(number) for number in (0, 4, 5)}


def test_an_account_is_looked_at_once_a_day_and_again_where_something_was_to_do(fleet: Fleet) -> None:
    fleet.world.mini_programs[1].filing_status = 1024
    fleet.release(manifest(6))
    assert looked_at(fleet) == [appid(number) for number in range(6)]
    fleet.world.mini_programs[1].filing_status = 6
    release = {"template_id": 47, "user_version": "1.5.0", "domain_action": "get"}
    run = fleet.release(manifest(6, release=release))
    assert run.xcoms["fleet_result"] == {"released": 6}, run.errors
    assert looked_at(fleet).count(appid(1)) == 2
    assert len(looked_at(fleet)) == 7


@pytest.mark.parametrize("errcode", [48001, 45009, 45011, -1])
def test_a_look_that_is_refused_stops_nothing(fleet: Fleet, errcode: int, monkeypatch: pytest.MonkeyPatch) -> None:
    held_until = pace._held_until  # 45011: until the minute is over
    monkeypatch.setattr(pace, "_held_until", lambda code, now: now + 0.5 if code == 45011 else held_until(code, now))
    for path in LOOKS if errcode != 48001 else LOOKS[::2]:  # without get_category nothing can be submitted
        fleet.sandbox.add_fault(Fault(path=path, kind="errcode_before", errcode=errcode, times=None))
    run = run_dag(fleet_release_dag(), approval=False, manifest=manifest(6))
    assert run.xcoms["fleet_result"] == {"released": 6}, run.errors
