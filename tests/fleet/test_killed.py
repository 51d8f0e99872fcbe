"""A shard's process is killed in each stage, and run again: nothing is sent twice that must not be, and all finish."""

from __future__ import annotations

import multiprocessing
import time
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from airflow_wxa.sandbox import seeded_fleet
from airflow_wxa.sandbox.server import serve
from airflow_wxa.store.engine import Database
from airflow_wxa.store.tables import fleet_app, ledger
from tests.fleet.driving import PLATFORM, Drive
from tests.fleet.fleets import appid, fleet_world, token
from tests.fleet.fleets import manifest as whole
from tests.fleet.test_outcomes import manifest, tokens
from tests.fleet.test_supersede import campaign as campaign  # noqa: PLC0414  a fixture

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airflow_wxa.sandbox.server import RunningSandbox
    from airflow_wxa.store.fleets import RunKey
    from tests.fleet.test_supersede import Campaign

STAGES = {
    "configure_domains": "/wxa/setwebviewdomain",
    "commit_code": "/wxa/commit",
    "submit_audit": "/wxa/submit_audit",
    "release_rest": "/wxa/release",
}


def run_stage(store_url: str, url: str, tokens: dict[str, str], stage: str, key: RunKey) -> None:
    Drive(store_url, url, tokens, key).stage(stage)


def kill_in(drive: Drive, stage: str, wechat: RunningSandbox, calls: int, path: str = "") -> None:
    """Run a stage in a process of its own, and kill it after so many writes of it."""
    made_of = (
        drive.store_url,
        drive.url,
        dict(drive.tokens),
        stage,
        drive.key,
    )  # a drive keeps a secret, which does not travel
    process = multiprocessing.get_context("spawn").Process(target=run_stage, args=made_of)
    process.start()
    while wechat.journal.count(path or STAGES[stage]) < calls:
        time.sleep(0.002)
        assert process.is_alive()
    process.kill()
    process.join()


def lose(drive: Drive, stage: str) -> None:
    """End the run as one does whose only shard is lost at a stage, after its retries."""
    for each in STAGES:
        if each == "commit_code":
            drive.gate()
        if each != stage:
            drive.stage(each)
    drive.fleets.end_rest(drive.key, fleet_app.c.position >= 0, "not_reached", "", "")
    drive.fleets.end(drive.key)


@pytest.mark.parametrize("stage", STAGES)
def test_what_a_lost_shard_left_is_not_reached_and_clearing_the_task_goes_on(stage: str, tmp_path: Path) -> None:
    fleet = seeded_fleet(3, seed=2, audit_polls=0)
    with serve(fleet.world) as wechat:
        drive = Drive(f"sqlite:///{tmp_path / 'wxa.db'}", wechat.url, tokens(fleet))
        drive.load(manifest(fleet))
        drive.plan()
        lose(drive, stage)
        ended = {app.outcome for app in drive.apps().values()}
        # A grant that nobody committed for is taken up by submit_audit.
        assert ended == ({"released"} if stage == "commit_code" else {"not_reached"})
        for each in list(STAGES)[list(STAGES).index(stage) :]:
            drive.stage(each)
            if each == "configure_domains":
                drive.gate()
        assert {app.outcome for app in drive.apps().values()} == {"released"}
        for path in ("/wxa/commit", "/wxa/submit_audit", "/wxa/release"):
            # WeChat refuses (85009) what is sent again while the killed shard's call is still on its way.
            taken = [entry for entry in wechat.journal if entry.path == path and entry.errcode == 0]
            assert len(taken) == len(fleet.kinds), path


@pytest.mark.parametrize("audit_polls", [0, 50])
def test_a_sheet_without_description_is_known_hours_after_its_shard_was_killed(
    audit_polls: int, tmp_path: Path
) -> None:
    fleet = seeded_fleet(1, seed=2, audit_polls=audit_polls)
    fleet.world.leaves_out = {"user_desc"}
    with serve(fleet.world) as wechat:
        drive = Drive(f"sqlite:///{tmp_path / 'wxa.db'}", wechat.url, tokens(fleet))
        drive.load(manifest(fleet))
        drive.submitted()
        (submitted,) = drive.apps().values()
        # The answer was noted, the row was not saved.
        drive.fleets.change(drive.key, {0: {"auditid": "", "audit_grant": "held", "done": "commit_code"}})
        with Database(drive.store_url).writing() as connection:
            connection.execute(update(ledger).values(answered_at=ledger.c.answered_at - 7200))
        drive.stage("submit_audit")
        assert wechat.journal.count("/wxa/submit_audit") == 1
    (app,) = drive.apps().values()
    assert (app.outcome, app.auditid) == (None, submitted.auditid)


@pytest.mark.chaos
@pytest.mark.parametrize("stage", STAGES)
def test_a_killed_shard_goes_on(stage: str, tmp_path: Path) -> None:
    fleet = seeded_fleet(30, seed=2)
    fleet.world.latency = {"*": 0.01}
    with serve(fleet.world) as wechat:
        drive = Drive(f"sqlite:///{tmp_path / 'wxa.db'}", wechat.url, tokens(fleet))
        drive.load(manifest(fleet))
        drive.plan()
        for each, path in STAGES.items():
            if each == "commit_code":
                drive.gate()
            if each == stage:
                kill_in(drive, each, wechat, wechat.journal.count(path) + 8)
            drive.released("rest") if each == "release_rest" else drive.stage(each)
        assert {app.outcome for app in drive.apps().values()} == {"released"}
        for path in ("/wxa/submit_audit", "/wxa/release"):
            # WeChat refuses (85009) what is sent again while the killed shard's call is still on its way.
            taken = [entry for entry in wechat.journal if entry.path == path and entry.errcode == 0]
            assert len(taken) == len(fleet.kinds), path


ONCE = ("/wxa/submit_audit", "/wxa/release", "/wxa/undocodeaudit")


def taken(wechat: RunningSandbox, path: str) -> list[str]:
    """Return the Mini Programs of accepted calls, in order."""
    return sorted(str(entry.appid) for entry in wechat.journal if entry.path == path and entry.errcode == 0)


@pytest.mark.chaos
@pytest.mark.parametrize(("stage", "path"), [("commit_rest", "/wxa/commit"), ("submit_rest", "/wxa/submit_audit")])
def test_a_killed_shard_behind_the_canary_goes_on(stage: str, path: str, tmp_path: Path) -> None:
    world = fleet_world(12)
    world.latency = {"*": 0.02}
    with serve(world) as wechat:
        drive = Drive(f"sqlite:///{tmp_path / 'wxa.db'}", wechat.url, {appid(at): token(at) for at in range(12)})
        drive.load(whole(12, waves={"canary": {"apps": 2}}, pace={"concurrency": 2}))
        drive.plan()
        drive.stage("configure_domains")
        drive.fleets.open_quota(drive.key, PLATFORM, 12, 0, None, fleet_app.c.wave == "canary")
        for each in ("commit_code", "submit_audit"):
            drive.stage(each)
        drive.released("canary")
        assert len(taken(wechat, path)) == 2
        drive.gate()
        for each in ("commit_rest", "submit_rest"):
            for calls in (1, 2) if each == stage else ():
                kill_in(drive, each, wechat, wechat.journal.count(path) + calls, path)
            drive.stage(each)
        drive.released("rest")
        assert {app.outcome for app in drive.apps().values()} == {"released"}
        for once in ONCE[:2]:
            assert taken(wechat, once) == [appid(at) for at in range(12)], once


@pytest.mark.chaos
@pytest.mark.parametrize(
    ("stage", "path"),
    [
        ("commit_code", "/wxa/undocodeaudit"),
        ("commit_code", "/wxa/commit"),
        ("submit_audit", "/wxa/submit_audit"),
    ],
)
def test_a_hotfix_that_is_killed_takes_over_each_once(
    campaign: Callable[[int], Campaign], stage: str, path: str
) -> None:
    here = campaign(8)
    here.load(pace={"concurrency": 2})
    here.wechat.world.latency = {"*": 0.02}
    hotfix = here.hotfix
    hotfix.plan()
    hotfix.stage("configure_domains")
    hotfix.gate()
    for each in ("commit_code", "submit_audit"):
        for calls in (1, 2) if each == stage else ():
            kill_in(hotfix, each, here.wechat, here.wechat.journal.count(path) + calls, path)
        hotfix.stage(each)
    hotfix.released()
    everybody = [appid(at) for at in range(8)]
    assert {app.outcome for app in hotfix.apps().values()} == {"released"}
    assert {app.outcome for app in here.older.apps().values()} == {"superseded"}
    assert taken(here.wechat, "/wxa/undocodeaudit") == taken(here.wechat, "/wxa/release") == everybody
    assert taken(here.wechat, "/wxa/submit_audit") == sorted(2 * everybody)


@pytest.mark.chaos
@pytest.mark.parametrize("path", ["/wxa/commit", "/wxa/submit_audit", "/wxa/release"])
def test_a_carry_over_that_is_killed_goes_on(path: str, tmp_path: Path) -> None:
    world = fleet_world(10, audit_limit=4, audit_rest=4)
    with serve(world) as wechat:
        drive = Drive(f"sqlite:///{tmp_path / 'wxa.db'}", wechat.url, {appid(at): token(at) for at in range(10)})
        drive.load(whole(10, carry_over=True, pace={"concurrency": 2}))
        drive.submitted(usable=4)
        drive.released()
        world.latency = {"*": 0.02}
        platform = world.platforms[0]
        platform.audit_rest = 4

        def turned() -> None:
            held = drive.fleets.held_elsewhere(drive.key, PLATFORM)
            drive.fleets.open_quota(drive.key, PLATFORM, platform.audits_left, held, "carry_over/0")

        for calls in (1, 1):
            turned()
            kill_in(drive, "carry_over", wechat, wechat.journal.count(path) + calls, path)
        for _ in range(4):
            turned()
            drive.stage("carry_over")
        assert platform.audits_left == 0
        platform.audit_rest = 4
        for _ in range(4):
            turned()
            drive.stage("carry_over")
        assert {app.outcome for app in drive.apps().values()} == {"released"}
        assert platform.audits_left == 2
        for once in ONCE[:2]:
            assert taken(wechat, once) == [appid(at) for at in range(10)], once
