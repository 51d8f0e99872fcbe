import re
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)
from sqlalchemy import select

from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.sandbox import MiniProgram, RunningSandbox
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.sensors import WxaAuditSensor, WxaPrivacyScanSensor
from airflow_wxa.sensors.polling import _PollingSensor
from airflow_wxa.steps.outcome import AuditOutcome
from airflow_wxa.store.tables import outcome
from airflow_wxa.triggers import WxaAuditTrigger, WxaPrivacyScanTrigger
from tests.airflow_session import calls, run_dag
from tests.triggers.waiting import SCAN, STATUS, submitted

pytestmark = pytest.mark.usefixtures("account")
DEFAULT_DEFERRABLE = "AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE"


def audit(auditid: str, **fields: Any) -> WxaAuditSensor:
    return WxaAuditSensor(task_id="wait", appid=APPID, auditid=auditid, **fields)


def scan(**fields: Any) -> WxaPrivacyScanSensor:
    return WxaPrivacyScanSensor(**{"task_id": "wait", "appid": APPID} | fields)


class Kept(dict[str, Any]):
    """What ``task_state_store`` keeps."""

    set = dict.__setitem__


def context(max_tries: int = 2, **more: Any) -> Any:
    """Return Airflow's in a first poke; ``ti.pushed`` was pushed, and Clear adds to ``max_tries``, a retry does not."""
    ti = SimpleNamespace(max_tries=max_tries, get_first_reschedule_date=lambda _: None, pushed={})
    ti.xcom_push = lambda key, value: ti.pushed.update({key: value})
    return {"ti": ti} | more


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    log = SimpleNamespace(info=lambda text, *values: lines.append(text % values), warning=lambda _: None)
    monkeypatch.setattr(_PollingSensor, "log", log)
    return lines


def test_an_end_is_told_at_the_first_look(account: MiniProgram, wxa_default: RunningSandbox, logged: list[str]) -> None:
    auditid = submitted(account)
    approved = {"outcome": "approved", "appid": APPID, "auditid": auditid, "reason": "", "screenshot": []}
    assert audit(auditid).execute({}) == approved
    assert scan().execute({})["outcome"] == "clear"
    assert len(calls(wxa_default.journal, STATUS)) == len(calls(wxa_default.journal, SCAN)) == 1
    assert logged == [
        f"sheet {auditid} of {APPID} is approved",
        f"the privacy scan of {APPID} is over, nothing lacks right or declaration",
    ]


def deferred(work: Callable[[], object]) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as raised:
        work()
    return raised.value


def test_a_running_wait_defers_with_an_absolute_end_and_says_so(account: MiniProgram, logged: list[str]) -> None:
    auditid = submitted(account, polls=5)
    waits = deferred(lambda: audit(auditid, timeout=3600, poke_interval=60).execute({}))
    assert isinstance(waits.trigger, WxaAuditTrigger)
    assert (waits.trigger.sheets, waits.trigger.poll_seconds) == ([{"appid": APPID, "auditid": auditid}], 60)
    assert waits.trigger.end_time == pytest.approx(time.time() + 3600, abs=5)
    assert waits.method_name == "execute_complete"
    time_ = r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC"
    words = f"sheet {auditid} of {APPID} is in audit; waiting since {time_}, next look within 60 s, until {time_}"
    assert re.fullmatch(words, logged[-1])
    account.scan_polls_left = 3
    trigger = deferred(lambda: scan(privacy_api_not_use=True, poke_interval=7).execute({})).trigger
    assert isinstance(trigger, WxaPrivacyScanTrigger)
    assert (trigger.privacy_api_not_use, trigger.poll_seconds) == (True, 7)


def test_a_delayed_audit_keeps_waiting(account: MiniProgram) -> None:
    auditid = submitted(account, result="delayed_then_approved", delayed_polls=2)
    deferred(lambda: audit(auditid).execute({}))
    deferred(lambda: audit(auditid).execute_complete({}, {"status": "final", "end_time": time.time() + 60}))
    assert audit(auditid).execute({})["outcome"] == "approved"


@pytest.mark.parametrize("deferrable", [True, False])
@pytest.mark.parametrize(
    ("result", "said"),
    [
        ("rejected", r"(?s)rejected this version.*the pages do not match the chosen category.*media-id-0001"),
        ("withdrawn", "the audit was withdrawn"),
    ],
)
def test_a_bad_end_fails_and_leaves_its_outcome(account: MiniProgram, deferrable: bool, result: str, said: str) -> None:
    auditid = submitted(account, result=result, polls=2)
    with DAG("waits_in_vain", schedule=None) as dag:
        audit(auditid, deferrable=deferrable)
    run = run_dag(dag)
    assert run.states == {"wait": "failed"}
    assert isinstance(run.errors["wait"], AirflowFailException)
    assert re.search(said, str(run.errors["wait"]))
    assert (run.xcoms["wait"]["outcome"], run.xcoms["wait"]["auditid"]) == (result, auditid)
    with open_ledger()._database.reading() as connection:
        query = select(outcome).where(outcome.c.dag_id == "waits_in_vain").order_by(outcome.c.at.desc()).limit(1)
        latest = connection.execute(query).one()
    assert (latest.task_id, latest.said) == ("wait", run.xcoms["wait"])


@pytest.mark.parametrize("leniency", ["soft_fail", "never_fail"])
def test_a_sensor_that_may_fail_softly_skips_after_waiting_too(account: MiniProgram, leniency: str) -> None:
    auditid = submitted(account, result="rejected")
    event = {"event": {"status": "final", "end_time": time.time() + 60}}
    for deferrable in (True, False):
        sensor = audit(auditid, deferrable=deferrable, **{leniency: True})
        with pytest.raises(AirflowSkipException):
            sensor.execute(context())
    with pytest.raises(AirflowSkipException):
        sensor.resume_execution("execute_complete", event, context())


def test_without_deferring_it_pokes_or_gives_its_slot_back(account: MiniProgram, wxa_default: RunningSandbox) -> None:
    auditid = submitted(account, polls=4)
    with pytest.raises(AirflowRescheduleException):
        audit(auditid, deferrable=False, mode="reschedule", poke_interval=30).execute(context())
    assert audit(auditid, deferrable=False).execute({})["outcome"] == "approved"
    assert len(calls(wxa_default.journal, STATUS)) == 5


@pytest.mark.parametrize("mode", ["poke", "reschedule"])
def test_without_deferring_it_ends_at_the_same_time_with_the_same_words(account: MiniProgram, mode: str) -> None:
    sensor = audit(submitted(account, polls=50), deferrable=False, timeout="0.1", mode=mode)
    kept = context(task_state_store=Kept())
    with suppress(AirflowRescheduleException, AirflowSensorTimeout):
        sensor.execute(kept)
    time.sleep(0.1)
    with pytest.raises(AirflowSensorTimeout, match="clear this task to wait on"):
        sensor.execute(kept)


def test_a_timeout_is_seconds_or_a_timedelta(account: MiniProgram) -> None:
    auditid = submitted(account, polls=50)
    for timeout in (timedelta(minutes=2), 120, 120.0, "120", "120.0"):
        waits = deferred(partial(audit(auditid, timeout=timeout).execute, {}))
        assert waits.trigger.end_time == pytest.approx(time.time() + 120, abs=5)


def test_a_retry_keeps_the_end_and_clear_renews_it(account: MiniProgram) -> None:
    auditid, store = submitted(account, polls=50), Kept()
    first, retry, cleared = (
        deferred(partial(audit(auditid).execute, context(max_tries, task_state_store=store))).trigger.end_time
        for max_tries in (2, 2, 4)
    )
    assert first == retry < cleared


def test_it_waits_in_the_triggerer_unless_airflow_is_configured_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DEFAULT_DEFERRABLE, raising=False)
    for said, deferrable, mode in ((None, True, "poke"), ("True", True, "poke"), ("False", False, "reschedule")):
        if said is not None:
            monkeypatch.setenv(DEFAULT_DEFERRABLE, said)
        assert (audit("1").deferrable, audit("1").mode) == (deferrable, mode)
        assert (audit("1", deferrable=True).deferrable, audit("1", mode="poke").mode) == (True, "poke")
        assert (audit("1", deferrable=False).deferrable, audit("1", deferrable=False).mode) == (False, "poke")
        with DAG("waits", schedule=None, default_args={"deferrable": False}):
            assert not audit("1").deferrable
            assert not scan(task_id="scan").deferrable


def test_the_default_that_airflow_writes_into_its_airflow_cfg_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DEFAULT_DEFERRABLE, raising=False)
    if not conf.has_section("operators"):
        conf.add_section("operators")
    conf.set("operators", "default_deferrable", "False")
    try:
        assert audit("1").deferrable
    finally:
        conf.remove_option("operators", "default_deferrable", remove_default=False)


def test_a_triggerer_that_cannot_use_the_connection_ends_the_task_with_the_cause(account: MiniProgram) -> None:
    auditid = submitted(account, polls=1)
    event = {"status": "unusable", "end_time": time.time() + 60, "cause": "does not exist"}
    with pytest.raises(AirflowFailException) as failed:
        audit(auditid).execute_complete({}, event)
    assert str(failed.value).splitlines()[:2] == [
        "the triggerer cannot use this Connection (nothing was sent)",
        "  - Connection 'wxa_default': does not exist",
    ]
    # A review that has ended counts, whatever ails the triggerer.
    assert audit(auditid).execute_complete({}, event)["outcome"] == "approved"


def test_a_look_that_wechat_refuses_the_triggerer_alone_makes_no_circle_without_pause(account: MiniProgram) -> None:
    event = {"status": "refused", "end_time": time.time() + 3600}
    waits = deferred(partial(audit(submitted(account, polls=5)).execute_complete, {}, event))
    assert waits.trigger.poll_seconds == 900


def test_the_timeout_says_that_nothing_is_lost_and_what_to_do(account: MiniProgram) -> None:
    auditid = submitted(account, polls=1)
    with pytest.raises(AirflowSensorTimeout) as over:
        audit(auditid).execute_complete({}, {"status": "timeout", "end_time": time.time()})
    assert str(over.value).splitlines() == [
        "wait waited until its time was over",
        f"  appid {APPID}, last status auditing",
        "  nothing is lost: WeChat goes on, and so can this run",
        "  clear this task to wait on, with a longer timeout if need be",
    ]
    # A review that ended in the last moment is no timeout.
    assert audit(auditid).execute_complete({}, {"status": "timeout", "end_time": time.time()})["outcome"] == "approved"


def test_an_unknown_event_is_refused_before_anything_is_asked(wxa_default: RunningSandbox) -> None:
    for event in (
        None,
        "final",
        {},
        {"status": "success", "end_time": 1.0},
        {"status": "final"},
        {"status": "final", "end_time": "soon"},
        {"status": ["final"], "end_time": 1.0},
    ):
        with pytest.raises(ValueError, match="not an event of a Wxa trigger"):
            audit("400000001").execute_complete({}, event)
    assert calls(wxa_default.journal, STATUS) == []


def test_undeclared_privacy_interfaces_fail_unless_the_submission_declares_them_unused(account: MiniProgram) -> None:
    account.without_auth_list = ["wx.getLocation"]
    with pytest.raises(AirflowFailException, match=r"wx\.getLocation"):
        scan().execute({})
    assert scan(privacy_api_not_use=True).execute({})["without_auth_list"] == ["wx.getLocation"]


def test_the_poll_interval_is_the_option_unless_the_task_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__WXA__AUDIT_POLL_SECONDS", "12.5")
    assert audit("1").poke_interval == 12.5
    assert audit("1", poke_interval=3).poke_interval == 3
    monkeypatch.delenv("AIRFLOW__WXA__AUDIT_POLL_SECONDS")
    assert audit("1").poke_interval == 60.0


def test_a_reviewers_words_steer_no_terminal_that_shows_the_log(logged: list[str]) -> None:
    seen = AuditOutcome(outcome="delayed", appid=APPID, auditid="1", reason="name \x1b[2J\u202e")
    _PollingSensor.finish(audit("1"), {}, seen)  # type: ignore[arg-type]
    assert "name \\u001b[2J\\u202e" in logged[0]
