import datetime as dt
import json
import re
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from airflow.sdk import exceptions
from airflow.sdk.exceptions import AirflowFailException

from airflow_wxa import operators
from airflow_wxa.api.code import CodeVersion, commit
from airflow_wxa.api.webview_domain import parse_origins, setwebviewdomain
from airflow_wxa.errors import WxaTransportError
from airflow_wxa.fleet.plan import Totals
from airflow_wxa.fleet.waves import WAVES
from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.operators import human_input
from airflow_wxa.operators.approval import as_code, as_table, as_text
from airflow_wxa.operators.approve_plan import WxaApprovePlanOperator
from airflow_wxa.operators.approve_release import _domain_diff
from airflow_wxa.sandbox import Fault, MiniProgram, RunningSandbox
from airflow_wxa.sandbox.state import Stage
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.store import Result, TaskRef
from airflow_wxa.store.questions import Fact, Question, told
from airflow_wxa.texts.setting import speaking
from tests.english import english_in
from tests.operators import accounts
from tests.triggers.waiting import sheet

pytestmark = pytest.mark.usefixtures("account")
#: What waits for a person with Airflow 3.3, and 3.2.
WAITING: type[BaseException] = getattr(exceptions, "TaskAwaitingInput", exceptions.TaskDeferred)
AT = dt.datetime(2026, 5, 4, 3, 2, 1, tzinfo=dt.UTC)
BEFORE = ["https://a.example.com", "https://b.example.com"]
AFTER = ["https://b.example.com", "https://c.example.com"]
VERSION = CodeVersion.of(APPID, 47, "1.4.0")
DIFFERS = {"approver_must_differ": True}


def operator(**fields: Any) -> operators.WxaApproveReleaseOperator:
    shown: dict[str, Any] = {"auditid": "460001", "webviewdomain": AFTER, "user_desc": "spring sale"}
    return operators.WxaApproveReleaseOperator(**{"task_id": "approve_release"} | accounts.VERSION | shown | fields)


def context(triggered_by: str | None = "lin") -> Any:
    """Return a context of Airflow's, as far as the operator uses it; ``ti.pushed`` is what it pushed."""
    ti = SimpleNamespace(id="0198c0de-0000-7000-8000-000000000000", dag_id="wxa_release", run_id="manual (by hand)")
    ti.pushed = {}
    ti.xcom_push = lambda key, value: ti.pushed.update({key: value})
    return {"ti": ti, "task_instance": ti, "dag_run": SimpleNamespace(triggering_user_name=triggered_by)}


def asked(task: operators.WxaApprovalOperator, triggered_by: str | None = "lin") -> dict[str, Any]:
    """Run ``execute`` up to its wait, and return the question that it put."""
    question: dict[str, Any] = {}
    kept = patch.object(human_input, "stored", lambda _, sent: question.update(sent) or sent)
    with kept, pytest.raises(WAITING):
        task.execute(context(triggered_by))
    return question


def answer(choice: str = "Approve", by: str = "wu", name: str = "", **params: Any) -> dict[str, Any]:
    return {
        "chosen_options": [choice],
        "params_input": params,
        "responded_at": AT,
        "responded_by_user": {"id": by, "name": name or by},
    }


def answered(task: operators.WxaApprovalOperator, event: dict[str, Any], running: Any = None) -> dict[str, Any]:
    running = running or context()
    asked(task, running["dag_run"].triggering_user_name)
    decision: dict[str, Any] = task.execute_complete(running, event)
    return decision


@pytest.fixture
def released(wxa_default: RunningSandbox) -> MiniProgram:
    """Return the Mini Program whose domains this run has changed, and whose sheet is approved; it has a name."""
    account = wxa_default.world.mini_program(APPID)
    account.nick_name, account.granted_sets = "Tea|House", {*account.granted_sets, 30}
    account.release_info = {"release_version": "1.3.0", "release_desc": "old", "release_time": 1_777_777_777}
    account.third_webviewdomain = list(AFTER)
    account.sheets = [replace(sheet(460001, Stage.APPROVED), user_desc=VERSION.described("spring sale"))]
    ledger = open_ledger()
    writes = [setwebviewdomain(APPID, "set", parse_origins(AFTER)).knowing(BEFORE), commit(VERSION, "spring sale")]
    ledger.answered(dict.fromkeys(ledger.intend("", writes, TaskRef()), 0))
    ledger.settle("", TaskRef(), [Result(APPID, "commit", {"outcome": "committed", "superseded": "1.3.9"})])
    return account


def test_the_question_shows_what_is_needed_to_decide_and_is_a_function_of_its_kept_facts(
    monkeypatch: pytest.MonkeyPatch, released: MiniProgram
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.com/team/")
    question = asked(operator())
    assert question["subject"] == f"Release 1.4.0 of {APPID}?"
    for line in (
        f"| Mini Program | Tea&#124;House `{APPID}` |",
        "| version | `1.4.0` from template `47` |",
        "| takes the place of | `1.3.9` |",
        "| what changed | spring sale |",
        "| online now | `1.3.0` since 2026-05-03 11:09 (UTC+8) |",
        "| audit | approved, sheet `460001` |",
        "| triggered by | `lin` |",
        "2 before, 2 after: 1 added, 1 removed.",
        "+ https://c.example.com",
        "- https://a.example.com",
        "  https://b.example.com",
    ):
        assert line in question["body"].splitlines()
    run = "dag_id=wxa_release&run_id=manual+%28by+hand%29"
    assert f"(https://airflow.example.com/team/wxa/trial/{APPID}?{run})" in question["body"]
    comment = question["params"]["comment"]  # may stay empty, so that both buttons work
    assert (comment["value"], comment["schema"]["type"]) == (None, ["null", "string"])
    kept = open_ledger().entries(appid=APPID)[0].asked["question"]
    facts = {name: Fact(**fact) for name, fact in json.loads(json.dumps(kept["facts"])).items()}
    assert all(fact.source in {"run", "ledger"} or fact.source.startswith("WeChat: ") for fact in facts.values())
    again = Question(kept["asks"], facts, kept["nonce"])
    subject, body = operators.WxaApproveReleaseOperator.words(again)
    assert (subject, f"{body}\n\nquestion {again.digest}") == (question["subject"], question["body"])
    monkeypatch.setenv("AIRFLOW__WXA__LANGUAGE", "zh")
    assert english_in(*operators.WxaApproveReleaseOperator.words(again)) == []


def test_a_question_that_is_not_shown_approves_nothing(monkeypatch: pytest.MonkeyPatch, released: MiniProgram) -> None:
    first = asked(operator())
    monkeypatch.setattr(human_input, "stored", lambda *_: first)  # as Airflow does, apache/airflow#73235
    with pytest.raises(WAITING):
        operator().execute(context())
    for changed in (
        {"user_desc": "autumn sale"},
        {"auditid": "460002"},
        {"webviewdomain": []},
        {"approvers": ["chen"]},
        {"user_desc": first["body"].splitlines()[-1]},
    ):
        with pytest.raises(AirflowFailException, match="Airflow shows the earlier question: trigger a new run of this"):
            operator(**changed).execute(context())
        entry = open_ledger().entries(appid=APPID)[0]
        assert (entry.result, entry.after["outcome"]) == ("refused", "stopped")
    released.third_webviewdomain = ["https://other.example.com"]
    with pytest.raises(AirflowFailException, match=r"nothing is lost, what\s+WeChat has is adopted"):
        operator().execute(context())


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ({}, BEFORE, "2 before, 2 after: 0 added, 0 removed."),
        ({"list": None}, BEFORE[:1], "? before, 1 after: not known"),
        ({"list": BEFORE}, None, "WeChat did not say"),
        ({"list": []}, [], "0 before, 0 after: 0 added, 0 removed."),
        ({"list": []}, BEFORE[:1], "0 before, 1 after: 1 added, 0 removed.\n\n```diff\n+ https://a.example.com\n```"),
        ({"list": BEFORE[:1]}, [], "1 before, 0 after: 0 added, 1 removed.\n\n```diff\n- https://a.example.com\n```"),
        ({"list": []}, [f"https://{n:03}.example.com" for n in range(100)], "… and 60 more"),
        ("individual", None, "it cannot have any (89231)"),
    ],
)
def test_domains_are_shown_as_far_as_they_are_known(before: Any, after: Any, said: str) -> None:
    facts = told("WeChat: setwebviewdomain", individual=before == "individual", configured=after, before=before)
    assert said in _domain_diff(Question("release", facts))


def test_nothing_done_and_nothing_told_by_wechat_stop_no_question(wxa_default: RunningSandbox) -> None:
    lines = asked(operator(auditid=""), None)["body"].splitlines()
    assert "| audit | not known, sheet `not known` |" in lines
    assert "| triggered by | nobody by name |" in lines
    assert "| online now | nothing: this would be the first release |" in lines
    for path in ("/wxa/getversioninfo", "/cgi-bin/component/api_get_authorizer_info"):
        wxa_default.add_fault(Fault(path=path, kind="errcode_before", errcode=48001))
    assert "| online now | not known |" in asked(operator())["body"].splitlines()


@pytest.mark.parametrize(
    ("said", "code", "text"),
    [
        ("plain 1.3", "`plain 1.3`", "plain 1&#46;3"),
        ("发布「新版」", "`发布「新版」`", "发布「新版」"),
        ("a|b", "a&#124;b", "a&#124;b"),
        ("a\\|b", "a&#92;&#124;b", "a&#92;&#124;b"),
        ("`x`", "&#96;x&#96;", "&#96;x&#96;"),
        ("<b>_1_</b>\n# 2", "`<b>_1_</b> # 2`", "&#60;b&#62;&#95;1&#95;&#60;&#47;b&#62; &#35; 2"),
        ("1.4\u202e.0", "`1.4⟨U+202E⟩.0`", "1&#46;4⟨U&#43;202E⟩&#46;0"),
        ("a\u200b\x00b", "`a⟨U+200B⟩⟨U+0000⟩b`", "a⟨U&#43;200B⟩⟨U&#43;0000⟩b"),
    ],
)
def test_what_others_wrote_stays_in_its_cell_and_shows_as_it_is(said: str, code: str, text: str) -> None:
    assert (as_code(said), as_text(said)) == (code, text)


def test_approvers_are_assigned_and_a_question_that_nobody_could_answer_is_not_put() -> None:
    assigned = asked(operator(approvers=["wu", "chen", "wu"]))["assigned_users"]
    assert assigned == [{"id": "wu", "name": "wu"}, {"id": "chen", "name": "chen"}]
    assert asked(operator())["assigned_users"] == []
    with pytest.raises(AirflowFailException, match="nobody could approve it"):
        operator(approvers=["lin"], approver_must_differ=True).execute(context("lin"))
    for hours in (0, "0", -1, 1e12):  # a wait that ends at once, or never
        with pytest.raises(AirflowFailException, match=r"approval_timeout_hours = .*: must be a number"):
            operator(approval_timeout_hours=hours).execute(context())


@pytest.mark.parametrize(
    ("choice", "outcome", "why"),
    [("Approve", "approved", "looks right"), ("Reject", "rejected", "the pay page is broken")],
)
def test_an_answer_is_kept_and_returned_with_who_when_and_why(choice: str, outcome: str, why: str) -> None:
    running = context()
    decision = answered(operator(), answer(choice, comment=why), running)
    entry, question = open_ledger().entries(appid=APPID)
    assert decision == {
        "outcome": outcome,
        "appid": APPID,
        "user_version": "1.4.0",
        "fingerprint": VERSION.fingerprint,
        "auditid": "460001",
        "domains": AFTER,
        "online": None,
        "configured": [],
        "offline": {"lost": {}, "asked": {}, "not_proven": {}},
        "question": question.after["question"],
        "by": "wu",
        "at": "2026-05-04T03:02:01+00:00",
        "why": why,
    }
    assert running["ti"].pushed == {"return_value": decision}  # before a rejection skips what follows
    assert (entry.endpoint, entry.result, entry.after) == ("approve_release", "ok", decision)


@pytest.mark.parametrize(
    ("triggered_by", "fields", "event", "refusal"),
    [
        ("lin", DIFFERS, answer(by="7", name="lin"), "clear this task and let somebody else approve"),
        ("lin", DIFFERS, answer(by="lin", name="Lin Dan"), "clear this task and let somebody else approve"),
        ("lin", {"approvers": ["wu"]}, answer(by="chen"), "chen may not approve this"),
        ("lin", DIFFERS, answer(), ""),
        (None, DIFFERS, answer(), ""),
        ("wu", {}, answer(), ""),
        ("wu", DIFFERS, answer("Reject"), ""),
    ],
)
def test_an_approval_counts_of_whoever_may_approve_and_anybody_may_reject(
    triggered_by: str | None, fields: dict[str, Any], event: dict[str, Any], refusal: str
) -> None:
    with pytest.raises(AirflowFailException, match=refusal) if refusal else nullcontext():
        answered(operator(**fields), event, context(triggered_by))
    outcome = "rejected" if event["chosen_options"] == ["Reject"] else "refused" if refusal else "approved"
    assert open_ledger().entries(appid=APPID)[0].after["outcome"] == outcome


def test_no_comment_costs_the_answer_and_an_answer_that_chooses_nothing_approves_nothing() -> None:
    asked(operator())
    for params_input, why in (
        ({}, ""),
        (None, ""),
        ({"comment": None}, ""),
        ({"comment": 500}, "500"),
        ({"comment": "  a\x00\x1b[31mb\ud800\n\tc "}, "a[31mb\n\tc"),
        ({"comment": "x" * 10_000}, "x" * 400 + "… (9600 more characters)"),
        ({"comment": {"a": 1}, "unknown": 2}, "{'a': 1}"),
        (["no", "object"], ""),
    ):
        assert operator().execute_complete(context(), answer() | {"params_input": params_input})["why"] == why
    assert operator().execute_complete(context(), answer() | {"chosen_options": []})["outcome"] == "rejected"


def test_neither_question_nor_approval_counts_without_a_note(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked(operator())
    monkeypatch.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", f"sqlite:///{tmp_path}")
    with pytest.raises(WxaTransportError):
        operator().execute(context())
    with pytest.raises(WxaTransportError):
        operator().execute_complete(context(), answer())
    assert operator().execute_complete(context(), answer("Reject"))["outcome"] == "rejected"


def test_an_answer_is_about_the_question_that_was_shown_last_and_to_no_question_approves_nothing() -> None:
    with pytest.raises(AirflowFailException, match="the answer is to no question of this run"):
        operator().execute_complete(context(), answer())
    asked(operator())
    decision = operator(webviewdomain=[], auditid="460002").execute_complete(context(), answer())
    assert (decision["auditid"], decision["domains"]) == ("460001", AFTER)
    asked(operator())  # which voids it
    assert [entry.after["outcome"] for entry in open_ledger().entries()] == ["asked", "approved", "asked"]


def test_an_approval_that_ran_out_fails_without_retry_and_says_to_clear() -> None:
    task = operator(approval_timeout_hours=0.5)
    asked(task)
    assert task.response_timeout == dt.timedelta(minutes=30)
    with pytest.raises(AirflowFailException, match=r"nobody answered in time[\s\S]*clear this task"):
        task.execute_complete(context(), {"error": "timed out", "error_type": "timeout"})
    assert open_ledger().entries()[0].after["outcome"] == "expired"


def test_a_question_without_words_of_its_own_shows_its_facts_in_the_readers_language() -> None:
    facts = told("run", appid=APPID, auditid="460001", why="a|b") | told("WeChat: queryquota", left=3, lists=[])
    question = Question("undo_audit", facts)
    assert operators.WxaApprovalOperator.words(question) == (
        f"Go ahead with undo_audit: {APPID}?",
        as_table(
            {"`appid`": f"`{APPID}`", "`auditid`": "`460001`", "`why`": "a&#124;b", "`left`": "`3`", "`lists`": "none"}
        ),
    )
    with speaking("zh"):
        assert english_in(*operators.WxaApprovalOperator.words(question)) == []


QUESTIONS: dict[type[operators.WxaApprovalOperator], dict[str, Any]] = {
    WxaApprovePlanOperator: {
        "totals": asdict(Totals()), "release": {"user_version": "1.5.0", "template_id": "47"}, "given": {},
        "rest": None, "reserve": 0, "concurrency": 4, "waves": dict.fromkeys(WAVES, 0), "run_id": "sale",
    },
    operators.WxaApprovePlatformDomainOperator: {
        "action": "add", "hosts": ["m.example.com"], "published": ["h5.example.com"], "testing": [], "goes_offline": {},
        "verification_file": None,
    },
    operators.WxaApproveRollbackOperator: {
        "appid": APPID, "online": {"version": "1.5.0", "description": "", "time": 0}, "others": [], "effective": [],
        "target": {"user_version": "1.4.0", "user_desc": "", "app_version": 3}, "own": [],
        "offline": {"lost": {}, "asked": {}, "not_proven": {}},
    },
}  # fmt: skip


@pytest.mark.parametrize("operator", QUESTIONS)
def test_a_question_has_no_english_word_in_chinese(operator: type[operators.WxaApprovalOperator]) -> None:
    with speaking("zh"):
        subject, body = operator.words(Question("", told("run", **QUESTIONS[operator])))
    assert english_in(subject, body) == []
    assert re.findall(r"(?a)\b(?:none|empty|untouched|unknown|not)\b", body) == []
