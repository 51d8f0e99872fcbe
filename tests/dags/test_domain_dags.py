"""The DAGs for domains alone: Mini Programs' business domains, the platform's list, and drift."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_wxa.dags.wxa_domain_drift import domain_drift_dag
from airflow_wxa.dags.wxa_platform_domains import platform_domains_dag
from airflow_wxa.dags.wxa_webview_domains import webview_domains_dag
from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID
from airflow_wxa.steps import domains
from airflow_wxa.steps.online import PlatformList
from airflow_wxa.store.questions import Question
from tests.airflow_session import calls, connection, run_dag
from tests.english import english_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_wxa.sandbox import RunningSandbox
    from tests.airflow_session import Run

pytestmark = pytest.mark.usefixtures("airflow_database")
WANTED = "https://m.example.com"


def test_domains_are_configured_and_no_code_is_touched(wxa_default: RunningSandbox) -> None:
    run = run_dag(webview_domains_dag(), appid=APPID, webviewdomain=[WANTED])
    assert run.state == "success"
    assert set(run.states) == {
        "configure_domains",
        "register_platform_domains",
        "configure_domains_again",
        "individual_account",
        "domains_ready",
    }
    assert run.xcoms["domains_ready"]["after"] == [WANTED]
    assert {each.path for each in wxa_default.journal} <= {
        "/wxa/setwebviewdomain",
        "/wxa/get_effective_webviewdomain",
        "/wxa/get_effective_domain",
        "/cgi-bin/component/modify_wxa_jump_domain",
    }


def configured(**params: Any) -> Run:
    return run_dag(webview_domains_dag(), appid=APPID, **params)


def test_hosts_are_registered_when_the_platform_list_is_empty(wxa_default: RunningSandbox) -> None:
    platform = wxa_default.world.platform(COMPONENT_APPID)
    platform.testing = platform.published = []
    assert configured(webviewdomain=[WANTED], on_platform_list_empty="register").state == "success"
    assert list(platform.published) == ["m.example.com"]


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"domain_action": "delete", "webviewdomain": [WANTED]}, "goes with domain_action add or set, not 'delete'"),
        ({"domain_action": "get"}, "goes with domain_action add or set, not 'get'"),
        ({"domain_action": "all"}, "goes with domain_action add or set, not 'all'"),
        ({"webviewdomain": [WANTED], "platform_domains": ["example.org"]}, "is covered by none of platform_domains"),
        ({"webviewdomain": [WANTED], "platform_conn_id": "wxa_merchants"}, "Connection 'wxa_merchants': "),
    ],
)
def test_register_is_refused_before_the_first_call_where_a_release_refuses_it(
    wxa_default: RunningSandbox, monkeypatch: pytest.MonkeyPatch, params: dict[str, Any], said: str
) -> None:
    without_platform = connection(wxa_default.url, component_access_token=None)
    monkeypatch.setenv("AIRFLOW_CONN_WXA_MERCHANTS", without_platform)
    run = configured(on_platform_list_empty="register", **params)
    assert (run.state, run.tries["configure_domains"]) == ("failed", 1)
    assert said in " ".join(str(run.errors["configure_domains"]).split())
    assert list(wxa_default.journal) == []


WRITE = "/cgi-bin/component/modify_wxa_jump_domain"


def change(choice: str | None = None, **params: Any) -> Run:
    dag = platform_domains_dag()
    conf: dict[str, Any] = {"approval": choice is not None, "hosts": ["shop.example.org"], **params}
    if choice is None:
        return run_dag(dag, **conf)
    return run_dag(dag, **conf, answers=choice)


def written(sandbox: RunningSandbox) -> list[dict[str, Any]]:
    return [dict(each.body) for each in calls(sandbox.journal, WRITE) if each.body["action"] != "get"]


def published(sandbox: RunningSandbox) -> list[str]:
    return sorted(sandbox.world.platform(COMPONENT_APPID).published or ())


@pytest.mark.parametrize(
    ("params", "after"),
    [
        ({"action": "add"}, ["example.com", "shop.example.org"]),
        ({"action": "set"}, ["shop.example.org"]),
        ({"action": "delete", "hosts": ["example.com"]}, []),
    ],
)
def test_an_approved_change_is_written_and_read_back(
    wxa_default: RunningSandbox, params: dict[str, Any], after: list[str]
) -> None:
    run = change("Approve", **params)
    assert set(run.states.values()) == {"success"}
    assert published(wxa_default) == after
    assert run.xcoms["read_platform_domains"]["after"] == after == run.xcoms["modify_platform_domains"]["published"]
    assert len(written(wxa_default)) == 1


def test_a_question_begins_with_the_mini_programs_whose_domains_go_offline(
    wxa_default: RunningSandbox, release: Callable[..., Run]
) -> None:
    assert release().state == "success"
    asked = change("Reject", action="set").questions["approve_change"].body
    assert asked.startswith(
        f"**Goes offline at the next release of 1**, as far as they have been read: {APPID}: `https"
    )
    assert "Goes offline" not in change("Reject", action="add").questions["approve_change"].body
    assert "Goes offline" not in change("Reject", action="delete").questions["approve_change"].body  # of another host


def test_a_rejected_change_is_not_written(wxa_default: RunningSandbox) -> None:
    run = change("Reject")
    assert (run.state, run.states["modify_platform_domains"]) == ("success", "skipped")
    assert written(wxa_default) == []


def test_without_an_approval_by_param_nobody_is_asked(wxa_default: RunningSandbox) -> None:
    run = change()
    assert (run.states["approve_change"], run.states["modify_platform_domains"]) == ("skipped", "success")
    assert published(wxa_default) == ["example.com", "shop.example.org"]


def test_a_mark_of_success_approves_nothing(wxa_default: RunningSandbox) -> None:
    dag = platform_domains_dag()
    run = run_dag(dag, mark_success="approve_change", approval=True, hosts=["shop.example.org"])
    assert run.states["modify_platform_domains"] == "failed"
    assert written(wxa_default) == []
    assert "nobody has approved it" in str(run.errors["modify_platform_domains"])


def test_a_list_that_somebody_changed_since_the_approval_is_left_alone(
    wxa_default: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    dag = platform_domains_dag()
    task = dag.get_task("modify_platform_domains")
    platform = wxa_default.world.platform(COMPONENT_APPID)

    def interfere(context: Any) -> None:
        platform.testing = platform.published = ["other.example.net"]

    monkeypatch.setattr(task, "_pre_execute_hook", interfere)
    run = run_dag(dag, approval=True, action="set", hosts=["shop.example.org"], answers="Approve")
    assert run.states["modify_platform_domains"] == "failed"
    assert "something else was approved" in str(run.errors["modify_platform_domains"])
    assert published(wxa_default) == ["other.example.net"]


def test_the_question_shows_both_lists_and_the_verification_file(
    wxa_default: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_wxa.operators import WxaApprovePlatformDomainOperator  # noqa: PLC0415  (Airflow is set up first)

    run = change()
    read = run.xcoms["read_platform_domains"]
    name, content = wxa_default.world.platform(COMPONENT_APPID).confirm_file
    assert read["verification_file"] == {"file_name": name, "file_content": content}
    wxa_default.world.platform(COMPONENT_APPID).published = ["example.com"]
    question = Question("platform_list", WxaApprovePlatformDomainOperator(task_id="ask", read=read).facts({}))
    _, body = WxaApprovePlatformDomainOperator.words(question)
    assert "1 before, 2 after: 1 added, 0 removed." in body
    with monkeypatch.context() as patch:
        patch.setenv("AIRFLOW__WXA__LANGUAGE", "zh")
        assert english_in(*WxaApprovePlatformDomainOperator.words(question)) == []
    assert "+ shop.example.org" in body
    assert f"- https://shop.example.org/{name}" in body
    assert "The testing version, which changes together with it, is another one: `example.com`, `shop" in body
    assert {name: value for name, value in question.said.items() if name != "question"} == {
        "action": "add",
        "hosts": ["shop.example.org"],
        "testing": ["example.com", "shop.example.org"],
        "published": ["example.com"],
    }


@pytest.mark.parametrize(("hosts", "word"), [(["https://shop.example.org/x"], "shop.example.org"), ([" "], "hosts")])
def test_what_is_no_host_is_refused_before_anything_is_sent(
    wxa_default: RunningSandbox, hosts: list[str], word: str
) -> None:
    run = change(hosts=hosts)
    assert run.state == "failed"
    assert word in str(run.errors["read_platform_domains"])
    assert list(wxa_default.journal) == []


def test_the_ledger_names_the_write(wxa_default: RunningSandbox) -> None:
    change()
    assert "modify_wxa_jump_domain" in {entry.endpoint for entry in open_ledger().entries(appid="", most=5)}


def test_a_list_that_wechat_does_not_tell_is_not_changed_without_an_approval(
    wxa_default: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsaid(*_: object) -> Any:
        yield from ()
        return PlatformList(None, None)

    monkeypatch.setattr(domains, "read_platform_list", unsaid)
    dag = platform_domains_dag()
    run = run_dag(dag, mark_success="approve_change", approval=True, hosts=["shop.example.org"])
    assert run.states["modify_platform_domains"] == "failed"
    assert "nobody has approved it" in str(run.errors["modify_platform_domains"])
    assert written(wxa_default) == []


def test_the_question_shows_what_would_be_done_whatever_was_written_into_its_xcom(wxa_default: RunningSandbox) -> None:
    from airflow_wxa.operators import WxaApprovePlatformDomainOperator  # noqa: PLC0415  (as above)

    wxa_default.world.platform(COMPONENT_APPID).published = ["example.com", "other.example.net"]
    forged = {
        "action": "set",
        "hosts": ["evil.example.org"],
        "published": ["evil.example.org"],
        "after": ["example.com"],
        "verification_file": {"file_name": "evil.txt", "file_content": "mine"},
    }
    question = Question("platform_list", WxaApprovePlatformDomainOperator(task_id="ask", read=forged).facts({}))
    _, body = WxaApprovePlatformDomainOperator.words(question)
    assert "2 before, 1 after: 1 added, 2 removed." in body
    assert "+ evil.example.org" in body
    assert "evil.txt" not in body


MANIFEST = f"""
release:
  template_id: 47
  user_version: "1"
  domain_action: set
  webviewdomain: [https://wanted.example.com]
apps: [{APPID}]
"""


def test_each_way_to_differ_is_told_and_fails_only_when_asked_to(wxa_default: RunningSandbox) -> None:
    account = wxa_default.world.mini_program(APPID)
    account.third_webviewdomain = ["https://m.example.com", "https://gone.example.net"]
    account.effective_webviewdomain = ["https://m.example.com"]
    run = run_dag(domain_drift_dag(), manifest=MANIFEST, fail_on_drift=True)
    assert run.states == {"compare_domains": "success", "report_drift": "failed"}
    (row,) = run.xcoms["compare_domains"]
    assert row["missing"] == row["not_effective"] == ["https://wanted.example.com"]
    assert row["too_many"] == ["https://gone.example.net", "https://m.example.com"]
    assert row["unregistered"] == ["https://gone.example.net"]
    by_appid = run_dag(domain_drift_dag(), appids=[APPID])
    assert by_appid.state == "success"
    report = by_appid.xcoms["report_drift"]
    assert report["differing"] == 1
    assert "https://gone.example.net" in Path(report["csv"]).read_text("utf-8")
    assert {each.body.get("action") for each in wxa_default.journal if "set" in each.path} == {"get"}


def test_without_appids_and_manifest_all_that_have_a_fixed_token_are_compared(wxa_default: RunningSandbox) -> None:
    wxa_default.world.mini_program(APPID).third_webviewdomain = ["https://gone.example.net"]
    run = run_dag(domain_drift_dag())
    assert run.states == {"compare_domains": "success", "report_drift": "success"}, run.errors
    assert [row["appid"] for row in run.xcoms["compare_domains"]] == [APPID]
