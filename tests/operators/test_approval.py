from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskAwaitingInput

from airflow_wxa.errors import WxaTransportError
from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.operators import WxaApproveReleaseOperator
from airflow_wxa.sandbox.testing import APPID

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_wxa.sandbox import RunningSandbox

AT = dt.datetime(2026, 5, 4, 3, 2, 1, tzinfo=dt.UTC)
DOMAINS = {
    "outcome": "configured",
    "before": ["https://a.example.com", "https://b.example.com"],
    "after": ["https://b.example.com", "https://c.example.com"],
}
OUTCOMES = {
    "domains": DOMAINS,
    "commit": {"outcome": "committed", "superseded": "1.3.9"},
    "submit": {"outcome": "submitted", "auditid": "460001", "superseded": None},
    "audit": {"outcome": "approved", "reason": ""},
}


@pytest.fixture(autouse=True)
def own_ledger(
    airflow_database: None, wxa_default: RunningSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", f"sqlite:///{tmp_path / 'wxa.db'}")


class Xcoms:
    """A task instance, as far as the operator uses it."""

    id = "0198c0de-0000-7000-8000-000000000000"

    def __init__(self) -> None:
        self.pushed: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value


def operator(**fields: Any) -> WxaApproveReleaseOperator:
    plain: dict[str, Any] = {"task_id": "approve_release", "appid": APPID, "template_id": 47, "user_version": "1.4.0"}
    return WxaApproveReleaseOperator(**plain | {"outcomes": OUTCOMES} | fields)


def context(*, triggered_by: str | None = "lin") -> Any:
    ti = Xcoms()
    return {"ti": ti, "task_instance": ti, "dag_run": SimpleNamespace(triggering_user_name=triggered_by)}


def asked(
    monkeypatch: pytest.MonkeyPatch, task: WxaApproveReleaseOperator, *, triggered_by: str | None = "lin"
) -> dict[str, Any]:
    """Run ``execute`` up to its wait, and return the question that it put."""
    question: dict[str, Any] = {}
    monkeypatch.setattr(
        "airflow.providers.standard.operators.hitl.upsert_hitl_detail", lambda **sent: question.update(sent)
    )
    with pytest.raises(TaskAwaitingInput):
        task.execute(context(triggered_by=triggered_by))
    return question


def answer(choice: str = "Approve", by: str | None = "wu", **params: Any) -> dict[str, Any]:
    return {
        "chosen_options": [choice],
        "params_input": params,
        "responded_at": AT,
        "responded_by_user": {"id": by, "name": by} if by else None,
    }


def test_the_question_shows_what_is_needed_to_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.com/team/")
    question = asked(monkeypatch, operator())
    assert question["subject"] == f"Release 1.4.0 of {APPID}?"
    for line in (
        f"| Mini Program | `{APPID}` |",
        "| version | `1.4.0` from template `47` |",
        "| takes the place of | `1.3.9` |",
        "| audit | approved, sheet `460001` |",
        "| triggered by | `lin` |",
        "2 before, 2 after: 1 added, 1 removed.",
        "+ https://c.example.com",
        "- https://a.example.com",
        "  https://b.example.com",
    ):
        assert line in question["body"].splitlines()
    assert f"(https://airflow.example.com/team/wxa/trial/wxa_default/{APPID})" in question["body"]


def test_the_comment_is_optional_so_that_both_buttons_work(monkeypatch: pytest.MonkeyPatch) -> None:
    comment = asked(monkeypatch, operator())["params"]["comment"]
    assert comment["value"] is None
    assert comment["schema"]["type"] == ["null", "string"]


@pytest.mark.parametrize(
    ("domains", "said"),
    [
        (None, "Not known: no task of this run configured them."),
        ({"outcome": "individual"}, "it cannot have any (89231)"),
        ({"outcome": "configured", "before": None, "after": ["https://a.example.com"]}, "? before, 1 after: not known"),
        ({"outcome": "configured", "before": ["https://a.example.com"], "after": None}, "WeChat did not say"),
        ({"outcome": "unchanged", "before": [], "after": []}, "0 before, 0 after: 0 added, 0 removed."),
        (
            {"outcome": "configured", "before": [], "after": [f"https://{n:03}.example.com" for n in range(100)]},
            "… and 60 more",
        ),
    ],
)
def test_domains_are_shown_as_far_as_they_are_known(
    monkeypatch: pytest.MonkeyPatch, domains: dict[str, Any] | None, said: str
) -> None:
    assert said in asked(monkeypatch, operator(outcomes=OUTCOMES | {"domains": domains}))["body"]


def test_a_run_whose_tasks_left_no_outcome_is_asked_about_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    body = asked(monkeypatch, operator(outcomes=None), triggered_by=None)["body"]
    assert "| audit | not known, sheet `not known` |" in body
    assert "| triggered by | nobody by name |" in body


def test_what_others_wrote_is_shown_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    wild = "`x` | [y](https://evil.example) <img src=z>\n# 1"
    outcomes = {"commit": {"superseded": wild}, "audit": {"outcome": "delayed", "reason": wild}}
    lines = asked(monkeypatch, operator(outcomes=outcomes))["body"].splitlines()
    assert r"| takes the place of | `'x' \| [y](https://evil.example) <img src=z> # 1` |" in lines
    assert r"| the reviewer said | \`x\` \| \[y\]\(https\:\/\/evil\.example\) \<img src\=z\> \# 1 |" in lines


@pytest.mark.parametrize(
    ("approvers", "assigned"),
    [([], None), (["wu", "chen", "wu"], [{"id": "wu", "name": "wu"}, {"id": "chen", "name": "chen"}])],
)
def test_approvers_are_assigned_when_the_question_is_put(
    monkeypatch: pytest.MonkeyPatch, approvers: list[str], assigned: Any
) -> None:
    assert asked(monkeypatch, operator(approvers=approvers))["assigned_users"] == assigned


def test_an_approval_is_returned_and_stands_in_the_ledger_with_who_when_and_why() -> None:
    running = context()
    decision = operator().execute_complete(running, answer(comment="looks right"))
    assert decision == {
        "outcome": "approved",
        "appid": APPID,
        "user_version": "1.4.0",
        "by": "wu",
        "at": "2026-05-04T03:02:01+00:00",
        "why": "looks right",
    }
    assert running["ti"].pushed == {"return_value": decision}
    (entry,) = open_ledger().entries(appid=APPID)
    assert (entry.endpoint, entry.result, entry.after) == ("approve_release", "ok", decision)


def test_a_rejection_is_kept_before_it_skips_what_follows() -> None:
    running = context()
    operator().execute_complete(running, answer("Reject", comment="the pay page is broken"))
    said = running["ti"].pushed["return_value"]
    assert (said["outcome"], said["by"], said["why"]) == ("rejected", "wu", "the pay page is broken")
    (entry,) = open_ledger().entries(appid=APPID)
    assert entry.after == said


@pytest.mark.parametrize("person", [{"id": "7", "name": "lin"}, {"id": "lin", "name": "Lin Dan"}])
def test_who_triggered_the_run_cannot_approve_it_where_approvers_must_differ(person: dict[str, str]) -> None:
    event = answer() | {"responded_by_user": person}
    with pytest.raises(AirflowFailException, match="clear this task and let somebody else approve"):
        operator(approver_must_differ=True).execute_complete(context(triggered_by="lin"), event)
    (entry,) = open_ledger().entries(appid=APPID)
    assert entry.after["outcome"] == "refused"


@pytest.mark.parametrize(
    ("triggered_by", "must_differ", "choice"),
    [("lin", True, "Approve"), (None, True, "Approve"), ("wu", False, "Approve"), ("wu", True, "Reject")],
)
def test_everybody_else_may_approve_and_anybody_may_reject(
    triggered_by: str | None, must_differ: bool, choice: str
) -> None:
    task = operator(approver_must_differ=must_differ)
    running = context(triggered_by=triggered_by)
    decision = task.execute_complete(running, answer(choice, by="wu"))
    assert decision["outcome"] == ("approved" if choice == "Approve" else "rejected")


def test_a_question_that_nobody_could_approve_is_not_put() -> None:
    with pytest.raises(AirflowFailException, match="nobody could approve it"):
        operator(approvers=["lin"], approver_must_differ=True).execute(context(triggered_by="lin"))


@pytest.mark.parametrize(
    ("params_input", "why"),
    [
        ({}, ""),
        (None, ""),
        ({"comment": None}, ""),
        ({"comment": 500}, "500"),
        ({"comment": "  a\x00\x1b[31mb\ud800\n\tc "}, "a[31mb\n\tc"),
        ({"comment": "x" * 10_000}, "x" * 400 + "… (9600 more characters)"),
        ({"comment": {"a": 1}, "unknown": 2}, "{'a': 1}"),
        (["no", "object"], ""),
    ],
)
def test_no_comment_costs_the_answer(params_input: Any, why: str) -> None:
    event = answer() | {"params_input": params_input}
    assert operator().execute_complete(context(), event)["why"] == why


def test_an_answer_that_chooses_nothing_approves_nothing() -> None:
    assert operator().execute_complete(context(), answer() | {"chosen_options": []})["outcome"] == "rejected"


def test_an_approval_that_cannot_be_noted_does_not_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", f"sqlite:///{tmp_path}")
    with pytest.raises(WxaTransportError):
        operator().execute_complete(context(), answer())
    assert operator().execute_complete(context(), answer("Reject"))["outcome"] == "rejected"
