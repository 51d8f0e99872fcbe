"""A fleet goes back: what a run released or a list names, each Mini Program once, and the others named."""

import html
import json
import tempfile
from copy import deepcopy
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from airflow_wxa.dags.wxa_fleet_rollback import fleet_rollback_dag
from airflow_wxa.fleet.summary import outcome_of, rerun_manifest
from airflow_wxa.sandbox.errors import Errcode, refuse_if
from airflow_wxa.sandbox.exchange import Fault
from airflow_wxa.sandbox.server import RunningSandbox, serve
from airflow_wxa.sandbox.state import MiniProgram
from airflow_wxa.sandbox.world import World
from airflow_wxa.store.fleets import FleetRun
from airflow_wxa.store.tables import fleet_app
from tests.airflow_session import Run, run_dag
from tests.fleet.driving import PLATFORM, Drive
from tests.fleet.fleets import LOST, Serves, appid, fleet_world, manifest
from tests.fleet.test_killed import kill_in
from tests.fleet.walking import Fleet, Walked

BACK = ["blocked"] * 2 + ["rolled_back"] * 7


_dag = cache(fleet_rollback_dag)  # as it comes; a walk leaves it so


class Released(Fleet):
    """Mini Programs that a run has released; those below ``first_time`` had no version before."""

    def __init__(self, sandbox: RunningSandbox, store_url: str) -> None:
        super().__init__(sandbox)
        self.moves: list[str] = []  # Mini Programs that WeChat moved back, each as often as it did
        self.refused: set[str] = set()  # Mini Programs that WeChat does not move back
        self.drive = Drive.on(sandbox, store_url, "spring")

    def roll_back(self, **params: Any) -> Run:
        return run_dag(_dag(), **{"approval": False, "run_id": "spring"} | params)

    @property
    def online(self) -> list[str]:
        infos = [each.release_info for each in self.world.mini_programs]
        return [info["release_version"] if info else "" for info in infos]

    @property
    def run(self) -> FleetRun:
        """The latest rollback."""
        return replace(self.drive, key=self.key).run


@cache
def release(count: int, first_time: int) -> tuple[World, bytes]:
    """Release a fleet, once for all tests; return WeChat and the file of the store as they are then."""
    world = fleet_world(count)
    for at in world.mini_programs[first_time:]:
        at.release_info = {"release_time": 1, "release_version": "1.3.0", "release_desc": "winter"}
        at.app_version = 1
    with serve(world) as wechat, tempfile.TemporaryDirectory() as folder:
        drive = Drive.on(wechat, f"sqlite:///{folder}/wxa.db", "spring")
        drive.load(manifest(count, waves={"canary": {"apps": 5}}))
        drive.carried()
        drive.fleets.end(drive.key)
        drive.fleets._database.engine.dispose()  # its last connection puts all of it into the file
        return world, Path(folder, "wxa.db").read_bytes()


@pytest.fixture
def released(
    airflow_database: None, serving: Serves, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: Any
) -> Released:
    at_release, rows = release(*getattr(request, "param", (9, 2)))
    (tmp_path / "wxa.db").write_bytes(rows)
    wechat = serving(deepcopy(at_release))
    monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", json.dumps(json.loads(wechat.connection()) | {"login": PLATFORM}))
    made, do = Released(wechat, f"sqlite:///{tmp_path / 'wxa.db'}"), MiniProgram.roll_back

    def roll_back(account: MiniProgram, app_version: int | None, *, now: int) -> None:
        refuse_if(account.appid in made.refused, Errcode.GRAY_RELEASE_RUNNING)
        do(account, app_version, now=now)
        made.moves.append(account.appid)

    monkeypatch.setattr(MiniProgram, "roll_back", roll_back)
    return made


@pytest.mark.parametrize("released", [(10, 1), pytest.param((200, 20), marks=pytest.mark.load)], indirect=True)
def test_nine_in_ten_go_back_once_and_the_others_are_named(released: Released) -> None:
    count = len(released.world.mini_programs)
    back, first_time = count * 9 // 10, count // 10
    run = released.roll_back(approval=True, answers="Approve")
    assert "1.4.0 goes" in html.unescape(run.questions["approve_plan"].body)
    assert run.xcoms["fleet_result"] == {"rolled_back": back, "blocked": first_time}, run.errors
    assert released.online == [*["1.4.0"] * first_time, *["1.3.0"] * back]
    assert len(released.moves) == len(set(released.moves)) == back
    named = {(app.errcode, app.next_step) for app in released.apps if app.outcome == "blocked"}
    assert named == {(87012, "release a corrected version forward with wxa_release")}
    assert released.roll_back().xcoms["fleet_result"] == {"blocked": count}
    assert len(released.moves) == back


def test_a_canary_that_cannot_be_moved_keeps_the_rest_online(released: Released) -> None:
    released.refused = {appid(3)}
    run = released.roll_back()
    assert (run.state, run.states["canary_gate"]) == ("failed", "failed")
    assert run.states["rollback_rest"] == "upstream_failed"
    outcomes = [app.outcome for app in released.apps]
    assert outcomes == ["blocked"] * 2 + ["rolled_back", "blocked", "rolled_back"] + ["not_reached"] * 4
    text = rerun_manifest(released.run, released.apps)
    assert [each["appid"] for each in yaml.safe_load(text)["apps"]] == [appid(number) for number in (3, *range(5, 9))]
    released.refused = set()
    run = released.roll_back(run_id="", manifest=text)
    assert (run.state, run.xcoms["fleet_result"]) == ("success", {"rolled_back": 5}), run.errors
    assert len(released.moves) == len(set(released.moves)) == 7


def test_one_that_has_another_version_by_now_is_left_alone(released: Released) -> None:
    hotfix = released.world.mini_programs[4]
    assert hotfix.release_info is not None
    hotfix.release_info |= {"release_version": "1.4.1", "release_desc": "hotfix"}
    run = released.roll_back()
    assert run.xcoms["fleet_result"] == {"rolled_back": 6, "blocked": 3}, run.errors
    left = released.apps[4]
    assert (left.stage, "online 1.4.1, of the run 1.4.0" in left.what.replace(";", ",")) == ("plan_rollback", True)
    assert released.online[4] == "1.4.1"


def test_a_list_goes_back_to_the_versions_that_it_names(released: Released) -> None:
    text = f"apps: [{appid(2)}, {{appid: {appid(3)}, app_version: '1'}}, {appid(0)}]\nwaves: {{canary: {{apps: 1}}}}"
    run = released.roll_back(run_id="", manifest=text, app_version={appid(2): 1})
    assert run.xcoms["fleet_result"] == {"rolled_back": 2, "blocked": 1}, run.errors
    assert outcome_of(released.run, released.apps[0])["user_version"] == "1.3.0"


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"run_id": "autumn"}, "run_id = 'autumn': the store knows no release"),
        ({"run_id": "", "manifest": "apps: [wx1]"}, "appid = 'wx1': must be"),
        ({"run_id": "", "manifest": f"apps: [{{appid: {appid(2)}, app_version: x}}]"}, "= 'x': must be digits"),
        ({"app_version": {appid(77): "1"}}, f"app_version: {appid(77)} is none of the Mini Programs that go back"),
    ],
)
def test_a_rollback_of_nothing_known_is_refused(released: Released, params: dict[str, Any], problem: str) -> None:
    run = released.roll_back(**params)
    assert problem in str(run.errors["load_manifest"])
    assert not released.moves


def test_a_run_that_goes_on_is_stopped_first(released: Released) -> None:
    released.drive.fleets.reopen(released.drive.key, fleet_app.c.position < 0, "")
    assert "airflow wxa fleet stop spring first" in str(released.roll_back().errors["load_manifest"])
    released.drive.fleets.stop(released.drive.key, "lin")
    assert released.roll_back().xcoms["fleet_result"] == {"rolled_back": 7, "blocked": 2}


def test_a_rejection_moves_nothing(released: Released) -> None:
    run = released.roll_back(approval=True, answers="Reject")
    assert (run.state, run.xcoms["approve_plan"]["outcome"], released.moves) == ("success", "rejected", [])


def test_a_plan_that_is_cleared_knows_what_is_back_already(released: Released) -> None:
    walked = Walked(fleet_rollback_dag(), run_id="spring")
    killed = {4: {"outcome": None, "done": ""}}  # before its row was saved
    released.drive.fleets.change(released.key, killed)
    walked.clear("plan_rollback")
    assert [app.outcome for app in released.apps] == BACK
    assert len(released.moves) == 7


def test_a_lost_answer_moves_nobody_twice(released: Released) -> None:
    for number, kind in enumerate(LOST, 2):
        released.sandbox.add_fault(Fault(path="/wxa/revertcoderelease", kind=kind, appid=appid(number), times=3))
    released.roll_back()
    assert [app.outcome for app in released.apps] == BACK
    assert len(released.moves) == len(set(released.moves)) == 7


@pytest.mark.chaos
@pytest.mark.parametrize("released", [(40, 5)], indirect=True)
def test_a_shard_that_is_killed_goes_on(released: Released) -> None:
    released.roll_back(approval=True)  # it is planned, and nobody answers
    released.world.latency = {"*": 0.01}
    drive = replace(released.drive, key=released.key)
    drive.wechat = released.sandbox
    drive.stage("rollback_canary")
    kill_in(drive, "rollback_rest", 30, "/wxa/revertcoderelease")
    assert 0 < len(released.moves) < 35
    drive.stage("rollback_rest")
    assert [app.outcome for app in drive.apps().values()] == ["blocked"] * 5 + ["rolled_back"] * 35
    assert len(released.moves) == len(set(released.moves)) == 35


def test_the_graph_is_the_contract(airflow_database: None) -> None:
    dag = fleet_rollback_dag()
    line = "load_manifest plan_rollback approve_plan rollback_canary canary_gate rollback_rest summarize fleet_result"
    assert [task.task_id for task in dag.topological_sort()] == line.split()
