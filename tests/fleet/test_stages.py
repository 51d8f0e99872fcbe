"""The table of stages: each has its task, its place and its calls, no stage skips one; and the waves they are in.

No stage asks twice for one answer, and questions of one moment are read together.
"""

from collections import Counter
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any, Final
from unittest.mock import patch

import pytest
from airflow.sdk import DAG, TaskGroup

from airflow_wxa.api.code import getversioninfo
from airflow_wxa.dags.wxa_fleet_release import fleet_release_dag
from airflow_wxa.dags.wxa_fleet_rollback import fleet_rollback_dag
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.fleet import stages
from airflow_wxa.fleet.stages import STAGES, Progress, Stage
from airflow_wxa.fleet.waves import WAVES, places, read_waves, wave_counts
from airflow_wxa.hooks.recorder import Recorder
from airflow_wxa.operators.fleet import WxaFleetShardOperator
from airflow_wxa.release import ReleaseSpec
from airflow_wxa.release.dag import beside
from airflow_wxa.sandbox import Fault, RunningSandbox
from airflow_wxa.sandbox.testing import PLATFORM_TOKEN
from airflow_wxa.steps import Step
from airflow_wxa.store import Ledger
from airflow_wxa.store.fleets import FleetApp
from tests.fleet.driving import Drives

COUNT = 3
#: Proof that nothing goes offline unsaid, which no figure counts; its last answer proves the wanted domains, too.
UNSAID: Final = "nothing goes offline unsaid"
PLATFORM_LIST: Final = "modify_wxa_jump_domain get"
PROOF: Final = [("get_effective_webviewdomain", UNSAID), ("get_effective_domain", UNSAID)]
PLAN: Final = [
    ("getversioninfo", "what is on trial and online"),
    ("get_latest_auditstatus", "a sheet to adopt, or somebody else's in audit"),
    ("setwebviewdomain get", "domains that come and go, as the plan shows them"),
]
LAST_LOOK: Final = ("get_latest_auditstatus", "last look before the write: a sheet of ours, or a foreign one")
#: Stage → each call of a first release and its purpose, and the same of a release that is online already.
CALLS: Final[dict[str, tuple[list[tuple[str, str]], list[tuple[str, str]]]]] = {
    "plan": ([*PLAN, *PROOF], PLAN),
    "configure_domains": (
        [
            ("setwebviewdomain get", "last look before the write, and whether it is needed"),
            ("setwebviewdomain set", "write"),
            ("setwebviewdomain get", "read-back"),
            *PROOF,
        ],
        [("setwebviewdomain get", "whether a write is needed"), *PROOF],
    ),
    "commit_code": (
        [
            ("getversioninfo", "last look before the write: ours may be there"),
            LAST_LOOK,
            ("commit", "write"),
            ("getversioninfo", "read-back"),
            *PROOF,
        ],
        [],
    ),
    "submit_audit": (
        [
            ("get_code_privacy_info", "whether the scan has ended"),
            LAST_LOOK,
            ("getversioninfo", "last look before the write: what is on trial is submitted"),
            ("submit_audit", "write"),
            ("get_latest_auditstatus", "read-back"),
        ],
        [],
    ),
    "release_rest": (
        [
            ("get_auditstatus", "where the review stands"),
            ("getversioninfo", "last look before the write: ours may be online"),
            ("setwebviewdomain get", UNSAID),
            *PROOF,
            ("get_latest_auditstatus", "last look before the write: whose sheet is approved"),
            ("release", "write"),
            ("getversioninfo", "read-back"),
            *PROOF,
        ],
        [("getversioninfo", "ours is online"), *PROOF],
    ),
}


def asked(wechat: RunningSandbox, work: Callable[[], object]) -> list[str]:
    """Return what the work made WeChat answer for each Mini Program, by name."""
    before = len(wechat.journal)
    work()
    counts = Counter[str]()
    for entry in list(wechat.journal)[before:]:
        action = (entry.body or {}).get("action", "") if isinstance(entry.body, dict) else ""
        counts[f"{entry.path.rpartition('/')[2]} {action}".strip()] += 1
    assert counts.pop(PLATFORM_LIST, 0) <= COUNT  # a shard keeps it for some seconds
    assert all(count % COUNT == 0 for count in counts.values()), counts
    return sorted(name for name, count in counts.items() for _ in range(count // COUNT))


def test_each_call_of_each_stage_has_its_purpose(drive: Drives) -> None:
    of_release = {each.steps for name, each in STAGES.items() if not name.startswith("rollback")}
    assert {STAGES[name].steps for name in CALLS if name in STAGES} == of_release
    driven = drive(COUNT)
    for turn in (0, 1):
        driven.platform_token = PLATFORM_TOKEN
        for stage, calls in CALLS.items():
            work = driven.plan if stage == "plan" else partial(driven.stage, stage)
            assert asked(driven.wechat, work) == sorted(call for call, _ in calls[turn]), (stage, turn)
            if stage == "configure_domains":
                driven.gate()
        assert driven.outcomes == {"released": COUNT}
        driven = driven.another("again")


def test_a_stage_behind_a_release_takes_up_what_is_online(drive: Drives, monkeypatch: pytest.MonkeyPatch) -> None:
    def look_again(app: FleetApp, spec: ReleaseSpec) -> Step[Progress]:
        yield getversioninfo(app.appid)
        return Progress(values={"outcome": "released"})

    monkeypatch.setitem(STAGES, "look_again", Stage(4, (look_again,), behind="released"))  # type: ignore[arg-type]
    driven = drive(COUNT)
    driven.submitted()
    assert asked(driven.wechat, partial(driven.stage, "look_again")) == []
    driven.released("rest")
    assert asked(driven.wechat, partial(driven.stage, "look_again")) == ["getversioninfo"]
    assert {(app.done, app.outcome) for app in driven.apps().values()} == {("look_again", "released")}
    driven.wechat.add_fault(Fault(path="/wxa/getversioninfo", kind="errcode_before", errcode=61003))
    driven.stage("look_again")
    assert {app.outcome for app in driven.apps().values()} == {"released"}  # an error takes nothing back


# Of 120 some 20 to 40 are seen; 141 while each moment's questions were read together, 244 before that.
@pytest.mark.parametrize(("count", "most"), [(40, 20), pytest.param(120, 40, marks=pytest.mark.load)])
def test_a_fleet_reads_the_ledger_for_many_mini_programs_at_once(drive: Drives, count: int, most: int) -> None:
    with patch.object(Ledger, "writes_of", autospec=True, side_effect=Ledger.writes_of) as reads:
        assert drive(count).carried() == {"released": count}
    assert 0 < reads.call_count <= most


def test_a_release_asks_the_ledger_for_itself(drive: Drives, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another attempt of the task may have sent it since this one began: what was read then would send it twice."""
    here = drive(2)
    here.submitted()
    monkeypatch.setattr(Recorder, "noted", lambda *_: pytest.fail("read ahead"))
    here.released()
    assert here.outcomes == {"released": 2}


def shard_tasks(dag: Any) -> dict[str, Any]:
    """Return the tasks that carry shards, by the stage that each is for."""
    mapped = [task for task in dag.tasks if task.is_mapped and task.operator_class is WxaFleetShardOperator]
    return {task.partial_kwargs.get("stage") or task.task_id: task for task in mapped}


def mapped_over(task: Any) -> set[str]:
    return {of.task_id for of, _ in task.expand_input.value["shard"].iter_references()}


def test_each_stage_has_a_task_of_the_dag_before_the_summary_in_the_order_of_the_table() -> None:
    dag, back = fleet_release_dag(), shard_tasks(fleet_rollback_dag())
    tasks = shard_tasks(dag)
    assert set(tasks) | set(back) == set(STAGES)
    assert set(tasks) <= dag.get_task("summarize").get_flat_relative_ids(upstream=True)
    before = {name: task.get_flat_relative_ids(upstream=True) & set(STAGES) for name, task in tasks.items()}
    for name in tasks:
        place, gates = STAGES[name].place, STAGES[name].gates
        earlier = {each for each, other in STAGES.items() if other.place < place and other.gates <= gates}
        assert {each for each in before[name] if STAGES[each].place < place} == earlier - set(back), name
    for name in (each for each in tasks if STAGES[each].behind and not STAGES[each].wave):
        assert mapped_over(tasks[name]) == mapped_over(tasks["configure_domains"]), f"{name}: all shards, of all waves"
    assert [len(before[f"release_{wave}"]) - len(before["release_canary"]) for wave in WAVES] == [0, 3, 4]


def test_a_stage_that_does_something_else_than_one_before_it_has_a_place_of_its_own() -> None:
    tasks = shard_tasks(fleet_release_dag())
    for name, task in tasks.items():
        for before in task.get_flat_relative_ids(upstream=True) & set(tasks):
            is_same = STAGES[before].steps == STAGES[name].steps
            are_others = STAGES[before].gates != STAGES[name].gates  # the canary, and those behind its gate
            assert is_same or are_others or STAGES[before].place < STAGES[name].place, (before, name)


@pytest.mark.parametrize(
    ("stage", "done", "steps"),
    [
        ("configure_domains", "", (stages.configure,)),
        ("configure_domains", "submit_audit", (stages.configure,)),
        ("commit_code", "", ()),  # no code before the domains
        ("commit_code", "configure_domains", (stages.commit,)),
        ("submit_audit", "", ()),
        ("submit_audit", "configure_domains", (stages.commit, stages.submit)),
        ("submit_audit", "commit_code", (stages.submit,)),
        ("release_early", "", ()),
        ("release_early", "configure_domains", ()),
        ("release_early", "commit_code", ()),
        ("release_early", "submit_audit", (stages.look, stages.publish)),
        ("release_early", "release_early", (stages.look, stages.publish)),
    ],
)
def test_a_stage_goes_on_from_the_one_before_it_and_skips_none(stage: str, done: str, steps: tuple[Any, ...]) -> None:
    assert stages.steps_for(stage, done) == steps


def test_a_grant_is_needed_by_what_comes_before_the_submission() -> None:
    assert stages.BEFORE_SUBMISSION == ("configure_domains", "commit_code", "commit_rest")


def test_a_task_is_for_the_stage_that_it_is_told_or_called_after_whatever_group_it_stands_in_and_for_no_other() -> None:
    shard = {"wave": "canary", "number": 0}
    with DAG("of_my_own", schedule=None), TaskGroup("fleet"):
        told = WxaFleetShardOperator(task_id="domains", stage="configure_domains", shard=shard)
        called = WxaFleetShardOperator(task_id="commit_code", shard=shard)
        with pytest.raises(WxaSpecError, match="stage = 'names': must be one of configure_domains, commit_code"):
            WxaFleetShardOperator(task_id="names", shard=shard)
    assert (told.task_id, told.stage, called.stage) == ("fleet.domains", "configure_domains", "commit_code")


@pytest.mark.parametrize("group", ["", "a.b."])
def test_the_tasks_of_a_fleet_find_each_other_in_the_group_that_they_stand_in(group: str) -> None:
    context: Any = {"ti": SimpleNamespace(task_id=f"{group}commit_code")}
    assert beside(context, "approve_plan") == f"{group}approve_plan"


@pytest.mark.parametrize(
    ("waves", "fleet", "shards"),
    [
        ({"canary": {"apps": 3}, "early": {"percent": 21}}, 10, ["001", "001", "0011"]),
        ({}, 5, ["", "", "00112"]),
        ({"canary": {"apps": 9}}, 2, ["00", "", ""]),  # larger than the fleet
    ],
)
def test_waves_take_the_first_and_rest_what_is_left_by_2(waves: dict[str, Any], fleet: int, shards: list[str]) -> None:
    expected = [(wave, int(shard)) for wave, of_wave in zip(WAVES, shards, strict=True) for shard in of_wave]
    assert list(places(read_waves(waves), fleet, 2)) == expected


def test_only_what_failed_in_the_wave_itself_counts() -> None:
    counts = [
        ("early", "release_early", "released", None, 90),
        ("early", "release_early", "rejected", None, 2),
        ("early", "commit_code", "blocked", 61007, 1),
        ("early", "plan_release", "blocked", 61003, 3),
        ("early", "submit_audit", "failed", None, 1),
        ("early", "release_early", "pending", None, 2),
        ("early", "domain_gate", "no_quota", None, 1),
    ]
    early = wave_counts(counts)["early"]
    assert (early.total, early.released, early.failed, early.failed_percent) == (100, 90, 4, 4.0)
