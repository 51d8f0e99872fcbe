"""Pushes of WeChat: signed, encrypted envelopes around XML, and the meaning of that XML.

Nothing of an envelope is believed before its signature is checked, and nothing of its content before it is decrypted
and found to be addressed to the platform. A refusal says why, and repeats nothing of the message.

Source: https://developers.weixin.qq.com/doc/oplatform/Third-party_Platforms/2.0/api/Before_Develop/Message_encryption_and_decryption.html
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Final
from xml.etree.ElementTree import ParseError

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from airflow_wxa.api.audit import reason_lines
from airflow_wxa.api.redaction import Secret
from airflow_wxa.api.values import APPID
from airflow_wxa.errors import WxaError
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_PUSH_BYTES: Final = 64 * 1024  # a ticket is under 1 KiB, an audit event with its reason a few
_FRESH_SECONDS: Final = 600
_AES_BLOCK: Final = 16
_PADDED_TO: Final = 32  # bytes: WeChat pads to the length of the key, not to AES's block
_RANDOM: Final = 16  # bytes in front of the content, which make equal contents differ
_LENGTH: Final = 4  # bytes of the content's length, big-endian
_EPOCH_LIMIT: Final = 2**31  # seconds: what an integer column takes
_ACCOUNT_LIMIT: Final = 64  # characters
_SECONDS: Final = re.compile(r"[0-9]{1,10}")
_REGISTERED: Final = "notify_third_fasteregister"
_NAMES: Final = ("AuthorizerAppid", "AuthorizationCode")
#: Kind of an authorisation → names of its fields for appid and code.
_AUTHORISED: Final = {"authorized": _NAMES, "updateauthorized": _NAMES, _REGISTERED: ("appid", "auth_code")}
_AUDIT_EVENTS: Final = ("weapp_audit_success", "weapp_audit_fail", "weapp_audit_delay")
# What XML 1.0 cannot hold, and a visitor can type.
_NO_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
# WeChat's own sample of a refused audit closes this one element with a misspelled tag.
_MISSPELLED: Final = re.compile(r"(<ScreenShot>[^<]*)</[A-Za-z]+>")


class Refusal(StrEnum):
    """Why a push is refused; these words are counted and logged, and nothing else of the push."""

    OVERSIZED = "oversized"
    MALFORMED = "malformed"
    SIGNATURE = "signature"
    STALE = "stale"
    KEY = "key"
    APPID = "appid"


class PushRefusedError(WxaError):
    """A push that is not believed; its text says why and the next step, and repeats nothing of the message.

    :param reason: why.
    """

    def __init__(self, reason: Refusal) -> None:
        super().__init__(Text(f"push_is_{reason}"))
        self.reason = reason


@dataclass(frozen=True, slots=True)
class PushKeys:
    """Keys that check and decrypt the pushes of one platform.

    :param token: 消息校验Token.
    :param encoding_aes_key: 消息加解密Key, 43 letters and digits.
    :param previous_encoding_aes_key: WeChat may use it for a while after a change.
    """

    component_appid: str
    token: Secret
    encoding_aes_key: Secret
    previous_encoding_aes_key: Secret | None = None

    @property
    def aes_keys(self) -> list[bytes]:
        """The keys themselves, 32 bytes each, the current one first."""
        both = (self.encoding_aes_key, self.previous_encoding_aes_key)
        return [base64.b64decode(f"{key.reveal()}=") for key in both if key is not None]


@dataclass(frozen=True, slots=True)
class Envelope:
    """A push as it travels.

    :param msg_signature: of the query, as ``timestamp`` (epoch seconds) and ``nonce``.
    :param body: XML that holds ``Encrypt``.
    """

    msg_signature: str = field(repr=False)
    timestamp: str
    nonce: str
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ticket:
    """``component_verify_ticket``, about every ten minutes; the newest one fetches the platform token.

    :param create_time: when WeChat made it, epoch seconds; so in all of these. ``kind`` is WeChat's name of it.
    """

    kind: ClassVar[str] = "component_verify_ticket"
    create_time: int
    ticket: Secret


@dataclass(frozen=True, slots=True)
class Authorised:
    """A merchant authorised the platform; the code is exchanged once for its tokens.

    :param kind: ``authorized``; ``updateauthorized``: it granted other permission sets; or
        ``notify_third_fasteregister``: the platform had registered this Mini Program, and its code comes this once.

    Source: https://developers.weixin.qq.com/doc/oplatform/openApi/OpenApiDoc/register-management/fast-registration-ent/registerMiniprogram.html
    """

    kind: str
    create_time: int
    appid: str
    authorization_code: Secret


@dataclass(frozen=True, slots=True)
class Unauthorised:
    """``unauthorized``: a merchant withdrew; its tokens are worthless."""

    kind: ClassVar[str] = "unauthorized"
    create_time: int
    appid: str


@dataclass(frozen=True, slots=True)
class AuditResult:
    """An audit ended or is delayed: a hint to ask WeChat, since the push names no ``auditid``.

    :param user_name: original id ``gh_…`` of the Mini Program.
    :param event: ``weapp_audit_success``, ``weapp_audit_fail``, or ``weapp_audit_delay``, which is not final.
    :param reason: WeChat's text, its ``<br>`` as line breaks; ``""`` for success.
    :param screenshot: media ids.
    """

    create_time: int
    user_name: str
    event: str
    reason: str = ""
    screenshot: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ignored:
    """Anything else that WeChat sends: it is answered, and nothing is done."""


def decrypt(keys: PushKeys, envelope: Envelope, *, now: float) -> str:
    """Open an envelope.

    :param now: epoch seconds, to refuse what is older or newer than ten minutes.
    :return: the XML inside, for :func:`read_authorisation_event` or :func:`read_message_event`.
    :raises PushRefusedError: it is not WeChat's, not for this platform, or not of now.
    """
    if len(envelope.body) > MAX_PUSH_BYTES:
        raise PushRefusedError(Refusal.OVERSIZED)
    encrypted = _needed(_fields(_text(envelope.body)), "Encrypt")
    expected = _signature(keys.token, envelope.timestamp, envelope.nonce, encrypted)
    # As bytes: compare_digest refuses texts beyond ASCII, and the query may hold any.
    if not hmac.compare_digest(expected.encode(), envelope.msg_signature.encode()):
        raise PushRefusedError(Refusal.SIGNATURE)
    # After the signature: so "stale" tells of a clock or a replay, and not of anybody who knocks.
    if not _SECONDS.fullmatch(envelope.timestamp) or not _is_fresh(int(envelope.timestamp), now):
        raise PushRefusedError(Refusal.STALE)
    return _opened(keys, _ciphertext(encrypted)).decode(errors="replace")  # a visitor's text may be anything


def read_authorisation_event(
    text: str, component_appid: str, *, now: float
) -> Ticket | Authorised | Unauthorised | Ignored:
    """Read what came to the authorisation event URL.

    :param now: epoch seconds, to refuse what was made more than ten minutes ago or ahead.
    :raises PushRefusedError: fields are missing or impossible, it speaks of another platform, or it is not of now.

    Source: https://developers.weixin.qq.com/doc/oplatform/Third-party_Platforms/2.0/api/ThirdParty/token/authorize_event.html
    """
    fields = _fields(text)
    kind = fields.get("InfoType", "")
    if kind not in {Ticket.kind, Unauthorised.kind, *_AUTHORISED}:
        return Ignored()
    appid_field, code_field = _AUTHORISED.get(kind, _NAMES)
    if kind == _REGISTERED and not fields.get(code_field):  # the registration failed
        return Ignored()
    if fields.get("AppId") != component_appid:
        raise PushRefusedError(Refusal.APPID)
    create_time = _create_time(fields, now)
    if kind == Ticket.kind:
        return Ticket(create_time, Secret(_needed(fields, "ComponentVerifyTicket")))
    appid = _needed(fields, appid_field)
    if not APPID.fullmatch(appid):
        raise PushRefusedError(Refusal.MALFORMED)
    if kind == Unauthorised.kind:
        return Unauthorised(create_time, appid)
    return Authorised(kind, create_time, appid, Secret(_needed(fields, code_field)))


def read_message_event(text: str, *, now: float) -> AuditResult | Ignored:
    """Read what came to the message and event URL. Texts of a Mini Program's visitors come there too: not for us.

    Such a text cannot make a message malformed: an unreadable part is ignored, as the text itself is.

    :param now: epoch seconds, to refuse what was made more than ten minutes ago or ahead.
    :raises PushRefusedError: fields are missing or impossible, or it is not of now.

    Source: https://developers.weixin.qq.com/doc/oplatform/Third-party_Platforms/2.0/api/code/audit_event.html
    """
    try:
        fields = _fields(_MISSPELLED.sub(r"\1</ScreenShot>", _NO_XML.sub("", text)))
    except PushRefusedError:
        return Ignored()
    event = fields.get("Event")
    if fields.get("MsgType") != "event" or event not in _AUDIT_EVENTS:
        return Ignored()
    user_name = _needed(fields, "ToUserName")
    if len(user_name) > _ACCOUNT_LIMIT:
        raise PushRefusedError(Refusal.MALFORMED)
    return AuditResult(
        create_time=_create_time(fields, now),
        user_name=user_name,
        event=event,
        reason=reason_lines(fields.get("Reason", "")),
        screenshot=tuple(media for media in fields.get("ScreenShot", "").split("|") if media),
    )


def _signature(token: Secret, timestamp: str, nonce: str, encrypted: str) -> str:
    """Return SHA-1 over the four, sorted as texts: WeChat's choice."""
    joined = "".join(sorted([token.reveal(), timestamp, nonce, encrypted]))
    return hashlib.sha1(joined.encode()).hexdigest()  # noqa: S324


def _fields(text: str) -> dict[str, str]:
    """Return tag → text of the root's children; the first of a tag counts, the others may be a visitor's."""
    try:
        root = fromstring(text, forbid_dtd=True)
    except (ParseError, DefusedXmlException):
        raise PushRefusedError(Refusal.MALFORMED) from None
    return {child.tag: child.text or "" for child in reversed(root)}


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise PushRefusedError(Refusal.MALFORMED) from None


def _ciphertext(encrypted: str) -> bytes:
    try:
        ciphertext = base64.b64decode(encrypted, validate=True)
    except (binascii.Error, ValueError):  # ValueError: characters beyond ASCII
        raise PushRefusedError(Refusal.MALFORMED) from None
    if not ciphertext or len(ciphertext) % _PADDED_TO:
        raise PushRefusedError(Refusal.MALFORMED)
    return ciphertext


def _opened(keys: PushKeys, ciphertext: bytes) -> bytes:
    """Return the content, decrypted with the first key that fits."""
    reason = Refusal.KEY
    for key in keys.aes_keys:
        decryptor = _cipher(key).decryptor()
        parts = _taken_apart(decryptor.update(ciphertext) + decryptor.finalize())
        if parts is None:
            continue
        content, appid = parts
        if hmac.compare_digest(appid, keys.component_appid.encode()):
            return content
        reason = Refusal.APPID
    raise PushRefusedError(reason)


def _taken_apart(plain: bytes) -> tuple[bytes, bytes] | None:
    """Return content and appid; ``None`` when padding or length are impossible: another key, or tampering."""
    pad = plain[-1]
    if not 1 <= pad <= _PADDED_TO or plain[-pad:] != bytes([pad]) * pad:
        return None
    plain = plain[:-pad]
    begin = _RANDOM + _LENGTH
    end = begin + int.from_bytes(plain[_RANDOM:begin], "big")
    if not begin < end < len(plain):
        return None
    return plain[begin:end], plain[end:]


def _cipher(key: bytes) -> Cipher[CBC]:
    return Cipher(AES256(key), CBC(key[:_AES_BLOCK]))


def _needed(fields: Mapping[str, str], name: str) -> str:
    if not (value := fields.get(name, "").strip()):
        raise PushRefusedError(Refusal.MALFORMED)
    return value


def _create_time(fields: Mapping[str, str], now: float) -> int:
    """Return when WeChat made it. A signature holds timestamp and nonce sorted, so that one can pass for the other."""
    text = _needed(fields, "CreateTime")
    if not _SECONDS.fullmatch(text) or int(text) >= _EPOCH_LIMIT:
        raise PushRefusedError(Refusal.MALFORMED)
    if not _is_fresh(int(text), now):
        raise PushRefusedError(Refusal.STALE)
    return int(text)


def _is_fresh(seconds: int, now: float) -> bool:
    return abs(now - seconds) <= _FRESH_SECONDS
