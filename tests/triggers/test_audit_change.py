"""A watch tells of changes of the audit: by polls, at once after a push, and not of what lag shows."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.fernet import Fernet

from airflow_wxa.assets import audit_asset
from airflow_wxa.hooks.store import open_store
from airflow_wxa.sandbox import AuditPlan, Fault, Looseness
from airflow_wxa.sandbox.state import AuditSheet, Stage
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID, MERCHANT_TOKEN
from airflow_wxa.store import NewPush
from airflow_wxa.triggers import WxaAuditChangeTrigger
from tests.airflow_session import calls, connection

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_wxa.sandbox import MiniProgram, RunningSandbox

LATEST = "/wxa/get_latest_auditstatus"
NEVER = 1e9


@pytest.fixture(autouse=True)
def account(airflow_database: None, wxa_default: RunningSandbox) -> MiniProgram:
    account = wxa_default.world.mini_program(APPID)
    account.sheets = [sheet(1, Stage.AUDITING)]
    return account


def sheet(auditid: int, stage: Stage) -> AuditSheet:
    plan = AuditPlan(polls=10**6)
    return AuditSheet(
        auditid=auditid, user_version="1.4.0", user_desc="", submit_audit_time=1_700_000_000 + auditid, plan=plan,
        stage=stage,
    )  # fmt: skip


def watch(poll_seconds: float = 0.01) -> WxaAuditChangeTrigger:
    return WxaAuditChangeTrigger(appid=APPID, wxa_conn_id="wxa_default", poll_seconds=poll_seconds)


class Kept:
    """The state of an asset."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    async def aget(self, key: str) -> Any:
        return self.values.get(key)

    async def aset(self, key: str, value: Any) -> None:
        self.values[key] = value


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
        goal = len(calls(sandbox.journal, LATEST)) + times
        while len(calls(sandbox.journal, LATEST)) < goal:  # noqa: ASYNC110  (it comes over HTTP)
            await asyncio.sleep(0.01)

    return wait


def becomes(account: MiniProgram, stage: Stage, auditid: int = 1) -> Any:
    async def change(events: list[str]) -> None:
        account.sheets = [sheet(auditid, stage)]

    return change


def test_each_change_is_told_once_and_the_first_look_is_none(account: MiniProgram, wxa_default: RunningSandbox) -> None:
    seen = looked(wxa_default)
    steps = [seen, becomes(account, Stage.APPROVED), seen, seen, becomes(account, Stage.AUDITING, 2), seen]
    assert told(watch(), *steps) == ["approved", "auditing"]


def test_what_a_replica_that_lags_shows_is_no_change(account: MiniProgram, wxa_default: RunningSandbox) -> None:
    account.sheets = [sheet(2, Stage.APPROVED)]
    seen = looked(wxa_default)

    async def no_sheet(events: list[str]) -> None:
        account.sheets = []

    steps = [seen, becomes(account, Stage.AUDITING, 2), seen, becomes(account, Stage.REJECTED, 1), seen, no_sheet, seen]
    assert told(watch(), *steps) == []


def test_a_change_while_nobody_watched_is_told_afterwards(account: MiniProgram, wxa_default: RunningSandbox) -> None:
    first, second = watch(), watch()
    kept = Kept()
    first.asset_state_store = second.asset_state_store = kept
    assert told(first, looked(wxa_default)) == []
    account.sheets = [sheet(1, Stage.REJECTED)]
    assert told(second, looked(wxa_default)) == ["rejected"]
    assert kept.values["audit_seen"]["status"] == "rejected"


@pytest.mark.parametrize("loose", [Looseness(), Looseness.everything(undo_of_nothing=False)])
def test_a_watch_outlives_whatever_goes_wrong(
    account: MiniProgram, wxa_default: RunningSandbox, loose: Looseness
) -> None:
    wxa_default.world.loose = loose
    seen = looked(wxa_default)

    async def trouble(events: list[str]) -> None:
        for fault in ("drop_after", "html_502", "empty"):
            wxa_default.add_fault(Fault(path=LATEST, kind=fault))
        wxa_default.add_fault(Fault(path=LATEST, kind="errcode_before", errcode=61003))

    assert told(
        watch(), seen, trouble, looked(wxa_default, 6), becomes(account, Stage.APPROVED), looked(wxa_default, 8)
    ) == ["approved"]


def test_a_push_makes_it_look_at_once(
    account: MiniProgram, wxa_default: RunningSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", f"sqlite:///{tmp_path / 'wxa.db'}")
    monkeypatch.setenv("AIRFLOW__WXA__ENCRYPTION_KEYS", Fernet.generate_key().decode())
    with_login = connection(wxa_default.url).replace('"conn_type"', f'"login": "{COMPONENT_APPID}", "conn_type"')
    monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", with_login)
    monkeypatch.setattr("airflow_wxa.triggers.sharing._EVERY_SECONDS", 0.05)

    async def pushed(events: list[str]) -> None:
        account.sheets = [sheet(1, Stage.APPROVED)]
        now = int(time.time())
        push = NewPush(COMPONENT_APPID, "weapp_audit_success", "gh_1", now, {"appid": APPID})
        await asyncio.to_thread(open_store().log_push, push)
        while not events:  # noqa: ASYNC110  (as above)
            await asyncio.sleep(0.01)

    assert told(watch(NEVER), looked(wxa_default, 1), pushed) == ["approved"]
    assert len(calls(wxa_default.journal, LATEST)) == 2  # nothing polled


def test_a_watch_holds_no_secret_and_is_the_same_for_the_same_mini_program() -> None:
    [first], [second] = (audit_asset(APPID).watchers for _ in range(2))
    path, arguments = first.trigger.serialize()
    assert (path, arguments) == second.trigger.serialize()
    assert arguments == {"appid": APPID, "wxa_conn_id": "wxa_default", "poll_seconds": 60.0}
    assert MERCHANT_TOKEN not in repr(first)
