"""Triggers that wait for one Mini Program or several: by polls, at once after a push, and never beyond their end."""

import asyncio
import json
import logging
import os
import random
import time
from datetime import timedelta
from itertools import islice, pairwise
from typing import Any

import pytest
from airflow.sdk._shared.module_loading import import_string
from cryptography.fernet import Fernet

from airflow_wxa.sandbox import Fault, RunningSandbox, World
from airflow_wxa.sandbox.state import Stage
from airflow_wxa.store import LoggedPush, Store
from airflow_wxa.triggers import WxaAuditTrigger, WxaPrivacyScanTrigger, sharing
from airflow_wxa.triggers.polling import ThrottledLog, _Waits, backoff, clock
from airflow_wxa.triggers.sharing import shared_connection
from tests.airflow_session import connection
from tests.tables import each_row
from tests.triggers.waiting import (
    APPIDS,
    AUDITID,
    SCAN,
    STATUS,
    decide,
    event,
    event_of,
    looks,
    push,
    scanning,
    sheet,
    waiting_on,
)

pytestmark = pytest.mark.usefixtures("wechat")
APPID = APPIDS[0]
LONGEST = WxaAuditTrigger.longest_pause


@each_row("result, polls", [("approved", 3), ("withdrawn", 3), ("delayed_then_rejected", 5)])
def test_it_looks_until_the_review_ended_and_says_only_that(wechat: RunningSandbox, result: str, polls: int) -> None:
    wechat.world.mini_program(APPID).sheets = [sheet(polls=2, delayed_polls=2, result=result)]
    before, trigger = looks(wechat), waiting_on(APPID)
    assert event(trigger) == {"status": "final", "end_time": trigger.end_time}
    assert looks(wechat) - before == polls


def test_it_looks_until_the_scan_has_ended(wechat: RunningSandbox) -> None:
    wechat.world.mini_program(APPID).scan_polls_left = 3
    trigger = scanning(APPID)
    assert event(trigger) == {"status": "final", "end_time": trigger.end_time}
    assert looks(wechat, path=SCAN) == 4


def test_the_event_of_several_comes_when_all_have_ended_and_names_appids_and_states_only(wxa_world: World) -> None:
    decide(wxa_world, dict(zip(APPIDS, (Stage.APPROVED, Stage.REJECTED, Stage.WITHDRAWN), strict=True)))
    trigger = waiting_on(*APPIDS)
    states = dict.fromkeys(APPIDS, "final")
    assert event(trigger) == {"status": "final", "end_time": trigger.end_time, "appids": states}


def test_a_review_that_goes_on_holds_the_event_until_the_time_is_over(wechat: RunningSandbox, wxa_world: World) -> None:
    decide(wxa_world, {APPIDS[0]: Stage.APPROVED, APPIDS[1]: Stage.DELAYED})
    trigger = waiting_on(*APPIDS, seconds=0.3)
    told = event(trigger)
    assert (told["status"], told["appids"]) == (
        "timeout",
        dict(zip(APPIDS, ("final", "waiting", "waiting"), strict=True)),
    )
    assert looks(wechat, APPIDS[0]) == 1
    assert time.time() == pytest.approx(trigger.end_time, abs=1)


def test_a_refusal_of_wechats_wakes_the_task_and_never_blames_the_triggerer(wechat: RunningSandbox) -> None:
    wechat.world.mini_program(APPID).without_conf_list = ["wx.getLocation"]
    assert event(scanning(APPID))["status"] == "refused"
    wechat.add_fault(Fault(path=STATUS, kind="errcode_before", errcode=61004))
    told = event(waiting_on(APPID))
    assert (told["status"], "cause" in told) == ("refused", False)


def test_one_that_no_look_helps_does_not_end_the_wait_for_the_others(wxa_world: World) -> None:
    decide(wxa_world, {APPIDS[0]: Stage.APPROVED})
    wxa_world.mini_program(APPIDS[1]).authorised = False
    told = event(waiting_on(*APPIDS[:2]))
    assert (told["status"], told["appids"]) == ("refused", {APPIDS[0]: "final", APPIDS[1]: "refused"})


def test_two_sheets_of_one_mini_program_are_refused() -> None:
    with pytest.raises(ValueError, match="two of one Mini Program"):
        waiting_on(APPID, APPID)


@pytest.mark.parametrize("trigger", [waiting_on(*APPIDS), scanning(APPID)])
def test_a_restarted_trigger_waits_on_and_holds_no_secret(trigger: WxaAuditTrigger | WxaPrivacyScanTrigger) -> None:
    path, arguments = trigger.serialize()
    written = json.dumps(arguments)
    again = import_string(path)(**json.loads(written))
    assert (type(again), again.serialize()) == (type(trigger), (path, arguments))
    assert "token-of-" not in written + repr(vars(trigger))


@pytest.mark.parametrize(
    "fault", [{"kind": "html_502"}, {"kind": "drop_before"}, {"errcode": 61007}, {"errcode": 42001}]
)
def test_a_failing_look_shows_no_token(wechat: RunningSandbox, capsys: pytest.CaptureFixture[str], fault: Any) -> None:
    wechat.add_fault(Fault(**{"path": STATUS, "kind": "errcode_before", "times": None, **fault}))
    trigger = waiting_on(APPID, seconds=0.3)
    told = event(trigger)
    assert looks(wechat) > 0
    everything = f"{told} {trigger.serialize()} {vars(trigger)} {capsys.readouterr()}"
    assert [form for form in ("token-of-", "access_token=") if form in everything] == []


def test_the_same_failure_is_told_once_in_a_while(wechat: RunningSandbox, capsys: pytest.CaptureFixture[str]) -> None:
    wechat.add_fault(Fault(path=STATUS, kind="errcode_before", errcode=45011, times=1000))
    event(waiting_on(APPID, seconds=0.3))
    assert looks(wechat) > 2
    assert capsys.readouterr().out.count(f"sheet {AUDITID} of {APPID}: get_auditstatus") == 1


def test_neither_a_sleep_nor_a_look_outlasts_the_end(wechat: RunningSandbox) -> None:
    begin = time.monotonic()
    assert event(waiting_on(APPID, seconds=0.1, poll_seconds=3600))["status"] == "timeout"
    late = waiting_on(APPID, seconds=-1)
    assert event(late) == {"status": "timeout", "end_time": late.end_time}
    wechat.add_fault(Fault(path=STATUS, kind="slow", seconds=5, times=10))
    assert event(waiting_on(APPID, seconds=0.3))["status"] == "timeout"
    assert time.monotonic() - begin < 4


# Connections ------------------------------------------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_KNOWN_SECONDS", "_FAILED_SECONDS", "_PATIENCE_SECONDS", "_PATIENCE_ONCE_USABLE_SECONDS"):
        monkeypatch.setattr(sharing, name, 0)


@each_row(
    "spoilt, cause",
    [
        (None, "does not exist"),
        (connection("http://wechat.example.com"), "plain http"),
        (connection("https://wechat.example.com", ca_bundle="/absent.pem"), "ca_bundle"),
        (connection("https://wechat.example.com", authorizer_access_tokens={}), "is missing"),
    ],
)
@pytest.mark.usefixtures("impatient")
def test_an_unusable_connection_ends_the_wait(monkeypatch: pytest.MonkeyPatch, spoilt: str | None, cause: str) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_WXA_DEFAULT", raising=False)
    if spoilt:
        monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", spoilt)
    told = event(waiting_on(APPID))
    assert told["status"] == "unusable"
    assert cause in told["cause"]
    assert "token-of-" not in json.dumps(told)


def test_a_connection_that_comes_back_ends_no_wait(wxa_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "_FAILED_SECONDS", 0.05)
    decide(wxa_world, {APPID: Stage.APPROVED})
    right = os.environ["AIRFLOW_CONN_WXA_DEFAULT"]
    monkeypatch.delenv("AIRFLOW_CONN_WXA_DEFAULT")

    async def comes_back() -> dict[str, Any]:
        wait = asyncio.create_task(event_of(waiting_on(APPID)))
        await asyncio.sleep(0.2)
        monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", right)
        return await wait

    assert asyncio.run(comes_back())["status"] == "final"


@each_row(
    "fault",
    [
        *({"kind": kind, "times": 3} for kind in ("drop_before", "html_502", "truncated", "errcode_before")),
        # A counter that is used up: it resets by the minute or the day.
        *({"kind": "errcode_before", "errcode": errcode, "times": 2} for errcode in (45009, 45011)),
    ],
)
def test_an_answer_that_may_come_later_is_waited_for(wechat: RunningSandbox, fault: dict[str, Any]) -> None:
    wechat.world.mini_program(APPID).sheets = [sheet(stage=Stage.APPROVED)]
    before = looks(wechat)
    wechat.add_fault(Fault(path=STATUS, **fault))
    assert event(waiting_on(APPID))["status"] == "final"
    assert looks(wechat) - before > fault["times"] - ("drop" in fault["kind"])


# Pushes -----------------------------------------------------------------------------------------------------------


def test_a_push_wakes_a_wait_that_would_sleep_for_an_hour(wxa_world: World, store: Store) -> None:
    async def pushed() -> float:
        wait = asyncio.create_task(event_of(waiting_on(APPID, seconds=7200, poll_seconds=36_000)))
        await asyncio.sleep(0.2)
        decide(wxa_world, {APPID: Stage.APPROVED})
        await asyncio.to_thread(push, store, APPID)
        begin = time.monotonic()
        assert (await wait)["status"] == "final"
        return time.monotonic() - begin

    assert asyncio.run(pushed()) < 5


def test_a_push_overtakes_polls_that_queue_up(wxa_world: World, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "_POLLS_AT_ONCE", 0)  # no poll ever gets its turn

    async def overtaken() -> dict[str, Any]:
        wait = asyncio.create_task(event_of(waiting_on(*APPIDS[:2], seconds=1, poll_seconds=0.01)))
        await asyncio.sleep(0.3)
        decide(wxa_world, {APPID: Stage.APPROVED})
        await asyncio.to_thread(push, store, APPID)
        return await wait

    assert asyncio.run(overtaken())["appids"] == {APPIDS[0]: "final", APPIDS[1]: "waiting"}


def test_a_push_before_its_time_is_only_a_hint(wechat: RunningSandbox, store: Store) -> None:
    push(store, APPID, at=1)
    assert event(waiting_on(APPID, seconds=0.5, poll_seconds=36_000))["status"] == "timeout"
    assert looks(wechat) == 1


def test_pushes_in_a_row_and_pushes_during_a_look_hurry_the_wait_once(wechat: RunningSandbox) -> None:
    wechat.add_fault(Fault(path=STATUS, kind="slow", seconds=0.3, times=1))
    pushes = [LoggedPush("weapp_audit_success", "gh_1", at, 0, {}) for at in range(6)]

    async def hurried() -> list[int]:
        seen = []
        async with shared_connection("wxa_default") as connection:
            waits = _Waits(waiting_on(APPID, seconds=1, poll_seconds=36_000), connection)
            wait = waits._waits[APPID]
            for each in pushes[:2]:  # nobody sleeps yet
                wait.on_push(each)
            over = asyncio.create_task(waits.until_over())
            await asyncio.sleep(0.15)
            for each in pushes:  # the first look is under way
                wait.on_push(each)
            seen.append(looks(wechat))
            await asyncio.sleep(0.6)
            seen.append(looks(wechat))
            for each in pushes:  # all of them are known
                wait.on_push(each)
            await over
        return [*seen, looks(wechat)]

    assert asyncio.run(hurried())[1:] == [2, 2]


def test_a_store_out_of_reach_is_no_reason_to_stop_polling(wxa_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", "postgresql+psycopg2://nobody@127.0.0.1:1/wxa")
    monkeypatch.setenv("AIRFLOW__WXA__ENCRYPTION_KEYS", Fernet.generate_key().decode())
    decide(wxa_world, {APPID: Stage.APPROVED})
    assert event(waiting_on(APPID))["status"] == "final"


# The log ----------------------------------------------------------------------------------------------------------


def test_the_log_says_which_sheet_and_when_it_looks_next(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(ThrottledLog, "log", lambda _self, _level, text, more="": told.append(f"{text}{more}"))
    event(waiting_on(APPID, seconds=0.5))
    assert told[0].startswith(f"sheet {AUDITID} of {APPID}: waiting; next look at 20")
    assert told[1].startswith(f"sheet {AUDITID} of {APPID}: auditing; next look at 20")


def test_a_text_is_logged_once_and_another_one_is_logged_too() -> None:
    logged: list[str] = []
    throttled = ThrottledLog(lambda _level, text: logged.append(text))
    for text in ("auditing", "auditing", "delayed", "auditing"):
        throttled.log(logging.INFO, text)
    for more in ("; next look at one", "; next look at two"):
        throttled.log(logging.INFO, "approved", more)
    assert logged == ["auditing", "delayed", "approved; next look at one"]


# Pauses -----------------------------------------------------------------------------------------------------------


def longest_pauses(first: float, longest: float, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    monkeypatch.setattr(random, "uniform", lambda _shortest, most: most)
    return list(islice(backoff(first, longest), 12))


def test_pauses_grow_by_half_to_a_quarter_of_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses = longest_pauses(60, LONGEST, monkeypatch)
    assert (pauses[:4], pauses[-1], LONGEST) == ([60, 90, 135, 202.5], 900, 900)
    for first, longest in ((60, 0), (3600, LONGEST)):  # that begin at their longest stay
        assert set(longest_pauses(first, longest, monkeypatch)) == {first}


def test_no_pause_but_the_first_is_much_shorter_than_its_interval() -> None:
    assert all(45 <= pause <= 60 for pause in islice(backoff(60, 60), 1, 1000))


def test_thousands_that_start_at_once_spread_over_the_whole_interval() -> None:
    firsts = sorted(next(backoff(60, LONGEST)) for _ in range(2000))
    assert firsts[0] < 1
    assert firsts[-1] > 59
    assert max(later - earlier for earlier, later in pairwise(firsts)) < 1


def test_a_wait_without_end_is_shown_as_a_time() -> None:
    assert clock(timedelta.max.total_seconds()) == "9999-12-31 23:59:59 UTC"
