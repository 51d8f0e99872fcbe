"""All factories of DAGs alike, also those that come: small to parse, and whatever a DAG file hands over is honoured."""

from __future__ import annotations

import json
import pkgutil
import time
from importlib import import_module
from typing import TYPE_CHECKING, Final

import pytest
from airflow.serialization.serialized_objects import DagSerialization

from airflow_wxa import dags
from airflow_wxa.dags.wiring import OnlyWhen, SkipUnasked

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import DAG

FACTORIES: Final[list[Callable[..., DAG]]] = [
    value
    for module in pkgutil.iter_modules(dags.__path__, f"{dags.__name__}.")
    if ".wxa_" in module.name
    for name, value in vars(import_module(module.name)).items()
    if name.endswith("_dag") and name != "wxa_dag"
]

all_factories = pytest.mark.parametrize("factory", FACTORIES, ids=lambda each: each.__name__)


@all_factories
def test_a_dag_is_small_to_parse(factory: Callable[..., DAG], capsys: pytest.CaptureFixture[str]) -> None:
    seconds = []
    for _ in range(5):
        begin = time.process_time()
        size = len(json.dumps(DagSerialization.to_dict(factory())))
        seconds.append(time.process_time() - begin)
    with capsys.disabled():
        print(f"\n{factory.__name__}: {size / 1000:.1f} kB, {min(seconds) * 1000:.1f} ms CPU to build and serialise")
    assert size <= 60_000
    assert min(seconds) <= 0.030


@all_factories
def test_no_task_carries_params_of_the_dag(factory: Callable[..., DAG]) -> None:
    dag = factory()
    assert dag.params
    assert {name for task in dag.tasks for name in task.params} <= {"comment"}


def skipped_by(dag: DAG) -> dict[str, str]:
    """Return, for each stage that is skipped where no param asks for it, the task that skips it."""
    ends = {task.task_id: getattr(task, "_post_execute_hook", None) for task in dag.tasks}
    return {stage: task_id for task_id, end in ends.items() if isinstance(end, SkipUnasked) for stage in end.stages}


@all_factories
def test_a_stage_that_is_skipped_beforehand_exists_and_nothing_overtakes_what_it_stood_behind(
    factory: Callable[..., DAG],
) -> None:
    dag = factory()
    skipped = skipped_by(dag)
    assert set(skipped) <= set(dag.task_ids)
    is_optional = {task.task_id for task in dag.tasks if isinstance(getattr(task, "_pre_execute_hook", None), OnlyWhen)}
    assert is_optional <= set(skipped)
    for stage, by in skipped.items():
        before = dag.get_task(stage).get_flat_relative_ids(upstream=True)
        assert by in before
        for behind in dag.get_task(stage).downstream_list:
            if behind.task_id not in skipped:
                others = behind.upstream_task_ids - set(skipped)
                reached = [{each, *dag.get_task(each).get_flat_relative_ids(upstream=True)} for each in others]
                assert before - set(skipped) <= set().union(*reached)
                assert behind.trigger_rule == "none_failed_min_one_success"


@all_factories
def test_a_run_cannot_succeed_because_its_last_tasks_were_skipped_before_something_failed(
    factory: Callable[..., DAG],
) -> None:
    dag = factory()
    skipped = skipped_by(dag)
    for task in dag.leaves:
        if by := skipped.get(task.task_id):
            behind = dag.get_task(by).get_flat_relative_ids(upstream=False)
            assert behind - set(skipped) == set()
