"""``wxa_rollback``: what is asked, what is sent, and what a forged or stale plan changes."""

from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk import Context

from airflow_wxa.dags.wxa_rollback import rollback_dag
from airflow_wxa.operators import WxaApproveRollbackOperator
from airflow_wxa.release.dag import rendered
from airflow_wxa.sandbox import Looseness, World
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.store.questions import Question
from tests.airflow_session import Run, run_dag
from tests.chaos.rolling_back import Moves, world
from tests.dags.worlds import ORIGIN, Shop, failure, missing, succeeded


@pytest.fixture
def wxa_world() -> World:
    return world()


@pytest.fixture(autouse=True)
def moves(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Moves:
    moves = Moves()
    moves.watch(monkeypatch)
    return moves


def rolled_back(
    choice: str | None = None, before: dict[str, Callable[[Context], None]] | None = None, **params: Any
) -> Run:
    """Walk the DAG.

    :param before: task id → what happens before it.
    """
    dag = rollback_dag()
    for task_id, act in (before or {}).items():
        dag.get_task(task_id)._pre_execute_hook = act
    asked: dict[str, Any] = {"appid": APPID, "approval": choice is not None}
    return run_dag(dag, answers=choice, **asked | params)


@pytest.mark.parametrize(("app_version", "comes_back"), [(None, "2"), ("11", "1")])
def test_an_approved_version_comes_back_once(
    shop: Shop, moves: Moves, app_version: str | None, comes_back: str
) -> None:
    run = rolled_back("Approve", app_version=app_version)
    assert run.states == dict.fromkeys(("list_versions", "approve_rollback", "rollback", "verify_rollback"), "success")
    assert (shop.online, moves.asked) == (comes_back, [int(app_version or 12)])
    assert (run.xcoms["rollback"]["outcome"], run.xcoms["rollback"]["left"]) == ("rolled_back", [])
    assert "cannot be rolled back again" in failure(rolled_back(), "list_versions")
    assert len(moves.asked) == 1


def test_what_went_online_since_the_list_was_read_stays(shop: Shop, moves: Moves) -> None:
    run = rolled_back(before={"rollback": lambda _: shop.put_online("4")})
    assert "Somebody released or rolled back in between" in failure(run, "rollback")
    assert (shop.online, moves.asked) == ("4", [])


def test_a_rollback_is_seen_past_lag(shop: Shop, moves: Moves) -> None:
    shop.wechat.world.loose = Looseness(lag={"online_version": 1})
    succeeded(rolled_back())
    assert (shop.online, moves.asked) == ("2", [12])


def test_a_version_that_is_not_listed_is_refused_with_those_that_are() -> None:
    said = failure(rolled_back(app_version="99"), "list_versions")
    assert "app_version = '99': is not among 12 (2), 11 (1), 10 (0)" in said


def test_a_lost_domain_is_named(shop: Shop) -> None:
    shop.account.third_webviewdomain = shop.account.effective_webviewdomain = [ORIGIN]
    run = rolled_back(before={"verify_rollback": lambda _: setattr(shop.account, "effective_webviewdomain", [])})
    assert ORIGIN in failure(run, "verify_rollback")


@pytest.mark.parametrize("how", [{}, {"on_lost_domains": "release"}, {"choice": "Approve"}])
def test_what_may_go_offline_stops_it_before_anything_is_sent_unless_somebody_said_yes(
    shop: Shop, moves: Moves, how: dict[str, Any]
) -> None:
    own = "https://h5.merchant.example"
    shop.account.mp_webviewdomain = shop.account.effective_webviewdomain = [own]
    run = rolled_back(**how)
    if how:
        assert succeeded(run).xcoms["list_versions"]["offline"]["lost"] == {"webviewdomain": [own]}
    else:
        assert f"goes offline {own}" in failure(run, "list_versions")
        assert moves.asked == []


def test_the_question_shows_what_goes_what_comes_back_and_the_domains(shop: Shop) -> None:
    shop.account.third_webviewdomain = ["https://new.example.com"]
    shop.account.versions = shop.account.versions[:2]
    forged = {"version": "forged", "description": "", "time": 0}
    plan = {"appid": APPID, "online": forged, "target": {"app_version": "12", "user_version": "forged"}}
    ask = WxaApproveRollbackOperator(task_id="ask", appid=APPID, plan=plan)
    ask.read_fields()
    question = Question("rollback", ask.facts({}))
    subject, body = ask.words(question)
    assert subject == f"Roll {APPID} back to 2?"
    words = ("`3`", "`2`", "app_version `11`", "`https://new.example.com`", "cannot be rolled back again")
    assert missing(words, body) == []
    assert "forged" not in body
    assert question.said["online"] == {"version": "3", "description": "v3", "time": 1}
    assert question.said["target"] == {"app_version": "12", "user_version": "2", "user_desc": "v2", "commit_time": 1}


@pytest.mark.parametrize("forged", [{"app_version": "10"}, {"user_version": "9"}, {"user_desc": "another"}])
def test_a_plan_that_somebody_edited_sends_nothing(shop: Shop, moves: Moves, forged: dict[str, str]) -> None:
    """Send the number of another version than was listed; where one was approved, test_questions_and_writes.py does."""

    def edited(context: Any) -> dict[str, Any]:
        plan: dict[str, Any] = context["ti"].xcom_pull(task_ids="list_versions")
        return plan | {"target": plan["target"] | forged}

    dag = rollback_dag()
    dag.get_task("rollback").plan = rendered(edited)  # type: ignore[attr-defined]
    run = run_dag(dag, appid=APPID, approval=False)
    assert "WeChat lists another version under this number" in failure(run, "rollback")
    assert (shop.online, moves.asked) == ("3", [])
