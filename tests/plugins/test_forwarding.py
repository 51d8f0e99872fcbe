"""Pushes that are none of ours go on as they came, and nothing that holds a secret does."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response

from airflow_wxa.errors import WxaSpecError
from airflow_wxa.plugins.forwarding import FORWARDED, forward_pushes_to
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID
from airflow_wxa.store import Store
from tests.plugins.receiving import KEYS, NOW, Receiver, query, receiver_on, served, ticket, xml
from tests.sealing import sealed

MESSAGE = f"/wxa_default/message/{APPID}"
OF_PLATFORM = {"AppId": COMPONENT_APPID, "CreateTime": NOW}
REGISTERED = xml(**OF_PLATFORM, InfoType="notify_third_fasteregister", appid=APPID, auth_code="code@@@x")
VISITOR = xml(ToUserName="gh_000000000001", CreateTime=NOW, MsgType="text", Content="hello")


class Service:
    """The system of somebody else."""

    def __init__(self) -> None:
        self.status = 200
        self.came: list[dict[str, Any]] = []
        self.app = FastAPI()

        @self.app.post("/wechat/{appid}")
        async def take(appid: str, request: Request) -> Response:
            body = await request.body()
            self.came.append({"appid": appid, "query": dict(request.query_params), "body": body})
            return Response("<xml>hello back</xml>", self.status)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    service = Service()
    with served(service.app) as url:
        monkeypatch.setenv("AIRFLOW__WXA__FORWARD_PUSHES_TO", f"{url}/wechat/$APPID$")
        yield service


@pytest.fixture
def receiver(store: Store, service: Service) -> Receiver:
    return receiver_on(store)


def test_a_visitors_message_goes_on_as_it_came_and_its_answer_comes_back(receiver: Receiver, service: Service) -> None:
    envelope = sealed(KEYS, VISITOR, timestamp=NOW)
    asked = query(envelope) | {"openid": "o-visitor", "access_token": "not WeChat's"}
    answer = receiver.request("POST", MESSAGE, envelope.body, asked)
    assert (answer.status_code, answer.text) == (200, "<xml>hello back</xml>")
    assert service.came == [{"appid": APPID, "query": query(envelope) | {"openid": "o-visitor"}, "body": envelope.body}]
    receiver.event(xml(**OF_PLATFORM, InfoType="order_path_audit_result_notify"))  # none that we know
    assert [each["appid"] for each in service.came] == [APPID, COMPONENT_APPID]


def test_what_is_ours_forged_or_handed_on_or_holds_a_secret_stays(receiver: Receiver, service: Service) -> None:
    for path, text in (
        ("/wxa_default/authorisation", ticket()),
        (MESSAGE, ticket()),  # the same push at the other address
        (MESSAGE, xml(InfoType="authorized", AuthorizationCode="queryauthcode@@@x")),
        (MESSAGE, xml(InfoType="other", PreAuthCode="preauthcode@@@x")),
        ("/wxa_default/authorisation", REGISTERED),
        (MESSAGE, REGISTERED),
        (MESSAGE, xml(ToUserName="gh_000000000001", CreateTime=NOW, MsgType="event", Event="weapp_audit_success")),
    ):
        assert receiver.send(path, text).text == "success", text
        assert service.came == [], text
    envelope = sealed(KEYS, VISITOR, timestamp=NOW)
    forged = query(envelope) | {"msg_signature": "0" * 40}
    assert receiver.request("POST", MESSAGE, envelope.body, forged).status_code == 403
    with served(receiver.app) as url:
        sent = httpx.post(url + MESSAGE, content=envelope.body, params=query(envelope), headers={FORWARDED: "1"})
    assert (sent.text, service.came) == ("success", [])


def test_a_service_that_fails_lets_wechat_send_again_and_is_counted(
    receiver: Receiver, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    service.status = 500
    assert receiver.send(MESSAGE, VISITOR).status_code == 503
    assert receiver.refused == {("wxa_default", "forward"): 1}
    assert "HTTP status 500" in caplog.text
    assert "/wechat/" not in re.sub(r"HTTP Request.*", "", caplog.text)


TAKEN = ("", "https://service.example.com/wechat/$APPID$", "http://127.0.0.1:8000/x")
NOT_TAKEN = (
    "http://service.example.com/x",
    "https://user:secret@service.example.com/",
    "https://service.example.com/?key=secret",
    "ftp://service.example.com/",
    "http://[::1",
    "service.example.com",
)


def test_https_is_taken_and_plain_http_to_this_machine_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    for url in TAKEN:
        monkeypatch.setenv("AIRFLOW__WXA__FORWARD_PUSHES_TO", url)
        assert forward_pushes_to() == url
    for url in NOT_TAKEN:
        monkeypatch.setenv("AIRFLOW__WXA__FORWARD_PUSHES_TO", url)
        with pytest.raises(WxaSpecError) as refused:
            forward_pushes_to()
        assert "secret" not in str(refused.value)


def test_an_address_that_is_refused_stops_no_ticket(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AIRFLOW__WXA__FORWARD_PUSHES_TO", "http://service.example.com/x")
    receiver = receiver_on(store)
    assert "forward_pushes_to is refused" in caplog.text
    assert receiver.event(ticket()).text == "success"
    assert receiver.ticket == "ticket@@@1"
    assert receiver.send(MESSAGE, VISITOR).text == "success"
