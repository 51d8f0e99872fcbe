import asyncio
from collections.abc import Callable

import pytest
from airflow.sdk import Connection

from airflow_wxa.api.code import getversioninfo
from airflow_wxa.client import asynchronous
from airflow_wxa.errors import WxaCredentialError, WxaError, WxaSpecError
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.sandbox import RunningSandbox
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.triggers import sharing
from airflow_wxa.triggers.sharing import SharedConnection, shared_connection
from tests.airflow_session import connection

VARIABLE = "AIRFLOW_CONN_WXA_DEFAULT"


@pytest.fixture
def look_ups(wxa_default: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the Connections that were looked up."""
    look_up, seen = WxaHook.aget_connection, list[str]()

    async def counted(conn_id: str) -> Connection:
        seen.append(conn_id)
        found: Connection = await look_up(conn_id)
        return found

    monkeypatch.setattr(WxaHook, "aget_connection", staticmethod(counted))
    return seen


async def look(shared: SharedConnection) -> None:
    async with await shared.client() as client:
        await client.send(getversioninfo(APPID))


def test_hundreds_that_wait_share_one_look_up_also_of_a_connection_that_is_not_there(look_ups: list[str]) -> None:
    async def there() -> None:
        async with shared_connection("wxa_default") as shared:
            await look(shared)
            await look(shared)

    async def elsewhere() -> None:
        async with shared_connection("wxa_elsewhere") as shared:
            with pytest.raises(WxaSpecError, match="does not exist"):
                await shared.client()

    async def all_of_them() -> None:
        await asyncio.gather(*(each() for each in [there, elsewhere] * 200))

    asyncio.run(all_of_them())
    # One to compare, one for the client that it makes.
    assert sorted(look_ups) == ["wxa_default", "wxa_default", "wxa_elsewhere"]


def after(change: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> list[WxaError | None]:
    """Return what looks before and after a change of the Connection ended with."""
    monkeypatch.setattr(sharing, "_KNOWN_SECONDS", 0)
    monkeypatch.setattr(sharing, "_FAILED_SECONDS", 0)

    async def looked(shared: SharedConnection) -> WxaError | None:
        try:
            await look(shared)
        except WxaError as error:
            return error
        return None

    async def both() -> list[WxaError | None]:
        async with shared_connection("wxa_default") as shared:
            before = await looked(shared)
            change()
            return [before, await looked(shared)]

    return asyncio.run(both())


def test_a_connection_is_noticed_without_a_restart_when_it_is_corrected_and_when_it_is_spoilt(
    wxa_default: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = connection(wxa_default.url)
    monkeypatch.setenv(VARIABLE, connection(wxa_default.url, authorizer_access_tokens={APPID: "not-the-token"}))
    wrong, corrected = after(lambda: monkeypatch.setenv(VARIABLE, right), monkeypatch)
    assert isinstance(wrong, WxaCredentialError)
    spoilt = connection("http://wechat.example.com")
    still_right, refused = after(lambda: monkeypatch.setenv(VARIABLE, spoilt), monkeypatch)
    assert (corrected, still_right) == (None, None)
    assert isinstance(refused, WxaSpecError)
    assert not asynchronous._pools._loops


def test_a_connection_that_stays_keeps_its_client_and_a_look_under_way_outlives_a_change(
    wxa_default: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "_KNOWN_SECONDS", 0)

    async def overtaken() -> None:
        async with shared_connection("wxa_default") as shared, await shared.client() as client:
            assert await shared.client() is client
            monkeypatch.setenv(VARIABLE, connection(wxa_default.url, timeout=3))
            assert await shared.client() is not client
            await client.send(getversioninfo(APPID))

    asyncio.run(overtaken())
    assert not asynchronous._pools._loops


def test_nothing_is_left_when_the_last_has_left(wxa_default: RunningSandbox) -> None:
    async def one() -> None:
        async with shared_connection("wxa_default") as shared:
            await look(shared)

    async def cancelled() -> None:
        task = asyncio.create_task(one())
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await one()

    asyncio.run(cancelled())
    assert not sharing._connections._loops
    assert not asynchronous._pools._loops
