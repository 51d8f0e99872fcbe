"""``[wxa] language``: what a release manager reads of a DAG, in one language, whoever looks."""

from collections.abc import Iterator
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization

from airflow_wxa.dags.wiring import read_help
from airflow_wxa.dags.wxa_release import release_dag
from airflow_wxa.texts.setting import language
from tests.dags.test_factories import all_factories
from tests.english import english_in


@pytest.fixture
def in_chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__WXA__LANGUAGE", "zh")


def read(dag: DAG) -> Iterator[str]:
    yield dag.dag_display_name
    yield dag.doc_md or ""
    for task in dag.tasks:
        yield task.doc_md or ""
    for name in dag.params:
        param = dag.params.get_param(name)
        yield from (param.schema["title"], param.description or "", param.schema.get("section", ""))
        yield from param.schema.get("values_display", {}).values()


@pytest.mark.usefixtures("in_chinese")
@all_factories
def test_nothing_of_a_dag_is_english(factory: Any) -> None:
    texts = [text for text in read(factory()) if text]
    assert len(texts) > 10
    assert english_in(*texts) == []


@pytest.mark.parametrize("page", ["task_help.md", "fleet_task_help.md"])
def test_each_section_has_its_twin(monkeypatch: pytest.MonkeyPatch, page: str) -> None:
    english = read_help(page)
    monkeypatch.setenv("AIRFLOW__WXA__LANGUAGE", "zh")
    assert [name for name, text in english.items() if read_help(page)[name] == text] == []


def test_a_serialised_dag_changes_with_the_setting_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def serialised() -> Any:
        return DagSerialization.to_dict(release_dag())

    english = serialised()
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    assert serialised() == english
    monkeypatch.setenv("AIRFLOW__WXA__LANGUAGE", "zh")
    assert serialised() != english


@pytest.mark.parametrize(("named", "read"), [("", "en"), ("en", "en"), ("zh", "zh"), ("xx", "en")])
def test_a_language_without_a_file_is_english(monkeypatch: pytest.MonkeyPatch, named: str, read: str) -> None:
    monkeypatch.setenv("AIRFLOW__WXA__LANGUAGE", named)
    assert language() == read
