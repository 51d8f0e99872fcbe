from __future__ import annotations

import asyncio
import json
import os
import time
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk._shared.module_loading import import_string

from airflow_wxa.sandbox import Fault
from airflow_wxa.sandbox.testing import APPID, MERCHANT_TOKEN, PLATFORM_TOKEN
from airflow_wxa.triggers import WxaAuditTrigger, WxaPrivacyScanTrigger, sharing
from tests.airflow_session import calls, connection
from tests.sensors.reviewed import SCAN, STATUS, submitted

if TYPE_CHECKING:
    from airflow_wxa.sandbox import MiniProgram, RunningSandbox
    from airflow_wxa.sandbox.exchange import FaultKind

pytestmark = pytest.mark.usefixtures("account")


def waiting_on(auditid: str, seconds: float = 30, **fields: Any) -> WxaAuditTrigger:
    return WxaAuditTrigger(
        **{
            "sheets": [{"appid": APPID, "auditid": auditid}],
            "wxa_conn_id": "wxa_default",
            "poll_seconds": 0.01,
            "end_time": time.time() + seconds,
        }
        | fields
    )


def scanning(seconds: float = 30) -> WxaPrivacyScanTrigger:
    end_time = time.time() + seconds
    return WxaPrivacyScanTrigger(appid=APPID, wxa_conn_id="wxa_default", poll_seconds=0.01, end_time=end_time)


def events(trigger: WxaAuditTrigger | WxaPrivacyScanTrigger) -> list[Any]:
    return asyncio.run(collected(trigger))


async def collected(trigger: WxaAuditTrigger | WxaPrivacyScanTrigger) -> list[Any]:
    return [event.payload async for event in trigger.run()]


@pytest.mark.parametrize(
    "result", ["approved", "rejected", "withdrawn", "delayed_then_approved", "delayed_then_rejected"]
)
def test_it_looks_until_the_review_has_ended_and_says_only_that(
    account: MiniProgram, wxa_default: RunningSandbox, result: str
) -> None:
    trigger = waiting_on(submitted(account, polls=2, delayed_polls=2, result=result))
    assert events(trigger) == [{"status": "final", "end_time": trigger.end_time}]
    assert len(calls(wxa_default.journal, STATUS)) == (5 if result.startswith("delayed") else 3)


def test_it_looks_until_the_scan_has_ended(account: MiniProgram, wxa_default: RunningSandbox) -> None:
    account.scan_polls_left = 3
    trigger = scanning()
    assert events(trigger) == [{"status": "final", "end_time": trigger.end_time}]
    assert len(calls(wxa_default.journal, SCAN)) == 4


def test_what_cannot_be_waited_for_wakes_the_task(account: MiniProgram) -> None:
    account.without_conf_list = ["wx.getLocation"]
    assert [event["status"] for event in events(scanning())] == ["refused"]
    assert [event["status"] for event in events(waiting_on("1"))] == ["refused"]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a Connection that cannot be used up at once."""
    for name in ("_KNOWN_SECONDS", "_FAILED_SECONDS", "_PATIENCE_SECONDS", "_PATIENCE_ONCE_USABLE_SECONDS"):
        monkeypatch.setattr(sharing, name, 0)


@pytest.mark.parametrize(
    ("spoilt", "cause"),
    [
        (None, "does not exist"),
        (connection("http://wechat.example.com"), "plain http"),
        (connection("https://wechat.example.com", ca_bundle="/absent.pem"), "ca_bundle"),
        (connection("https://wechat.example.com", authorizer_access_tokens={}), "is missing"),
    ],
)
@pytest.mark.usefixtures("impatient")
def test_a_connection_that_cannot_be_used_here_ends_the_wait_with_its_cause(
    account: MiniProgram, monkeypatch: pytest.MonkeyPatch, spoilt: str | None, cause: str
) -> None:
    trigger = waiting_on(submitted(account))
    monkeypatch.delenv("AIRFLOW_CONN_WXA_DEFAULT")
    if spoilt:
        monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", spoilt)
    [event] = events(trigger)
    assert event["status"] == "unusable"
    assert cause in event["cause"]
    assert MERCHANT_TOKEN not in json.dumps(event)


@pytest.mark.usefixtures("impatient")
def test_a_connection_that_is_spoilt_meanwhile_ends_the_wait_too(
    account: MiniProgram, wxa_default: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    trigger = waiting_on(submitted(account, polls=10_000), poll_seconds=0.05)

    async def spoilt() -> list[Any]:
        wait = asyncio.create_task(collected(trigger))
        await asyncio.sleep(0.5)
        assert calls(wxa_default.journal, STATUS)
        monkeypatch.delenv("AIRFLOW_CONN_WXA_DEFAULT")
        return await wait

    assert [event["status"] for event in asyncio.run(spoilt())] == ["unusable"]


def test_a_connection_that_comes_back_ends_no_wait(account: MiniProgram, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "_FAILED_SECONDS", 0.05)
    trigger, right = waiting_on(submitted(account)), os.environ["AIRFLOW_CONN_WXA_DEFAULT"]
    monkeypatch.delenv("AIRFLOW_CONN_WXA_DEFAULT")

    async def back() -> list[Any]:
        wait = asyncio.create_task(collected(trigger))
        await asyncio.sleep(0.2)
        monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", right)
        return await wait

    assert [event["status"] for event in asyncio.run(back())] == ["final"]


def test_what_wechat_refuses_never_says_that_the_triggerer_is_at_fault(
    account: MiniProgram, wxa_default: RunningSandbox
) -> None:
    trigger = waiting_on(submitted(account))
    wxa_default.add_fault(Fault(path=STATUS, kind="errcode_before", errcode=61004))
    [event] = events(trigger)
    assert (event["status"], "cause" in event) == ("refused", False)


@pytest.mark.parametrize("kind", ["drop_before", "html_502", "truncated", "errcode_before"])
def test_an_answer_that_may_come_later_is_waited_for(
    account: MiniProgram, wxa_default: RunningSandbox, kind: FaultKind
) -> None:
    trigger = waiting_on(submitted(account))
    wxa_default.add_fault(Fault(path=STATUS, kind=kind, times=3))
    assert [event["status"] for event in events(trigger)] == ["final"]


def test_the_end_of_its_time_wakes_the_task(account: MiniProgram) -> None:
    trigger = waiting_on(submitted(account, polls=10_000), seconds=0.1)
    assert [event["status"] for event in events(trigger)] == ["timeout"]
    assert time.time() == pytest.approx(trigger.end_time, abs=1)


def test_the_last_sleep_does_not_outlast_the_end(account: MiniProgram) -> None:
    trigger = waiting_on(submitted(account, polls=10_000), seconds=0.1, poll_seconds=3600)
    assert [event["status"] for event in events(trigger)] == ["timeout"]


def test_a_restarted_trigger_keeps_its_end(account: MiniProgram) -> None:
    path, arguments = waiting_on(submitted(account, polls=10_000), seconds=-1).serialize()
    restarted = import_string(path)(**arguments)
    assert restarted.end_time == arguments["end_time"]
    assert events(restarted) == [{"status": "timeout", "end_time": arguments["end_time"]}]


@pytest.mark.parametrize("trigger", [waiting_on("400000001"), scanning()])
def test_its_arguments_survive_json_and_hold_no_secret(trigger: WxaAuditTrigger | WxaPrivacyScanTrigger) -> None:
    path, arguments = trigger.serialize()
    written = json.dumps(arguments)
    again = import_string(path)(**json.loads(written))
    assert type(again) is type(trigger)
    assert again.serialize() == (path, arguments)
    for token in (MERCHANT_TOKEN, PLATFORM_TOKEN):
        assert token not in written
        assert token not in repr(trigger.__dict__)


def test_many_wait_in_one_loop_without_holding_each_other_up(account: MiniProgram) -> None:
    auditid = submitted(account, polls=10_000)

    async def wait() -> float:
        async def until_over(trigger: WxaAuditTrigger) -> None:
            async for _ in trigger.run():
                pass

        started = time.monotonic()
        await asyncio.gather(*(until_over(waiting_on(auditid, 0.3, poll_seconds=0.2)) for _ in range(20)))
        return time.monotonic() - started

    assert asyncio.run(wait()) < 20 * 0.3
