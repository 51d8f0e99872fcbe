"""The tables of stages and waves: each stage has a task in the DAG, in its order, and skips none before it."""

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, TaskGroup

from airflow_wxa.dags.wxa_fleet_release import fleet_release_dag
from airflow_wxa.dags.wxa_fleet_rollback import fleet_rollback_dag
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.fleet.stages import BEFORE_SUBMISSION, STAGES, commit, configure, look, publish, steps_for, submit
from airflow_wxa.fleet.waves import WAVES, places, read_waves, wave_counts
from airflow_wxa.operators.fleet import WxaFleetShardOperator
from airflow_wxa.release.dag import beside


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
        ("configure_domains", "", (configure,)),
        ("configure_domains", "submit_audit", (configure,)),
        ("commit_code", "", ()),  # no code before the domains
        ("commit_code", "configure_domains", (commit,)),
        ("submit_audit", "", ()),
        ("submit_audit", "configure_domains", (commit, submit)),
        ("submit_audit", "commit_code", (submit,)),
        ("release_early", "", ()),
        ("release_early", "configure_domains", ()),
        ("release_early", "commit_code", ()),
        ("release_early", "submit_audit", (look, publish)),
        ("release_early", "release_early", (look, publish)),
    ],
)
def test_a_stage_goes_on_from_the_one_before_it_and_skips_none(stage: str, done: str, steps: tuple[Any, ...]) -> None:
    assert steps_for(stage, done) == steps


def test_a_grant_is_needed_by_what_comes_before_the_submission() -> None:
    assert BEFORE_SUBMISSION == ("configure_domains", "commit_code", "commit_rest")


def test_a_task_is_for_the_stage_that_it_is_told_or_called_after_whatever_group_it_stands_in_and_for_no_other() -> None:
    shard = {"wave": "canary", "number": 0}
    with DAG("of_my_own", schedule=None), TaskGroup("fleet"):
        told = WxaFleetShardOperator(task_id="domains", stage="configure_domains", shard=shard)
        called = WxaFleetShardOperator(task_id="commit_code", shard=shard)
        with pytest.raises(WxaSpecError, match="stage = 'names': must be one of configure_domains, commit_code"):
            WxaFleetShardOperator(task_id="names", shard=shard)
    assert [(each.task_id, each.stage) for each in (told, called)] == [
        ("fleet.domains", "configure_domains"),
        ("fleet.commit_code", "commit_code"),
    ]


@pytest.mark.parametrize(
    ("running", "found"), [("commit_code", "approve_plan"), ("a.b.commit_code", "a.b.approve_plan")]
)
def test_the_tasks_of_a_fleet_find_each_other_in_the_group_that_they_stand_in(running: str, found: str) -> None:
    context: Any = {"ti": SimpleNamespace(task_id=running)}
    assert beside(context, "approve_plan") == found


@pytest.mark.parametrize(
    ("waves", "fleet", "found"),
    [
        (
            {"canary": {"apps": 3}, "early": {"percent": 21}},
            10,
            {"canary": [0, 0, 1], "early": [0, 0, 1], "rest": [0, 0, 1, 1]},
        ),
        ({}, 5, {"rest": [0, 0, 1, 1, 2]}),
        ({"canary": {"apps": 9}}, 2, {"canary": [0, 0]}),  # larger than the fleet
    ],
)
def test_waves_take_the_first_and_rest_what_is_left_in_shards_of_2(
    waves: dict[str, Any], fleet: int, found: dict[str, list[int]]
) -> None:
    expected = [(wave, number) for wave, numbers in found.items() for number in numbers]
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
