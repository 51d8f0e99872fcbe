"""``wxa_rollback``: what is asked, what is sent, and what a forged or stale approval changes."""

from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_wxa.dags.wxa_rollback import rollback_dag
from airflow_wxa.operators import WxaApproveRollbackOperator
from airflow_wxa.release.dag import rendered
from airflow_wxa.sandbox import Looseness, MiniProgram, RunningSandbox, World
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.store.questions import Question
from tests.airflow_session import Run, run_dag
from tests.chaos.rolling_back import Moves, world
from tests.dags.worlds import ORIGIN, is_online, online
from tests.english import english_in

pytestmark = pytest.mark.usefixtures("wxa_default")


@pytest.fixture
def wxa_world() -> World:
    return world()


@pytest.fixture(autouse=True)
def moves(monkeypatch: pytest.MonkeyPatch) -> Moves:
    moves = Moves()
    moves.watch(monkeypatch)
    return moves


def rolled_back(choice: str | None = None, dag: DAG | None = None, **params: Any) -> Run:
    asked: dict[str, Any] = {"appid": APPID, "approval": choice is not None}
    return run_dag(dag or rollback_dag(), answers=choice, **asked | params)


@pytest.mark.parametrize(("app_version", "comes_back"), [(None, "2"), ("11", "1")])
def test_an_approved_version_comes_back_once(
    wxa_default: RunningSandbox, moves: Moves, app_version: str | None, comes_back: str
) -> None:
    run = rolled_back("Approve", app_version=app_version)
    assert set(run.states) == {"list_versions", "approve_rollback", "rollback", "verify_rollback"}
    assert set(run.states.values()) == {"success"}
    assert (online(wxa_default), moves.asked) == (comes_back, [int(app_version or 12)])
    assert run.xcoms["rollback"]["outcome"] == "rolled_back"
    assert run.xcoms["rollback"]["left"] == []
    again = rolled_back()
    assert again.states["list_versions"] == "failed"
    assert "cannot be rolled back again" in str(again.errors["list_versions"])
    assert len(moves.asked) == 1


def test_a_rejected_rollback_is_not_sent(wxa_default: RunningSandbox, moves: Moves) -> None:
    run = rolled_back("Reject")
    assert (run.state, run.states["rollback"], run.states["verify_rollback"]) == ("success", "skipped", "skipped")
    assert moves.asked == []


def test_a_mark_of_success_approves_nothing(wxa_default: RunningSandbox, moves: Moves) -> None:
    run = run_dag(rollback_dag(), mark_success="approve_rollback", appid=APPID, approval=True)
    assert run.states["rollback"] == "failed"
    assert "nobody has approved it" in str(run.errors["rollback"])
    assert moves.asked == []


def test_what_went_online_since_the_list_was_read_stays(
    wxa_default: RunningSandbox, account: MiniProgram, moves: Moves
) -> None:
    dag = rollback_dag()
    dag.get_task("rollback")._pre_execute_hook = lambda _: is_online(account, "4")
    run = rolled_back(dag=dag)
    assert run.states["rollback"] == "failed"
    assert "Somebody released or rolled back in between" in str(run.errors["rollback"])
    assert (online(wxa_default), moves.asked) == ("4", [])


def test_a_rollback_is_seen_past_lag(wxa_default: RunningSandbox, moves: Moves) -> None:
    wxa_default.world.loose = Looseness(lag={"online_version": 1})
    run = rolled_back()
    assert set(run.states.values()) == {"success", "skipped"}
    assert (online(wxa_default), moves.asked) == ("2", [12])


def test_a_version_that_is_not_listed_is_refused_with_those_that_are(wxa_default: RunningSandbox) -> None:
    run = rolled_back(app_version="99")
    assert run.states["list_versions"] == "failed"
    assert "app_version = '99': is not among 12 (2), 11 (1), 10 (0)" in str(run.errors["list_versions"])


def test_a_lost_domain_is_named(account: MiniProgram) -> None:
    dag = rollback_dag()
    account.third_webviewdomain = account.effective_webviewdomain = [ORIGIN]

    def lose(_: Any) -> None:
        account.effective_webviewdomain = ["https://other.example.com"]

    dag.get_task("verify_rollback")._pre_execute_hook = lose
    assert ORIGIN in str(rolled_back(dag=dag).errors["verify_rollback"])


@pytest.mark.parametrize("how", [{}, {"on_lost_domains": "release"}, {"choice": "Approve"}])
def test_what_may_go_offline_stops_it_before_anything_is_sent_unless_somebody_said_yes(
    account: MiniProgram, moves: Moves, how: dict[str, Any]
) -> None:
    own = "https://h5.merchant.example"
    account.mp_webviewdomain = account.effective_webviewdomain = [own]
    run = rolled_back(**how)
    if how:
        assert run.state == "success", run.errors
        assert run.xcoms["list_versions"]["offline"]["lost"] == {"webviewdomain": [own]}
    else:
        assert (run.states["list_versions"], moves.asked) == ("failed", [])
        assert f"goes offline {own}" in str(run.errors["list_versions"])


def test_the_question_shows_what_goes_what_comes_back_and_the_domains(
    account: MiniProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.third_webviewdomain = ["https://new.example.com"]
    account.versions = account.versions[:2]
    online = {"version": "forged", "description": "", "time": 0}
    plan = {"appid": APPID, "online": online, "target": {"app_version": "12", "user_version": "forged"}}
    ask = WxaApproveRollbackOperator(task_id="ask", appid=APPID, plan=plan)
    ask.read_fields()
    question = Question("rollback", ask.facts({}))
    subject, body = ask.words(question)
    assert subject == f"Roll {APPID} back to 2?"
    for text in ("`3`", "`2`", "app_version `11`", "`https://new.example.com`", "cannot be rolled back again"):
        assert text in body
    assert "forged" not in body
    monkeypatch.setenv("AIRFLOW__WXA__LANGUAGE", "zh")
    assert english_in(*ask.words(question)) == []
    named = {name: value for name, value in question.said.items() if name in {"online", "target"}}
    assert named == {
        "online": {"version": "3", "description": "v3", "time": 1},
        "target": {"app_version": "12", "user_version": "2", "user_desc": "v2", "commit_time": 1},
    }


@pytest.mark.parametrize("forged", [{"app_version": "10"}, {"user_version": "9"}, {"user_desc": "another"}])
def test_a_plan_that_somebody_edited_sends_nothing(
    wxa_default: RunningSandbox, moves: Moves, forged: dict[str, str]
) -> None:
    """Send the number of another version than was listed; where one was approved, test_questions_and_writes.py does."""

    def edited(context: Any) -> dict[str, Any]:
        plan: dict[str, Any] = context["ti"].xcom_pull(task_ids="list_versions")
        return plan | {"target": plan["target"] | forged}

    dag = rollback_dag()
    dag.get_task("rollback").plan = rendered(edited)  # type: ignore[attr-defined]
    run = rolled_back(dag=dag)
    assert "WeChat lists another version under this number" in str(run.errors["rollback"])
    assert (online(wxa_default), moves.asked) == ("3", [])
