"""Messages that WeChat sends by itself: tickets, authorisation events and audit results, signed and encrypted.

It is written from WeChat's description of the scheme, and from nothing of this package that decrypts:
https://developers.weixin.qq.com/doc/oplatform/Third-party_Platforms/2.0/api/Before_Develop/Message_encryption_and_decryption.html
"""

import base64
import hashlib
import secrets
import ssl
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args
from xml.sax.saxutils import escape

import httpx
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from airflow_wxa.sandbox.platforms import Platform
from airflow_wxa.sandbox.state import AuditSheet, MiniProgram, Stage
from airflow_wxa.sandbox.values import AuditEvent, AuthorisationEvent, PushEvent, TicketEvent
from airflow_wxa.sandbox.world import CODE_SECONDS, World

Fields = dict[str, str | int]
TICKET: TicketEvent = "component_verify_ticket"
EVENTS = (TICKET, *get_args(AuthorisationEvent), *get_args(AuditEvent))
AUDIT_EVENTS: Mapping[Stage, AuditEvent] = {
    Stage.APPROVED: "weapp_audit_success",
    Stage.REJECTED: "weapp_audit_fail",
    Stage.DELAYED: "weapp_audit_delay",
}
BLOCK = 32
ANSWER_SECONDS = 5.0
LONGEST_ANSWER = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Envelope:
    """An encrypted push without an address."""

    params: dict[str, str]  #: the query: ``signature``, ``timestamp``, ``nonce``, ``encrypt_type``, ``msg_signature``
    content: bytes  #: the body, XML in UTF-8


@dataclass(frozen=True, kw_only=True, slots=True)
class Push:
    """One POST as WeChat makes it; sent twice, it is a duplicate."""

    event: PushEvent  #: ``InfoType`` or ``Event`` of the XML inside
    appid: str  #: its subject; the platform's appid for a ticket
    url: str
    envelope: Envelope

    def request(self) -> httpx.Request:
        """Return what is sent; a query that the address has of its own stays."""
        url = httpx.URL(self.url).copy_merge_params(self.envelope.params)
        return httpx.Request("POST", url, content=self.envelope.content, headers={"Content-Type": "text/xml"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """Fate of a push."""

    event: PushEvent
    appid: str
    status: int | None  #: of the receiver's answer; None when there was none
    answer: str  #: answer of the receiver, or the reason for none; WeChat wants ``success``


def encrypt(
    xml: str,
    *,
    push_token: str,
    encoding_aes_key: str,
    component_appid: str,
    timestamp: int,
    nonce: str = "",
    to_user_name: str = "",
) -> Envelope:
    """Sign and encrypt a message.

    :param component_appid: stands at the end of the plain text of every message.
    :param nonce: ten random digits when empty.
    :param to_user_name: the original id of a Mini Program; the envelope names it instead of the platform.
    """
    key = base64.b64decode(f"{encoding_aes_key}=")
    message = xml.encode()
    plain = secrets.token_bytes(16) + struct.pack(">I", len(message)) + message + component_appid.encode()
    missing = BLOCK - len(plain) % BLOCK
    encryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
    cipher_text = encryptor.update(plain + bytes([missing]) * missing) + encryptor.finalize()
    encrypted = base64.b64encode(cipher_text).decode()
    stamp, nonce = str(timestamp), nonce or f"{secrets.randbelow(10**10):010d}"
    address = {"ToUserName": to_user_name} if to_user_name else {"AppId": component_appid}
    return Envelope(
        params={
            "signature": _sha1(push_token, stamp, nonce),
            "timestamp": stamp,
            "nonce": nonce,
            "encrypt_type": "aes",
            "msg_signature": _sha1(push_token, stamp, nonce, encrypted),
        },
        content=_xml({**address, "Encrypt": encrypted}, cdata=True).encode(),
    )


def _sha1(*words: str) -> str:
    return hashlib.sha1("".join(sorted(words)).encode()).hexdigest()  # noqa: S324  the scheme is WeChat's


def _xml(fields: Fields, *, cdata: bool) -> str:
    """Return one flat message; WeChat's samples have CDATA in audit events and none in authorisation events."""
    tags = (f"<{name}>{_text(value, cdata=cdata)}</{name}>" for name, value in fields.items())
    return f"<xml>{''.join(tags)}</xml>"


def _text(value: str | int, *, cdata: bool) -> str:
    if isinstance(value, int):
        return str(value)
    # A CDATA section cannot hold its own end, so it is cut in two there.
    return f"<![CDATA[{value.replace(']]>', ']]]]><![CDATA[>')}]]>" if cdata else escape(value)


def compose(world: World, event: PushEvent, appid: str) -> Push:
    """Let something happen and return the push that tells of it.

    A ticket is made; a merchant authorises (unless a code waits already) or withdraws; an audit event changes nothing.

    :param appid: of the platform for a ticket, of the Mini Program for all others.
    :raises KeyError: there is no such account.
    :raises ValueError: the event is none, or the platform has no push keys or no address.
    """
    account = None if event == TICKET else world.mini_program(appid)
    platform = world.platform_of(account) if account else world.platform(appid)
    if event not in EVENTS:
        raise ValueError(f"event {event!r} is none of {', '.join(EVENTS)}")
    is_audit = event in get_args(AuditEvent)
    url = platform.message_url.replace("$APPID$", appid) if is_audit else platform.push_url
    if missing := missing_for(platform, url):
        raise ValueError(f"platform {platform.component_appid} cannot be pushed to without {', '.join(missing)}")
    happened = _audit_event(world, account, event) if account and is_audit else _info(world, platform, account, event)
    envelope = encrypt(
        _xml(happened, cdata=is_audit),
        push_token=platform.push_token,
        encoding_aes_key=platform.encoding_aes_key,
        component_appid=platform.component_appid,
        timestamp=world.now(),
        to_user_name=account.user_name if account and is_audit else "",
    )
    return Push(event=event, appid=appid, url=url, envelope=envelope)


def missing_for(platform: Platform, url: str) -> list[str]:
    """Return the missing part without which a platform gets no pushes at an address: keys, or the address itself."""
    given = {"push_token": platform.push_token, "encoding_aes_key": platform.encoding_aes_key, "address": url}
    return [name for name, value in given.items() if not value]


def _info(world: World, platform: Platform, account: MiniProgram | None, event: str) -> Fields:
    """Make a ticket, authorise or withdraw, and return the message that tells of it."""
    root: Fields = {"AppId": platform.component_appid, "CreateTime": world.now(), "InfoType": event}
    if account is None:
        return {**root, "ComponentVerifyTicket": world.new_ticket(platform.component_appid)}
    if event == "unauthorized":
        world.withdraw(account.appid)
        return {**root, "AuthorizerAppid": account.appid}
    return {
        **root,
        "AuthorizerAppid": account.appid,
        "AuthorizationCode": account.code or world.authorise(account.appid),
        "AuthorizationCodeExpiredTime": int(account.code_expires_at or world.time() + CODE_SECONDS),
        "PreAuthCode": world.new_secret("preauthcode@@@"),
    }


def _audit_event(world: World, account: MiniProgram, event: str) -> Fields:
    now, plan = world.now(), account.sheet.plan if account.sheet else account.audit
    details: dict[str, Fields] = {
        "weapp_audit_success": {"SuccTime": now},
        "weapp_audit_fail": {"Reason": plan.reason, "FailTime": now, "ScreenShot": plan.screenshot},
        "weapp_audit_delay": {"Reason": plan.reason, "DelayTime": now},
    }
    sent: Fields = {"ToUserName": account.user_name, "FromUserName": "o-system-account", "CreateTime": now}
    return {**sent, "MsgType": "event", "Event": event, **details[event]}


def announce_audit(world: World, account: MiniProgram, sheet: AuditSheet, before: Stage) -> None:
    """Queue the event of an audit sheet that moved, when the world says so and the platform can be reached."""
    event, platform = AUDIT_EVENTS.get(sheet.stage), world.platform_of(account)
    if not world.push_audit_events or event is None or sheet.stage == before:
        return
    if not missing_for(platform, platform.message_url):
        world.outbox.append((event, account.appid))


def deliver(push: Push) -> httpx.Response:
    """Send a push and return what the receiver answered within five seconds."""
    with httpx.Client(**_client_options()) as client:
        return client.send(push.request())


async def deliver_beside(push: Push) -> httpx.Response:
    """Send a push without holding up the calls that come in meanwhile, the receiver's own among them."""
    async with httpx.AsyncClient(**_client_options()) as client:
        return await client.send(push.request())


def _client_options() -> dict[str, Any]:
    # A proxy of the machine's environment is for its own way out; WeChat would not take it.
    return {"verify": _trusted(), "trust_env": False, "timeout": ANSWER_SECONDS}


@cache
def _trusted() -> ssl.SSLContext:
    # Reading the certificates takes longer than a push.
    return ssl.create_default_context()
