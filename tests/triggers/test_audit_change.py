"""A watch tells of changes of the audit: by polls, at once after a push, and not of what lag shows."""

import asyncio
from typing import Any

import pytest

from airflow_wxa.assets import audit_asset
from airflow_wxa.sandbox import Fault, Looseness, MiniProgram, RunningSandbox
from airflow_wxa.sandbox.state import Stage
from airflow_wxa.store import Store
from airflow_wxa.triggers import WxaAuditChangeTrigger
from tests.triggers.waiting import APPIDS, looks, push, sheet

APPID = APPIDS[0]
LATEST = "/wxa/get_latest_auditstatus"
NEVER = 1e9


@pytest.fixture
def account(wechat: RunningSandbox) -> MiniProgram:
    account = wechat.world.mini_program(APPID)
    account.sheets = [sheet(1)]
    return account


def watch(poll_seconds: float = 0.01) -> WxaAuditChangeTrigger:
    return WxaAuditChangeTrigger(appid=APPID, wxa_conn_id="wxa_default", poll_seconds=poll_seconds)


class Kept(dict[str, Any]):
    async def aget(self, key: str) -> Any:
        return self.get(key)

    async def aset(self, key: str, value: Any) -> None:
        self[key] = value


def told(trigger: WxaAuditChangeTrigger, *steps: Any, within: float = 20) -> list[str]:
    """Run a watch; before each step its sandbox has been asked once more, and at the end as well."""

    async def run() -> list[str]:
        events: list[str] = []

        async def collect() -> None:
            async for event in trigger.run():
                events.append(event.payload["status"])  # noqa: PERF401  (what came before it is cancelled counts)

        task = asyncio.create_task(collect())
        async with asyncio.timeout(within):
            for step in steps:
                await step(events)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return events

    return asyncio.run(run())


def looked(sandbox: RunningSandbox, times: int = 2) -> Any:
    async def wait(events: list[str]) -> None:
        goal = looks(sandbox, path=LATEST) + times
        while looks(sandbox, path=LATEST) < goal:  # noqa: ASYNC110  (it comes over HTTP)
            await asyncio.sleep(0.01)

    return wait


def becomes(account: MiniProgram, stage: Stage, auditid: int = 1) -> Any:
    async def change(events: list[str]) -> None:
        account.sheets = [sheet(auditid, stage)]

    return change


def test_each_change_is_told_once_and_no_first_look_and_no_lag(account: MiniProgram, wechat: RunningSandbox) -> None:
    async def no_sheet(events: list[str]) -> None:
        account.sheets = []

    seen, states = looked(wechat), ((1, Stage.APPROVED), (2, Stage.AUDITING), (2, Stage.APPROVED))
    lagging = (becomes(account, Stage.AUDITING, 2), becomes(account, Stage.REJECTED, 1), no_sheet)
    changes = [becomes(account, stage, auditid) for auditid, stage in states]
    steps = [step for change in (*changes, *lagging) for step in (change, seen)]
    assert told(watch(), seen, *steps) == ["approved", "auditing", "approved"]


def test_a_change_while_nobody_watched_is_told_afterwards(account: MiniProgram, wechat: RunningSandbox) -> None:
    first, second, kept = watch(), watch(), Kept()
    first.asset_state_store = second.asset_state_store = kept
    assert told(first, looked(wechat)) == []
    account.sheets = [sheet(1, Stage.REJECTED)]
    assert told(second, looked(wechat)) == ["rejected"]
    assert kept["audit_seen"]["status"] == "rejected"


@pytest.mark.parametrize("loose", [Looseness(), Looseness.everything(undo_of_nothing=False)])
def test_a_watch_outlives_whatever_goes_wrong(account: MiniProgram, wechat: RunningSandbox, loose: Looseness) -> None:
    wechat.world.loose = loose
    seen = looked(wechat)

    async def trouble(events: list[str]) -> None:
        for fault in ("drop_after", "html_502", "empty"):
            wechat.add_fault(Fault(path=LATEST, kind=fault))
        wechat.add_fault(Fault(path=LATEST, kind="errcode_before", errcode=61003))

    assert told(watch(), seen, trouble, looked(wechat, 6), becomes(account, Stage.APPROVED), looked(wechat, 8)) == [
        "approved"
    ]


def test_a_push_makes_it_look_at_once(account: MiniProgram, wechat: RunningSandbox, store: Store) -> None:
    async def pushed(events: list[str]) -> None:
        account.sheets = [sheet(1, Stage.APPROVED)]
        await asyncio.to_thread(push, store, APPID)
        while not events:  # noqa: ASYNC110  (as above)
            await asyncio.sleep(0.01)

    assert told(watch(NEVER), looked(wechat, 1), pushed) == ["approved"]
    assert looks(wechat, path=LATEST) == 2  # nothing polled


def test_a_watch_holds_no_secret_and_is_the_same_for_the_same_mini_program() -> None:
    [first], [second] = (audit_asset(APPID).watchers for _ in range(2))
    path, arguments = first.trigger.serialize()
    assert (path, arguments) == second.trigger.serialize()
    assert arguments == {"appid": APPID, "wxa_conn_id": "wxa_default", "poll_seconds": 60.0}
    assert "token-of-" not in repr(first)
