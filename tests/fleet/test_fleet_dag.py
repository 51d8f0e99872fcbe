"""A fleet by its DAG: what its tasks refuse, register, ask, tell and block."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, Final

import pytest
from airflow import sdk
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException

from airflow_wxa.dags import fleet_tasks
from airflow_wxa.dags.wxa_fleet_release import fleet_release_dag
from airflow_wxa.dags.wxa_fleet_rollback import fleet_rollback_dag
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.fleet import pace
from airflow_wxa.hooks.store import open_fleets
from airflow_wxa.notifications import WxaNotifier
from airflow_wxa.operators.approve_plan import WxaApprovePlanOperator
from airflow_wxa.sandbox.exchange import Fault
from airflow_wxa.sandbox.world import World
from airflow_wxa.store.fleets import RunKey
from airflow_wxa.store.questions import Fact, Question
from airflow_wxa.store.tables import fleet_app
from tests.english import english_in
from tests.fleet.fleets import NO_DOMAINS, Serves, accepted, appid, fleet_world, manifest
from tests.fleet.walking import Walks

#: Takes a manifest.
Loads = Callable[..., World]
#: A DAG that tells of each of its tasks, and the last line of each that it has told.
Told = tuple[DAG, list[str]]
BUTTONS = ("Undo", "Clear", "Mark success", "Mark failed")
KEY = RunKey("wxa_fleet_release", "alone")


@pytest.fixture
def alone(serving: Serves, monkeypatch: pytest.MonkeyPatch) -> Loads:
    """Return what loads a manifest for three Mini Programs, whose other tasks are called by themselves."""

    def start(text: str, conf: Mapping[str, Any] = {}, *, platform_token: bool = True, **world: Any) -> World:
        wechat = serving(fleet_world(3, **world))
        connection = json.loads(wechat.connection())
        if not platform_token:
            del connection["extra"]["component_access_token"]
        monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", json.dumps(connection))
        conf = {"manifest": text, "approval": False, **conf}
        context = {
            "params": {"shard_size": 2, "wxa_conn_id": "wxa_default", "platform_conn_id": None, **conf},
            "ti": SimpleNamespace(dag_id=KEY.dag_id, run_id=KEY.run_id, task_id="load_manifest"),
            "dag_run": SimpleNamespace(conf=conf),
            "dag": fleet_release_dag(),
        }
        monkeypatch.setattr(fleet_tasks, "get_current_context", lambda: context)
        fleet_tasks.load_manifest.function({})
        return wechat.world

    return start


def test_a_misspelt_param_and_what_a_manifest_says_are_refused(alone: Loads) -> None:
    with pytest.raises(AirflowFailException) as refused:
        alone(manifest(3), {"approver": ["lin"], "audit_quota_reserve": 20, "openlineage": {}})
    assert "approver: is no param of this DAG, approvers is" in str(refused.value)
    assert "audit_quota_reserve: is no param of this DAG" in str(refused.value)
    assert "openlineage" not in str(refused.value)


def test_a_plan_that_is_cleared_when_the_run_has_ended_plans_all_again(alone: Loads) -> None:
    alone(manifest(3))
    open_fleets().end_rest(KEY, fleet_app.c.position >= 0, "not_reached", "a lost task came first", "")
    assert fleet_tasks.plan_release.function() == []
    assert {(app.outcome, app.audit_grant) for app in open_fleets().apps(KEY)} == {(None, "waiting")}


def test_an_approval_shows_the_domains_that_are_asked_for(alone: Loads, monkeypatch: pytest.MonkeyPatch) -> None:
    servers = {"requestdomain": ["https://api.example.com"]}
    own = {"appid": appid(0), "domain_action": "all", "webviewdomain": []}
    alone(manifest(3, apps=[own, appid(1)], release={"server_domains": servers}))
    fleet_tasks.plan_release.function()
    question = Question("plan", WxaApprovePlanOperator(task_id="approve_plan").facts(fleet_tasks.get_current_context()))
    kept = json.loads(json.dumps(question.to_json()))["facts"]
    _, asked = WxaApprovePlanOperator.words(Question("plan", {name: Fact(**fact) for name, fact in kept.items()}))
    assert '| domain_action | `"set"`; own values: 1 |' in asked
    assert '| server_domains | `{"requestdomain": ["https://api.example.com"]}` |' in asked
    monkeypatch.setenv("AIRFLOW__WXA__LANGUAGE", "zh")
    assert english_in(*WxaApprovePlanOperator.words(question)) == []


REGISTER = {"on_platform_list_empty": "register"}


def test_a_run_that_is_stopped_registers_nothing(alone: Loads) -> None:
    world = alone(manifest(3, platform=REGISTER), testing=[], published=[])
    open_fleets().stop(KEY, "lin")
    for each in (fleet_tasks.check_platform_list, fleet_tasks.register_platform_domains):
        with pytest.raises(AirflowFailException, match="stopped by lin"):
            each.function()
    assert world.platforms[0].published == []


def test_only_hosts_that_somebody_adds_are_registered(alone: Loads) -> None:
    own = {"appid": appid(0), "domain_action": "delete", "webviewdomain": ["https://old.example.com"]}
    world = alone(manifest(3, apps=[own, appid(1)], platform=REGISTER), testing=[], published=[])
    fleet_tasks.register_platform_domains.function()
    assert world.platforms[0].published == ["m.example.com"]


def test_a_registration_needs_a_platform_token_before_anybody_is_asked(alone: Loads) -> None:
    with pytest.raises(AirflowFailException, match="component_access_token"):
        alone(manifest(3, platform=REGISTER), platform_token=False)


READS: Final = {"appid": appid(0), "domain_action": "get", "webviewdomain": []}
ADDS: Final = {"appid": appid(2), "domain_action": "add", "webviewdomain": ["https://m.example.com"]}


@pytest.mark.parametrize(
    ("changes", "hosts", "road"),
    [
        ({"apps": [{"appid": appid(0), "webviewdomain": ["https://m.elsewhere.com"]}, appid(1)]},
         ["example.com"], "configure_domains"),  # 89021
        ({"apps": [READS, appid(1)]}, [], "89020"),
        ({"apps": [READS, appid(1)]}, ["example.com"], "configure_domains"),
        ({"apps": [appid(0), appid(1), ADDS], "release": NO_DOMAINS, "platform": REGISTER},
         [], "register_platform_domains"),
    ],
)  # fmt: skip
def test_the_first_one_decides_for_nobody_else_and_one_that_wants_domains_for_all(
    alone: Loads, changes: dict[str, Any], hosts: list[str], road: str
) -> None:
    world = alone(manifest(3, **changes), platform_token="platform" in changes, testing=hosts, published=hosts)
    world.get_refuses = False
    try:
        found = fleet_tasks.check_platform_list.function()
    except AirflowFailException as refused:
        found = str(refused)
    assert road in found


def test_what_a_fleet_would_not_follow_cannot_be_fixed() -> None:
    with pytest.raises(WxaSpecError) as refused:
        fleet_release_dag(fixed={"check_account": True, "approval_timeout_hours": 2, "template_id": 47})
    assert [each.partition(" = ")[0] for each in refused.value.problems] == ["approval_timeout_hours", "check_account"]
    with pytest.raises(WxaSpecError, match="shard_size = 0: "):
        fleet_release_dag(fixed={"shard_size": 0})


@pytest.mark.parametrize("build", [fleet_release_dag, fleet_rollback_dag])
def test_each_task_says_what_it_does_and_what_its_buttons_do(airflow_database: None, build: Callable[[], DAG]) -> None:
    for task in build().tasks:
        assert task.doc_md, task.task_id
        assert all(f"**{button}**" in task.doc_md for button in BUTTONS) or "the same" in task.doc_md, task.task_id


@pytest.fixture
def told() -> Told:
    said: list[str] = []
    tell = WxaNotifier(lambda context: said.append(f"{context['wxa_event']} {context['wxa_text'].splitlines()[-1]}"))
    return fleet_release_dag("told", default_args={"on_success_callback": tell, "on_failure_callback": tell}), said


def test_a_fleet_is_released_and_told_wave_by_wave(fleet: Walks, told: Told) -> None:
    here, (dag, said) = fleet(9), told
    run = here.ends({"released": 9}, dag=dag, waves={"canary": {"apps": 2}, "early": {"apps": 3}})
    assert run.states["configure_domains"].count("success") == 5
    released = accepted(here.sandbox, "release")
    order = [app.appid for app in here.apps]
    assert [sorted(released[a:b]) for a, b in ((0, 2), (2, 5), (5, 9))] == [order[0:2], order[2:5], order[5:9]]
    waves = (("canary", 2), ("early", 3), ("rest", 4))
    assert said == [f"wave_ended {wave}: {count} released" for wave, count in waves]


@pytest.mark.parametrize("count", [40, pytest.param(200, marks=pytest.mark.load)])
def test_a_bad_canary_of_5_spends_5_submissions_and_the_stop_is_told(fleet: Walks, told: Told, count: int) -> None:
    here, (dag, said) = fleet(count), told
    for canary in here.world.mini_programs[1:5]:
        canary.audit.result = "rejected"
    run = here.release(dag=dag, waves={"canary": {"apps": 5}}, shard_size=count // 4)
    assert (run.state, run.states["canary_gate"]) == ("failed", "failed"), run.errors
    assert "canary: 4 of 5 failed (80.0%)" in str(run.errors["fleet_result"])
    assert here.spent == {"commit": 5, "submit_audit": 5, "release": 1}
    assert here.outcomes == {"released": 1, "rejected": 4, "not_reached": count - 5}
    assert {run.states[each] for each in ("commit_rest", "submit_rest", "release_early")} == {"upstream_failed"}
    assert said == ["gate_closed canary: 4 rejected, 1 released", f"run_stopped rest: {count - 5} not_reached"]


def test_an_empty_platform_list_stops_or_is_filled(fleet: Walks) -> None:
    here = fleet(3, testing=[], published=[])
    run = here.release()
    assert (run.state, run.states["check_platform_list"]) == ("failed", "failed")
    assert "89020" in str(run.errors["check_platform_list"])
    assert "a task before failed" in str(run.errors["fleet_result"])
    assert {app.what for app in here.apps} == {"a task before its turn failed or was skipped"}
    run = here.release(platform=REGISTER | {"platform_domains": ["example.com"]})
    assert (run.state, run.states["register_platform_domains"]) == ("success", "success"), (run.errors, run.states)


def test_direct_mode_needs_no_platform_list_and_adds_nothing_to_one(fleet: Walks) -> None:
    here = fleet(3, testing=[], published=[])
    direct = {"domain_mode": "direct"}
    own = [{"appid": appid(at), "webviewdomain": [f"https://m{at}.example.net"], **direct} for at in range(3)]
    run = here.release(apps=own)
    assert (run.state, run.states["register_platform_domains"]) == ("success", "skipped"), (run.errors, run.states)
    lists = [call.body["action"] for call in here.sandbox.journal if "jump_domain" in call.path]
    assert set(lists) <= {"get"}
    run = here.release(apps=[*own[:2], appid(2)], release={"user_version": "1.5.0"}, platform=REGISTER)
    assert run.state == "success", (run.errors, run.states)
    assert here.world.platforms[0].published == ["m.example.com"]


@pytest.mark.parametrize(
    ("says", "common", "gate", "outcomes"),
    [
        (True, {}, "success", {"released": 3}),
        (True, {"audit_quota_reserve": 1, "audit_quota": 3}, "success", {"released": 2, "no_quota": 1}),
        (True, {"audit_quota_reserve": 1}, "success", {"no_quota": 3}),
        (False, {}, "success", {"released": 3}),
        (False, {"audit_quota_reserve": 1}, "failed", {"not_reached": 3}),
    ],
)
def test_a_quota_that_wechat_tells_as_0_or_does_not_tell_stops_only_a_reserve(
    fleet: Walks, says: bool, common: dict[str, int], gate: str, outcomes: dict[str, int]
) -> None:
    here = fleet(3, audit_limit=27, audit_rest=0, audit_raise=222)
    if not says:
        here.sandbox.add_fault(Fault(path="/wxa/queryquota", kind="errcode_before", errcode=48001, times=None))
    run = here.release(**common)
    assert (run.states["domain_gate"], here.outcomes) == (gate, outcomes), run.errors
    assert run.states["carry_over"] in {"skipped", "upstream_failed"}


def test_all_that_authorised_are_those_with_a_token_where_all_tokens_are_fixed(fleet: Walks) -> None:
    fleet(2).ends({"released": 1}, apps={"authorised": True, "exclude": [appid(0)]})


def test_what_is_wrong_with_a_manifest_fails_before_anything_is_sent(fleet: Walks) -> None:
    here = fleet(2)
    run = here.release("release: {template_id: x}\napps: [wx1]")
    assert run.states["load_manifest"] == "failed"
    assert "manifest:2: appid = 'wx1'" in str(run.errors["load_manifest"])
    assert here.sandbox.journal == []


def test_a_plan_is_carried_out_if_somebody_approves_it_only(fleet: Walks) -> None:
    here = fleet(3)
    run = here.release(approval=True, answers="Reject")
    behind = run.states.keys() - {"load_manifest", "plan_release", "approve_plan", "summarize"}
    assert {state for task_id in behind for state in run.states[task_id].split(",")} == {"skipped"}
    assert (run.state, here.outcomes) == ("success", {"not_reached": 3})
    run = here.release(approval=True, mark_success="approve_plan")
    assert run.states["check_platform_list"] == "failed"
    assert "nobody has approved it" in str(run.errors["check_platform_list"])
    assert here.spent == {"commit": 0, "submit_audit": 0, "release": 0}
    run = here.ends({"released": 3}, approval=True, answers="Approve")
    assert run.xcoms["approve_plan"]["outcome"] == "approved"


def test_a_teams_task_in_a_group_may_be_named_as_one_of_ours() -> None:
    def checks() -> None:
        @sdk.task_group
        def ours() -> None:
            @sdk.task
            def summarize(shop: int) -> None: ...

            summarize.expand(shop=[1, 2])

        ours()

    assert not fleet_release_dag(between={"canary": checks}).get_task("ours.summarize").doc_md


LOOKS = ("/wxa/icp/get_icp_entrance_info", "/wxa/get_category", "/wxa/getillegalrecords")


def test_whose_owner_has_something_to_do_is_blocked_unspent_and_looked_at_again_the_same_day(fleet: Walks) -> None:
    here = fleet(6)
    programs = here.world.mini_programs
    programs[1].filing_status = 1024
    programs[2].categories = []
    programs[3].privacy_keys = ["Location"]
    programs[4].illegal_records = [{"illegal_reason": "induces sharing", "create_time": here.world.now()}]  # type: ignore[typeddict-item]
    programs[4].granted_sets |= {76}
    here.ends({"released": 3, "blocked": 3})
    for number, word in ((1, "备案"), (2, "服务类目"), (3, "用户隐私保护指引")):
        said = here.apps[number]
        assert (said.stage, word in said.what) == ("plan_release", True)
        assert "hand this to the merchant" in said.next_step
    assert "induces sharing" in str(here.apps[4].plan)
    spent = {each.appid for each in here.sandbox.journal if each.path in ("/wxa/commit", "/wxa/submit_audit")}
    assert spent == {appid(number) for number in (0, 4, 5)}

    programs[1].filing_status = 6
    here.ends({"released": 4, "blocked": 2}, release={"user_version": "1.5.0", **NO_DOMAINS})
    looked_at = Counter(str(each.appid) for each in here.sandbox.journal if each.path == LOOKS[0])
    assert looked_at == {appid(number): 2 if number in (1, 2, 3) else 1 for number in range(6)}


@pytest.mark.parametrize("errcodes", [(48001, 45009, -1), (45011,)])
def test_a_look_that_is_refused_stops_nothing(
    fleet: Walks, errcodes: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, held_until = fleet(4), pace._held_until  # 45011: until the minute is over
    monkeypatch.setattr(pace, "_held_until", lambda code, now: now + 0.5 if code == 45011 else held_until(code, now))
    for number, errcode in enumerate(errcodes):
        for path in LOOKS if errcode != 48001 else LOOKS[::2]:  # without get_category nothing can be submitted
            refusal = {"kind": "errcode_before", "errcode": errcode, "times": None}
            here.sandbox.add_fault(Fault(path=path, appid=appid(number), **refusal))
    here.ends({"released": 4}, shard_size=4)
    asked = [(each.appid, each.errcode) for each in here.sandbox.journal if each.path in LOOKS]
    assert {(appid(number), errcode) for number, errcode in enumerate(errcodes)} <= set(asked)
