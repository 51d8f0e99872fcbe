"""A hotfix takes over the Mini Programs of a run that is under way, one by one, and withdraws its sheets only."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import delete, update

from airflow_wxa.api.code import release
from airflow_wxa.fleet.pace import Pace, StoppedError
from airflow_wxa.fleet.plan import AppPlan
from airflow_wxa.sandbox.exchange import Fault
from airflow_wxa.sandbox.server import RunningSandbox
from airflow_wxa.store.engine import Database
from airflow_wxa.store.tables import fleet_app, fleet_run, ledger
from tests.fleet.driving import PLATFORM, Drive
from tests.fleet.fleets import NEVER, Serves, appid, fleet_world, manifest


class Campaign:
    """A run with sheets in review, and a hotfix over it whose reviews end at once.

    :param changes: of the hotfix's manifest.
    """

    def __init__(self, wechat: RunningSandbox, store_url: str, **changes: Any) -> None:
        self.wechat, self.write = wechat, Database(store_url).write
        self.older, self.hotfix = (Drive.on(wechat, store_url, run_id) for run_id in ("monday", "hotfix"))
        self.older.load(manifest(list(self.older.tokens)))
        self.older.submitted()
        for each in wechat.world.mini_programs:
            each.audit.polls = 0
        asked = {"supersede": True, "release": {"user_version": "1.4.1"}}
        self.hotfix.load(manifest(list(self.hotfix.tokens), **asked | changes))
        of_older = update(fleet_run).where(fleet_run.c.run_id == "monday")  # both were loaded within a second
        self.write(of_older.values(loaded_at=fleet_run.c.loaded_at - 60))

    def forget_submissions(self, numbers: range) -> None:
        """Let the ledger know nothing of some sheets: they carry our mark, and are somebody else's."""
        foreign = ledger.c.appid.in_([appid(number) for number in numbers])
        self.write(delete(ledger).where(foreign, ledger.c.endpoint == "submit_audit"))

    def use_withdrawals_up(self, numbers: range) -> None:
        row = {"component_appid": PLATFORM, "endpoint": "undocodeaudit", "asked": {}, "map_index": -1, "try_number": 0}
        row |= dict.fromkeys(("dag_id", "run_id", "task_id", "triggered_by"), "")
        row |= {"sent_at": time.time(), "answered_at": time.time(), "errcode": 0}
        for number in 5 * list(numbers):
            self.write(ledger.insert().values(row | {"appid": appid(number)}))

    def sent(self, *endpoints: str) -> list[int]:
        return [len(self.older.accepted(each)) for each in endpoints]


#: Takes the number of Mini Programs, and changes of the hotfix's manifest.
Campaigns = Callable[..., Campaign]


@pytest.fixture
def campaign(serving: Serves, store_url: str) -> Campaigns:
    return lambda count, **changes: Campaign(serving(fleet_world(count, audit_polls=NEVER)), store_url, **changes)


@pytest.mark.parametrize(("count", "foreign", "tired"), [(10, 2, 1), pytest.param(150, 7, 3, marks=pytest.mark.load)])
def test_own_sheets_are_superseded_and_others_named(campaign: Campaigns, count: int, foreign: int, tired: int) -> None:
    here = campaign(count)
    here.forget_submissions(range(6, 6 + foreign))
    here.use_withdrawals_up(range(2, 2 + tired))
    named = foreign + tired
    assert here.hotfix.carried() == {"released": count - named, "blocked": named}
    assert here.older.outcomes == {"superseded": count - named, None: named}
    assert here.sent("submit_audit") == [2 * count - named]
    withdrawn = here.hotfix.accepted("undocodeaudit")
    assert len(withdrawn) == len(set(withdrawn)) == count - named
    theirs, used_up = (here.hotfix.apps()[appid(number)] for number in (6, 2))
    assert "another version" in theirs.what
    assert (used_up.errcode, "withdrawals" in used_up.what) == (87013, True)


@pytest.mark.parametrize(("release", "withdrawn"), [({"user_version": "1.4.1"}, 3), ({}, 0)])
def test_an_older_run_writes_no_more_and_a_rerun_of_its_version_takes_its_sheets_over(
    campaign: Campaigns, release: dict[str, str], withdrawn: int
) -> None:
    here = campaign(3, release=release)
    here.hotfix.submitted()
    late = here.older.apps()[appid(0)]
    here.older.fleets.change(here.older.key, {0: {"outcome": "blocked", "what": "it was withdrawn"}})
    assert here.older.apps()[appid(0)] == late, "what was taken over stays so"
    for stage in ("commit_code", "submit_audit"):
        here.older.stage(stage)
    here.older.released()
    assert here.older.outcomes == {"superseded": 3}
    sent = [3 + withdrawn, 3 + withdrawn, withdrawn]
    assert here.sent("commit", "submit_audit", "undocodeaudit", "release") == [*sent, 0]
    for each in here.wechat.world.mini_programs:
        each.sheets[-1].polls = NEVER
    here.hotfix.released()
    assert (here.older.outcomes, here.hotfix.outcomes) == ({"superseded": 3}, {"released": 3})
    assert here.sent("commit", "submit_audit", "undocodeaudit", "release") == [*sent, 3]


def test_of_those_without_quota_in_both_runs_the_next_month_serves_the_hotfix(campaign: Campaigns) -> None:
    here = campaign(4, carry_over=True)
    platform = here.wechat.world.platforms[0]
    here.older.fleets.change(here.older.key, {at: {"outcome": "no_quota", "audit_grant": "waiting"} for at in (2, 3)})
    platform.audit_rest = 0
    here.hotfix.submitted(usable=0)
    assert here.hotfix.outcomes == {"no_quota": 4}
    here.hotfix.stage("carry_over")
    assert here.older.outcomes == {None: 2, "superseded": 2}, "two have a sheet in review, which is worth its quota"
    platform.audit_rest = 4
    for run in (here.older, here.hotfix):
        run.fleets.open_quota(run.key, PLATFORM, platform.audits_left, 0, "carry_over/0")
        run.stage("carry_over")
    assert (here.older.outcomes, here.hotfix.outcomes) == ({"superseded": 4}, {"released": 4})
    assert platform.audits_left == 0


def test_a_shard_of_the_older_run_that_is_at_work_stops_before_its_next_write(campaign: Campaigns) -> None:
    here = campaign(3)
    here.hotfix.fleets.take_over(here.hotfix.key, appid(1))
    for appids in (None, {appid(1), appid(2)}):  # any, and those of the shard
        pace = Pace(here.older.run.manifest, here.older.fleets, here.older.run)
        pace.appids = appids
        pace._look()
        with pytest.raises(StoppedError):
            next(pace.paced(_writing(appid(1))))
        assert next(pace.paced(_writing(appid(2)))).appid == appid(2)


def _writing(whose: str) -> Any:
    yield release(whose)


@pytest.mark.parametrize("kind", ["drop_after", "drop_before"])
def test_a_lost_answer_costs_no_second_sheet_and_no_second_withdrawal(campaign: Campaigns, kind: Any) -> None:
    here = campaign(4)
    for number, path in enumerate(("/wxa/undocodeaudit", "/wxa/commit", "/wxa/submit_audit")):
        here.wechat.add_fault(Fault(path=path, kind=kind, appid=appid(number), times=2))
    here.hotfix.submitted()
    assert here.hotfix.carried() == {"released": 4}  # cleared, or killed and tried again
    assert here.older.outcomes == {"superseded": 4}
    assert [len(each.sheets) for each in here.wechat.world.mini_programs] == [2] * 4
    assert here.sent("submit_audit") <= [8]
    assert [each.times for each in here.wechat.faults] in ([], [1] * 3), "each was met"


def test_without_supersede_a_sheet_in_review_is_foreign_and_no_later_run_is_taken_over(campaign: Campaigns) -> None:
    here = campaign(2, supersede=None)
    assert set(here.hotfix.fleets.under_way(here.hotfix.key).values()) == {"monday"}
    assert set(here.hotfix.fleets.under_way(here.hotfix.key, fleet_app.c.position == 1)) == {1}
    assert here.older.fleets.under_way(here.older.key) == {}
    here.hotfix.submitted()
    assert (here.hotfix.outcomes, here.older.outcomes) == ({"blocked": 2}, {None: 2})
    assert here.sent("undocodeaudit") == [0]


def test_a_plan_says_which_run_it_takes_over_from() -> None:
    plan = AppPlan(("withdraw", "commit", "submit", "wait", "release"), "supersedes 1.4.0 (sheet 7), which is in audit")
    assert plan.taking_over("monday").why.endswith("which is in audit; taken over from run monday")
    assert AppPlan(("blocked",), "no").taking_over("monday").why == "no"
