import asyncio
import json
from typing import Any
from urllib.parse import quote

import pytest
from airflow.sdk import Connection

from airflow_wxa.access import TokenServer
from airflow_wxa.api.code import getversioninfo
from airflow_wxa.api.webview_domain import modify_wxa_jump_domain
from airflow_wxa.client import Egress
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.hooks.connection import read_connection
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.sandbox import Fault, RunningSandbox
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID, MERCHANT_TOKEN, PLATFORM_TOKEN
from airflow_wxa.steps import privacy_scan
from tests.airflow_session import connection

CANARY = "canary-in-the-connection"
MANY = [f"wx{number:016x}" for number in range(100)]


@pytest.fixture(autouse=True)
def airflow(airflow_database: None) -> None:
    """A Connection that is not in the environment is looked for in the database."""


def of(**fields: Any) -> Connection:
    extra = fields.pop("extra", {})
    return Connection(conn_id="c", conn_type="wxa", extra=json.dumps(extra), **fields)


def refused(**fields: Any) -> list[str]:
    with pytest.raises(WxaSpecError) as error:
        read_connection(of(**fields))
    assert CANARY not in f"{error.value} {error.value!r} {vars(error.value)}"
    return list(error.value.problems)


def test_everything_that_is_wrong_with_a_connection_is_said_at_once() -> None:
    problems = refused(
        host="http://api.example.com/path",
        extra={
            "authorizer_access_tokens": {"wx1": CANARY, "wx2": 5, "wx3": ""},
            "component_access_token": [CANARY],
            "proxy": 1,
            "timeout": 0,
            "allow_http": "perhaps",
            "token_url": "http://tokens.example.com",
            "encoding_aes_key": CANARY,
        },
    )
    for words in (
        "host api.example.com",
        "authorizer_access_tokens['wx2']",
        "authorizer_access_tokens['wx3']",
        "component_access_token must be a text",
        "proxy must be a text",
        "timeout = 0",
        "allow_http = 'perhaps'",
        "token_url (host tokens.example.com)",
        "encoding_aes_key must be the 43 letters",
    ):
        assert [problem for problem in problems if words in problem], f"{words} is not named in {problems}"
    assert len(problems) == 9


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        (f'{{"wx1": "{CANARY}"', "is no JSON"),
        ([CANARY], "is a list: must be an object"),
        (f'["{CANARY}"]', "is a list: must be an object"),
        ({APPID: {"token": CANARY}}, "must be a text"),
        (7, "is a int: must be an object"),
    ],
)
def test_merchant_tokens_of_another_shape_are_refused_without_being_shown(tokens: Any, said: str) -> None:
    (problem,) = refused(extra={"authorizer_access_tokens": tokens})
    assert said in problem


@pytest.mark.parametrize("timeout", [0, -1, True, "ten", "0", [1], float("nan"), float("inf")])
def test_a_timeout_that_is_no_number_of_seconds_is_refused(timeout: Any) -> None:
    (problem,) = refused(extra={"timeout": timeout})
    assert repr(timeout) in problem


@pytest.mark.parametrize(("said", "flag"), [("true", True), ("False", False), ("1", True), ("0", False), (" ", False)])
def test_what_a_uri_holds_as_text_is_read_as_what_it_means(said: str, flag: bool) -> None:
    fields = {"host": "http://api.example.com", "extra": {"timeout": "2.5", "allow_http": said}}
    if flag:
        assert read_connection(of(**fields)).egress == Egress("http://api.example.com", 2.5)
    else:
        assert "plain http" in refused(**fields)[0]


def test_a_connection_of_another_type_is_refused_before_anything_of_it_is_quoted() -> None:
    of_another = Connection(conn_id="c", conn_type="postgres", host=CANARY, extra=json.dumps({"timeout": CANARY}))
    with pytest.raises(WxaSpecError, match="its type is 'postgres': must be 'wxa'") as error:
        read_connection(of_another)
    assert CANARY not in str(error.value)


def test_testing_a_connection_asks_no_token_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TokenServer, "token", lambda *_: pytest.fail("the token server was asked"))
    monkeypatch.setattr(WxaHook, "get_connection", lambda *_: of(extra={"token_url": "https://tokens.example.com/t"}))
    worked, said = WxaHook().test_connection()
    assert worked
    assert "token server is not asked here" in said


@pytest.mark.parametrize(
    ("fields", "host"),
    [
        ({}, "https://api.weixin.qq.com"),
        ({"host": "https://api2.weixin.qq.com/"}, "https://api2.weixin.qq.com"),
        ({"host": "http://127.0.0.1:8099"}, "http://127.0.0.1:8099"),
        ({"host": "http://127.0.0.1", "port": 8099}, "http://127.0.0.1:8099"),
        ({"host": "127.0.0.1", "port": 8099, "schema": "http"}, "http://127.0.0.1:8099"),
        ({"host": "api.example.com", "schema": "http", "extra": {"allow_http": True}}, "http://api.example.com"),
        ({"host": "api.example.com"}, "https://api.example.com"),
    ],
)
def test_the_host_is_completed_from_the_fields_that_hold_it(fields: dict[str, Any], host: str) -> None:
    assert read_connection(of(**fields)).egress.host == host


def test_defaults_are_ten_seconds_and_the_environments_egress() -> None:
    egress = read_connection(of()).egress
    assert (egress.timeout, egress.proxy, egress.ca_bundle) == (10, None, None)


@pytest.mark.parametrize("tokens", [{APPID: MERCHANT_TOKEN}, json.dumps({APPID: MERCHANT_TOKEN})])
def test_merchant_tokens_come_as_an_object_or_as_the_text_of_the_form(tokens: Any) -> None:
    fixed = read_connection(of(extra={"authorizer_access_tokens": tokens})).fixed
    assert fixed.appids == (APPID,)
    assert fixed.token(APPID).reveal() == MERCHANT_TOKEN


@pytest.mark.parametrize("tokens", [None, "", " ", {}, "{}"])
def test_no_merchant_token_is_no_problem(tokens: Any) -> None:
    assert read_connection(of(extra={"authorizer_access_tokens": tokens})).fixed.appids == ()


def test_a_connection_given_as_uri_works(wxa_sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = quote(json.dumps({"authorizer_access_tokens": {APPID: MERCHANT_TOKEN}}), safe="")
    host = wxa_sandbox.url.removeprefix("http://")
    monkeypatch.setenv("AIRFLOW_CONN_AS_URI", f"wxa://{host}/http?__extra__={tokens}")
    with WxaHook("as_uri").get_conn() as client:
        assert client.send(getversioninfo(APPID)).errcode == 0
    assert [entry.appid for entry in wxa_sandbox.journal] == [APPID]


def test_a_call_takes_the_token_of_its_own_appid_or_none(wxa_default: RunningSandbox) -> None:
    with WxaHook().get_conn() as client:
        assert client.send(modify_wxa_jump_domain("get")).errcode == 0
        with pytest.raises(WxaSpecError, match=r"(?s)authorizer_access_tokens\['wx00000000000000ff'\] is missing"):
            client.send(getversioninfo("wx00000000000000ff"))
    assert len(wxa_default.journal) == 1


def test_the_async_client_reads_the_same_connection(wxa_default: RunningSandbox) -> None:
    async def looked() -> str:
        async with await WxaHook().aget_conn() as client:
            reply = await client.send(getversioninfo(APPID))
            return reply.errmsg

    assert asyncio.run(looked()) == "ok"


def test_a_step_runs_with_a_client_of_its_own(wxa_default: RunningSandbox) -> None:
    wxa_default.add_fault(Fault(path="/wxa/security/get_code_privacy_info", kind="errcode_before", errcode=61039))
    assert WxaHook().run(privacy_scan(APPID)).outcome == "scanning"


def test_a_connection_that_does_not_exist_is_named() -> None:
    with pytest.raises(WxaSpecError, match="'absent' is refused") as refused:
        WxaHook("absent").get_conn()
    with pytest.raises(WxaSpecError, match="does not exist"):
        asyncio.run(WxaHook("absent").aget_conn())
    assert refused.value.problems == ("does not exist",)
    assert WxaHook("absent").token_problems(APPID) == ["Connection 'absent': does not exist"]


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        *(
            (text, "extra is no JSON")
            for text in ('{"token_url": "canary"', "token_url=canary", "{'a': 'canary'}", "\ufeff{}")
        ),
        ('["canary"]', "extra is a JSON list: must be an object"),
    ],
)
def test_an_extra_that_is_no_json_object_is_refused_and_not_read_as_empty(extra: str, said: str) -> None:
    with pytest.raises(WxaSpecError, match=said) as error:
        read_connection(Connection(conn_id="c", conn_type="wxa", extra=extra, login=COMPONENT_APPID, password="secret"))
    assert "canary" not in str(error.value)


def test_token_problems_make_no_call(wxa_default: RunningSandbox) -> None:
    assert WxaHook().token_problems(APPID) == WxaHook().token_problems(None) == []
    (problem,) = WxaHook().token_problems("wx00000000000000ff")
    assert problem.startswith(
        "Connection 'wxa_default': extra authorizer_access_tokens['wx00000000000000ff'] is missing"
    )
    assert wxa_default.journal == []


def said_of(wechat: RunningSandbox, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]) -> tuple[bool, str]:
    monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", connection(wechat.url, **changes))
    return WxaHook().test_connection()


@pytest.mark.parametrize(
    ("changes", "said", "asked"),
    [
        ({}, f"accepts the token of {APPID} and the platform token.", 2),
        ({"component_access_token": None}, f"accepts the token of {APPID}.", 1),
        ({"authorizer_access_tokens": None}, "accepts the platform token.", 1),
        (
            {"authorizer_access_tokens": dict.fromkeys(MANY, MERCHANT_TOKEN), "component_access_token": None},
            f"accepts the token of {' and the token of '.join(MANY[:3])} (97 more merchant tokens were not tried).",
            3,
        ),
    ],
)
def test_testing_a_connection_says_in_one_sentence_what_works(
    wxa_sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], said: str, asked: int
) -> None:
    assert said_of(wxa_sandbox, monkeypatch, changes) == (True, f"{wxa_sandbox.url} {said}")
    assert len(wxa_sandbox.journal) == asked


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"component_access_token": CANARY}, "errcode 40001"),
        ({"authorizer_access_tokens": {APPID: CANARY}}, "errcode 40001"),
        ({"authorizer_access_tokens": None, "component_access_token": None}, "holds no token"),
        ({"timeout": -1}, "timeout = -1"),
    ],
)
def test_testing_a_connection_says_what_does_not_work(
    wxa_sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], said: str
) -> None:
    works, text = said_of(wxa_sandbox, monkeypatch, changes)
    assert (works, said in text, CANARY in text) == (False, True, False)


def test_a_hook_and_its_connection_show_no_token(wxa_default: RunningSandbox) -> None:
    read = WxaHook().read()
    shown = f"{read!r} {read.fixed!r} {vars(WxaHook())} {read.egress!r} {read.tokens!r}"
    assert MERCHANT_TOKEN not in shown
    assert PLATFORM_TOKEN not in shown
