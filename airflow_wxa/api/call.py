"""A call before it leaves, and a reply after it came: JSON Schema on both sides, errcodes turned into errors."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from airflow_wxa.api.endpoints import CATALOGUE, Endpoint
from airflow_wxa.api.errcodes import error_for, is_noop
from airflow_wxa.api.redaction import Secret, without_secrets
from airflow_wxa.errors import WxaSpecError, WxaTransportError, shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jsonschema.protocols import Validator

__all__ = ["MAX_ANSWER_BYTES", "Call", "Reply", "body_schema", "read_reply"]

MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024  # the largest honest answer, a trial QR code, has some 100 KB
_HTTP_OK: Final = 200
_RID: Final = re.compile(r"\s*\brid:\s*([0-9A-Za-z-]+)")


@dataclass(frozen=True, slots=True)
class Call:
    """One request to WeChat, without its token.

    :param endpoint: a row of the catalogue.
    :param appid: the Mini Program whose token is used; ``None`` for a platform call.
    :param body: JSON object of a POST; ``{}`` where WeChat wants no field (an empty body is 44002).
    :param query: query fields besides the token.
    :param before: what the step had read when it decided to write; JSON, for the ledger only.
    """

    endpoint: Endpoint
    appid: str | None
    body: Mapping[str, Any] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    before: Any = None

    @classmethod
    def to(cls, name: str, appid: str | None, body: Mapping[str, Any] | None = None) -> Call:
        """Return a call to the endpoint of the catalogue with this name."""
        return cls(CATALOGUE[name], appid, body or {})

    @property
    def writes(self) -> bool:
        """Whether it changes something that a release is about; reading a domain list and renewing tokens do not."""
        endpoint = self.endpoint
        return endpoint.writes and not endpoint.holds_secrets and self.body.get("action") != "get"

    def knowing(self, before: Any) -> Call:
        """Return the same call, with what the step had read."""
        return replace(self, before=before)

    def content(self) -> bytes | None:
        r"""Return the checked body as UTF-8 JSON without ``\u`` escapes (they are 47002); ``None`` for a GET.

        :raises WxaSpecError: the body breaks its schema; every problem is named.
        """
        if self.endpoint.method == "GET":
            return None
        validator = _validator(self.endpoint.name, "body")
        body = self.body
        if self.endpoint.holds_secrets:
            body = {name: _revealed(value) for name, value in body.items()}
        problems = [_problem(error, show=not self.endpoint.holds_secrets) for error in validator.iter_errors(body)]
        if problems:
            raise WxaSpecError(
                f"{self.endpoint.name} not sent: its body breaks WeChat's rules",
                problems,
                next_step="correct the values named above and run the step again",
                source=self.endpoint.source,
                endpoint=self.endpoint.name,
                appid=self.appid,
            )
        try:
            return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        except (TypeError, ValueError) as error:  # a value JSON cannot say, or half a surrogate pair
            raise WxaSpecError(
                f"{self.endpoint.name} not sent: its body is no JSON",
                [f"{shown(str(error))} in {shown(repr(self.body))}"],  # a Secret's repr says nothing
                source=self.endpoint.source,
                endpoint=self.endpoint.name,
                appid=self.appid,
            ) from None


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that can be trusted: its errcode is 0 (also when absent) or that of a state already reached.

    :param answer: the JSON object, checked by the endpoint's schema when ``errcode`` is 0.
    :param errcode: 0, or a code of class ``noop`` such as 89019; the step decides what that means.
    :param image: the bytes of a binary answer.
    """

    answer: Mapping[str, Any] = field(repr=False)  # some answers are tokens
    errcode: int = 0
    image: bytes = b""

    @property
    def errmsg(self) -> str:
        """WeChat's text; ``""`` when it gave none."""
        return str(self.answer.get("errmsg", ""))


def read_reply(call: Call, status: int, content: bytes, *, secrets: Sequence[Secret] = ()) -> Reply:
    """Turn what came over HTTP into a reply.

    :param status: HTTP status; WeChat answers 200 also for errors.
    :param content: the body.
    :param secrets: what the texts of errors must not repeat, whatever the remote side echoes.
    :raises WxaTransportError: not an answer of WeChat, or not one of this endpoint.
    :raises WxaApiError: an errcode other than 0, as the class that the table says.
    """
    secrets = [*secrets, *(value for value in call.body.values() if isinstance(value, Secret))]
    if status != _HTTP_OK:
        raise _unusable(call, f"HTTP status {status} instead of 200", content, secrets)
    if call.endpoint.binary and not content.lstrip().startswith(b"{"):
        if not content.startswith((b"\xff\xd8\xff", b"\x89PNG")):
            raise _unusable(call, "neither an image nor JSON", content, secrets)
        return Reply({}, image=content)
    answer = _object_in(content, call, secrets)
    errcode = answer.get("errcode", 0)
    if type(errcode) is not int:
        raise _unusable(call, f"errcode {errcode!r}, which is no integer", content, secrets)
    if errcode == 0:
        error = next(_validator(call.endpoint.name, "answer").iter_errors(answer), None)
        if error is not None:
            raise _unusable(
                call,
                f"an answer of another shape: {_problem(error, secrets, show=not call.endpoint.holds_secrets)}",
                content,
                secrets,
            )
        return Reply(answer)
    if is_noop(errcode, call.endpoint.path):
        return Reply(answer, errcode)
    errmsg = without_secrets(str(answer.get("errmsg", "")), secrets)
    rid = _RID.search(errmsg)
    raise error_for(
        errcode,
        endpoint=call.endpoint,
        appid=call.appid,
        errmsg=_RID.sub("", errmsg).strip(),
        rid=rid.group(1) if rid else "",
    )


def _object_in(content: bytes, call: Call, secrets: Sequence[Secret]) -> dict[str, Any]:
    """Return the JSON object that an answer is."""
    is_json = True
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        is_json = False
    if not is_json:  # raised out here: the exception would stay in the error's context, with the whole answer in it
        raise _unusable(call, "an answer that is no JSON", content, secrets)
    if not isinstance(answer, dict):
        raise _unusable(call, f"a JSON {type(answer).__name__} instead of an object", content, secrets)
    return answer


def _unusable(call: Call, what: str, content: bytes, secrets: Sequence[Secret]) -> WxaTransportError:
    if call.endpoint.holds_secrets and content:
        begin = "not shown, it may hold tokens"
    else:
        # Cleaned before it is cut: the cut could leave the half of a token, which nothing recognises any more.
        begin = without_secrets(content.decode("utf-8", "replace"), secrets)[:200]
    return WxaTransportError(
        f"{call.endpoint.name} got no usable answer: {shown(without_secrets(what, secrets))}",
        values={"answer": begin or "empty", "bytes": len(content)},
        why="WeChat answers HTTP 200 with a JSON object; anything else comes from something in between, or is cut off",
        next_step="nothing is known about the work: run the step again, it reads the state first; "
        "if it stays, look at the proxy and at the Connection's host",
        source=call.endpoint.source,
        endpoint=call.endpoint.name,
        appid=call.appid,
    )


def _problem(error: Any, secrets: Sequence[Secret] = (), *, show: bool = True) -> str:
    """Return a jsonschema error as one line that names the field and, if it may be shown, the value."""
    where = error.json_path.removeprefix("$").removeprefix(".") or "the object"
    if not show:
        return f"{where}: breaks the rule {error.validator!r}"
    said = error.schema.get("description")
    rule = f"must be {said}" if said else error.message
    value, rule = (shown(without_secrets(text, secrets)) for text in (repr(error.instance), rule))
    return shown(f"{where} = {value}: {rule}")


def _revealed(value: Any) -> Any:
    return value.reveal() if isinstance(value, Secret) else value


def body_schema(name: str) -> Mapping[str, Any]:
    """Return the JSON Schema of an endpoint's body; each field's ``description`` follows "must be"."""
    return _schemas(name)["body"]


@cache
def _schemas(name: str) -> Mapping[str, Mapping[str, Any]]:
    file = resources.files(__package__).joinpath("schemas", f"{name}.json")
    schemas: Mapping[str, Mapping[str, Any]] = json.loads(file.read_text("utf-8"))
    return schemas


@cache
def _validator(name: str, side: str) -> Validator:
    """Return the compiled validator of a body or an answer, made when it is first needed."""
    from jsonschema import Draft202012Validator  # noqa: PLC0415  (costs a third of the import time of this room)

    return Draft202012Validator(_schemas(name)[side])
