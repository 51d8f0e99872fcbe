"""``wxa_rollback``: what is asked, what is sent, and what a forged or stale approval changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_wxa.dags.wxa_rollback import rollback_dag
from airflow_wxa.release.dag import rendered
from airflow_wxa.sandbox import Looseness
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.store.questions import Question
from tests.airflow_session import run_dag
from tests.chaos.rolling_back import Moves, world
from tests.english import english_in

if TYPE_CHECKING:
    from airflow.sdk import DAG

    from airflow_wxa.sandbox import RunningSandbox, World
    from tests.airflow_session import Run

pytestmark = pytest.mark.usefixtures("airflow_database")


@pytest.fixture
def wxa_world() -> World:
    return world()


@pytest.fixture(autouse=True)
def moves(monkeypatch: pytest.MonkeyPatch) -> Moves:
    moves = Moves()
    moves.watch(monkeypatch)
    return moves


def rolled_back(choice: str | None = None, **params: Any) -> Run:
    dag = rollback_dag()
    conf: dict[str, Any] = {"appid": APPID, "approval": choice is not None, **params}
    if choice is None:
        return run_dag(dag, **conf)
    return run_dag(dag, **conf, answers=choice)


def online(sandbox: RunningSandbox) -> str:
    info = sandbox.world.mini_program(APPID).release_info
    return info["release_version"] if info else ""


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
    wxa_default: RunningSandbox, moves: Moves, monkeypatch: pytest.MonkeyPatch
) -> None:
    dag = rollback_dag()

    def interfere(context: Any) -> None:
        info: Any = {"release_time": 9, "release_version": "4", "release_desc": "v4"}
        wxa_default.world.mini_program(APPID).release_info = info

    monkeypatch.setattr(dag.get_task("rollback"), "_pre_execute_hook", interfere)
    run = run_dag(dag, appid=APPID, approval=False)
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


def test_a_lost_domain_is_named(wxa_default: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    dag = rollback_dag()
    account = wxa_default.world.mini_program(APPID)
    account.third_webviewdomain = account.effective_webviewdomain = ["https://m.example.com"]

    def lose(context: Any) -> None:
        account.effective_webviewdomain = ["https://other.example.com"]

    monkeypatch.setattr(dag.get_task("verify_rollback"), "_pre_execute_hook", lose)
    run = run_dag(dag, appid=APPID, approval=False)
    assert "https://m.example.com" in str(run.errors["verify_rollback"])


OWN = "https://h5.merchant.example"


def test_what_may_go_offline_stops_it_before_anything_is_sent(wxa_default: RunningSandbox, moves: Moves) -> None:
    account = wxa_default.world.mini_program(APPID)
    account.mp_webviewdomain = account.effective_webviewdomain = [OWN]
    run = rolled_back()
    assert (run.states["list_versions"], moves.asked) == ("failed", [])
    assert f"goes offline {OWN}" in str(run.errors["list_versions"])


@pytest.mark.parametrize("how", [{"on_lost_domains": "release"}, {"choice": "Approve"}])
def test_what_somebody_said_yes_to_may_go(
    wxa_default: RunningSandbox, monkeypatch: pytest.MonkeyPatch, how: dict[str, Any]
) -> None:
    account = wxa_default.world.mini_program(APPID)
    account.mp_webviewdomain = account.effective_webviewdomain = [OWN]
    run = rolled_back(**how)
    assert run.state == "success", run.errors
    assert run.xcoms["list_versions"]["offline"]["lost"] == {"webviewdomain": [OWN]}


def test_the_question_shows_what_goes_what_comes_back_and_the_domains(
    wxa_default: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_wxa.operators import WxaApproveRollbackOperator  # noqa: PLC0415  (Airflow is set up first)

    account = wxa_default.world.mini_program(APPID)
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
    """Show 2, as approved or not, and send the number of another version."""

    def edited(context: Any) -> dict[str, Any]:
        plan: dict[str, Any] = context["ti"].xcom_pull(task_ids="list_versions")
        return plan | {"target": plan["target"] | forged}

    def edited_dag() -> DAG:
        dag = rollback_dag()
        dag.get_task("rollback").plan = rendered(edited)  # type: ignore[attr-defined]
        return dag

    run = run_dag(edited_dag(), appid=APPID, approval=False)
    assert run.states["rollback"] == "failed"
    assert "WeChat lists another version under this number" in str(run.errors["rollback"])
    run = run_dag(edited_dag(), appid=APPID, approval=True, answers="Approve")
    assert "something else was approved" in str(run.errors["rollback"])
    assert (online(wxa_default), moves.asked) == ("3", [])
