"""The recorder: what cannot be noted is not sent; what was sent is noted, whatever became of the answer."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from airflow_wxa import steps
from airflow_wxa.access.fixed import FixedTokens
from airflow_wxa.api.audit import submit_audit, undocodeaudit
from airflow_wxa.api.call import Call
from airflow_wxa.api.code import CodeVersion, commit, getversioninfo, release
from airflow_wxa.api.webview_domain import WebviewDomain, modify_wxa_jump_domain, setwebviewdomain
from airflow_wxa.client import Egress, WxaClient
from airflow_wxa.errors import WxaSpecError, WxaStateError, WxaTransportError
from airflow_wxa.hooks import accepted
from airflow_wxa.hooks.recorder import Recorder, current_task
from airflow_wxa.sandbox import AuditPlan, Fault, RunningSandbox
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID, MERCHANT_TOKEN, PLATFORM_TOKEN
from airflow_wxa.steps import NOTHING_ACCEPTED, Approved, Left, Recall, approved, commit_code
from airflow_wxa.store import Entry, Ledger, TaskRef

VERSION = CodeVersion.of(APPID, 47, "1.4.0")
COMMIT = commit(VERSION, "release 1.4.0")
TASK = TaskRef("wxa_release", "manual__1", "commit_code", try_number=1)
NEXT_TRY = TaskRef("wxa_release", "manual__1", "commit_code", try_number=2)


class Bench:
    """Clients of one sandbox, each observed by a recorder that keeps one ledger."""

    def __init__(self, running: RunningSandbox, ledger: Ledger) -> None:
        self.running, self.ledger = running, ledger

    def recorder(self, task: TaskRef = TASK) -> Recorder:
        return Recorder(lambda: self.ledger, COMPONENT_APPID, task)

    def client(self, recorder: Recorder | None = None) -> WxaClient:
        source = FixedTokens({APPID: MERCHANT_TOKEN}, PLATFORM_TOKEN)
        return WxaClient(Egress(self.running.url, timeout=5), source, recorder or self.recorder())

    def only(self) -> Entry:
        (entry,) = self.ledger.entries()
        return entry


@pytest.fixture
def bench(wxa_sandbox: RunningSandbox, tmp_path: Path) -> Bench:
    return Bench(wxa_sandbox, Ledger(f"sqlite:///{tmp_path / 'wxa.db'}"))


def test_a_write_is_noted_and_completed_by_its_answer(bench: Bench) -> None:
    bench.client().send(COMMIT.knowing({"trial": None}))
    entry = bench.only()
    assert (entry.result, entry.errcode, entry.appid, entry.endpoint) == ("ok", 0, APPID, "commit")
    assert (entry.task, entry.before) == (TASK, {"trial": None})
    assert entry.asked["user_desc"] == VERSION.described("release 1.4.0")


def test_questions_of_one_moment_are_answered_each_by_its_own_mini_program_and_version(bench: Bench) -> None:
    bench.client().send(COMMIT.knowing({"trial": None}, VERSION.fingerprint))
    ours, any_version, other_version, other, of_platform = bench.recorder(NEXT_TRY).recall(
        [
            Recall(APPID, VERSION.fingerprint),
            Recall(APPID),
            Recall(APPID, "0badcafe"),
            Recall("wx0000000000000009", VERSION.fingerprint),
            Recall(),
        ]
    )
    assert ours.explains("commit", {"trial": None})
    assert any_version == ours
    assert [other_version, other, of_platform] == [NOTHING_ACCEPTED] * 3


@pytest.mark.parametrize(
    ("submitted_with", "asked_for", "found"),
    [
        ("aaaaaaaa", "aaaaaaaa", True),
        ("aaaaaaaa", "", True),
        ("aaaaaaaa", "bbbbbbbb", False),
        ("", "aaaaaaaa", True),
        ("", "", True),  # of a version that another tool uploaded, which has no fingerprint
    ],
)
def test_the_latest_submission_of_the_run_is_known_however_long_ago(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, submitted_with: str, asked_for: str, found: bool
) -> None:
    monkeypatch.setattr(accepted, "LAG_SECONDS", 0.0)
    for auditid in ("1234567", "1234568"):
        (row,) = bench.ledger.intend(COMPONENT_APPID, [submit_audit(APPID).knowing(None, submitted_with)], TASK)
        bench.ledger.answered({row: 0}, {row: auditid})
    (known,) = bench.recorder(NEXT_TRY).recall([Recall(APPID, asked_for)])
    assert (known.submitted, known.noted_auditid) == ({}, "1234568" if found else "")
    other_run = bench.recorder(replace(TASK, run_id="manual__2"))
    assert other_run.recall([Recall(APPID, asked_for)]) == [NOTHING_ACCEPTED]


def test_a_read_is_not_noted_and_needs_no_store(bench: Bench) -> None:
    for call in (getversioninfo(APPID), setwebviewdomain(APPID, "get"), modify_wxa_jump_domain("get")):
        bench.client().send(call)
        assert bench.client(Recorder(failing, COMPONENT_APPID, TASK)).send(call).errcode == 0
    assert bench.ledger.entries() == []


def test_a_noop_is_done_a_refusal_has_its_rid_and_what_was_never_sent_is_forgotten(bench: Bench) -> None:
    for _ in range(2):
        bench.client().send(setwebviewdomain(APPID, "add", [WebviewDomain("m.example.com")]))
    with pytest.raises(WxaStateError, match="85019"):
        bench.client().send(release(APPID))
    recorder = bench.recorder()
    recorder.after([(noted, WxaSpecError("refused on our side", [])) for noted in recorder.before([COMMIT])])
    entries = bench.ledger.entries()
    assert [(each.errcode, each.result) for each in entries] == [(85019, "refused"), (89019, "ok"), (0, "ok")]
    assert entries[0].rid


def test_a_lost_answer_reads_unknown_until_the_next_try_finds_out(bench: Bench) -> None:
    bench.running.add_fault(Fault(path="/wxa/commit", kind="drop_after"))
    with pytest.raises(WxaTransportError):
        bench.client().send(COMMIT)
    assert (bench.only().result, bench.only().errcode) == ("unknown", None)
    bench.client(bench.recorder(NEXT_TRY)).run(commit_code(VERSION, "release 1.4.0"))
    assert bench.ledger.entries()[-1].result == "resolved"
    assert bench.ledger.entries()[-1].resolved_by == "wxa_release manual__1"


# The store fails


failing = Mock(side_effect=WxaTransportError("the store does not answer"))


def test_a_write_that_cannot_be_noted_is_not_sent_and_a_step_whose_budget_is_not_known_stops(bench: Bench) -> None:
    client = bench.client(Recorder(failing, COMPONENT_APPID, TASK))
    with pytest.raises(WxaTransportError, match="the store does not answer"):
        client.send(COMMIT)
    assert bench.running.journal.count("/wxa/commit") == 0
    in_audit(bench)
    with pytest.raises(WxaTransportError, match="the store does not answer"):
        client.run(commit_code(VERSION, "release 1.4.0", withdraw_foreign_audit=True))
    assert bench.running.journal.count("/wxa/undocodeaudit") == 0


@pytest.mark.parametrize(
    ("fails", "call", "said"),
    [
        (failing, COMMIT, "the store does not answer"),
        (failing, release(APPID), "the store does not answer"),  # refused: 85019
        (Mock(side_effect=ValueError("what was to be written")), COMMIT, "ValueError"),
    ],
)
def test_whatever_a_store_raises_after_the_work_is_told_about_and_hides_no_answer(
    bench: Bench, caplog: pytest.LogCaptureFixture, fails: Callable[[], Ledger], call: Call, said: str
) -> None:
    opened = iter([bench.ledger])
    recorder = Recorder(lambda: next(opened, None) or fails(), COMPONENT_APPID, TASK)
    with nullcontext() if call is COMMIT else pytest.raises(WxaStateError, match="85019"):
        assert bench.client(recorder).send(call).errcode == 0
    assert f"not noted in the ledger, the next run finds out: {said}" in caplog.text
    assert "what was to be written" not in caplog.text
    assert bench.only().result == "unknown"


# Fences


def in_audit(bench: Bench) -> None:
    account = bench.running.world.mini_program(APPID)
    account.scan_polls, account.audit = 0, AuditPlan(polls=99)
    theirs = FixedTokens({APPID: MERCHANT_TOKEN}, PLATFORM_TOKEN)
    with WxaClient(Egress(bench.running.url), theirs) as client:
        client.send(commit(CodeVersion.of(APPID, 47, "9.9.9"), "theirs"))
    account.submit(account.check_submittable(privacy_api_not_use=False, audit_rest=9), auditid=7, now=1)


UNDO = Left("undocodeaudit", APPID)
OTHERS = [Left("revertcoderelease", APPID), Left("undocodeaudit", "wx0000000000000009"), Left("modify_domain", APPID)]


def test_a_withdrawal_needs_the_fence_of_its_own_call_for_the_newest_attempt(bench: Bench) -> None:
    in_audit(bench)
    without, others, older, newer = (bench.recorder(task) for task in (TASK, TASK, TASK, NEXT_TRY))
    others.left(OTHERS)
    older.left([UNDO])
    assert newer.left([UNDO, *OTHERS]) == [5, 1, 5, 50]
    refusals = {without: "undocodeaudit not sent: by itself", others: "undocodeaudit not sent: by itself"}
    for refused, said in (refusals | {older: "a newer attempt of the same task is under way"}).items():
        with pytest.raises(WxaStateError, match=said):
            bench.client(refused).send(undocodeaudit(APPID))
    assert bench.running.journal.count("/wxa/undocodeaudit") == 0
    assert bench.ledger.entries() == []
    bench.client(newer).send(undocodeaudit(APPID))
    assert newer.left([UNDO, *OTHERS]) == [4, 1, 5, 50]


def test_a_withdrawal_is_known_by_its_sheet_and_one_that_was_refused_is_none(bench: Bench) -> None:
    in_audit(bench)
    bench.running.add_fault(Fault(path="/wxa/undocodeaudit", kind="errcode_before", errcode=87012))
    for known in (set[str](), {"7"}):
        recorder = bench.recorder()
        recorder.left([UNDO])
        with nullcontext() if known else pytest.raises(WxaStateError, match="87012"):
            bench.client(recorder).send(undocodeaudit(APPID).knowing({"auditid": "7"}))
        assert recorder.recall([Recall(APPID)])[0].withdrawn == known


# Approvals

ASKED = Approved("approve", APPID, {"auditid": "7"})


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ([], "never asked"),
        ([{"outcome": "asked", "auditid": "7"}], "asked"),
        ([{"outcome": "approved", "auditid": "6"}], "auditid '7', approved was '6'"),
        ([{"outcome": "approved", "auditid": "7"}, {"outcome": "asked", "auditid": "7"}], "asked"),
        ([{"outcome": "approved", "auditid": "7"}], ""),
    ],
)
def test_only_what_was_approved_last_is_let_on_or_noted(bench: Bench, said: list[dict[str, Any]], error: str) -> None:
    for each in said:  # outside of a task the answer is that an approval is needed
        bench.ledger.decided(COMPONENT_APPID, APPID, replace(TASK, task_id="approve"), each)
    if not error:
        assert bench.recorder().approved([ASKED, ASKED]) == [said[-1]] * 2
        return
    with pytest.raises(WxaStateError, match="commit_code not carried out: ") as raised:
        bench.recorder().approved([ASKED])
    assert error in str(raised.value)
    assert [entry.result for entry in bench.ledger.entries() if entry.task == TASK] == ["refused"]


def test_a_rejection_skips(bench: Bench) -> None:
    rejected = {"outcome": "rejected", "auditid": "7", "by": "wu", "why": "no"}
    bench.ledger.decided(COMPONENT_APPID, APPID, replace(TASK, task_id="approve"), rejected)
    with pytest.raises(AirflowSkipException, match="approve: rejected by wu: no"):
        bench.client().run(approved(ASKED))


# Outcomes


@pytest.mark.parametrize(
    ("outcome", "endpoints"),
    [
        (steps.DomainOutcome("configured", APPID, "add", after=()), {"setwebviewdomain"}),
        (steps.DomainOutcome("configured", APPID, "add", after=None), set()),
        (steps.CommitOutcome("committed", APPID, "1.4.0", "1a2b3c4d"), {"commit"}),
        (steps.SubmitOutcome("submitted", APPID, "1.4.0", "7"), {"submit_audit", "undocodeaudit"}),
        (steps.ReleaseOutcome("released", APPID, "1.4.0"), {"release"}),
        (steps.PlatformOutcome("registered", "add", None, None), {"modify_wxa_jump_domain"}),
        (steps.AuditOutcome("approved", APPID, "7"), set()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_outcome_resolves_the_lost_answers_it_tells_about(bench: Bench, outcome: Any, endpoints: set[str]) -> None:
    ledger = bench.ledger
    calls = [COMMIT, release(APPID), undocodeaudit(APPID), setwebviewdomain(APPID, None)]
    calls += [submit_audit(APPID), modify_wxa_jump_domain("add", ["m.example.com"])]
    withdrawal = (APPID, "undocodeaudit")
    ledger.intend(COMPONENT_APPID, calls, TASK, {withdrawal: ledger.take_fence(COMPONENT_APPID, *withdrawal)})
    bench.recorder().ended([(None, outcome)])
    assert {entry.endpoint for entry in ledger.entries() if entry.result == "resolved"} == endpoints
    appid = getattr(outcome, "appid", "")
    assert ledger.outcome("wxa_release", "manual__1", appid) == outcome.to_json()


def test_only_a_stop_after_a_write_is_an_outcome_that_says_what_to_do_and_leaves_lost_answers_unknown(
    bench: Bench,
) -> None:
    recorder = bench.recorder()
    recorder.ended([(None, WxaStateError("commit stopped"))])
    assert (bench.ledger.entries(), bench.ledger.outcome("wxa_release", "manual__1", "")) == ([], None)
    bench.running.add_fault(Fault(path="/wxa/commit", kind="drop_before"))
    with pytest.raises(WxaTransportError):
        bench.client(recorder).send(COMMIT)
    said = {"outcome": "stopped", "what": "commit stopped", "next_step": "ask", "errcode": 0}
    for error, outcome in (
        (WxaTransportError("lost"), None),  # which is tried again
        (WxaStateError("commit stopped", next_step="ask", endpoint="commit", appid=APPID), said),
    ):
        recorder.ended([(COMMIT, error)])
        assert (bench.only().after, bench.only().result) == (outcome, "unknown")
        assert bench.ledger.outcome("wxa_release", "manual__1", APPID) == outcome


def test_outside_of_a_task_nobody_is_named() -> None:
    assert current_task() == TaskRef()
