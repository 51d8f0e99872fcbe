"""The DAGs beside the release: Mini Programs' business domains, the platform's list, drift, files, and a rollback."""

import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_wxa.dags import fleet_files
from airflow_wxa.dags.wxa_domain_drift import domain_drift_dag
from airflow_wxa.dags.wxa_platform_domains import platform_domains_dag
from airflow_wxa.dags.wxa_rollback import rollback_dag
from airflow_wxa.dags.wxa_webview_domains import webview_domains_dag
from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.operators import WxaApprovePlatformDomainOperator, WxaApproveRollbackOperator
from airflow_wxa.release.dag import rendered
from airflow_wxa.sandbox import Looseness
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.steps import domains
from airflow_wxa.steps.online import PlatformList
from airflow_wxa.store.questions import Question
from tests.airflow_session import Run, run_dag
from tests.chaos.rolling_back import Moves
from tests.dags.worlds import ORIGIN, PLATFORM_LIST, REGISTER, Shop, empty_list, failure, missing, succeeded
from tests.english import english_in


def configured(**params: Any) -> Run:
    return run_dag(webview_domains_dag(), appid=APPID, **params)


def test_domains_are_configured_and_no_code_is_touched(shop: Shop) -> None:
    run = succeeded(configured(webviewdomain=[ORIGIN]))
    gate = {"configure_domains", "register_platform_domains", "configure_domains_again", "individual_account"}
    assert set(run.states) == {*gate, "domains_ready"}
    assert run.xcoms["domains_ready"]["after"] == [ORIGIN]
    lists = {"/wxa/setwebviewdomain", "/wxa/get_effective_webviewdomain", "/wxa/get_effective_domain", PLATFORM_LIST}
    assert {each.path for each in shop.journal} <= lists


def test_hosts_are_registered_when_the_platform_list_is_empty(shop: Shop) -> None:
    empty_list(shop)
    succeeded(configured(webviewdomain=[ORIGIN], **REGISTER))
    assert shop.platform.published == ["m.example.com"]


# Each rule about the domains of a release is a row of tests/release/test_spec.py.
@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"domain_action": "get"}, "goes with domain_action add or set, not 'get'"),
        ({"webviewdomain": [ORIGIN], "platform_domains": ["example.org"]}, "is covered by none of platform_domains"),
        ({"webviewdomain": [ORIGIN], "platform_conn_id": "wxa_merchants"}, "Connection 'wxa_merchants': "),
    ],
)
def test_register_is_refused_where_a_release_refuses_it(shop: Shop, params: dict[str, Any], said: str) -> None:
    shop.connect("wxa_merchants", component_access_token=None)
    run = configured(**REGISTER, **params)
    assert said in failure(run, "configure_domains")
    assert (run.tries["configure_domains"], shop.journal) == (1, [])


def change(choice: str | None = None, **params: Any) -> Run:
    asked: dict[str, Any] = {"approval": choice is not None, "hosts": ["shop.example.org"]}
    return run_dag(platform_domains_dag(), answers=choice, **asked | params)


@pytest.mark.parametrize(
    ("choice", "params", "after"),
    [
        ("Approve", {"action": "add"}, ["example.com", "shop.example.org"]),
        ("Approve", {"action": "set"}, ["shop.example.org"]),
        ("Approve", {"action": "delete", "hosts": ["example.com"]}, []),
        (None, {"action": "add"}, ["example.com", "shop.example.org"]),
    ],
)
def test_a_change_that_is_approved_or_needs_no_approval_is_written_once_and_read_back(
    shop: Shop, choice: str | None, params: dict[str, Any], after: list[str]
) -> None:
    run = succeeded(change(choice, **params))
    assert run.states["approve_change"] == ("success" if choice else "skipped")
    assert sorted(shop.platform.published or ()) == after
    assert run.xcoms["read_platform_domains"]["after"] == after == run.xcoms["modify_platform_domains"]["published"]
    assert len(shop.writes()) == 1
    assert "modify_wxa_jump_domain" in {entry.endpoint for entry in open_ledger().entries(appid="", most=5)}


def test_a_question_begins_with_the_mini_programs_whose_domains_go_offline(shop: Shop) -> None:
    shop.release()
    # What is deleted is another host.
    by_action = {
        each: change("Reject", action=each).questions["approve_change"].body for each in ("set", "add", "delete")
    }
    lost = f"**Goes offline at the next release of 1**, as far as they have been read: {APPID}: `https"
    assert [by_action.pop("set").startswith(lost), "Goes offline" in "".join(by_action.values())] == [True, False]


def test_a_mark_approves_no_change_of_a_list_that_is_not_told(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsaid(*_: object) -> Any:
        yield from ()
        return PlatformList(None, None)

    monkeypatch.setattr(domains, "read_platform_list", unsaid)
    run = run_dag(platform_domains_dag(), mark_success="approve_change", approval=True, hosts=["shop.example.org"])
    assert "nobody has approved it" in failure(run, "modify_platform_domains")
    assert shop.writes() == []


def asked(**read: Any) -> Question:
    return Question("platform_list", WxaApprovePlatformDomainOperator(task_id="ask", read=read).facts({}))


def test_the_question_shows_both_lists_and_the_verification_file(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    read = change().xcoms["read_platform_domains"]
    name, content = shop.platform.confirm_file
    assert read["verification_file"] == {"file_name": name, "file_content": content}
    shop.platform.published = ["example.com"]
    question = asked(**read)
    _, body = WxaApprovePlatformDomainOperator.words(question)
    words = (
        "1 before, 2 after: 1 added, 0 removed.",
        "+ shop.example.org",
        f"- https://shop.example.org/{name}",
        "The testing version, which changes together with it, is another one: `example.com`, `shop",
    )
    assert missing(words, body) == []
    monkeypatch.setenv("AIRFLOW__WXA__LANGUAGE", "zh")
    assert english_in(*WxaApprovePlatformDomainOperator.words(question)) == []
    lists = {"testing": ["example.com", "shop.example.org"], "published": ["example.com"]}
    said = {name: value for name, value in question.said.items() if name != "question"}
    assert said == {"action": "add", "hosts": ["shop.example.org"], **lists}


def test_the_question_shows_what_would_be_done_whatever_was_written_into_its_xcom(shop: Shop) -> None:
    shop.platform.published = ["example.com", "other.example.net"]
    forged = {"published": ["evil.example.org"], "after": ["example.com"]}
    file = {"file_name": "evil.txt", "file_content": "mine"}
    question = asked(action="set", hosts=["evil.example.org"], **forged, verification_file=file)
    _, body = WxaApprovePlatformDomainOperator.words(question)
    assert missing(("2 before, 1 after: 1 added, 2 removed.", "+ evil.example.org"), body) == []
    assert "evil.txt" not in body


MANIFEST = f"""
release:
  template_id: 47
  user_version: "1"
  domain_action: set
  webviewdomain: [https://wanted.example.com]
apps: [{APPID}]
"""


def test_each_way_to_differ_is_told_and_fails_only_when_asked_to(shop: Shop) -> None:
    gone, wanted = "https://gone.example.net", "https://wanted.example.com"
    shop.account.third_webviewdomain, shop.account.effective_webviewdomain = [ORIGIN, gone], [ORIGIN]
    run = run_dag(domain_drift_dag(), manifest=MANIFEST, fail_on_drift=True)
    assert run.states == {"compare_domains": "success", "report_drift": "failed"}
    (row,) = run.xcoms["compare_domains"]
    assert row["missing"] == row["not_effective"] == [wanted]
    assert (row["too_many"], row["unregistered"]) == ([gone, ORIGIN], [gone])
    report = succeeded(run_dag(domain_drift_dag(), appids=[APPID])).xcoms["report_drift"]
    assert report["differing"] == 1
    assert gone in Path(report["csv"]).read_text("utf-8")
    assert {each.body.get("action") for each in shop.journal if "set" in each.path} == {"get"}
    every = succeeded(run_dag(domain_drift_dag()))  # all that have a fixed token
    assert [row["appid"] for row in every.xcoms["compare_domains"]] == [APPID]


def test_a_rerun_manifest_is_for_its_owner_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__LOGGING__BASE_LOG_FOLDER", str(tmp_path))
    monkeypatch.setattr(fleet_files, "rerun_manifest", lambda *_: "apps: []")
    monkeypatch.setattr(fleet_files, "outcomes_csv", lambda *_: ["appid\n"])
    run: Any = SimpleNamespace(dag_id="wxa_fleet_release", run_id="spring", key=None)
    fleets: Any = SimpleNamespace(apps=lambda _: [])
    for _ in range(2):
        fleet_files.write_files(run, fleets)
    (rerun,) = tmp_path.rglob("rerun.yaml")
    assert rerun.read_text() == "apps: []"
    assert stat.S_IMODE(rerun.stat().st_mode) == 0o600


# wxa_rollback: what is asked, what is sent, and what a forged or stale plan changes ----------------------------------


@pytest.fixture
def moves(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Moves:
    """Give the shop versions to go back to, and count how often it went."""
    shop.add_history()
    moves = Moves()
    moves.watch(monkeypatch)
    return moves


def rolled_back(choice: str | None = None, dag: DAG | None = None, **params: Any) -> Run:
    asked: dict[str, Any] = {"appid": APPID, "approval": choice is not None}
    return run_dag(dag or rollback_dag(), answers=choice, **asked | params)


@pytest.mark.parametrize(("app_version", "back"), [(None, "2"), ("11", "1")])
def test_an_approved_version_that_is_listed_comes_back_once(
    shop: Shop, moves: Moves, app_version: str | None, back: str
) -> None:
    said = failure(rolled_back(app_version="99"), "list_versions")
    assert "app_version = '99': is not among 12 (2), 11 (1), 10 (0)" in said
    run = rolled_back("Approve", app_version=app_version)
    assert run.states == dict.fromkeys(("list_versions", "approve_rollback", "rollback", "verify_rollback"), "success")
    assert (shop.online, moves.asked) == (back, [int(app_version or 12)])
    assert (run.xcoms["rollback"]["outcome"], run.xcoms["rollback"]["left"]) == ("rolled_back", [])
    assert "cannot be rolled back again" in failure(rolled_back(), "list_versions")
    assert len(moves.asked) == 1


def test_a_rollback_is_seen_past_lag(shop: Shop, moves: Moves) -> None:
    shop.wechat.world.loose = Looseness(lag={"online_version": 1})
    succeeded(rolled_back())
    assert (shop.online, moves.asked) == ("2", [12])


@pytest.mark.usefixtures("moves")
def test_a_lost_domain_is_named(shop: Shop) -> None:
    shop.account.third_webviewdomain = shop.account.effective_webviewdomain = [ORIGIN]
    dag = rollback_dag()
    dag.get_task("verify_rollback")._pre_execute_hook = lambda _: shop.account.effective_webviewdomain.clear()
    assert ORIGIN in failure(rolled_back(dag=dag), "verify_rollback")


@pytest.mark.parametrize("how", [{}, {"on_lost_domains": "release"}, {"choice": "Approve"}])
def test_what_may_go_offline_stops_it_unless_somebody_agreed(shop: Shop, moves: Moves, how: dict[str, Any]) -> None:
    own = "https://h5.merchant.example"
    shop.account.mp_webviewdomain = shop.account.effective_webviewdomain = [own]
    run = rolled_back(**how)
    if how:
        assert succeeded(run).xcoms["list_versions"]["offline"]["lost"] == {"webviewdomain": [own]}
    else:
        assert f"goes offline {own}" in failure(run, "list_versions")
        assert moves.asked == []


@pytest.mark.usefixtures("moves")
def test_the_question_of_a_rollback_shows_what_goes_what_comes_back_and_the_domains(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    monkeypatch.setenv("AIRFLOW__WXA__LANGUAGE", "zh")
    assert english_in(*ask.words(question)) == []


@pytest.mark.parametrize("forged", [{"app_version": "10"}, {"user_version": "9"}, {"user_desc": "another"}])
def test_a_plan_that_somebody_edited_sends_nothing(shop: Shop, moves: Moves, forged: dict[str, str]) -> None:
    """Send the number of another version than was listed; where one was approved, test_release_approval.py does."""

    def edited(context: Any) -> dict[str, Any]:
        plan: dict[str, Any] = context["ti"].xcom_pull(task_ids="list_versions")
        return plan | {"target": plan["target"] | forged}

    dag = rollback_dag()
    dag.get_task("rollback").plan = rendered(edited)  # type: ignore[attr-defined]
    assert "WeChat lists another version under this number" in failure(rolled_back(dag=dag), "rollback")
    assert (shop.online, moves.asked) == ("3", [])
