"""The trigger of a fleet's shard: it ends when its task has something to do, and says nothing of its Mini Programs."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from airflow_wxa.hooks.store import open_fleets
from airflow_wxa.sandbox import RunningSandbox
from airflow_wxa.sandbox.state import Stage
from airflow_wxa.sandbox.testing import COMPONENT_APPID
from airflow_wxa.store.fleets import NewApp, RunKey
from airflow_wxa.triggers import fleet
from airflow_wxa.triggers.fleet import WxaFleetTrigger
from tests.triggers.waiting import APPIDS, AUDITID, decide, event_of

KEY = RunKey("wxa_fleet_release", "spring")
SHEETS = [{"appid": appid, "auditid": str(AUDITID)} for appid in APPIDS]
pytestmark = pytest.mark.usefixtures("store")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "_STOP_SECONDS", 0.05)


def told(happens: Callable[[], object] = bool, **fields: Any) -> tuple[Mapping[str, Any], float]:
    """Return what the trigger tells, and the seconds from something that happens meanwhile to its event."""
    plain: dict[str, Any] = {"sheets": SHEETS, "settle_seconds": 3600, "end_time": time.time() + 20} | fields
    trigger = WxaFleetTrigger(
        dag_id=KEY.dag_id, run_id=KEY.run_id, wxa_conn_id="wxa_default", poll_seconds=0.05, wave="rest", **plain
    )

    async def waited() -> tuple[Mapping[str, Any], float]:
        wait = asyncio.create_task(event_of(trigger))
        await asyncio.sleep(0.2)
        assert not wait.done()
        begin = time.monotonic()
        happens()
        return await wait, time.monotonic() - begin

    return asyncio.run(waited())


def test_results_that_come_together_wake_a_task_once_and_all_of_them_at_once(wechat: RunningSandbox) -> None:
    event, seconds = told(lambda: decide(wechat.world, {APPIDS[0]: Stage.APPROVED}), settle_seconds=0.5)
    assert event["status"] == "final"
    assert 0.5 <= seconds < 5
    event, seconds = told(lambda: decide(wechat.world, dict.fromkeys(APPIDS, Stage.REJECTED)))
    assert (event["status"], "appids" in event) == ("final", False)
    assert seconds < 5


def test_without_a_result_it_ends_with_its_time(wechat: RunningSandbox) -> None:
    assert told(end_time=time.time() + 0.5, sheets=[])[1] < 5
    assert told(end_time=time.time() + 0.5)[1] < 5


def test_it_ends_when_the_run_is_stopped_and_when_its_wave_has_released_enough(wechat: RunningSandbox) -> None:
    fleets = open_fleets()
    fleets.load(KEY, COMPONENT_APPID, {}, "digest", [NewApp(appid, "rest", 0, {}) for appid in APPIDS], "load_manifest")
    assert told(lambda: fleets.change(KEY, {0: {"outcome": "released", "released_at": 1}}), released_percent=30)[1] < 5
    assert told(lambda: fleets.stop(KEY, "lin"))[1] < 5
