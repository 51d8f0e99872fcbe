"""One trigger of ten thousand sheets: no other trigger of its process is held up, garbage collections included."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable

import pytest

from airflow_wxa.store import LoggedPush
from airflow_wxa.triggers import WxaAuditTrigger, polling
from airflow_wxa.triggers.sharing import shared_connection
from tests.triggers.waiting import AUDITID

SHEETS = 10_000
#: Of CPU, so that other processes of this machine do not count.
MAX_BLOCKED_SECONDS = 0.05


async def longest_block(of: Awaitable[object]) -> float:
    """Return the seconds of CPU that the event loop was held up at most, until something is done."""
    longest, work = 0.0, asyncio.ensure_future(of)
    while not work.done():
        before = time.thread_time()
        await asyncio.sleep(0)
        longest = max(longest, time.thread_time() - before)
    await work
    return longest


@pytest.mark.usefixtures("wechat")
def test_ten_thousand_sheets_hold_no_other_trigger_up(monkeypatch: pytest.MonkeyPatch) -> None:
    appids = [f"wx{number:016x}" for number in range(SHEETS)]
    sheets = [{"appid": appid, "auditid": str(AUDITID)} for appid in appids]
    trigger = WxaAuditTrigger(sheets=sheets, wxa_conn_id="wxa_default", poll_seconds=1e6, end_time=time.time() + 3600)
    begun = list[str]()
    monkeypatch.setattr(trigger, "about", lambda appid: begun.append(appid) or appid)  # type: ignore[func-returns-value]

    async def until(is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not is_so():  # noqa: ASYNC110  (it is the loop that is measured)
                await asyncio.sleep(0.01)

    async def blocked() -> dict[str, float]:
        async with shared_connection("wxa_default") as connection:
            await connection.client()  # its look-up costs the same however many wait
            assert gc.get_freeze_count() > SHEETS  # a collection would go over all of Airflow's objects
            gc.collect()
            gc.freeze()  # those of other tests of this process
            looked = list[str]()
            monkeypatch.setattr(polling._Wait, "_seen", lambda wait: seen(wait._appid, looked))
            pushes = [LoggedPush("weapp_audit_success", "gh_1", 1, 0, {"appid": appid}) for appid in appids]
            wait = asyncio.create_task(anext(trigger.run()))  # type: ignore[arg-type]
            found = {"begun": await longest_block(until(lambda: len(begun) == SHEETS))}
            tell = connection.watcher._tell({connection.component_appid: pushes})
            found["pushed"] = await longest_block(asyncio.gather(tell, until(lambda: len(looked) == SHEETS)))
            found["collected"] = await longest_block(collected())
            assert {*(await wait).payload["appids"].values()} == {"final"}
            return found

    found = asyncio.run(blocked())
    assert max(found.values()) < MAX_BLOCKED_SECONDS, found


async def seen(appid: str, looked: list[str]) -> str:
    looked.append(appid)
    await asyncio.sleep(0)
    return "final"


async def collected() -> None:
    gc.collect()
