"""All runs through Airflow's own scheduling: each road once, approvals, Clear, marks, mapping, retries, trigger rules.

Every other test of a DAG walks; here a walk ends as ``DAG.test`` does, with the same states and XComs.
"""

import re
import runpy
from collections.abc import Callable
from itertools import combinations_with_replacement, product
from pathlib import Path
from typing import Any

import pytest
from airflow.models.taskinstance import TaskInstance
from airflow.sdk import DAG, task, task_group
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from airflow.serialization.serialized_objects import DagSerialization
from airflow.utils.session import create_session
from sqlalchemy import select

from airflow_wxa.dags.wxa_platform_domains import platform_domains_dag
from airflow_wxa.operators import WxaSetWebviewDomainOperator
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.testing import _INSTEAD, Walk
from tests.airflow_session import PLAIN, ROOT, load_release_dag, register_dag, run_dag, whole_run
from tests.dags.scheduled import Scheduled, answering
from tests.dags.stepwise import Stepwise
from tests.dags.test_release_roads import ROADS
from tests.dags.worlds import Arrange, Shop, nothing

pytestmark = pytest.mark.usefixtures("airflow_database", "wxa_default")

#: Of the roads that end with the same states, the first: its name, the world, the params.
ONCE = list({states: (name, arrange, params) for name, arrange, params, states, _ in reversed(ROADS)}.values())
TESTS = Path(__file__).parents[1]


def both(
    shop: Shop, build: Callable[[], DAG], arrange: Arrange = nothing, answers: str | None = None, **conf: Any
) -> tuple[Walk, Walk]:
    """Walk a DAG, and run it, each in the same world."""
    arrange(shop)
    walked = run_dag(build(), answers=answers, **conf)
    shop.wechat.reset()
    arrange(shop)
    return walked, whole_run(register_dag(build()), answering(answers) if answers else None, **conf)


def told(run: Walk) -> dict[str, Any]:
    """Return by task what a walk and a run must have alike; the time, WeChat's ids of calls and questions differ."""
    found = {"": run.state}
    for task_id, state in run.states.items():
        said = [run.xcoms.get(task_id), str(run.errors.get(task_id)), run.tries.get(task_id)]
        found[task_id] = state + re.sub(r"'release_time': \d+|'(at|question)': '[^']+'|rid [\w-]+", "", str(said))
    return found


@pytest.mark.parametrize(("arrange", "params"), [pytest.param(*road, id=name) for name, *road in ONCE])
def test_a_walk_ends_as_the_run_does_on_every_road(shop: Shop, arrange: Arrange, params: dict[str, Any]) -> None:
    walked, ran = both(shop, load_release_dag, arrange, **{**PLAIN, **params})
    assert told(walked) == told(ran)


@pytest.mark.parametrize("answers", ["Approve", "Reject"])
def test_a_change_of_the_platforms_list_ends_as_it_does_in_a_run(shop: Shop, answers: str) -> None:
    walked, ran = both(shop, platform_domains_dag, answers=answers, approval=True, hosts=["shop.example.org"])
    assert (walked.state, walked.states) == (ran.state, ran.states)


@task
def listed() -> list[int]:
    return [1, 2, 3]


@task(retries=1)
def doubled(number: int, plus: int, ti: Any) -> int:
    """Skip three, and let two take another try."""
    if number == 3:
        raise AirflowSkipException
    if number == 2 and ti.try_number == 1:
        raise ValueError("once more")
    return 2 * number + plus


@task(trigger_rule="all_done")
def summed(numbers: Any) -> int:
    return sum(numbers)


@task
def checked(number: int) -> int:
    if number > 1:
        raise AirflowFailException("two") if number == 2 else AirflowSkipException
    return number


@task(trigger_rule="none_failed")
def carried(number: int | None) -> str:
    return f"carried {number}"


@task_group
def group(number: int) -> Any:
    return carried(checked(number))


@task(trigger_rule="all_done")
def ended(those: Any) -> list[str]:
    return list(those)


def mapped() -> DAG:
    """Return a DAG with mapped tasks, one of which tries again, and a mapped group that fails and skips in parts."""
    with DAG("mapped_walk", schedule=None) as dag:
        numbers = listed()
        summed(doubled.partial(plus=1).expand(number=numbers))
        ended(group.expand(number=numbers))
        doubled.override(task_id="products").expand(number=[1, 2], plus=numbers)
        doubled.override(task_id="nothing").partial(plus=1).expand(number=[])
    return dag


def test_mapped_tasks_and_groups_end_as_they_do_in_a_run(shop: Shop) -> None:
    walked, ran = both(shop, mapped)
    assert told(walked) == told(ran)
    assert walked.states["group.carried"] == "success,upstream_failed,success"
    assert walked.xcoms["summed"] == 8


def test_the_plain_operator_maps_over_mini_programs(shop: Shop) -> None:
    shop.connect(timeout=5)
    adds: list[dict[str, Any]] = [
        {"action": "add", "webviewdomain": ["https://a.example.com"]},
        {"action": "add", "webviewdomain": ["https://b.example.com", "https://c.example.com"]},
    ]
    with DAG("mapped", schedule=None) as dag:
        WxaSetWebviewDomainOperator.partial(task_id="each", appid=APPID).expand_kwargs([*adds, {"action": None}])
        WxaSetWebviewDomainOperator.partial(task_id="reads", action="get").expand(appid=[APPID, APPID])
    run = whole_run(register_dag(dag))
    assert run.states == {"each": "success,success,success", "reads": "success,success"}
    with create_session() as session:
        instances = session.scalars(select(TaskInstance).filter_by(dag_id="mapped"))
        assert {each.rendered_map_index for each in instances} == {APPID}
    assert sorted(shop.writes("/wxa/setwebviewdomain"), key=str) == sorted([*adds, {}], key=str)


@task
def leads_to(state: str) -> None:
    if state != "success":
        raise AirflowSkipException if state == "skipped" else AirflowFailException


def rules() -> DAG:
    """Return a DAG in which each trigger rule meets each pair of states."""
    with DAG("ruled_walk", schedule=None) as dag:
        before = {state: leads_to.override(task_id=state)(state) for state in ("success", "failed", "skipped")}
        before["upstream_failed"] = leads_to.override(task_id="upstream_failed")("success")
        before["failed"] >> before["upstream_failed"]
        for rule, pair in product(_INSTEAD, combinations_with_replacement(before, 2)):
            behind = leads_to.override(task_id=".".join([rule, *pair]), trigger_rule=rule)("success")
            [before[state] for state in pair] >> behind
    return dag


def test_trigger_rules_hold_in_a_walk_as_in_a_run(shop: Shop) -> None:
    walked, ran = map(told, both(shop, rules))
    assert len(walked) == 1 + 4 + 10 * len(_INSTEAD)
    # Where a failure meets a skip, the one that ended first decides in a run.
    unsure = {each for each in walked if each.startswith("all_success.") and "skipped" in each and "fail" in each}
    assert {each for each in walked if walked[each] != ran[each]} <= unsure


def cleared(run: Stepwise | Scheduled) -> None:
    """Clear submit_audit while the review goes on."""
    run.go_on(until="wait_for_audit")
    run.clear("submit_audit")
    run.go_on()


def marked(run: Stepwise | Scheduled) -> None:
    run.go_on(until="wait_for_audit")
    run.mark("wait_for_audit", "failed")
    run.go_on()
    run.clear("wait_for_audit")
    run.go_on(until="release")
    run.mark("release", "success")
    run.go_on()


def asked_again(run: Stepwise | Scheduled) -> None:
    """Reject, clear what the rejection skipped, and clear the approval itself."""
    run.go_on()
    run.be_answered("Reject")
    run.go_on()
    run.clear("release")
    assert run.go_on() == "success"
    assert run.states["release"] == "skipped", "a rejection holds until somebody is asked again"
    run.clear("approve_release")
    assert run.go_on() == "running"
    run.be_answered("Approve")
    run.go_on()


@pytest.mark.parametrize("done", [cleared, marked, asked_again])
def test_clear_marks_and_late_answers_do_to_a_walk_as_to_a_run(
    shop: Shop, done: Callable[[Stepwise | Scheduled], None]
) -> None:
    seen = []
    for kind in (Stepwise, Scheduled):
        run = kind({"approval": done is asked_again})
        done(run)
        released = shop.journal.count("/wxa/release")
        errors = {task_id: str(error).partition("\n")[0] for task_id, error in run.errors.items()}
        seen.append((run.states, run.go_on(), released, errors))
        shop.wechat.reset()
    assert seen[0] == seen[1]


@pytest.mark.parametrize("path", sorted((ROOT / "dags").glob("*.py")), ids=lambda path: path.stem)
def test_each_dag_that_ships_is_one_that_a_scheduler_can_read(path: Path) -> None:
    dag = runpy.run_path(str(path))["dag"]
    assert DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag)).task_ids == dag.task_ids


def test_no_other_test_runs_a_dag_as_a_whole() -> None:
    whole = re.compile(r"\b(whole_run|Scheduled)\b|\.test\(")
    elsewhere = {path.name for path in TESTS.rglob("*.py") if whole.search(path.read_text("utf-8"))}
    # test_release_approval.py attacks runs through the API server of Airflow's database.
    assert elsewhere == {
        Path(__file__).name,
        "airflow_session.py",
        "scheduled.py",
        "test_campaign.py",
        "test_release_approval.py",
        "test_release_group.py",
    }
