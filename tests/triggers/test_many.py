"""One trigger that waits for several Mini Programs, pushes that wake it, and what it says of looks that fail."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import time
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk._shared.module_loading import import_string
from cryptography.fernet import Fernet

from airflow_wxa.sandbox import AuditPlan, Fault, MiniProgram
from airflow_wxa.sandbox.state import AuditSheet, Stage
from airflow_wxa.sandbox.testing import COMPONENT_APPID
from airflow_wxa.store import LoggedPush, NewPush, Store
from airflow_wxa.triggers import WxaAuditTrigger, sharing
from airflow_wxa.triggers.polling import ThrottledLog, _Wait
from airflow_wxa.triggers.sharing import shared_connection
from tests.airflow_session import calls

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_wxa.sandbox import RunningSandbox, World

APPIDS = [f"wx00000000000001{number:02d}" for number in range(3)]
AUDITID = 400000007
STATUS = "/wxa/get_auditstatus"


def mini_program(appid: str, **plan: Any) -> MiniProgram:
    """Return one whose sheet is in audit."""
    sheet = AuditSheet(
        auditid=AUDITID,
        user_version="1.4.0",
        user_desc="",
        submit_audit_time=0,
        plan=AuditPlan(**{"polls": 10_000} | plan),
        stage=Stage.AUDITING,
    )
    return MiniProgram(
        appid=appid, component_appid=COMPONENT_APPID, authorizer_access_token=f"token-of-{appid}", sheets=[sheet]
    )


@pytest.fixture
def wxa_world(wxa_world: World) -> World:
    """Return the usual world with three Mini Programs more."""
    wxa_world.mini_programs += [mini_program(appid) for appid in APPIDS]
    return wxa_world


@pytest.fixture(autouse=True)
def wechat(wxa_sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> RunningSandbox:
    """Serve it behind a Connection that names the platform and holds the tokens."""
    extra = {"authorizer_access_tokens": {appid: f"token-of-{appid}" for appid in APPIDS}}
    found = {"conn_type": "wxa", "host": wxa_sandbox.url, "login": COMPONENT_APPID, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", json.dumps(found))
    return wxa_sandbox


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Return the store that ``[wxa]`` names."""
    url, key = f"sqlite:///{tmp_path / 'wxa.db'}", Fernet.generate_key().decode()
    monkeypatch.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", url)
    monkeypatch.setenv("AIRFLOW__WXA__ENCRYPTION_KEYS", key)
    return Store(url, [key])


def waiting_on(*appids: str, seconds: float = 30, poll_seconds: float = 0.01) -> WxaAuditTrigger:
    sheets = [{"appid": appid, "auditid": str(AUDITID)} for appid in appids]
    end_time = time.time() + seconds
    return WxaAuditTrigger(sheets=sheets, wxa_conn_id="wxa_default", poll_seconds=poll_seconds, end_time=end_time)


async def event_of(trigger: WxaAuditTrigger) -> dict[str, Any]:
    [event] = [event.payload async for event in trigger.run()]
    found: dict[str, Any] = event
    return found


def event(trigger: WxaAuditTrigger) -> dict[str, Any]:
    return asyncio.run(event_of(trigger))


def decide(world: World, appid: str, stage: Stage) -> None:
    world.mini_program(appid).sheets[-1].stage = stage


def test_the_event_comes_when_every_review_has_ended_and_names_appids_and_states_only(wxa_world: World) -> None:
    for appid, stage in zip(APPIDS, (Stage.APPROVED, Stage.REJECTED, Stage.WITHDRAWN), strict=True):
        decide(wxa_world, appid, stage)
    trigger = waiting_on(*APPIDS)
    states = dict.fromkeys(APPIDS, "final")
    assert event(trigger) == {"status": "final", "end_time": trigger.end_time, "appids": states}


def test_a_review_that_goes_on_holds_the_event_back_until_the_time_is_over(
    wechat: RunningSandbox, wxa_world: World
) -> None:
    decide(wxa_world, APPIDS[0], Stage.APPROVED)
    decide(wxa_world, APPIDS[1], Stage.DELAYED)
    told = event(waiting_on(*APPIDS, seconds=0.3))
    assert told["status"] == "timeout"
    assert told["appids"] == dict(zip(APPIDS, ("final", "waiting", "waiting"), strict=True))
    assert len([each for each in calls(wechat.journal, STATUS) if each.appid == APPIDS[0]]) == 1


def test_one_that_no_look_helps_does_not_end_the_wait_for_the_others(wxa_world: World) -> None:
    decide(wxa_world, APPIDS[0], Stage.APPROVED)
    wxa_world.mini_program(APPIDS[1]).authorised = False
    told = event(waiting_on(*APPIDS[:2]))
    assert (told["status"], told["appids"]) == ("refused", {APPIDS[0]: "final", APPIDS[1]: "refused"})


def test_a_restarted_trigger_waits_for_the_same_sheets_until_the_same_end() -> None:
    path, arguments = waiting_on(*APPIDS).serialize()
    again = import_string(path)(**json.loads(json.dumps(arguments)))
    assert again.serialize() == (path, arguments)


def test_two_sheets_of_one_mini_program_are_refused() -> None:
    with pytest.raises(ValueError, match="two of one Mini Program"):
        waiting_on(APPIDS[0], APPIDS[0])


def test_a_push_wakes_a_wait_that_would_sleep_for_an_hour(
    wxa_world: World, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "_EVERY_SECONDS", 0.05)
    appid = APPIDS[0]

    async def pushed() -> float:
        wait = asyncio.create_task(event_of(waiting_on(appid, seconds=7200, poll_seconds=36_000)))
        await asyncio.sleep(0.2)
        decide(wxa_world, appid, Stage.APPROVED)
        new = NewPush(COMPONENT_APPID, "weapp_audit_success", "gh_1", int(time.time()), {"appid": appid})
        await asyncio.to_thread(store.log_push, new)
        begin = time.monotonic()
        assert (await wait)["status"] == "final"
        return time.monotonic() - begin

    assert asyncio.run(pushed()) < 5


def test_a_push_overtakes_polls_that_queue_up(
    wechat: RunningSandbox, wxa_world: World, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "_EVERY_SECONDS", 0.05)
    monkeypatch.setattr(sharing, "_POLLS_AT_ONCE", 0)  # no poll ever gets its turn
    store.log_push(NewPush(COMPONENT_APPID, "weapp_audit_success", "gh_1", 1, {"appid": APPIDS[0]}))
    decide(wxa_world, APPIDS[0], Stage.APPROVED)
    told = event(waiting_on(*APPIDS[:2], seconds=1, poll_seconds=0.3))
    assert told["appids"] == {APPIDS[0]: "final", APPIDS[1]: "waiting"}


def test_pushes_in_a_row_and_a_push_during_a_look_hurry_the_wait_once() -> None:
    pushes = [LoggedPush("weapp_audit_success", "gh_1", at, 0, {}) for at in range(3)]

    async def hurried() -> list[bool]:
        async with shared_connection("wxa_default") as connection:
            wait = _Wait(waiting_on(APPIDS[0]), connection, APPIDS[0], lambda: None, ThrottledLog(print))  # type: ignore[arg-type,return-value]
            for each in pushes[:2]:  # nobody sleeps yet
                wait.on_push(each)
            seen = [await wait._is_pushed_during(5), await wait._is_pushed_during(0.01)]
            asyncio.get_running_loop().call_later(0.01, lambda: [wait.on_push(each) for each in pushes])
            return [*seen, await wait._is_pushed_during(5), await wait._is_pushed_during(0.01)]

    assert asyncio.run(hurried()) == [True, False, True, False]


def test_a_look_that_hangs_does_not_outlast_the_end(wechat: RunningSandbox) -> None:
    wechat.add_fault(Fault(path=STATUS, kind="slow", seconds=5, times=10))
    begin = time.monotonic()
    assert event(waiting_on(APPIDS[0], seconds=0.5))["status"] == "timeout"
    assert time.monotonic() - begin < 4


def test_a_push_before_its_time_is_only_a_hint(
    wechat: RunningSandbox, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "_EVERY_SECONDS", 0.05)
    store.log_push(NewPush(COMPONENT_APPID, "weapp_audit_success", "gh_1", 1, {"appid": APPIDS[0]}))
    assert event(waiting_on(APPIDS[0], seconds=0.5, poll_seconds=36_000))["status"] == "timeout"
    assert len(calls(wechat.journal, STATUS)) == 1


def test_a_store_out_of_reach_is_no_reason_to_stop_polling(wxa_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", "postgresql+psycopg2://nobody@127.0.0.1:1/wxa")
    monkeypatch.setenv("AIRFLOW__WXA__ENCRYPTION_KEYS", Fernet.generate_key().decode())
    decide(wxa_world, APPIDS[0], Stage.APPROVED)
    assert event(waiting_on(APPIDS[0]))["status"] == "final"


@pytest.mark.parametrize("errcode", [45009, 45011])
def test_a_counter_that_is_used_up_is_waited_for(wechat: RunningSandbox, wxa_world: World, errcode: int) -> None:
    decide(wxa_world, APPIDS[0], Stage.APPROVED)
    wechat.add_fault(Fault(path=STATUS, kind="errcode_before", errcode=errcode, times=2))
    assert event(waiting_on(APPIDS[0]))["status"] == "final"
    assert len(calls(wechat.journal, STATUS)) == 3


def test_the_log_says_which_sheet_and_when_it_looks_next(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(ThrottledLog, "log", lambda _self, _level, text, more="": told.append(f"{text}{more}"))
    event(waiting_on(APPIDS[0], seconds=0.3, poll_seconds=0.1))
    assert told[0].startswith(f"sheet {AUDITID} of {APPIDS[0]}: waiting; next look at 20")
    assert told[1].startswith(f"sheet {AUDITID} of {APPIDS[0]}: auditing; next look at 20")


def test_the_same_failure_is_told_once_in_a_while(wechat: RunningSandbox, capsys: pytest.CaptureFixture[str]) -> None:
    wechat.add_fault(Fault(path=STATUS, kind="errcode_before", errcode=45011, times=1000))
    event(waiting_on(APPIDS[0], seconds=0.3))
    assert len(calls(wechat.journal, STATUS)) > 2
    assert capsys.readouterr().out.count(f"sheet {AUDITID} of {APPIDS[0]}: get_auditstatus") == 1


def test_a_text_is_logged_once_and_another_one_is_logged_too() -> None:
    logged: list[str] = []
    throttled = ThrottledLog(lambda _level, text: logged.append(text))
    for text in ("auditing", "auditing", "delayed", "auditing"):
        throttled.log(logging.INFO, text)
    assert logged == ["auditing", "delayed"]
    throttled.log(logging.INFO, "approved", "; next look at one")
    throttled.log(logging.INFO, "approved", "; next look at two")
    assert logged[2:] == ["approved; next look at one"]


def test_ten_thousand_sheets_hold_no_other_trigger_up() -> None:
    sheets = [{"appid": f"wx{number:016x}", "auditid": str(number)} for number in range(10_000)]
    trigger = WxaAuditTrigger(sheets=sheets, wxa_conn_id="wxa_default", poll_seconds=1e6, end_time=time.time() + 3600)
    longest = [0.0]

    async def heartbeat() -> None:
        while True:
            before = time.thread_time()  # of CPU: whoever else is on this machine does not count
            await asyncio.sleep(0)
            longest[0] = max(longest[0], time.thread_time() - before)

    async def begun() -> None:
        async with shared_connection("wxa_default") as connection:
            await connection.client()  # its look-up costs the same however many wait
            assert gc.get_freeze_count() > 10_000  # a collection would go over all of Airflow's objects
            gc.disable()  # how long one takes depends on the other tests of this process
            beating = asyncio.create_task(heartbeat())
            waiting = asyncio.create_task(anext(trigger.run()))  # type: ignore[arg-type]
            for _ in range(300):
                await asyncio.sleep(0.2)
                if len(asyncio.all_tasks()) > 0.9 * len(sheets):
                    break
            else:
                pytest.fail("they were not begun")
            for _ in range(20):
                await asyncio.sleep(0)
            for each in (beating, waiting):
                each.cancel()

    try:
        asyncio.run(begun())
    finally:
        gc.enable()
    print(f"longest {longest[0] * 1000:.0f} ms of CPU")
    assert longest[0] < 0.05
