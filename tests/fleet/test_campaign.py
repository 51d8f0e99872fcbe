"""A canary proves a version before the month's submissions are spent, and gates that hold what they promise."""

import argparse
import html
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from airflow.providers.standard.operators.python import ShortCircuitOperator
from airflow.sdk import task
from sqlalchemy import update

from airflow_wxa.cli import fleet as cli_fleet
from airflow_wxa.dags.wxa_fleet_release import fleet_release_dag
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.fleet.stages import STAGES
from airflow_wxa.hooks import approvals
from airflow_wxa.hooks.store import open_fleets, open_ledger
from airflow_wxa.sandbox.state import AuditPlan
from airflow_wxa.store.fleets import FleetRun
from airflow_wxa.store.tables import fleet_app, fleet_run
from tests.airflow_session import register_dag, whole_run
from tests.fleet.fleets import NEVER, accepted, appid, manifest
from tests.fleet.walking import Fleet, Walked, Walks


def submitted_before_the_first_release(here: Fleet) -> list[int]:
    paths = [each.path for each in here.sandbox.journal]
    return [paths[: paths.index("/wxa/release")].count(each) for each in ("/wxa/commit", "/wxa/submit_audit")]


def test_the_others_are_submitted_behind_the_canary_with_the_quota_that_is_left_then(fleet: Walks) -> None:
    here = fleet(9, audit_rest=7)
    run = here.release(waves={"canary": {"apps": 2}, "early": {"apps": 3}}, audit_quota_reserve=1)
    assert run.state == "success", (run.errors, run.states)
    assert here.outcomes == {"released": 6, "no_quota": 3}
    assert submitted_before_the_first_release(here) == [2, 2]
    counted = {name: run.states[name].count("success") for name in run.states if "_audit" in name or "rest" in name}
    assert counted == {"submit_audit": 1, "commit_rest": 4, "submit_rest": 4, "release_rest": 2, "approve_rest": 0}


@pytest.mark.parametrize(("waves", "submit"), [({"canary": {"apps": 2}}, "ahead"), ({"early": {"apps": 2}}, None)])
def test_ahead_and_without_a_canary_all_submit_first(fleet: Walks, waves: dict[str, Any], submit: str | None) -> None:
    here = fleet(6)
    run = here.ends({"released": 6}, waves=waves, submit=submit)
    assert submitted_before_the_first_release(here) == [6, 6]
    skipped = ("commit_rest", "submit_rest", "approve_canary", "approve_early", "approve_rest")
    assert {(run.states[each], run.tries[each]) for each in skipped} == {("skipped", 0)}
    assert run.states["commit_code"].count("success") == 3


def test_a_shard_that_is_lost_holds_up_no_other_one_behind_the_canary(fleet: Walks) -> None:
    def lose_the_second(context: Any) -> None:
        if context["ti"].map_index == 1:
            raise OSError("killed")

    here, dag = fleet(6), fleet_release_dag()
    for stage in ("commit_rest", "submit_rest"):
        dag.get_task(stage).partial_kwargs["pre_execute"] = lose_the_second  # type: ignore[union-attr]
    run = here.release(dag=dag, waves={"canary": {"apps": 2}})
    assert run.state == "failed"
    assert here.outcomes == {"released": 4, "not_reached": 2}, (run.errors, run.states)


def test_a_wave_is_released_when_somebody_has_said_yes_to_its_figures(fleet: Walks) -> None:
    waves = {name: {"apps": count, "approval": True} for name, count in (("canary", 2), ("early", 0))}
    run = fleet(4).ends({"released": 4}, waves=waves | {"rest": {"approval": True}}, answers="Approve")
    assert run.questions.keys() == {"approve_canary", "approve_early", "approve_rest"}
    assert "| **canary** | goes on 2 |" in run.questions["approve_canary"].body
    last = run.questions["approve_rest"]
    assert last.subject == "Release 1.4.0 on 2 Mini Programs of the wave rest?"
    assert "| canary | released 2 |" in last.body
    assert "| early | no Mini Program |" in last.body


@pytest.mark.parametrize(
    ("said", "state", "done"),
    [
        ({"approve_canary": "Approve", "approve_early": "Reject"}, "success", {"released": 1, "not_reached": 2}),
        ({"approve_canary": "Reject"}, "success", {"not_reached": 3}),
        ({}, "failed", {"not_reached": 3}),  # nobody in time
    ],
)
def test_no_wave_goes_on_behind_a_no(fleet: Walks, said: dict[str, str], state: str, done: dict[str, int]) -> None:
    here = fleet(3)
    run = here.release(waves={name: {"apps": 1, "approval": True} for name in ("canary", "early")}, answers=said)
    assert (run.state, here.outcomes) == (state, done), (run.errors, run.states)
    assert run.states["fleet_result"] == ("skipped" if state == "success" else "failed")


def test_an_approval_and_a_gate_that_are_marked_success_open_nothing(fleet: Walks) -> None:
    here = fleet(4)
    run = here.release(waves={"canary": {"apps": 2}, "rest": {"approval": True}}, mark_success="approve_rest")
    assert "nobody has approved it" in str(run.errors["release_rest"])
    assert here.spent["release"] == 2
    here = fleet(4)
    here.world.mini_programs[0].audit.result = "rejected"
    run = here.release(waves={"canary": {"apps": 2}}, mark_success="canary_gate")
    assert run.state == "failed"
    assert here.spent == {"commit": 2, "submit_audit": 2, "release": 1}


def test_a_wave_soaks_from_its_last_release(fleet: Walks) -> None:
    here, soak = fleet(4), 1.5
    began = time.time()
    here.ends({"released": 4}, waves={"canary": {"apps": 2, "soak_minutes": soak / 60}})
    at = [app.released_at or 0.0 for app in here.apps]
    assert began < max(at[:2]) <= min(at[2:]) - soak


@pytest.mark.parametrize(
    ("slow", "polls", "hours", "wave", "ended"),
    [
        ((3,), 7, 264, "rest", {"released": 6}),
        ((2, 3), 7, 264, "canary", {"released": 6}),
        ((3,), NEVER, 3 / 3600, "rest", {"released": 5, "pending": 1}),
    ],
)
def test_stragglers_are_left_at_80_percent_and_waited_for_below_or_until_their_time_is_over(
    fleet: Walks, slow: tuple[int, ...], polls: int, hours: float, wave: str, ended: dict[str, int]
) -> None:
    here = fleet(6)
    for straggler in slow:
        here.world.mini_programs[straggler].audit = AuditPlan(polls=polls)
    waves = {"canary": {"apps": 5, "released_percent": 80, "soak_minutes": 1 / 60}}
    here.ends(ended, waves=waves, audit_timeout_hours=hours, shard_size=5)
    assert {here.apps[each].wave for each in slow} == {wave}
    order = accepted(here.sandbox, "release")
    first = {0, 1, 2, 4} if wave == "rest" else range(5)
    assert set(order[: len(first)]) == {appid(number) for number in first}


@task
def measure_errors() -> None: ...


@task
def find_errors() -> None:
    raise ValueError("3 % of the pages fail")


def skip(then: Callable[[], object] = lambda: None, *, all_that_follows: bool = False) -> None:
    """Skip the gate, or a check before it."""
    how = {"python_callable": lambda: False, "ignore_downstream_trigger_rules": all_that_follows}
    look = ShortCircuitOperator(task_id="look", **how)
    if check := then():
        look >> check


@pytest.mark.parametrize(
    ("build", "gate", "released"),
    [
        (lambda: measure_errors() >> measure_errors.override(task_id="again")(), "success", 4),
        (find_errors, "upstream_failed", 2),
        (skip, "skipped", 2),
        (lambda: skip(measure_errors), "skipped", 2),
    ],
)
def test_a_team_decides_between_waves(fleet: Walks, build: Callable[[], object], gate: str, released: int) -> None:
    here = fleet(4)
    run = here.release(dag=fleet_release_dag("checked", between={"canary": build}), waves={"canary": {"apps": 2}})
    assert (run.states["canary_gate"], here.spent["release"]) == (gate, released), (run.errors, run.states)
    assert run.state == ("success" if released == 4 else "failed"), run.states


def test_an_empty_wave_is_checked_all_the_same_and_has_nothing_to_submit(fleet: Walks) -> None:
    dag = fleet_release_dag("checked_empty", between={"early": measure_errors})
    run = fleet(2).ends({"released": 2}, dag=dag, waves={"canary": {"apps": 5}})
    assert (run.states["measure_errors"], run.states["submit_rest"]) == ("success", "skipped")


def test_what_cannot_stand_between_waves_is_refused_at_parse() -> None:
    for between, refusal in (
        ({"canary": lambda: skip(all_that_follows=True)}, "between canary: look skips all that follows"),
        ({"rest": measure_errors}, "between rest: no gate follows it"),
        ({"early": int}, "between early: builds no task"),
    ):
        with pytest.raises(WxaSpecError, match=refusal):
            fleet_release_dag(between=between)


@pytest.fixture
def closed(fleet: Walks, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Walked]:
    """Return a run of 4 whose canary's gate closed; what the command clears is carried out at once."""

    def start(**params: Any) -> Walked:
        fleet(4).world.mini_programs[0].audit.result = "rejected"
        walked = Walked(fleet_release_dag(), manifest=manifest(4, waves={"canary": {"apps": 2}}), **params)
        monkeypatch.setattr(cli_fleet, "_cleared", lambda _run, task_id: walked.clear(task_id))
        assert walked.run.states["canary_gate", -1] == "failed"
        return walked

    return start


def opened(walked: Walked, wave: str = "canary") -> bool:
    said = argparse.Namespace(run_id=walked.run.run.run_id, dag_id=None, wave=wave, reason="both are test accounts")
    try:
        cli_fleet.open_gate(said)
    except SystemExit:
        return False
    return True


def test_a_gate_that_closed_is_opened_for_its_figures_by_somebody_who_says_why(closed: Callable[..., Walked]) -> None:
    walked = closed()
    walked.clear("canary_gate")
    assert walked.run.states["canary_gate", -1] == "failed", "clearing alone opens nothing"
    assert not opened(walked, "early"), "it has not closed"
    approvals.open_gate(open_ledger(), fleet_run_of(walked), "canary", by="wu", why="")
    open_fleets().change(fleet_run_of(walked).key, {1: {"outcome": "blocked"}})
    walked.clear("canary_gate")
    assert walked.run.states["canary_gate", -1] == "failed", "the figures are others now"
    assert opened(walked)
    ended = walked.run.ended()
    assert (ended.state, ended.states["canary_gate"]) == ("success", "success"), (ended.errors, ended.states)
    outcomes = [app.outcome for app in open_fleets().apps(fleet_run_of(walked).key)]
    assert outcomes == ["rejected", "blocked", "released", "released"]
    noted = [row.after for row in open_ledger().entries(appid="", most=None) if row.task.task_id == "canary_gate"]
    assert [each["outcome"] for each in noted] == ["opened", "approved", "asked", "approved", "asked", "asked"]
    assert {each["why"] for each in noted[:2]} == {"both are test accounts"}
    assert "not proven" in noted[0]["by"]
    assert not opened(walked), "it is open"


def fleet_run_of(walked: Walked) -> FleetRun:
    (run,) = open_fleets().runs_named(walked.run.run.run_id)
    return run


@pytest.mark.parametrize("params", [{"approvers": ["wu"]}, {"approver_must_differ": True}])
def test_a_shell_proves_no_user_where_the_run_asks_for_one(
    closed: Callable[..., Walked], params: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    walked = closed(**params)
    assert not opened(walked)
    assert "the board" in capsys.readouterr().err
    open_gate = partial(approvals.open_gate, open_ledger(), fleet_run_of(walked), "canary", why="")
    # The run was triggered by lin, whose id in FAB's list is a number; somebody else may open where nobody is named.
    for by, user in [("zhao", "zhao")] if "approvers" in params else [("lin", "lin"), ("lin", "7")]:
        with pytest.raises(WxaSpecError):
            open_gate(by=by, user=user)
    assert open_gate(by="wu", user="wu") == "canary_gate"


# The loop of a trigger is closed when its deadline comes, with the connection that its last look kept open.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_hotfix_says_in_its_plan_that_it_takes_over_and_the_older_run_ends_superseded(fleet: Walks) -> None:
    here = fleet(3, audit_polls=NEVER)
    here.release(audit_timeout_hours=1 / 3600)
    older = here.key
    with open_fleets()._database.writing() as connection:  # as it was while its reviews went on
        connection.execute(update(fleet_run).values(ended_at=None, loaded_at=fleet_run.c.loaded_at - 60))
        connection.execute(update(fleet_app).values(outcome=None))
    for each in here.world.mini_programs:
        each.audit.polls = 0
    hotfix = {"supersede": True, "release": {"user_version": "1.4.1"}}
    run = here.ends({"released": 3}, approval=True, answers="Approve", **hotfix)
    body = html.unescape(run.questions["approve_plan"].body)
    assert "supersedes 1.4.0" in body
    assert f"taken over from run {older.run_id}" in body
    assert {app.outcome for app in open_fleets().apps(older)} == {"superseded"}
    assert here.spent == {"commit": 6, "submit_audit": 6, "release": 3}


def test_airflow_itself_starts_no_task_more_than_a_campaign_needs(fleet: Walks) -> None:
    here = fleet(6)
    dag = register_dag(fleet_release_dag("whole_campaign"))
    waves = {"canary": {"apps": 2, "soak_minutes": 1 / 60}, "early": {"apps": 2}}
    run = whole_run(dag, approval=False, shard_size=2, manifest=manifest(6, waves=waves))
    assert (run.state, here.outcomes) == ("success", {"released": 6}), (run.errors, run.states)
    ran = {task_id: state.count("success") for task_id, state in run.states.items() if "success" in state}
    shards = {"configure_domains": 3, "commit_rest": 2, "submit_rest": 2}
    more = {task_id: count for task_id, count in ran.items() if count > 1}
    assert {task_id: count for task_id, count in more.items() if not STAGES[task_id].behind} == shards
    assert run.states["carry_over"] == run.states["approve_early"] == "skipped"
