"""The platform's list, changed by hand: what is asked, what is written, and what a forged approval changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_wxa.dags.wxa_platform_domains import platform_domains_dag
from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID
from airflow_wxa.steps import domains
from airflow_wxa.steps.online import PlatformList
from airflow_wxa.store.questions import Question
from tests.airflow_session import calls, run_dag
from tests.english import english_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_wxa.sandbox import RunningSandbox
    from tests.airflow_session import Run

pytestmark = pytest.mark.usefixtures("airflow_database")

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
