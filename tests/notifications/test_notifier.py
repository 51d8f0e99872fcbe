"""What people wait for is said once, in both languages, through a notifier of Airflow's; nothing else is."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from airflow.providers.smtp.hooks.smtp import SmtpHook
from airflow.providers.smtp.notifications.smtp import SmtpNotifier
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG, BaseNotifier, TaskInstanceState

from airflow_wxa.dags.wxa_release import release_dag
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.notifications import WxaNotifier
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.sensors import WxaAuditSensor
from airflow_wxa.store.fleets import Fleets, NewApp, RunKey
from airflow_wxa.testing import walk
from tests.airflow_session import PLAIN
from tests.english import english_in

HOSTILE = "{{ conn.wxa_default.password }}{% raw %}<b>"


class Kept(BaseNotifier):
    """A notifier like those of the providers: it sends what its templated field was rendered to."""

    template_fields: Sequence[str] = ("message",)

    def __init__(self, message: str = "{{ wxa_event }}|{{ wxa_title }}|{{ wxa_text }}") -> None:
        super().__init__()
        self.message = message
        self.sent: list[str] = []

    def notify(self, context: Any) -> None:  # noqa: ARG002
        """Keep it."""
        self.sent.append(self.message)


def context(
    task: Any = None, *, returned: Any = None, ti: Mapping[str, Any] = MappingProxyType({}), **more: Any
) -> Any:
    """Return what a callback is told about a task, or, without one, about a run."""
    run = SimpleNamespace(dag_id="wxa_release", run_id="spring", conf={"appid": APPID})
    if task is None:
        return {"dag_run": run, **more}
    known = {"id": uuid4(), "task_id": task.task_id, "map_index": -1, "state": "success"}
    known |= {"xcom_pull": lambda **_: returned, **ti}
    return {"dag_run": run, "task": task, "ti": SimpleNamespace(**known), **more}


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


approve_release = ApprovalOperator(task_id="approve_release", subject=f"Release {APPID}?")
wait_for_audit = WxaAuditSensor(task_id="wait_for_audit", appid=APPID, auditid="7")
#: As Airflow tells a deadline's callback, and one of a DAG where no task instance is left.
LATE: Any = {
    "dag_run": {"dag_id": "wxa_release", "dag_run_id": "spring", "conf": {"appid": APPID}},
    "deadline": {"id": "1", "deadline_time": "2026-11-30T00:00:00Z"},
}
MINIMAL: Any = {"dag": DAG("wxa_release", schedule=None), "run_id": "spring", "reason": "task_failure"}
KILLED: Any = {"state": None}


def task(task_id: str, task_type: str = "") -> Any:
    return SimpleNamespace(task_id=task_id, task_type=task_type)


def failed(task_id: str, error: Exception | None = None, /, **ti: Any) -> Any:
    """Return the context of a task that failed; without an error its worker was killed."""
    return context(task(task_id), ti=ti, exception=error) if error else context(task(task_id), ti=KILLED | ti)


def ended(outcome: str) -> dict[str, str]:
    return {"outcome": outcome, "appid": APPID, "auditid": "7", "reason": HOSTILE}


APPROVED = context(wait_for_audit, returned=ended("approved"))
REJECTED = context(wait_for_audit, returned=ended("rejected"), exception=ValueError("rejected"))
REFUSED = failed("commit_code", ValueError("refused"))


def said(told: Any, **how: Any) -> list[list[str]]:
    """Return event, title and text of each notification."""
    kept = Kept()
    WxaNotifier(kept, **how)(told)
    return [each.split("|", 2) for each in kept.sent]


TITLES = {
    "approval_wanted": "Approval wanted 等待审批",
    "audit_ended": "Audit ended 审核结束",
    "deadline_missed": "Run late 运行超时",
    "gate_closed": "Fleet stopped behind a wave 批量发布在本批之后停止",
    "run_stopped": "Run stopped 运行已停止",
    "wave_ended": "Wave done 本批已完成",
}


@pytest.mark.parametrize(
    ("told", "event"),
    [
        (APPROVED, "audit_ended"),
        (REJECTED, "audit_ended"),
        (context(wait_for_audit, exception=ValueError("lost")), "run_stopped"),
        (REFUSED, "run_stopped"),
        (failed("canary_gate", ValueError("3 of 10 failed")), "gate_closed"),
        (context(task("early_gate")), "wave_ended"),
        (context(task("fleet_result")), "wave_ended"),
        (failed("fleet_result", ValueError("rest: 3 of 10 failed")), "run_stopped"),
        (context(reason="task_failure"), "run_stopped"),
        (MINIMAL, "run_stopped"),
        (context(approve_release, ti=KILLED, reason="timed_out"), "run_stopped"),
        (context(wait_for_audit, returned=ended("approved"), ti=KILLED, reason="task_failure"), "run_stopped"),
        (context(task("commit_code"), ti={"map_index": 3}, reason="task_failure"), "run_stopped"),
        (failed("commit_code"), "run_stopped"),
        (context(approve_release, ti=KILLED), "run_stopped"),
        (context(approve_release, ti={"state": TaskInstanceState.FAILED}), "run_stopped"),
        (failed("early_gate"), "gate_closed"),
        (context(approve_release, ti={"state": "running"}), "approval_wanted"),
        (LATE, "deadline_missed"),
        (context(task("commit_code")), None),
        (context(task("domain_gate")), None),
        (context(wait_for_audit, returned=ended("auditing")), None),
        (context(approve_release, returned={"chosen_options": ["Approve"]}), None),
        (context(task("commit_code"), ti={"map_index": 3}), None),
        (context(task("release_canary", "WxaFleetShardOperator"), ti={"map_index": 3}, exception=ValueError()), None),
        (context(approve_release, reason="success"), None),
    ],
)
def test_what_people_wait_for_is_said_and_nothing_else(
    told: Any, event: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    wanted = [[event, f"{TITLES[event]}: wxa_release spring"]] if event else []
    assert [[name, title] for name, title, _ in said(told)] == wanted
    assert "nobody was told" not in caplog.text


@pytest.mark.parametrize("told", [{}, {"dag": None, "task_list": "a"}, context(), {"reason": "task_failure"}])
def test_a_context_that_it_does_not_understand_is_a_warning(told: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert said(told) == []
    assert f"nobody was told: KeyError, of a context with {', '.join(told)}" in caplog.text


def test_a_killed_worker_is_told_once_by_each_notifier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (failed("commit_code", id=ti_id) for ti_id in [uuid4()] * 2)
    assert [len(said(each)) for each in (first, first, second)] == [1, 1, 0]
    for folder, times in ((tmp_path, 0), (tmp_path / "missing", 1)):  # as in another process
        monkeypatch.setattr("airflow_wxa.notifications.notifier._REQUESTS", {})
        monkeypatch.setattr("tempfile.tempdir", str(folder))
        assert len(said(second)) == times


@pytest.mark.parametrize("named", [{}, {"rendered_map_index": HOSTILE}])
def test_a_mapped_task_is_named(named: dict[str, str]) -> None:
    mapped = {"map_index": 3, "task_id": "shops.commit_code", "state": "failed"}
    ((_, title, _),) = said(failed("commit_code", ValueError("refused"), **mapped, **named))
    assert title.endswith(f": wxa_release spring shops.commit_code[{named.get('rendered_map_index', 3)}]")


OURS = WxaSpecError("no", ["field"], next_step="mend the field", source="docs")


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (failed("commit_code"), "worker of commit_code ended without a word"),
        (failed("commit_code", ValueError()), "ValueError"),
        (failed("commit_code", OURS), "mend the field"),
        (failed("early_gate"), "ended without a word\nmend what the failed task's log names"),
        (context(approve_release, ti={"state": "running"}), "answer it under Required Actions"),
        (context(wait_for_audit, reason="timed_out", ti=KILLED), "timed_out\nmend what the failed task's log names"),
        (LATE, "not done at 2026-11-30T00:00:00Z\nsee on the run's page"),
    ],
)
def test_each_text_names_the_mini_program_once_and_one_next_step(told: Any, words: str) -> None:
    ((_, _, text),) = said(told, language="en")
    assert words in text
    assert text.count(APPID) == 1
    assert text.count("mend ") <= 1  # an error of ours brings its own


class KeptLater(Kept):
    """A notifier that a triggerer need not wait for."""

    def notify(self, context: Any) -> None:  # noqa: ARG002
        raise AssertionError("it can do without a thread")

    async def async_notify(self, context: Any) -> None:  # noqa: ARG002
        self.sent.append(self.message)


@pytest.mark.parametrize("kept", [KEPT := Kept(), KEPT_LATER := KeptLater()])
def test_a_deadline_is_told_in_the_triggerer(kept: Kept) -> None:
    async def run() -> None:
        await WxaNotifier(f"{__name__}.{'KEPT_LATER' if isinstance(kept, KeptLater) else 'KEPT'}", context=LATE)

    asyncio.run(run())
    ((event, title, _),) = (each.split("|", 2) for each in kept.sent)
    assert (event, title) == ("deadline_missed", f"{TITLES[event]}: wxa_release spring")


@pytest.mark.parametrize("told", [REFUSED, LATE])
def test_a_notifier_that_fails_costs_nothing_and_tells_no_address(told: Any, caplog: pytest.LogCaptureFixture) -> None:
    def through(_: Any) -> None:
        raise OSError("https://hooks.example.com/?key=secret-key is down")

    with caplog.at_level(logging.DEBUG):
        if told is LATE:
            asyncio.run(WxaNotifier(through).async_notify(told))
        else:
            WxaNotifier(through)(told)
    assert f"nobody was told: OSError, of a context with {', '.join(told)}" in caplog.text
    assert "secret-key" not in caplog.text


@pytest.mark.parametrize(
    ("setting", "language", "title", "read"),
    [
        ("en", "en", "Audit ended", ["approved"]),
        ("en", "zh", "审核结束", ["审核通过"]),
        ("en", "both", "Audit ended 审核结束", ["approved", "审核通过"]),
        ("zh", None, "审核结束", ["审核通过"]),  # unless it is told otherwise, that which is set
    ],
)
def test_it_speaks_the_language_of_its_readers(
    monkeypatch: pytest.MonkeyPatch, setting: str, language: str | None, title: str, read: list[str]
) -> None:
    monkeypatch.setenv("AIRFLOW__WXA__LANGUAGE", setting)
    ((_, said_title, text),) = said(APPROVED, language=language)
    assert english_in(text) == [] or "approved" in read
    assert said_title.startswith(f"{title}:")
    assert [word for word in ("approved", "审核通过") if word in text] == read


def test_only_the_events_that_were_chosen_are_said() -> None:
    assert said(APPROVED, events=["run_stopped"]) == []


async def later(_: Any) -> None: ...


@pytest.mark.parametrize(
    ("through", "wrong", "why"),
    [
        (Kept(), {"language": "de"}, "language = 'de'"),
        (Kept(), {"events": ["release_ended"]}, r"events = \['release_ended'\]"),
        # No worker awaits it.
        (later, {}, "an async function; give a notifier with async_notify"),
    ],
)
def test_what_it_cannot_do_is_refused(through: Any, wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        WxaNotifier(through, **wrong)


def test_two_events_have_two_texts() -> None:
    kept = Kept()
    tell = WxaNotifier(kept)
    tell(failed("commit_code", ValueError("first")))
    tell(failed("submit_audit", ValueError("second")))
    assert ["first" in each for each in kept.sent] == [True, False]
    assert kept.message.startswith("{{")


def test_the_page_of_the_run_is_named_where_it_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.com")
    ((_, _, text),) = said(APPROVED)
    assert text.splitlines()[-2:] == [
        "https://airflow.example.com/dags/wxa_release/runs/spring",
        f"https://airflow.example.com/wxa/board/mini-program/{APPID}",
    ]


def test_a_gate_counts_its_wave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path / 'wxa.db'}"
    monkeypatch.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", url)
    fleets, key = Fleets(url), RunKey("wxa_release", "spring")
    apps = [NewApp(f"wx00000000000000b{n}", "canary" if n < 3 else "early", 0, {}) for n in range(4)]
    fleets.load(key, "wx00000000000000c1", {"release": {"user_version": "1"}}, "digest", apps)
    fleets.change(key, {0: {"outcome": "released"}, 1: {"outcome": "released"}, 2: {"outcome": "blocked"}})
    ((_, _, text),) = said(context(task("canary_gate")))
    assert text == f"{APPID}\ncanary: 2 released, 1 blocked"


def test_airflows_notifier_for_mail_sends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    mails: list[dict[str, Any]] = []
    monkeypatch.setattr(SmtpHook, "get_conn", lambda self: self)
    monkeypatch.setattr(SmtpHook, "send_email_smtp", lambda _, **mail: mails.append(mail))
    html = "<pre>{{ wxa_text | e }}</pre>"
    mail = SmtpNotifier(to="li@example.com", subject="{{ wxa_title }}", html_content=html, from_email="a@example.com")
    WxaNotifier(mail)(REJECTED)
    (sent,) = mails
    assert sent["subject"] == "Audit ended 审核结束: wxa_release spring"
    assert "&lt;b&gt;" in sent["html_content"]  # a reviewer's words are escaped


@pytest.mark.usefixtures("wxa_default")
def test_a_release_says_each_thing_once() -> None:
    kept = Kept()
    tell = WxaNotifier(kept)
    told: dict[str, Any] = {"notifiers": [tell], "on_success_callback": tell, "on_failure_callback": tell}
    run = walk(release_dag("told_release", default_args=told), {**PLAIN, "approval": True})
    assert run.state == "success"
    assert [each.partition("|")[0] for each in kept.sent] == ["audit_ended", "approval_wanted"]
    assert f"Release 1.4.0 of {APPID}?" in kept.sent[1]
