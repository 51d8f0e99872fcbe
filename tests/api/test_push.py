"""Envelopes of pushes: opened when they are WeChat's, for us and of now; and what is read from them."""

import base64
import functools
import os
import random
import re
import string
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal
from xml.sax.saxutils import escape

import pytest
from wechatpy.crypto import WeChatCrypto  # type: ignore[import-untyped]

from airflow_wxa.api import push
from airflow_wxa.api.push import Envelope, PushKeys, Refusal
from airflow_wxa.api.redaction import Secret
from tests import sealing
from tests.tables import each_row

NOW = 1_488_856_741
PLATFORM = "wx00000000000000c1"
APPID = "wx0000000000000001"
TOKEN = "push-token"
AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
OTHER_KEY = AES_KEY[::-1]
KEYS = PushKeys(PLATFORM, Secret(TOKEN), Secret(AES_KEY))
TEXT = f"<xml><AppId>{PLATFORM}</AppId><Reason>名称不符 & more</Reason></xml>".replace("&", "&amp;")


def sealed(text: str = TEXT, keys: PushKeys = KEYS) -> Envelope:
    return sealing.sealed(keys, text, timestamp=NOW)


def refused(read: Callable[[], object]) -> Refusal:
    with pytest.raises(push.PushRefusedError) as raised:
        read()
    return raised.value.reason


def refusal(envelope: Envelope, keys: PushKeys = KEYS, now: float = NOW) -> Refusal:
    return refused(lambda: push.decrypt(keys, envelope, now=now))


def signed(encrypted: str) -> Envelope:
    """Return an envelope that only the push token was needed for."""
    body = f"<xml><Encrypt>{encrypted}</Encrypt></xml>".encode()
    return Envelope(push._signature(KEYS.token, str(NOW), "n", encrypted), str(NOW), "n", body)


def signed_plain(plain: bytes) -> Envelope:
    """Return an envelope around bytes that stand as they are before AES."""
    encryptor = push._cipher(KEYS.aes_keys[0]).encryptor()
    return signed(base64.b64encode(encryptor.update(plain) + encryptor.finalize()).decode())


def padded(content: bytes) -> bytes:
    count = 32 - len(content) % 32
    return content + bytes([count]) * count


# Against another implementation -----------------------------------------------------------------------------------


def test_a_thousand_pushes_that_wechatpy_encrypted_are_opened() -> None:
    chance, letters = random.Random(1), string.ascii_letters + "审核通过原因𠮷<&>\n"  # noqa: S311
    for _ in range(1000):  # lengths meet every padding
        key = re.sub(r"[+/]", "x", base64.b64encode(chance.randbytes(32)).decode()[:43])
        content = "".join(chance.choice(letters) for _ in range(chance.randrange(1, 400)))
        xml = f"<xml><Content>{escape(content)}</Content></xml>"
        token = "".join(chance.choice(string.ascii_letters) for _ in range(chance.randrange(3, 32)))
        platform, nonce = f"wx{chance.getrandbits(64):016x}", str(chance.getrandbits(40))
        body = WeChatCrypto(token, key, platform).encrypt_message(xml, nonce, str(NOW))
        signature = re.search(r"<MsgSignature><!\[CDATA\[(\w+)", body)
        assert signature is not None
        envelope = Envelope(signature[1], str(NOW), nonce, body.encode())
        assert push.decrypt(PushKeys(platform, Secret(token), Secret(key)), envelope, now=NOW) == xml


# Keys, time and tampering -----------------------------------------------------------------------------------------


def test_the_previous_key_still_opens() -> None:
    changed = PushKeys(PLATFORM, Secret(TOKEN), Secret(OTHER_KEY), Secret(AES_KEY))
    assert push.decrypt(changed, sealed(), now=NOW) == TEXT
    assert push.decrypt(changed, sealed(keys=changed), now=NOW) == TEXT


@each_row("good, stale", [(0, 86400), (600, 601), (-600, -601)])
def test_a_push_of_the_last_or_next_ten_minutes_is_good(good: int, stale: int) -> None:
    assert push.decrypt(KEYS, sealed(), now=NOW + good) == TEXT
    assert refusal(sealed(), now=NOW + stale) is Refusal.STALE


@each_row("timestamp", ["", "now", "-1", "1e9", "\uff11\uff14\uff18", "1488856741.5", "9" * 5000])
def test_a_signed_timestamp_that_is_no_time_is_stale(timestamp: str) -> None:
    encrypted = re.search(r"<Encrypt><!\[CDATA\[(.+?)\]\]", sealed().body.decode())
    assert encrypted is not None
    good = signed(encrypted[1])
    signature = push._signature(KEYS.token, timestamp, good.nonce, encrypted[1])
    assert refusal(replace(good, timestamp=timestamp, msg_signature=signature)) is Refusal.STALE
    assert refusal(replace(good, timestamp=timestamp, msg_signature=signature, body=b"")) is Refusal.MALFORMED


def test_every_byte_of_the_ciphertext_is_guarded() -> None:
    envelope = sealed()
    begin = envelope.body.index(b"<Encrypt><![CDATA[") + len(b"<Encrypt><![CDATA[")
    for position in range(begin, envelope.body.index(b"]]></Encrypt>")):
        changed = bytearray(envelope.body)
        changed[position] = ord("A") if changed[position] != ord("A") else ord("B")
        assert refusal(replace(envelope, body=bytes(changed))) is Refusal.SIGNATURE


OTHERS_KEY = PushKeys(PLATFORM, Secret(TOKEN), Secret(OTHER_KEY))
LENGTH = len(TEXT.encode())
GOOD = os.urandom(16) + LENGTH.to_bytes(4, "big") + TEXT.encode() + PLATFORM.encode()


def of_length(said: int, order: Literal["big", "little"] = "big") -> bytes:
    return padded(GOOD[:16] + said.to_bytes(4, order) + GOOD[20:])


#: Rule → what of an envelope breaks it.
CHANGED: dict[Refusal, list[dict[str, Any]]] = {
    Refusal.SIGNATURE: [
        *[{"msg_signature": each} for each in ("", "0" * 40, "签名", sealed().msg_signature.upper())],
        {"timestamp": str(NOW + 1)}, {"timestamp": ""}, {"nonce": "other"}, {"nonce": ""},
    ],
    Refusal.OVERSIZED: [{"body": b"<" * (push.MAX_PUSH_BYTES + 1)}],
    Refusal.MALFORMED: [
        {"body": body}
        for body in (
            b"", b"{}", b"\xff\xfe\x00", b"<xml><Encrypt>abc</xml>", b"<xml>" * 3, b"<xml></xml>",
            b"<xml><Encrypt></Encrypt></xml>", b"<xml><InfoType>component_verify_ticket</InfoType></xml>",
            b'<!DOCTYPE xml [<!ENTITY a "b">]><xml><Encrypt>&a;</Encrypt></xml>',
            b'<!DOCTYPE xml SYSTEM "file:///etc/hostname"><xml><Encrypt>x</Encrypt></xml>',
            "<xml/>".encode("utf-16"), b"<a>" * 9000 + b"</a>" * 9000,
        )
    ],
}  # fmt: skip


#: Rule → signed bytes before AES that break it.
INSIDES = {
    Refusal.KEY: [
        padded(GOOD)[:-1] + b"\x00",
        padded(GOOD)[:-1] + b"\x21",
        padded(GOOD)[:-2] + b"\x00" + padded(GOOD)[-1:],
        bytes([32]) * 32,
        padded(b"short"),
        *[of_length(each) for each in (2**32 - 1, 0, len(GOOD) - 20)],
        of_length(LENGTH, "little"),
    ],
    Refusal.APPID: [
        of_length(LENGTH - 1),
        padded(GOOD[: -len(PLATFORM)] + b"wx00000000000000c2"),
        padded(GOOD + b"\x00"),
    ],
}


#: Such envelopes, with the keys that they are opened with; and keys of others.
REFUSED = [
    *[(replace(sealed(), **changes), KEYS, reason) for reason, rows in CHANGED.items() for changes in rows],
    *[(signed_plain(plain), KEYS, reason) for reason, rows in INSIDES.items() for plain in rows],
    *[
        (signed(encrypted), KEYS, Refusal.MALFORMED)  # no ciphertext
        for encrypted in ("", "!", "AAAA", "é", base64.b64encode(b"x" * 16).decode(), "AAA A" * 10)
    ],
    (sealed(), PushKeys(PLATFORM, Secret("other"), Secret(AES_KEY)), Refusal.SIGNATURE),
    (sealed(), OTHERS_KEY, Refusal.KEY),
    (sealed(), replace(OTHERS_KEY, previous_encoding_aes_key=Secret(OTHER_KEY)), Refusal.KEY),
    (sealed(), PushKeys("wx00000000000000c2", Secret(TOKEN), Secret(AES_KEY)), Refusal.APPID),
]


@each_row("envelope, keys, reason", REFUSED)
def test_an_envelope_is_refused_by_the_rule_that_it_breaks(envelope: Envelope, keys: PushKeys, reason: Refusal) -> None:
    assert push.decrypt(KEYS, signed_plain(padded(GOOD)), now=NOW) == TEXT
    assert refusal(envelope, keys) is reason


# What is said -----------------------------------------------------------------------------------------------------


def test_nothing_shows_a_secret() -> None:
    ticket = push.Ticket(NOW, Secret("canary-ticket"))
    shown = repr([KEYS, sealed(), ticket, push.Authorised("authorized", NOW, APPID, Secret("canary-code"))])
    assert [secret for secret in (TOKEN, AES_KEY, "canary", "Encrypt") if secret in shown] == []


# What is read -----------------------------------------------------------------------------------------------------

GH = "gh_000000000001"
CODE = {"AuthorizerAppid": APPID, "AuthorizationCode": "code@@@1", "PreAuthCode": "pre"}


def xml(**fields: object) -> str:
    return "<xml>" + "".join(f"<{name}>{value}</{name}>" for name, value in fields.items()) + "</xml>"


def event(kind: str, **fields: object) -> str:
    return xml(AppId=PLATFORM, CreateTime=NOW, InfoType=kind, **fields)


def audit(kind: str, **fields: object) -> str:
    return xml(ToUserName=f"<![CDATA[{GH}]]>", CreateTime=NOW, MsgType="event", Event=kind, **fields)


def text_of(content: str) -> str:
    return xml(ToUserName=GH, CreateTime=NOW, MsgType="text", Content=content)


def from_message_url(text: str) -> object:
    return push.read_message_event(text, now=NOW)


def from_authorisation_url(text: str) -> object:
    return push.read_authorisation_event(text, PLATFORM, now=NOW)


TICKET, FAST = "component_verify_ticket", "notify_third_fasteregister"
PASSED, FAILED, DELAYED = (f"weapp_audit_{each}" for each in ("success", "fail", "delay"))
authorised = functools.partial(push.Authorised, create_time=NOW, appid=APPID, authorization_code=Secret("code@@@1"))
FORGED = "]]></Content><MsgType>event</MsgType><Event>weapp_audit_success</Event><Content><![CDATA["
VISITORS = ["hello", "\x00\x08\x0b", "\ufffd\uffff", "]]> & <b>", "<ScreenShot>a</b>", FAILED, FORGED]
VISITORS += ['<!DOCTYPE a [<!ENTITY b "c">]>&b;']
audited = functools.partial(push.AuditResult, NOW, GH)

#: What is read of a push to the authorisation URL.
TOLD = [
    (event(TICKET, ComponentVerifyTicket="ticket@@@1"), push.Ticket(NOW, Secret("ticket@@@1"))),
    *((event(each, **CODE), authorised(each)) for each in ("authorized", "updateauthorized")),
    (event("unauthorized", AuthorizerAppid=APPID), push.Unauthorised(NOW, APPID)),
    (event(FAST, appid=APPID, status=0, auth_code="code@@@1", info="<name>n</name>"), authorised(FAST)),
    (event(FAST, appid=APPID, status=89251, auth_code=""), push.Ignored()),
    (event(FAST, appid=APPID), push.Ignored()),
    (event("order_path_audit_result_notify"), push.Ignored()),
    (xml(InfoType="something new"), push.Ignored()),
    (xml(), push.Ignored()),
]
#: Likewise to the message URL, where what a visitor writes is nothing to us.
AUDITED = [
    (audit(PASSED, SuccTime=NOW), audited(PASSED)),
    (audit(FAILED, Reason="<![CDATA[1: a<br>2: <b>b</b><br/>]]>"), audited(FAILED, "1: a\n2: <b>b</b>")),
    (audit(FAILED, ScreenShot="mediaA|mediaB|"), audited(FAILED, "", ("mediaA", "mediaB"))),
    (audit(DELAYED, Reason="needs more time", DelayTime=NOW), audited(DELAYED, "needs more time")),
    (audit(FAILED, ScreenShot="mediaA").replace("</ScreenShot>", "</SceenShot>"), audited(FAILED, "", ("mediaA",))),
    (audit(FAILED, Reason="<![CDATA[no\x08 login]]>"), audited(FAILED, "no login")),  # XML cannot hold it
    (audit("user_enter_tempsession"), push.Ignored()),
    (event("component_verify_ticket", ComponentVerifyTicket="forged"), push.Ignored()),
    *((text_of(content.format(each)), push.Ignored()) for content in ("<![CDATA[{}]]>", "{}") for each in VISITORS),
]


@each_row(
    "read, text, said",
    [*[(from_authorisation_url, *row) for row in TOLD], *[(from_message_url, *row) for row in AUDITED]],
)
def test_an_event_is_read_and_a_visitors_text_is_none(read: Callable[[str], object], text: str, said: Any) -> None:
    found = read(text)
    assert found == said
    assert type(found) is type(said)


def test_bytes_that_are_no_text_do_not_refuse_a_visitors_message() -> None:
    plain = text_of("x").encode().replace(b"x</", b"\xff\xfe</")
    content = os.urandom(16) + len(plain).to_bytes(4, "big") + plain + PLATFORM.encode()
    assert from_message_url(push.decrypt(KEYS, signed_plain(padded(content)), now=NOW)) == push.Ignored()


@each_row("age", [-601, 601, 30 * 86400])
def test_a_push_is_as_old_as_its_content_says(age: int) -> None:
    """Timestamp and nonce are signed in sorted order: a nonce that is a time of today can pass for the timestamp."""
    now = NOW + age
    recorded = sealing.sealed(KEYS, event("unauthorized", AuthorizerAppid=APPID), timestamp=NOW, nonce=str(now))
    replayed = replace(recorded, timestamp=recorded.nonce, nonce=recorded.timestamp)
    text = push.decrypt(KEYS, replayed, now=now)
    assert refused(lambda: push.read_authorisation_event(text, PLATFORM, now=now)) is Refusal.STALE
    assert refused(lambda: push.read_message_event(audit("weapp_audit_fail"), now=now)) is Refusal.STALE


GONE, REJECTED = event("unauthorized"), audit("weapp_audit_fail")


#: Events with impossible fields, by URL, and the rule that they break.
IMPOSSIBLE = [
    *[
        (from_authorisation_url, text, Refusal.MALFORMED)
        for text in (
            GONE,
            event("unauthorized", AuthorizerAppid="../x"),
            event("authorized", AuthorizerAppid=APPID),
            *[event("component_verify_ticket", **fields) for fields in ({}, {"ComponentVerifyTicket": " "})],
            *[GONE.replace(str(NOW), time) for time in ("soon", str(2**31), "-1")],
            "not xml",
        )
    ],
    (from_authorisation_url, GONE.replace(PLATFORM, APPID), Refusal.APPID),
    (from_authorisation_url, xml(InfoType="unauthorized", AuthorizerAppid=APPID), Refusal.APPID),
    *[
        (from_message_url, REJECTED.replace(told, instead), Refusal.MALFORMED)
        for told, instead in ((GH, ""), (GH, "g" * 65), (str(NOW), "1" * 11))
    ],
]


@each_row("read, text, reason", IMPOSSIBLE)
def test_an_event_with_impossible_fields_is_refused(read: Callable[[str], object], text: str, reason: Refusal) -> None:
    assert refused(lambda: read(text)) is reason
