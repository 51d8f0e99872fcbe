"""A company token server: asked as documented, believed only about the appid that was asked for."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from airflow_wxa.access import TokenServer
from airflow_wxa.api.code import getversioninfo
from airflow_wxa.api.redaction import Secret
from airflow_wxa.api.values import THE_PLATFORM
from airflow_wxa.api.webview_domain import modify_wxa_jump_domain
from airflow_wxa.client import Egress, WxaClient
from airflow_wxa.errors import WxaCredentialError, WxaError, WxaSpecError, WxaTransportError
from airflow_wxa.sandbox import RunningSandbox
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID, MERCHANT_TOKEN
from tests.client.conftest import Elsewhere, everything_of
from tests.tables import each_row

BEARER = "bearer+canary"
MERCHANT, PLATFORM, CALL = APPID, THE_PLATFORM, getversioninfo(APPID)
TOLD = {"appid": APPID, "access_token": "told", "expires_in": 5400}


class Company:
    """A company's token server."""

    def __init__(self, server: Elsewhere) -> None:
        self.server = server
        self.tells()

    def tells(self, **changes: Any) -> None:
        """Set what is told from now on, and forget what was asked."""
        self.server.answers(200, json.dumps(TOLD | changes).encode())

    @property
    def asked(self) -> list[dict[str, str]]:
        return [dict(parse_qsl(urlsplit(url).query)) for _, url, _ in self.server.requests]

    def source(self, bearer: str | None = BEARER, url: str = "", **egress: Any) -> TokenServer:
        secret = Secret(bearer) if bearer else None
        url = url or f"{self.server.url}/token"
        return TokenServer(Secret(url), secret, COMPONENT_APPID, Egress("http://127.0.0.1:1", 5, **egress))


@pytest.fixture
def company(elsewhere: Elsewhere) -> Company:
    return Company(elsewhere)


def test_a_token_is_asked_for_as_documented_and_without_appid_for_the_platform(company: Company) -> None:
    assert company.source().token(MERCHANT) == Secret("told")
    of_platform = {"component_appid": COMPONENT_APPID}
    assert company.asked == [{"kind": "authorizer_access_token", **of_platform, "appid": APPID}]
    assert company.server.authorizations == [f"Bearer {BEARER}"]
    company.tells(appid=COMPONENT_APPID)
    assert company.source().token(PLATFORM) == Secret("told")
    assert company.asked == [{"kind": "component_access_token", **of_platform}]


@each_row("expires_in, asked", [(5400, 1), (20, 1), (0.5, 1), (1e-9, 3)])
def test_a_token_is_asked_for_again_at_its_end_or_when_refused(company: Company, expires_in: float, asked: int) -> None:
    company.tells(expires_in=expires_in)
    source = company.source()
    assert {source.token(MERCHANT).reveal() for _ in range(3)} == {"told"}
    assert len(company.asked) == asked
    company.tells(access_token="another", expires_in=expires_in)
    assert source.token(MERCHANT, [Secret("told")]) == Secret("another")  # a refused one is told, and replaced
    assert company.asked[0]["refused"] == "1"
    assert source.token(MERCHANT) == Secret("another")


def test_its_token_carries_a_call_and_one_insisted_on_ends_it(company: Company, wxa_sandbox: RunningSandbox) -> None:
    company.tells(access_token=MERCHANT_TOKEN)
    with WxaClient(Egress(wxa_sandbox.url), company.source()) as client:
        assert client.send(CALL).errcode == 0
        wxa_sandbox.world.mini_programs[0].authorizer_access_token = "another"
        company.server.requests.clear()
        with pytest.raises(WxaCredentialError, match="40001"):
            client.send(CALL)
    assert len(wxa_sandbox.journal) == 2
    assert [each["refused"] for each in company.asked] == ["1"]


NO_TOKENS: list[tuple[int, Any]] = [
    *((200, TOLD | {"appid": appid}) for appid in ("wx0000000000000002", COMPONENT_APPID)),
    (200, {"access_token": "told", "expires_in": 5400}),
    *((200, TOLD | {"access_token": token}) for token in ("", 7)),
    *((200, TOLD | {"expires_in": seconds}) for seconds in (0, "5400")),
    *((200, body) for body in ([APPID], b"<html>told</html>", b"")),
    (302, TOLD),
    (404, TOLD),
]


SAID = "team-a may not ask for it"
ANSWERS = [
    *((status, told, WxaTransportError, "token server gave no token") for status, told in NO_TOKENS),
    *((status, {"refused": SAID}, WxaSpecError, SAID) for status in (401, 403)),
]


@each_row("status, body, kind, said", ANSWERS)
def test_an_answer_that_is_not_about_this_appid_is_refused_and_a_refusal_is_shown_and_not_tried_again(
    company: Company, status: int, body: Any, kind: type[WxaError], said: str
) -> None:
    company.server.answers(status, body if isinstance(body, bytes) else json.dumps(body).encode())
    with pytest.raises(kind, match=said) as error:
        company.source().token(MERCHANT)
    assert "told" not in str(error.value)
    assert error.value.retryable == (kind is WxaTransportError)


@pytest.mark.parametrize("bearer", ["line\nbreak+canary", "ключ+canary"])
def test_a_bearer_that_no_header_can_hold_is_not_shown(company: Company, bearer: str) -> None:
    with pytest.raises(WxaTransportError, match="token server gave no token") as error:
        company.source(bearer).token(MERCHANT)
    assert "canary" not in everything_of(error.value)
    assert company.asked == []


def test_netrc_does_not_replace_the_bearer(company: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    company.source().token(MERCHANT)
    company.source(bearer=None).token(MERCHANT)
    assert company.server.authorizations == [f"Bearer {BEARER}", None]


def test_the_connections_proxy_is_used_and_a_silent_server_is_named_without_its_secrets(company: Company) -> None:
    source = company.source(url="http://tokens.invalid/token", proxy=company.server.url)
    assert source.token(MERCHANT) == Secret("told")
    url = "http://user:canary@127.0.0.1:1/token?key=canary"
    with pytest.raises(WxaTransportError, match=r"127\.0\.0\.1[\s\S]*the connection broke") as error:
        company.source(url=url).token(MERCHANT)
    assert "canary" not in f"{error.value} {error.value.__context__!r}"
    assert error.value.retryable


def test_a_token_that_reads_goes_to_its_server_and_never_writes(company: Company, wxa_sandbox: RunningSandbox) -> None:
    company.tells(appid=COMPONENT_APPID, access_token="reader", reads=True)
    with WxaClient(Egress(wxa_sandbox.url), company.source()) as client:
        with pytest.raises(WxaSpecError, match="not sent: the token server gives no platform token"):
            client.send(modify_wxa_jump_domain("add", ["a.example.com"]))
        assert [method for method, _, _ in company.server.requests] == ["GET"]
        company.server.answers(501, b"")
        with pytest.raises(WxaTransportError):  # this company answers no POST; it was not WeChat that was asked
            client.send(modify_wxa_jump_domain("get"))
    assert {method for method, _, _ in company.server.requests} == {"POST"}
    assert wxa_sandbox.journal == []
