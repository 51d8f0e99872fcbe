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
