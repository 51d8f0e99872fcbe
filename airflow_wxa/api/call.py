"""A call before it leaves, and a reply after it came: JSON Schema on both sides, errcodes turned into errors."""

from __future__ import annotations

import codecs
import json
import re
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING, Any, Final

from airflow_wxa.api.answers import fields_understood, integer_in, not_taken, parsed
from airflow_wxa.api.endpoints import CATALOGUE, Endpoint, TokenKind, files
from airflow_wxa.api.errcodes import error_for, is_noop
from airflow_wxa.api.redaction import Secret, without_secrets
from airflow_wxa.api.values import THE_PLATFORM
from airflow_wxa.errors import WxaError, WxaSpecError, WxaTransportError, shown
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jsonschema.protocols import Validator

MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024  # the largest honest answer, a trial QR code, has some 100 KB
_UNLISTED: Final[Mapping[str, Mapping[str, Any]]] = {"body": {"type": "object"}, "answer": {}}
_HTTP_OK: Final = 200
# WeChat's tokens have over a hundred characters. A word of a trial or a test stands in hosts and versions by chance.
_SHORTEST_ECHO: Final = 16
_COMMON_BYTES: Final = 256  # of a body that many calls share: whether it is right is kept
_PART: Final = 360  # characters; an error shows 400 of a value
_READING: Final = ("get", "get_history_version")  # of domain lists, and of versions to roll back to
#: Also what ends a line elsewhere, and what turns the direction of the text around it.
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+")
_RID: Final = re.compile(r"\s*\brid:\s*([0-9A-Za-z-]+)")
_NOT_WECHATS: Final = "answers_are_json_objects"
_NO_RESULT: Final = "answer_tells_no_result"


@dataclass(frozen=True, slots=True)
class Call:
    """One request to WeChat, without its token.

    :param endpoint: a row of the catalogue.
    :param appid: the Mini Program whose token is used; ``None`` for a platform call.
    :param body: JSON object of a POST; ``{}`` where WeChat wants no field (an empty body is 44002).
    :param query: query fields besides the token.
    :param before: state that the step had read when it decided to write; JSON, for the ledger only.
    :param online: domains that were online by then, by list; JSON, for the ledger only.
    :param fingerprint: of the version that it is about; for the ledger only.
    :param form: content in place of the body, and its media type; the body describes it, for the ledger.
    """

    endpoint: Endpoint
    appid: str | None
    body: Mapping[str, Any] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    before: Any = None
    online: Any = None
    fingerprint: str = ""
    form: tuple[bytes, str] | None = field(default=None, repr=False)

    @property
    def media_type(self) -> str:
        """Media type of :meth:`content`."""
        return "application/json; charset=utf-8" if self.form is None else self.form[1]

    @classmethod
    def to(cls, name: str, appid: str | None, body: Mapping[str, Any] | None = None) -> Call:
        """Return a call to the endpoint of the catalogue with this name."""
        return cls(CATALOGUE[name], appid, body or {})

    @property
    def named(self) -> dict[str, Any]:
        """Keywords of an error about it: source, endpoint, appid."""
        return self.endpoint.named(self.appid)

    @property
    def only_reads(self) -> bool:
        """True when its ``action`` only reads, even where its endpoint writes."""
        return self.body.get("action", self.query.get("action")) in _READING

    @property
    def writes(self) -> bool:
        """Whether it changes something that a release is about; reading a list and renewing tokens do not."""
        endpoint = self.endpoint
        return endpoint.writes and not endpoint.holds_secrets and not self.only_reads

    @property
    def owner(self) -> str | None:
        """Whose token it wants: an appid, or :data:`THE_PLATFORM`; ``None``: no token, the body proves who asks.

        :raises WxaSpecError: a merchant's call without an appid; another token must not take its place.
        """
        if self.endpoint.token is TokenKind.EITHER:
            return self.appid or THE_PLATFORM
        if self.endpoint.token is not TokenKind.MERCHANT:
            return THE_PLATFORM if self.endpoint.token is TokenKind.PLATFORM else None
        if not self.appid:
            raise WxaSpecError(
                Text("call_names_no_mini_program", endpoint=self.endpoint.name),
                [Text("value_of_appid", appid=repr(self.appid))],
                endpoint=self.endpoint.name,
            )
        return self.appid

    def knowing(self, before: Any, fingerprint: str = "", *, online: Any = None) -> Call:
        """Return the same call, with the state that the step had read, and its version."""
        return replace(self, before=before, fingerprint=fingerprint, online=online)

    def content(self) -> bytes | None:
        r"""Return the checked body as UTF-8 JSON without ``\u`` escapes (they are 47002); ``None`` for a GET.

        :raises WxaSpecError: the body breaks its schema; every problem is named.
        """
        content = self._encoded()  # raised out here: in there, the body is spelled out
        if isinstance(content, WxaSpecError):
            raise content
        return content

    def _encoded(self) -> bytes | WxaSpecError | None:
        if self.endpoint.method == "GET":
            return None
        body, content, failure = self.body, b"", ""
        if self.endpoint.holds_secrets:
            body = {name: value.reveal() if isinstance(value, Secret) else value for name, value in body.items()}
        try:
            content = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        except (TypeError, ValueError) as error:  # a value JSON cannot say, or half a surrogate pair
            failure = shown(str(error))
        is_common = 0 < len(content) <= _COMMON_BYTES and not self.endpoint.holds_secrets
        if not (is_common and _is_right(self.endpoint.name, content)):
            errors = _validator(self.endpoint.name).iter_errors(body)
            problems = [_problem(error, show=not self.endpoint.holds_secrets) for error in errors]
            if problems:
                return WxaSpecError(Text("body_breaks_rules", endpoint=self.endpoint.name), problems, **self.named)
        if self.form is not None:
            return self.form[0]
        if failure:
            said = Text("value_is_in_the_body", error=failure, body=shown(repr(self.body)))  # no Secret is told
            return WxaSpecError(Text("body_is_no_json", endpoint=self.endpoint.name), [said], **self.named)
        return content


def of_merchant(name: str) -> Callable[[str], Call]:
    """Return the function of an appid that makes the call of an endpoint which takes no field."""
    endpoint = CATALOGUE[name]
    return lambda appid: Call(endpoint, appid)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that can be trusted: its errcode is 0 (also when absent) or that of a state already reached.

    :param answer: the JSON object; fields that the endpoint's schema names have its types, or are left out.
    :param errcode: 0, or a code of class ``noop`` such as 89019; the step decides what that means.
    :param image: the bytes of a binary answer.
    """

    answer: Mapping[str, Any] = field(repr=False)  # some answers are tokens
    errcode: int = 0
    image: bytes = b""

    @property
    def errmsg(self) -> str:
        """WeChat's text; ``""`` when it gave none."""
        errmsg = self.answer.get("errmsg")
        return "" if errmsg is None else str(errmsg)


def read_reply(call: Call, status: int, content: bytes, *, secrets: Sequence[Secret] = ()) -> Reply:
    """Turn what came over HTTP into a reply.

    :param status: HTTP status; WeChat answers 200 also for errors.
    :param content: the body.
    :param secrets: values that the texts of errors must not repeat, also when the remote side echoes them.
    :raises WxaTransportError: not an answer of WeChat, or one without a field that no step can do without.
    :raises WxaApiError: an errcode other than 0, as the class that the table says.
    """
    reply = reply_or_error(call, status, content, secrets=secrets)
    if isinstance(reply, WxaError):
        raise reply
    return reply


def reply_or_error(call: Call, status: int, content: bytes, *, secrets: Sequence[Secret] = ()) -> Reply | WxaError:
    """Return the same as :func:`read_reply`, errors too: raised in here, their frames would hold the answer."""
    secrets = [*secrets, *(value for value in call.body.values() if isinstance(value, Secret))]
    if status != _HTTP_OK:
        return _unusable(call, Text("answer_has_another_status", status=status), content, secrets)
    if call.endpoint.binary and not content.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"{"):
        if not content.startswith((b"\xff\xd8\xff", b"\x89PNG")):
            return _unusable(call, Text("answer_is_no_image"), content, secrets)
        return Reply({}, image=content)
    answer = _object_in(content, call, secrets)
    if isinstance(answer, WxaError):
        return answer
    said = answer.get("errcode")
    errcode = 0 if said in (None, "") else integer_in(said)
    if errcode is None:
        return _unusable(call, Text("errcode_is_no_number", said=repr(said)), content, secrets, why=Text(_NO_RESULT))
    schema = _schemas(call.endpoint.name)["answer"]
    echoes = [each for each in secrets if len(each.reveal()) >= _SHORTEST_ECHO]
    clean = str if call.endpoint.holds_secrets else partial(without_secrets, secrets=echoes)
    reply = Reply(fields_understood(answer, schema, clean), errcode)
    if errcode == 0 and (lacking := _lacking(reply.answer, schema)):
        told = lacking in answer and not call.endpoint.holds_secrets
        what = (
            Text("answer_is_incomplete_with_a_value", lacking=lacking, value=repr(answer[lacking]))
            if told
            else Text("answer_is_incomplete", lacking=lacking)
        )
        return _unusable(call, what, content, secrets, why=Text(_NO_RESULT))
    if errcode == 0 or is_noop(errcode, call.endpoint.path):
        return reply
    # Raw line ends and control characters come inside texts; an error has a line for each of its parts.
    errmsg = _CONTROLS.sub(" ", without_secrets(reply.errmsg, secrets))
    rid = _RID.search(errmsg)
    return error_for(
        errcode,
        endpoint=call.endpoint,
        appid=call.appid,
        errmsg=_RID.sub("", errmsg).strip(),
        rid=rid.group(1) if rid else "",
        values=named_in_full(not_taken(reply.answer, schema)),
    )


def refused_values(call: Call, reply: Reply) -> dict[str, list[str]]:
    """Return what WeChat did not take although it answered 0, by the field that says so."""
    return not_taken(reply.answer, _schemas(call.endpoint.name)["answer"])


def named_in_full(values: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return lists for an error's ``values``, in parts so short that none is cut off there."""
    parts: dict[str, str] = {}
    for name, entries in values.items():
        which = name
        for number, entry in enumerate(entries, start=1):
            if which in parts and len(parts[which]) + len(entry) > _PART:
                which = f"{name} {number}"
            parts[which] = f"{parts[which]}, {entry}" if which in parts else entry
    return parts


def _lacking(answer: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """Return the missing fields that an answer cannot do without; ``""`` when none is missing."""
    if "not" in schema:  # success is no JSON here
        return str(schema["description"])
    return next((name for name in schema.get("required", ()) if name not in answer), "")


def _object_in(content: bytes, call: Call, secrets: Sequence[Secret]) -> dict[str, Any] | WxaError:
    """Return the JSON object that an answer is."""
    is_json = True
    try:
        answer = parsed(content)
    except (ValueError, RecursionError):
        is_json = False
    if not is_json:
        return _unusable(call, Text("answer_is_no_json"), content, secrets)
    if not isinstance(answer, dict):
        return _unusable(call, Text("answer_is_no_object", name=type(answer).__name__), content, secrets)
    return answer


def _unusable(call: Call, what: str, content: bytes, secrets: Sequence[Secret], *, why: str = "") -> WxaTransportError:
    if call.endpoint.holds_secrets and content:
        begin: str = Text("not_shown")
    else:
        # Cleaned before it is cut: the cut could leave the half of a token, which nothing recognises any more.
        begin = without_secrets(content.decode("utf-8", "replace").replace("\0", ""), secrets)[:200]
    return WxaTransportError(
        Text("answer_is_unusable", endpoint=call.endpoint.name, what=shown(without_secrets(what, secrets))),
        values={"answer": begin or "empty", "bytes": len(content)},
        why=why or Text(_NOT_WECHATS),
        **call.named,
    )


def _problem(error: Any, *, show: bool) -> str:
    """Return a jsonschema error as one line that names the field and, if it may be shown, the value."""
    where = error.json_path.removeprefix("$").removeprefix(".") or "the object"
    if not show:
        return f"{where}: breaks the rule {error.validator!r}"
    said = error.schema.get("description")
    rule = f"must be {said}" if said else error.message
    return shown(f"{where} = {shown(repr(error.instance))}: {shown(rule)}")


def body_schema(name: str) -> Mapping[str, Any]:
    """Return the JSON Schema of an endpoint's body; each field's ``description`` follows "must be"."""
    return _schemas(name)["body"]


def _schemas(name: str) -> Mapping[str, Mapping[str, Any]]:
    return files().get(name, _UNLISTED)


@cache
def _validator(name: str) -> Validator:
    """Return the compiled validator of a body, made when it is first needed."""
    from jsonschema import Draft202012Validator  # noqa: PLC0415  (costs a third of the import time of this room)

    return Draft202012Validator(_schemas(name)["body"])


@lru_cache(1024)
def _is_right(name: str, content: bytes) -> bool:
    return _validator(name).is_valid(json.loads(content))
