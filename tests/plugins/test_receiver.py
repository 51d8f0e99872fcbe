"""The receiver's routes: what is taken, what is refused without a word, and what of it is kept."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import pytest
from sqlalchemy import select

from airflow_wxa.api.authorisation import Authorisation, Grant
from airflow_wxa.api.push import MAX_PUSH_BYTES
from airflow_wxa.api.redaction import Secret
from airflow_wxa.errors import WxaTransportError
from airflow_wxa.plugins import receiver as module
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID, ENCODING_AES_KEY, PUSH_TOKEN
from airflow_wxa.store import Store
from airflow_wxa.store.tables import push
from tests.plugins.receiving import KEYS, NOW, Receiver, push_connection, query, receiver_on, ticket, xml
from tests.sealing import sealed

EVENTS = "/wxa_default/authorisation"
MESSAGES = f"/wxa_default/message/{APPID}"
GH = "gh_000000000001"
OTHERS = replace(KEYS, token=Secret("another token"))


def event(kind: str, at: int = NOW, **fields: object) -> str:
    return xml(AppId=COMPONENT_APPID, CreateTime=at, InfoType=kind, AuthorizerAppid=APPID, **fields)


def audit(kind: str = "weapp_audit_fail", at: int = NOW, user_name: str = GH, **fields: object) -> str:
    return xml(ToUserName=user_name, CreateTime=at, MsgType="event", Event=kind, **fields)


async def stuck() -> AsyncIterator[bytes]:
    """Yield the beginning of a body, whose rest does not come."""
    yield b"<xml>"
    await asyncio.sleep(60)


def merchant(receiver: Receiver) -> Any:
    return receiver.store.merchant(COMPONENT_APPID, APPID)


def authorise(store: Store) -> None:
    grant = Grant(Secret("access"), 7200, Secret("refresh"))
    store.put_authorisation(COMPONENT_APPID, Authorisation(APPID, grant, (18,)))


# Taken ------------------------------------------------------------------------------------------------------------


def test_a_ticket_is_stored_before_success_is_answered_and_a_late_one_replaces_nothing(store: Store) -> None:
    newer, older = Secret(ENCODING_AES_KEY[::-1]), Secret(ENCODING_AES_KEY)
    changed = replace(KEYS, encoding_aes_key=newer, previous_encoding_aes_key=older)
    receiver = receiver_on(store, replace(push_connection(), keys=changed))
    answer = receiver.event(ticket("newer"), keys=changed)
    assert (answer.status_code, answer.text, receiver.ticket) == (200, "success", "newer")
    assert receiver.event(ticket("older", at=NOW - 600)).text == "success"  # with the previous key
    assert receiver.ticket == "newer"


def test_a_withdrawal_marks_the_merchant_once(receiver: Receiver) -> None:
    for state in ("withdrawn", "authorised"):  # a repeated push is answered, and does nothing
        authorise(receiver.store)
        assert receiver.event(event("unauthorized")).text == "success"
        assert merchant(receiver).state == state
        assert (merchant(receiver).access_token is None) is (state == "withdrawn")


def test_an_audit_event_is_kept_as_a_hint_and_tells_the_original_id(receiver: Receiver) -> None:
    authorise(receiver.store)
    text = audit(Reason="<![CDATA[1: name<br>2: page]]>", ScreenShot="a|b")
    assert receiver.send(MESSAGES, text).text == "success"
    (kept,) = receiver.store.pushes(COMPONENT_APPID, ["weapp_audit_fail"])
    assert (kept.account, kept.create_time, merchant(receiver).user_name) == (GH, NOW, GH)
    assert kept.told == {"appid": APPID, "reason": "1: name\n2: page", "screenshot": "a|b"}
    # The URL names another Mini Program than the content.
    assert receiver.send(MESSAGES, audit(user_name="gh_another", at=NOW + 1)).status_code == 403
    assert receiver.refused == {("wxa_default", "appid"): 1}


def test_what_is_not_for_us_is_answered_and_ignored(receiver: Receiver) -> None:
    for path, text in (
        (EVENTS, event("notify_third_fasteregister")),
        (EVENTS, audit()),
        (MESSAGES, audit("user_enter_tempsession")),
        (MESSAGES, ticket("forged by a visitor")),
        (MESSAGES, xml(ToUserName=GH, MsgType="text", Content="hello")),
    ):
        assert receiver.send(path, text).text == "success", text
    assert receiver.ticket is None
    assert receiver.store.pushes(COMPONENT_APPID, ["weapp_audit_fail"]) == []


# Refused ----------------------------------------------------------------------------------------------------------


def test_a_push_that_is_not_believed_changes_and_stores_nothing(receiver: Receiver) -> None:
    for changes, reason in (
        ({"keys": OTHERS}, "signature"),
        ({"keys": replace(KEYS, encoding_aes_key=Secret(ENCODING_AES_KEY[::-1]))}, "key"),
        ({"keys": replace(KEYS, component_appid="wx00000000000000c2")}, "appid"),
        ({"timestamp": NOW - 601}, "stale"),
        ({"timestamp": NOW + 601}, "stale"),
    ):
        before = receiver.refused.get(("wxa_default", reason), 0)
        answer = receiver.event(ticket(), **changes)
        assert (answer.status_code, answer.content) == (403, b""), reason
        assert receiver.refused["wxa_default", reason] == before + 1
    assert receiver.ticket is None
    with receiver.store._database.reading() as connection:
        assert connection.execute(select(push)).all() == []
    assert sum(receiver.refused.values()) == 5


def test_a_body_that_is_no_push_is_refused_in_seconds(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BODY_SECONDS", 0.3)
    begin = time.monotonic()
    for body, reason in (
        (b"", "malformed"),
        (b"{}", "malformed"),
        (b"<xml><Encrypt>x</Encrypt></xml>", "signature"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><xml><Encrypt>&b;</Encrypt></xml>', "malformed"),
        (b"<" * (MAX_PUSH_BYTES + 1), "oversized"),
        (stuck(), "malformed"),
    ):
        before = receiver.refused.get(("wxa_default", reason), 0)
        assert receiver.request("POST", EVENTS, body).status_code == 403
        assert receiver.refused["wxa_default", reason] == before + 1, body
    assert time.monotonic() - begin < 30  # the rest of the last one would take a minute


def test_a_body_is_read_no_further_than_the_limit(receiver: Receiver) -> None:
    read: list[int] = []

    async def endless() -> AsyncIterator[bytes]:
        while True:
            read.append(1)
            yield b"<" * 1024

    assert receiver.request("POST", EVENTS, endless()).status_code == 403
    assert receiver.refused == {("wxa_default", "oversized"): 1}
    assert len(read) == MAX_PUSH_BYTES // 1024 + 1


def test_a_connection_that_is_not_there_looks_like_a_wrong_signature(receiver: Receiver) -> None:
    there = receiver.event(ticket(), keys=OTHERS)
    for number, path in enumerate((
        "/nobody/authorisation",
        "/WXA DEFAULT/authorisation",
        f"/{'x' * 300}/authorisation",
        f"/nobody/message/{APPID}",
        "/wxa_default/message/$APPID$",
        "/wxa_default/message/wx1",
    ), 1):  # fmt: skip
        answer = receiver.send(path, ticket())
        assert (answer.status_code, answer.content) == (there.status_code, there.content), path
        assert dict(answer.headers) == dict(there.headers)
        assert receiver.refused["", "connection"] == number


def test_what_proves_nothing_waits_for_its_refusal(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REFUSED_SECONDS", 0.3)
    begin = time.monotonic()
    assert receiver.event(ticket()).status_code == 200
    assert time.monotonic() - begin < 0.3
    for path in ("/nobody/authorisation", EVENTS):
        begin = time.monotonic()
        assert receiver.send(path, ticket(), keys=OTHERS).status_code == 403
        assert time.monotonic() - begin >= 0.3


def test_there_is_nothing_to_get(receiver: Receiver) -> None:
    for path in (EVENTS, MESSAGES, "/", "/docs", "/redoc", "/openapi.json", f"{EVENTS}/"):
        answer = receiver.request("GET", path, b"", {"echostr": "123"})
        assert answer.status_code in {404, 405}, path
        assert "123" not in answer.text


def test_a_refusal_is_logged_by_its_reason_only(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(5):
        receiver.event(ticket(f"canary-{number}"), keys=OTHERS)
        receiver.request("POST", "/canary-connection/authorisation", b"canary-body")
    ours = [record for record in caplog.records if record.name.startswith("airflow_wxa")]
    assert [record.getMessage() for record in ours] == [
        "push refused: signature (Connection wxa_default, 1 so far)",
        "push refused: connection (Connection unknown, 1 so far)",
    ]


def test_only_a_listed_connection_is_looked_up_and_a_failed_look_up_is_answered_503(store: Store) -> None:
    look_up = Mock(side_effect=WxaTransportError("the Connection 'wxa_default' could not be looked up"))
    receiver = receiver_on(store, read=look_up)
    assert receiver.request("POST", "/elsewhere/authorisation", stuck()).status_code == 403
    look_up.assert_not_called()
    assert receiver.event(ticket()).status_code == 503
    assert receiver.refused == {("", "connection"): 1, ("wxa_default", "connection look-up"): 1}


# The store is down, or too many come ------------------------------------------------------------------------------


def test_a_good_push_may_be_sent_again_when_the_store_is_down(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    homeless = receiver_on(store, open_store=Mock(side_effect=WxaTransportError("the store does not answer")))
    for path, text in ((EVENTS, ticket("canary-ticket")), (EVENTS, event("unauthorized")), (MESSAGES, audit())):
        answer = homeless.send(path, text)
        assert (answer.status_code, answer.content) == (503, b"")
        receiver_on(store).send(path, text)
    assert homeless.refused == {("wxa_default", "store"): 3}
    assert homeless.event(ticket(), keys=OTHERS).status_code == 403  # what is not believed does not learn of it
    assert [word for word in ("canary", PUSH_TOKEN, ENCODING_AES_KEY) if word in caplog.text] == []


def test_a_push_that_no_thread_is_free_for_may_be_sent_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_THREADS", 1)
    monkeypatch.setattr(module, "_QUEUE_SECONDS", 0.05)

    def slow() -> Store:
        time.sleep(0.3)
        return store

    receiver = receiver_on(store, open_store=slow)

    async def two() -> list[int]:
        envelopes = [sealed(KEYS, ticket(at=NOW + number), timestamp=NOW) for number in range(2)]
        sending = [receiver.arequest("POST", EVENTS, each.body, query(each)) for each in envelopes]
        return sorted(answer.status_code for answer in await asyncio.gather(*sending))

    assert asyncio.run(two()) == [200, 503]
    assert receiver.refused == {("", "busy"): 1}
