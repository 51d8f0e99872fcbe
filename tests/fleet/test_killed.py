"""A shard's process is killed in each stage, and run again: nothing is sent twice that must not be, and all finish."""

import multiprocessing
import time
from collections.abc import Iterable

import pytest
from sqlalchemy import update

from airflow_wxa.sandbox import seeded_fleet
from airflow_wxa.store.fleets import RunKey
from airflow_wxa.store.tables import fleet_app, ledger
from tests.fleet.driving import PLATFORM, STAGES, Drive, Drives
from tests.fleet.fleets import fleet_world
from tests.fleet.test_supersede import Campaigns
from tests.fleet.test_supersede import campaign as campaign  # noqa: PLC0414  a fixture

WRITES = {
    "configure_domains": "/wxa/setwebviewdomain",
    "commit_code": "/wxa/commit",
    "submit_audit": "/wxa/submit_audit",
    "release_rest": "/wxa/release",
}


def run_stage(store_url: str, url: str, tokens: dict[str, str], stage: str, key: RunKey) -> None:
    Drive(store_url, url, tokens, key).stage(stage)


def kill_in(drive: Drive, stage: str, calls: int, path: str) -> None:
    """Run a stage in a process of its own, and kill it after so many more writes to a path."""
    made_of = (drive.store_url, drive.url, dict(drive.tokens), stage, drive.key)  # a drive keeps a secret
    process = multiprocessing.get_context("spawn").Process(target=run_stage, args=made_of)
    calls += drive.wechat.journal.count(path)
    process.start()
    while drive.wechat.journal.count(path) < calls:
        time.sleep(0.002)
        assert process.is_alive()
    process.kill()
    process.join()


def go_through(drive: Drive, stages: Iterable[str], killed: str, path: str, *calls: int) -> None:
    """Carry a fleet through stages; one is killed after so many calls, as often as these are, and run again."""
    for each in stages:
        for more in calls if each == killed else ():
            kill_in(drive, each, more, path)
        drive.stage(each)


def assert_sent_once(drive: Drive, *endpoints: str) -> None:
    """Hold what WeChat accepted to one call for each; it refuses (85009) what is sent beside a killed shard's."""
    assert drive.outcomes == {"released": len(drive.tokens)}
    for each in endpoints:
        assert sorted(drive.accepted(each)) == list(drive.tokens), each


@pytest.mark.parametrize("stage", WRITES)
def test_what_a_lost_shard_left_is_not_reached_and_clearing_the_task_goes_on(drive: Drives, stage: str) -> None:
    here, whole = drive(2), (*STAGES, "release_rest")
    here.plan()
    for each in whole:
        if each != stage:
            here.stage(each)
    here.fleets.end_rest(here.key, fleet_app.c.position >= 0, "not_reached", "", "")
    here.fleets.end(here.key)
    # A grant that nobody committed for is taken up by submit_audit.
    assert here.outcomes == {"released" if stage == "commit_code" else "not_reached": 2}
    for each in whole[whole.index(stage) :]:
        here.stage(each)
    assert_sent_once(here, "commit", "submit_audit", "release")


@pytest.mark.parametrize("audit_polls", [0, 50])
def test_a_sheet_without_description_is_known_hours_after_its_shard_was_killed(drive: Drives, audit_polls: int) -> None:
    world = fleet_world(1, audit_polls=audit_polls)
    world.leaves_out = {"user_desc"}
    here = drive(world)
    here.submitted()
    (submitted,) = here.apps().values()
    # The answer was noted, the row was not saved.
    here.fleets.change(here.key, {0: {"auditid": "", "audit_grant": "held", "done": "commit_code"}})
    here.fleets._database.write(update(ledger).values(answered_at=ledger.c.answered_at - 7200))
    here.stage("submit_audit")
    assert here.wechat.journal.count("/wxa/submit_audit") == 1
    (app,) = here.apps().values()
    assert (app.outcome, app.auditid) == (None, submitted.auditid)


@pytest.mark.chaos
@pytest.mark.parametrize("stage", WRITES)
def test_a_killed_shard_goes_on(drive: Drives, stage: str) -> None:
    world = seeded_fleet(30, seed=2).world
    world.latency = {"*": 0.01}
    here = drive(world)
    here.plan()
    go_through(here, (*STAGES, "release_rest"), stage, WRITES[stage], 8)
    here.released("rest")
    assert_sent_once(here, "submit_audit", "release")


@pytest.mark.chaos
@pytest.mark.parametrize(("stage", "path"), [("commit_rest", "/wxa/commit"), ("submit_rest", "/wxa/submit_audit")])
def test_a_killed_shard_behind_the_canary_goes_on(drive: Drives, stage: str, path: str) -> None:
    world = fleet_world(12)
    world.latency = {"*": 0.02}
    here = drive(world, waves={"canary": {"apps": 2}}, pace={"concurrency": 2})
    here.plan()
    here.stage("configure_domains")
    here.fleets.open_quota(here.key, PLATFORM, 12, 0, None, fleet_app.c.wave == "canary")
    for each in ("commit_code", "submit_audit", "release_canary"):
        here.stage(each)
    assert here.wechat.journal.count(path) == 2
    go_through(here, ("domain_gate", "commit_rest", "submit_rest"), stage, path, 1, 2)
    here.released("rest")
    assert_sent_once(here, "submit_audit", "release")


@pytest.mark.chaos
@pytest.mark.parametrize(
    ("stage", "path"),
    [("commit_code", "/wxa/undocodeaudit"), ("commit_code", "/wxa/commit"), ("submit_audit", "/wxa/submit_audit")],
)
def test_a_hotfix_that_is_killed_takes_over_each_once(campaign: Campaigns, stage: str, path: str) -> None:
    here = campaign(8, pace={"concurrency": 2})
    here.wechat.world.latency = {"*": 0.02}
    here.hotfix.plan()
    go_through(here.hotfix, STAGES, stage, path, 1, 2)
    here.hotfix.released()
    assert here.older.outcomes == {"superseded": 8}
    assert_sent_once(here.hotfix, "undocodeaudit", "release")
    assert sorted(here.hotfix.accepted("submit_audit")) == sorted(2 * list(here.hotfix.tokens))


@pytest.mark.chaos
@pytest.mark.parametrize("path", ["/wxa/commit", "/wxa/submit_audit", "/wxa/release"])
def test_a_carry_over_that_is_killed_goes_on(drive: Drives, path: str) -> None:
    world = fleet_world(10, audit_limit=4, audit_rest=4)
    (platform,) = world.platforms
    here = drive(world, carry_over=True, pace={"concurrency": 2})
    here.carried(usable=4)
    world.latency = {"*": 0.02}

    def turned() -> None:
        held = here.fleets.held_elsewhere(here.key, PLATFORM)
        here.fleets.open_quota(here.key, PLATFORM, platform.audits_left, held, "carry_over/0")

    for kills in (2, 0):
        platform.audit_rest = 4
        for _ in range(kills):
            turned()
            kill_in(here, "carry_over", 1, path)
        for _ in range(4):
            turned()
            here.stage("carry_over")
        assert platform.audits_left == (0 if kills else 2)
    assert_sent_once(here, "submit_audit", "release")
