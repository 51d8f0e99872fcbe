"""The DAGs for domains alone: Mini Programs' business domains, the platform's list, and drift."""

from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_wxa.dags.wxa_domain_drift import domain_drift_dag
from airflow_wxa.dags.wxa_platform_domains import platform_domains_dag
from airflow_wxa.dags.wxa_webview_domains import webview_domains_dag
from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.operators import WxaApprovePlatformDomainOperator
from airflow_wxa.sandbox import MiniProgram, Platform, RunningSandbox
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID
from airflow_wxa.steps import domains
from airflow_wxa.steps.online import PlatformList
from airflow_wxa.store.questions import Question
from tests.airflow_session import Release, Run, connection, run_dag
from tests.dags.worlds import ORIGIN, PLATFORM_LIST, REGISTER, empty_list, writes
from tests.english import english_in

pytestmark = pytest.mark.usefixtures("wxa_default")


def test_domains_are_configured_and_no_code_is_touched(wxa_default: RunningSandbox) -> None:
    run = configured(webviewdomain=[ORIGIN])
    assert run.state == "success"
    gate = {"configure_domains", "register_platform_domains", "configure_domains_again", "individual_account"}
    assert set(run.states) == {*gate, "domains_ready"}
    assert run.xcoms["domains_ready"]["after"] == [ORIGIN]
    lists = {"/wxa/setwebviewdomain", "/wxa/get_effective_webviewdomain", "/wxa/get_effective_domain", PLATFORM_LIST}
    assert {each.path for each in wxa_default.journal} <= lists


def configured(**params: Any) -> Run:
    return run_dag(webview_domains_dag(), appid=APPID, **params)


def test_hosts_are_registered_when_the_platform_list_is_empty(wxa_default: RunningSandbox, platform: Platform) -> None:
    empty_list(wxa_default)
    assert configured(webviewdomain=[ORIGIN], **REGISTER).state == "success"
    assert platform.published == ["m.example.com"]


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"domain_action": "delete", "webviewdomain": [ORIGIN]}, "goes with domain_action add or set, not 'delete'"),
        ({"domain_action": "get"}, "goes with domain_action add or set, not 'get'"),
        ({"domain_action": "all"}, "goes with domain_action add or set, not 'all'"),
        ({"webviewdomain": [ORIGIN], "platform_domains": ["example.org"]}, "is covered by none of platform_domains"),
        ({"webviewdomain": [ORIGIN], "platform_conn_id": "wxa_merchants"}, "Connection 'wxa_merchants': "),
    ],
)
def test_register_is_refused_before_the_first_call_where_a_release_refuses_it(
    wxa_default: RunningSandbox, monkeypatch: pytest.MonkeyPatch, params: dict[str, Any], said: str
) -> None:
    without_platform = connection(wxa_default.url, component_access_token=None)
    monkeypatch.setenv("AIRFLOW_CONN_WXA_MERCHANTS", without_platform)
    run = configured(**REGISTER, **params)
    assert (run.state, run.tries["configure_domains"]) == ("failed", 1)
    assert said in " ".join(str(run.errors["configure_domains"]).split())
    assert wxa_default.journal == []


def change(choice: str | None = None, dag: DAG | None = None, **params: Any) -> Run:
    asked: dict[str, Any] = {"approval": choice is not None, "hosts": ["shop.example.org"]}
    return run_dag(dag or platform_domains_dag(), answers=choice, **asked | params)


def published(wechat: RunningSandbox) -> list[str]:
    return sorted(wechat.world.platform(COMPONENT_APPID).published or ())


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
    assert len(writes(wxa_default)) == 1


def test_a_question_begins_with_the_mini_programs_whose_domains_go_offline(
    wxa_default: RunningSandbox, release: Release
) -> None:
    assert release().state == "success"
    asked = change("Reject", action="set").questions["approve_change"].body
    assert asked.startswith(
        f"**Goes offline at the next release of 1**, as far as they have been read: {APPID}: `https"
    )
    assert "Goes offline" not in change("Reject", action="add").questions["approve_change"].body
    assert "Goes offline" not in change("Reject", action="delete").questions["approve_change"].body  # of another host


def test_a_rejected_change_is_not_written_and_without_an_approval_by_param_nobody_is_asked(
    wxa_default: RunningSandbox,
) -> None:
    run = change("Reject")
    assert (run.state, run.states["modify_platform_domains"]) == ("success", "skipped")
    assert writes(wxa_default) == []
    run = change()
    assert (run.states["approve_change"], run.states["modify_platform_domains"]) == ("skipped", "success")
    assert published(wxa_default) == ["example.com", "shop.example.org"]
    assert "modify_wxa_jump_domain" in {entry.endpoint for entry in open_ledger().entries(appid="", most=5)}


@pytest.mark.parametrize("is_told", [True, False])
def test_a_mark_of_success_approves_nothing_also_of_a_list_that_wechat_does_not_tell(
    wxa_default: RunningSandbox, monkeypatch: pytest.MonkeyPatch, is_told: bool
) -> None:
    def unsaid(*_: object) -> Any:
        yield from ()
        return PlatformList(None, None)

    if not is_told:
        monkeypatch.setattr(domains, "read_platform_list", unsaid)
    run = run_dag(platform_domains_dag(), mark_success="approve_change", approval=True, hosts=["shop.example.org"])
    assert run.states["modify_platform_domains"] == "failed"
    assert "nobody has approved it" in str(run.errors["modify_platform_domains"])
    assert writes(wxa_default) == []


def asked(**read: Any) -> Question:
    return Question("platform_list", WxaApprovePlatformDomainOperator(task_id="ask", read=read).facts({}))


def test_the_question_shows_both_lists_and_the_verification_file(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = change().xcoms["read_platform_domains"]
    name, content = platform.confirm_file
    assert read["verification_file"] == {"file_name": name, "file_content": content}
    platform.published = ["example.com"]
    question = asked(**read)
    _, body = WxaApprovePlatformDomainOperator.words(question)
    for words in (
        "1 before, 2 after: 1 added, 0 removed.",
        "+ shop.example.org",
        f"- https://shop.example.org/{name}",
        "The testing version, which changes together with it, is another one: `example.com`, `shop",
    ):
        assert words in body
    monkeypatch.setenv("AIRFLOW__WXA__LANGUAGE", "zh")
    assert english_in(*WxaApprovePlatformDomainOperator.words(question)) == []
    lists = {"testing": ["example.com", "shop.example.org"], "published": ["example.com"]}
    said = {name: value for name, value in question.said.items() if name != "question"}
    assert said == {"action": "add", "hosts": ["shop.example.org"], **lists}


def test_the_question_shows_what_would_be_done_whatever_was_written_into_its_xcom(platform: Platform) -> None:
    platform.published = ["example.com", "other.example.net"]
    forged = {"published": ["evil.example.org"], "after": ["example.com"]}
    file = {"file_name": "evil.txt", "file_content": "mine"}
    question = asked(action="set", hosts=["evil.example.org"], **forged, verification_file=file)
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


def test_each_way_to_differ_is_told_and_fails_only_when_asked_to(
    wxa_default: RunningSandbox, account: MiniProgram
) -> None:
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


def test_without_appids_and_manifest_all_that_have_a_fixed_token_are_compared(account: MiniProgram) -> None:
    account.third_webviewdomain = ["https://gone.example.net"]
    run = run_dag(domain_drift_dag())
    assert run.states == {"compare_domains": "success", "report_drift": "success"}, run.errors
    assert [row["appid"] for row in run.xcoms["compare_domains"]] == [APPID]
