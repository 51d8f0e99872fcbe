import asyncio
import json
from typing import Any
from urllib.parse import quote

import pytest

from airflow_wxa.access import TokenServer
from airflow_wxa.api.code import getversioninfo
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.sandbox import RunningSandbox
from airflow_wxa.sandbox.testing import APPID, MERCHANT_TOKEN
from tests.airflow_session import connection

CANARY = "canary-in-the-connection"
MANY = [f"wx{number:016x}" for number in range(100)]
MOST = f"accepts the token of {' and the token of '.join(MANY[:3])} (97 more merchant tokens were not tried)."
NONE: dict[str, Any] = {"authorizer_access_tokens": None, "component_access_token": None}


@pytest.fixture(autouse=True)
def airflow(airflow_database: None) -> None:
    """A Connection that is not in the environment is looked for in the database."""


def test_testing_a_connection_asks_no_token_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TokenServer, "token", lambda *_: pytest.fail("the token server was asked"))
    of_server = connection("", token_url="https://tokens.example.com/t", **NONE)
    monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", of_server)
    worked, said = WxaHook().test_connection()
    assert worked
    assert "token server is not asked here" in said


def test_a_connection_given_as_uri_works(wxa_sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = quote(json.dumps({"authorizer_access_tokens": {APPID: MERCHANT_TOKEN}}), safe="")
    host = wxa_sandbox.url.removeprefix("http://")
    monkeypatch.setenv("AIRFLOW_CONN_AS_URI", f"wxa://{host}/http?__extra__={tokens}")
    with WxaHook("as_uri").get_conn() as client:
        assert client.send(getversioninfo(APPID)).errcode == 0
    assert [entry.appid for entry in wxa_sandbox.journal] == [APPID]


def test_the_async_client_reads_the_same_connection(wxa_default: RunningSandbox) -> None:
    async def looked() -> str:
        async with await WxaHook().aget_conn() as client:
            reply = await client.send(getversioninfo(APPID))
            return reply.errmsg

    assert asyncio.run(looked()) == "ok"


def test_a_connection_that_does_not_exist_is_named() -> None:
    with pytest.raises(WxaSpecError, match="'absent' is refused") as refused:
        WxaHook("absent").get_conn()
    with pytest.raises(WxaSpecError, match="does not exist"):
        asyncio.run(WxaHook("absent").aget_conn())
    assert refused.value.problems == ("does not exist",)
    assert WxaHook("absent").token_problems(APPID) == ["Connection 'absent': does not exist"]


def test_token_problems_make_no_call(wxa_default: RunningSandbox) -> None:
    assert WxaHook().token_problems(APPID) == WxaHook().token_problems(None) == []
    (problem,) = WxaHook().token_problems("wx00000000000000ff")
    assert problem.startswith(
        "Connection 'wxa_default': extra authorizer_access_tokens['wx00000000000000ff'] is missing"
    )
    assert wxa_default.journal == []


@pytest.mark.parametrize(
    ("changes", "works", "said", "asked"),
    [
        ({}, True, f"accepts the token of {APPID} and the platform token.", 2),
        ({"component_access_token": None}, True, f"accepts the token of {APPID}.", 1),
        ({"authorizer_access_tokens": None}, True, "accepts the platform token.", 1),
        (NONE | {"authorizer_access_tokens": dict.fromkeys(MANY, MERCHANT_TOKEN)}, True, MOST, 3),
        ({"component_access_token": CANARY}, False, "errcode 40001", 2),
        ({"authorizer_access_tokens": {APPID: CANARY}}, False, "errcode 40001", 1),
        (NONE, False, "holds no token", 0),
        ({"timeout": -1}, False, "timeout = -1", 0),
    ],
)
def test_testing_a_connection_says_in_one_sentence_what_works_and_without_a_token_what_does_not(
    wxa_sandbox: RunningSandbox,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    works: bool,
    said: str,
    asked: int,
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", connection(wxa_sandbox.url, **changes))
    worked, text = WxaHook().test_connection()
    assert (worked, said in text, CANARY in text) == (works, True, False)
    assert not works or text == f"{wxa_sandbox.url} {said}"
    assert len(wxa_sandbox.journal) == asked
