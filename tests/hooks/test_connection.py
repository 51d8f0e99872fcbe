"""Fields of a Connection: which values are read as what, which are refused, which source of tokens they choose."""

import json
from typing import Any
from urllib.parse import quote

import pytest
from airflow.sdk import Connection
from cryptography.fernet import Fernet

from airflow_wxa.access import PlatformCredentials, TokenServer
from airflow_wxa.client import Egress
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.hooks.connection import WxaConnection, read_connection
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID, ENCODING_AES_KEY, MERCHANT_TOKEN

CANARY = "canary+/="
TOKENS = "authorizer_access_tokens"


def of(extra: Any = None, **fields: Any) -> WxaConnection:
    text = extra if isinstance(extra, str) else json.dumps(extra or {})
    return read_connection(Connection(**{"conn_id": "c", "conn_type": "wxa", "extra": text} | fields))


def refused(**fields: Any) -> list[str]:
    """Return the problems of a Connection; none shows what may be a secret."""
    with pytest.raises(WxaSpecError) as error:
        of(**fields)
    assert "canary" not in f"{error.value} {error.value!r} {vars(error.value)}"
    return list(error.value.problems)


def test_everything_that_is_wrong_with_a_connection_is_said_at_once() -> None:
    problems = refused(
        host="http://api.example.com/path",
        extra={
            TOKENS: {"wx1": CANARY, "wx2": 5, "wx3": ""},
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
    ("fields", "said"),
    [
        ({"extra": {TOKENS: f'{{"wx1": "{CANARY}"'}}, "is no JSON"),
        *(({"extra": {TOKENS: none}}, "is a list: must be an object") for none in ([CANARY], f'["{CANARY}"]')),
        ({"extra": {TOKENS: {APPID: {"token": CANARY}}}}, "must be a text"),
        ({"extra": {TOKENS: 7}}, "is a int: must be an object"),
        *(
            ({"extra": {"timeout": none}}, repr(none))
            for none in (0, -1, True, "ten", "0", [1], float("nan"), float("inf"))
        ),
        # Nothing of another type is quoted, and an extra that is no JSON object is not read as an empty one.
        ({"conn_type": "postgres", "host": CANARY, "extra": {"timeout": CANARY}}, "its type is 'postgres'"),
        *(
            ({"extra": text, "login": COMPONENT_APPID, "password": "secret"}, "extra is no JSON")
            for text in ('{"token_url": "canary"', "token_url=canary", "{'a': 'canary'}", "\ufeff{}")
        ),
        ({"extra": '["canary"]'}, "extra is a JSON list: must be an object"),
        # Of a URL at most the host's name is shown.
        ({"host": "http://api.example.com"}, "host api.example.com: plain http"),
        ({"host": "https://[::canary"}, "host (not shown"),
        ({"host": "https://user:canary/@api.example.com"}, "host (not shown"),
        *(
            ({"host": host}, "host api.example.com: ")
            for host in ("https://user:canary@api.example.com", "https://api.example.com?key=canary")
        ),
        *(
            ({"extra": {"token_url": f"http://{url}"}}, "token_url (host tokens.example.com)")
            for url in ("user:canary@tokens.example.com/t", "tokens.example.com/t?key=canary")
        ),
    ],
)
def test_a_field_that_cannot_be_right_is_refused_without_what_may_be_a_secret(fields: Any, said: str) -> None:
    (problem,) = refused(**fields)
    assert said in problem


@pytest.mark.parametrize(("said", "flag"), [("true", True), ("False", False), ("1", True), ("0", False), (" ", False)])
def test_what_a_uri_holds_as_text_is_read_as_what_it_means(said: str, flag: bool) -> None:
    fields: dict[str, Any] = {"host": "http://api.example.com", "extra": {"timeout": "2.5", "allow_http": said}}
    if flag:
        assert of(**fields).egress == Egress("http://api.example.com", 2.5)
    else:
        assert "plain http" in refused(**fields)[0]


@pytest.mark.parametrize(
    ("fields", "host"),
    [
        ({}, "https://api.weixin.qq.com"),
        ({"host": "https://api2.weixin.qq.com/"}, "https://api2.weixin.qq.com"),
        ({"host": "http://127.0.0.1", "port": 8099}, "http://127.0.0.1:8099"),
        ({"host": "127.0.0.1", "port": 8099, "schema": "http"}, "http://127.0.0.1:8099"),
        ({"host": "api.example.com", "schema": "http", "extra": {"allow_http": True}}, "http://api.example.com"),
        ({"host": "api.example.com"}, "https://api.example.com"),
    ],
)
def test_the_host_is_completed_and_the_rest_has_defaults(fields: dict[str, Any], host: str) -> None:
    assert of(**fields).egress == Egress(host, 10, None, None)


@pytest.mark.parametrize(
    ("tokens", "appids"),
    [
        *((given, (APPID,)) for given in ({APPID: MERCHANT_TOKEN}, json.dumps({APPID: MERCHANT_TOKEN}))),
        *((none, ()) for none in (None, "", " ", {}, "{}")),
    ],
)
def test_merchant_tokens_come_as_an_object_or_as_its_text_or_not_at_all(tokens: Any, appids: tuple[str, ...]) -> None:
    fixed = of({TOKENS: tokens}).fixed
    assert fixed.appids == appids
    assert [fixed.token(each).reveal() for each in appids] == [MERCHANT_TOKEN] * len(appids)


def test_fixed_tokens_come_before_url_and_credentials(airflow_database: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__WXA__ENCRYPTION_KEYS", Fernet.generate_key().decode())
    fixed = of({TOKENS: {APPID: "token"}}).tokens
    assert (fixed.appids, fixed.other) == ((APPID,), None)
    login: dict[str, Any] = {"login": COMPONENT_APPID, "password": CANARY}
    assert isinstance(of({"token_url": "https://tokens.example.com/t"}, **login).tokens.other, TokenServer)
    first, second = of(**login), of(**login)
    assert isinstance(first.tokens.other, PlatformCredentials)
    assert first.platform is second.platform
    assert CANARY not in repr(first)


def test_the_few_long_lived_secrets_are_masked_raw_and_url_encoded() -> None:
    names = ("component_access_token", "token_url_bearer", "push_token")
    secrets = {**{name: f"{CANARY}{name}" for name in names}, "encoding_aes_key": ENCODING_AES_KEY}
    password = f"{CANARY}secret"
    read = of({**secrets, TOKENS: {APPID: f"{CANARY}merchant"}}, login=COMPONENT_APPID, password=password)
    expected = [*secrets.values(), password]
    assert set(read.long_lived) == {*expected, *(quote(value, safe="") for value in expected)}
