"""The receiver's routes: what is taken, what is refused without a word, and what of it is kept."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from airflow_wxa.api.authorisation import Authorisation, Grant
from airflow_wxa.api.push import MAX_PUSH_BYTES, PushKeys
from airflow_wxa.api.redaction import Secret
from airflow_wxa.errors import WxaTransportError
from airflow_wxa.plugins import receiver as module
from airflow_wxa.plugins.connections import PushConnections
from airflow_wxa.plugins.receiver import create_receiver
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID, ENCODING_AES_KEY, PUSH_TOKEN
from airflow_wxa.store.tables import push
from tests.plugins.receiving import KEYS, NOW, Receiver, push_connection, query, ticket, xml
from tests.sealing import sealed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from airflow_wxa.store import Store

EVENTS = "/wxa_default/authorisation"
MESSAGES = f"/wxa_default/message/{APPID}"
GH = "gh_000000000001"
OTHERS = PushKeys(COMPONENT_APPID, Secret("another token"), Secret(ENCODING_AES_KEY))


def event(kind: str, at: int = NOW, **fields: object) -> str:
    return xml(AppId=COMPONENT_APPID, CreateTime=at, InfoType=kind, AuthorizerAppid=APPID, **fields)


def audit(kind: str = "weapp_audit_fail", at: int = NOW, user_name: str = GH, **fields: object) -> str:
    return xml(ToUserName=user_name, CreateTime=at, MsgType="event", Event=kind, **fields)


def authorise(store: Store) -> None:
    grant = Grant(Secret("access"), 7200, Secret("refresh"))
    store.put_authorisation(COMPONENT_APPID, Authorisation(APPID, grant, (18,)))


# Taken ------------------------------------------------------------------------------------------------------------


def test_a_ticket_is_stored_before_success_is_answered(receiver: Receiver) -> None:
    answer = receiver.event(ticket())
    assert (answer.status_code, answer.text) == (200, "success")
    assert receiver.ticket == "ticket@@@1"


def test_a_ticket_that_arrives_late_replaces_nothing(receiver: Receiver) -> None:
    receiver.event(ticket("newer", at=NOW))
    assert receiver.event(ticket("older", at=NOW - 600)).text == "success"
    assert receiver.ticket == "newer"


def test_a_repeated_push_is_answered_and_done_once(receiver: Receiver) -> None:
    authorise(receiver.store)
    assert receiver.event(event("unauthorized")).text == "success"
    authorise(receiver.store)
    assert receiver.event(event("unauthorized")).text == "success"
    seen = receiver.store.merchant(COMPONENT_APPID, APPID)
    assert seen is not None
    assert seen.state == "authorised"


def test_a_withdrawal_marks_the_merchant(receiver: Receiver) -> None:
    authorise(receiver.store)
    receiver.event(event("unauthorized"))
    seen = receiver.store.merchant(COMPONENT_APPID, APPID)
    assert seen is not None
    assert (seen.state, seen.access_token) == ("withdrawn", None)


def test_an_audit_event_is_kept_as_a_hint(receiver: Receiver) -> None:
    text = audit(Reason="<![CDATA[1: name<br>2: page]]>", ScreenShot="a|b")
    assert receiver.send(MESSAGES, text).text == "success"
    (kept,) = receiver.store.pushes(COMPONENT_APPID, ["weapp_audit_fail"])
    assert (kept.account, kept.create_time) == (GH, NOW)
    assert kept.told == {"appid": APPID, "reason": "1: name\n2: page", "screenshot": "a|b"}


def test_an_audit_event_tells_the_original_id_of_a_known_mini_program(receiver: Receiver) -> None:
    authorise(receiver.store)
    receiver.send(MESSAGES, audit())
    seen = receiver.store.merchant(COMPONENT_APPID, APPID)
    assert seen is not None
    assert seen.user_name == GH


def test_an_audit_event_whose_url_names_another_mini_program_is_refused(receiver: Receiver) -> None:
    authorise(receiver.store)
    receiver.send(MESSAGES, audit())
    assert receiver.send(MESSAGES, audit(user_name="gh_another", at=NOW + 1)).status_code == 403
    assert receiver.refused == {("wxa_default", "appid"): 1}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (EVENTS, event("notify_third_fasteregister")),
        (EVENTS, audit()),
        (MESSAGES, audit("user_enter_tempsession")),
        (MESSAGES, ticket("forged by a visitor")),
        (MESSAGES, xml(ToUserName=GH, MsgType="text", Content="hello")),
    ],
)
def test_what_is_not_for_us_is_answered_and_ignored(receiver: Receiver, path: str, text: str) -> None:
    assert receiver.send(path, text).text == "success"
    assert receiver.ticket is None
    assert receiver.store.pushes(COMPONENT_APPID, ["weapp_audit_fail"]) == []


def test_a_push_with_the_previous_key_is_taken(store: Store) -> None:
    changed = PushKeys(COMPONENT_APPID, Secret(PUSH_TOKEN), Secret(ENCODING_AES_KEY[::-1]), Secret(ENCODING_AES_KEY))
    found = push_connection()
    connections = PushConnections(["wxa_default"], {"wxa_default": type(found)(changed, found.connection)}.get)
    app = create_receiver(connections, open_store=lambda: store, clock=lambda: NOW)
    assert Receiver(store, app).event(ticket()).text == "success"


# Refused ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"keys": OTHERS}, "signature"),
        ({"keys": PushKeys(COMPONENT_APPID, Secret(PUSH_TOKEN), Secret(ENCODING_AES_KEY[::-1]))}, "key"),
        ({"keys": PushKeys("wx00000000000000c2", Secret(PUSH_TOKEN), Secret(ENCODING_AES_KEY))}, "appid"),
        ({"timestamp": NOW - 601}, "stale"),
        ({"timestamp": NOW + 601}, "stale"),
    ],
)
def test_a_push_that_is_not_believed_changes_nothing(receiver: Receiver, changes: Any, reason: str) -> None:
    answer = receiver.event(ticket(), **changes)
    assert (answer.status_code, answer.content) == (403, b"")
    assert receiver.refused == {("wxa_default", reason): 1}
    assert receiver.ticket is None


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "malformed"),
        (b"{}", "malformed"),
        (b"<xml><Encrypt>x</Encrypt></xml>", "signature"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><xml><Encrypt>&b;</Encrypt></xml>', "malformed"),
        (b"<" * (MAX_PUSH_BYTES + 1), "oversized"),
        (b"<" * (20 * MAX_PUSH_BYTES), "oversized"),
    ],
)
def test_a_body_that_is_no_push_is_refused(receiver: Receiver, body: bytes, reason: str) -> None:
    assert receiver.request("POST", EVENTS, body).status_code == 403
    assert receiver.refused == {("wxa_default", reason): 1}


def test_a_body_is_read_no_further_than_the_limit(receiver: Receiver) -> None:
    read: list[int] = []

    async def endless() -> AsyncIterator[bytes]:
        while True:
            read.append(1)
            yield b"<" * 1024

    assert receiver.request("POST", EVENTS, endless()).status_code == 403
    assert receiver.refused == {("wxa_default", "oversized"): 1}
    assert len(read) == MAX_PUSH_BYTES // 1024 + 1


@pytest.mark.parametrize(
    "path",
    [
        "/nobody/authorisation",
        "/WXA DEFAULT/authorisation",
        f"/{'x' * 300}/authorisation",
        f"/nobody/message/{APPID}",
        "/wxa_default/message/$APPID$",
        "/wxa_default/message/wx1",
    ],
)
def test_a_connection_that_is_not_there_looks_like_a_wrong_signature(receiver: Receiver, path: str) -> None:
    there = receiver.event(ticket(), keys=OTHERS)
    answer = receiver.send(path, ticket())
    assert (answer.status_code, answer.content) == (there.status_code, there.content)
    assert dict(answer.headers) == dict(there.headers)
    assert receiver.refused[("", "connection")] == 1


@pytest.mark.parametrize("path", ["/nobody/authorisation", EVENTS])
def test_what_proves_nothing_waits_for_its_refusal(
    receiver: Receiver, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_REFUSED_SECONDS", 0.3)
    begin = time.monotonic()
    assert receiver.event(ticket()).status_code == 200
    assert (taken := time.monotonic()) - begin < 0.3
    assert receiver.send(path, ticket(), keys=OTHERS).status_code == 403
    assert time.monotonic() - taken >= 0.3


@pytest.mark.parametrize("path", [EVENTS, MESSAGES, "/", "/docs", "/redoc", "/openapi.json", f"{EVENTS}/"])
def test_there_is_nothing_to_get(receiver: Receiver, path: str) -> None:
    answer = receiver.request("GET", path, params={"echostr": "123"})
    assert answer.status_code in {404, 405}
    assert "123" not in answer.text


def test_nothing_of_a_refused_push_is_stored(receiver: Receiver) -> None:
    for _ in range(3):
        receiver.event(ticket(), keys=OTHERS)
    receiver.event(ticket(), timestamp=NOW - 3600)
    with receiver.store._database.reading() as connection:
        assert connection.execute(select(push)).all() == []
    assert receiver.refused == {("wxa_default", "signature"): 3, ("wxa_default", "stale"): 1}


def test_a_refusal_is_logged_by_its_reason_only(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(5):
        receiver.event(ticket(f"canary-{number}"), keys=OTHERS)
        receiver.request("POST", "/canary-connection/authorisation", b"canary-body")
    ours = [record for record in caplog.records if record.name.startswith("airflow_wxa")]
    assert [record.getMessage() for record in ours] == [
        "push refused: signature (Connection wxa_default, 1 so far)",
        "push refused: connection (Connection unknown, 1 so far)",
    ]


def test_a_look_up_that_failed_asks_for_the_push_again(store: Store) -> None:
    def unavailable(_: str) -> None:
        raise WxaTransportError("the Connection 'wxa_default' could not be looked up")

    app = create_receiver(PushConnections(["wxa_default"], unavailable), open_store=lambda: store, clock=lambda: NOW)
    receiver = Receiver(store, app)
    assert receiver.event(ticket()).status_code == 503
    assert receiver.refused == {("wxa_default", "connection look-up"): 1}


def test_a_connection_that_is_not_listed_costs_neither_look_up_nor_body(store: Store) -> None:
    asked: list[str] = []
    connections = PushConnections(["wxa_default"], asked.append)
    receiver = Receiver(store, create_receiver(connections, open_store=lambda: store, clock=lambda: NOW))

    async def stuck() -> AsyncIterator[bytes]:
        yield b"<xml>"
        await asyncio.sleep(60)

    assert receiver.request("POST", "/elsewhere/authorisation", stuck()).status_code == 403
    assert asked == []


# The store is down ------------------------------------------------------------------------------------------------


def unreachable() -> Store:
    raise WxaTransportError("the store does not answer")


@pytest.fixture
def homeless(store: Store) -> Receiver:
    connections = PushConnections(["wxa_default"], {"wxa_default": push_connection()}.get)
    return Receiver(store, create_receiver(connections, open_store=unreachable, clock=lambda: NOW))


@pytest.mark.parametrize(("path", "text"), [(EVENTS, ticket()), (EVENTS, event("unauthorized")), (MESSAGES, audit())])
def test_a_good_push_may_be_sent_again_when_the_store_is_down(homeless: Receiver, path: str, text: str) -> None:
    answer = homeless.send(path, text)
    assert (answer.status_code, answer.content) == (503, b"")
    assert homeless.refused == {("wxa_default", "store"): 1}


def test_whoever_is_not_believed_does_not_learn_that_the_store_is_down(homeless: Receiver) -> None:
    assert homeless.event(ticket(), keys=OTHERS).status_code == 403


def test_no_log_line_holds_a_ticket_or_key(
    receiver: Receiver, homeless: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    receiver.event(ticket("canary-ticket"))
    homeless.event(ticket("canary-ticket"))
    assert [word for word in ("canary", PUSH_TOKEN, ENCODING_AES_KEY) if word in caplog.text] == []


# Those who take their time ----------------------------------------------------------------------------------------


def test_a_body_that_does_not_come_is_waited_for_a_few_seconds_only(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BODY_SECONDS", 0.05)

    async def stuck() -> AsyncIterator[bytes]:
        yield b"<xml>"
        await asyncio.sleep(60)

    assert receiver.request("POST", EVENTS, stuck()).status_code == 403
    assert receiver.refused == {("wxa_default", "malformed"): 1}


def test_a_push_that_no_thread_is_free_for_may_be_sent_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_THREADS", 1)
    monkeypatch.setattr(module, "_QUEUE_SECONDS", 0.05)
    connections = PushConnections(["wxa_default"], {"wxa_default": push_connection()}.get)

    def slow() -> Store:
        time.sleep(0.3)
        return store

    receiver = Receiver(store, create_receiver(connections, open_store=slow, clock=lambda: NOW))

    async def two() -> list[int]:
        envelopes = [sealed(KEYS, ticket(at=NOW + number), timestamp=NOW) for number in range(2)]
        sending = [receiver.arequest("POST", EVENTS, each.body, query(each)) for each in envelopes]
        return sorted(answer.status_code for answer in await asyncio.gather(*sending))

    assert asyncio.run(two()) == [200, 503]
    assert receiver.refused == {("", "busy"): 1}
