"""``release_dag``: what a platform team fixes stays fixed, and nothing is built before somebody asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG, Param

from airflow_wxa.dags import wxa_release
from airflow_wxa.dags.wxa_release import release_dag
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.sandbox.testing import APPID
from tests.airflow_session import calls, run_dag
from tests.dags.stepwise import Stepwise
from tests.dags.test_release_contract import BAD_PARAM, REQUIRED, triggered

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_wxa.sandbox import RunningSandbox

FIXED = {"approval": True, "approvers": ["wu"], "wxa_conn_id": "wxa_default", "webviewdomain": []}


def test_an_import_builds_nothing() -> None:
    assert DAG not in map(type, vars(wxa_release).values())


def test_two_lines_in_the_dags_folder_are_one_dag_and_may_be_several(tmp_path: Path, airflow_database: object) -> None:
    lines = "from airflow_wxa.dags.wxa_release import release_dag\ndag = release_dag()\n"
    (tmp_path / "shop.py").write_text(lines + 'second = release_dag("shop", tags=["shop"])\n', "utf-8")
    bag = DagBag(dag_folder=tmp_path)
    assert bag.import_errors == {}
    assert sorted(bag.dags) == ["shop", "wxa_release"]
    assert bag.dags["shop"].tags == {"shop"}
    assert bag.dags["shop"].task_ids == bag.dags["wxa_release"].task_ids


def test_what_the_caller_adds_is_added() -> None:
    dag = release_dag("shop", default_args={"owner": "lin"}, params={"shop": Param("7", type="string")})
    assert {(task.owner, task.retries) for task in dag.tasks} == {("lin", 2)}
    assert dag.params["shop"] == "7"


def test_a_fixed_param_is_hidden_and_has_its_value_in_every_run() -> None:
    dag = release_dag(fixed=FIXED)
    assert [dag.params.get_param(name).schema["const"] for name in FIXED] == list(FIXED.values())
    assert {name: triggered(dag, REQUIRED)[name] for name in FIXED} == FIXED


@pytest.mark.parametrize(
    ("name", "value"), [("approval", False), ("approvers", []), ("approvers", ["wu", "lin"]), ("wxa_conn_id", "other")]
)
def test_another_value_is_refused_at_the_trigger_by_name(name: str, value: Any) -> None:
    with pytest.raises(BAD_PARAM, match=f"Invalid input for param {name}:"):
        triggered(release_dag(fixed=FIXED), REQUIRED | {name: value})


def test_what_cannot_be_fixed_is_refused_when_the_dag_is_built() -> None:
    with pytest.raises(WxaSpecError) as raised:
        release_dag(fixed={"approval": "yes", "aprovers": ["lin"], "approvers": "lin"})
    assert {problem.partition(" ")[0] for problem in raised.value.problems} == {"approval", "aprovers", "approvers"}


def test_no_task_of_a_run_from_before_follows_another_value(
    airflow_database: object, wxa_default: RunningSandbox
) -> None:
    run = Stepwise({"approval": False})
    run.follow(release_dag(fixed={"approval": True}))
    run.mark("check_release", "success")
    assert run.go_on() == "failed"
    assert run.states["configure_domains"] == "failed"
    assert wxa_default.journal == []


def test_a_fixed_value_reaches_wechat(airflow_database: object, wxa_default: RunningSandbox) -> None:
    dag = release_dag("fixed_version", fixed={"approval": False, "user_version": "1.10", "template_id": 47})
    run = run_dag(dag, appid=APPID, webviewdomain=["https://m.example.com"])
    assert run.state == "success"
    (commit,) = calls(wxa_default.journal, "/wxa/commit")
    assert (commit.body["user_version"], commit.body["template_id"]) == ("1.10", 47)
