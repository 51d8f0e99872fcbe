"""Single calls without a decision: a state that holds already is no failure, and sent twice they do no more.

Also calls to endpoints outside the catalogue: any path of WeChat's but those that need more care than one call.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from airflow_wxa.api.audit import Media, uploadmedia
from airflow_wxa.api.call import Call, body_schema
from airflow_wxa.api.code import get_qrcode
from airflow_wxa.api.endpoints import CATALOGUE, Endpoint, TokenKind
from airflow_wxa.api.redaction import without_token_queries
from airflow_wxa.errors import WxaSpecError, problem, problem_at, shown
from airflow_wxa.steps.outcome import Step, TrialQrcodeOutcome
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Mapping

_PATH: Final = re.compile(r"(?:/[A-Za-z0-9_-]+)+")
_LONGEST: Final = 64  # of what the ledger keeps
_SECRET: Final = re.compile("token|secret|ticket|password", re.IGNORECASE)
_SECRET_IN_TEXT: Final = re.compile(
    r"""("[^"]*(?:token|secret|ticket|password)[^"]*"\s*:\s*)"(?:[^"\\]|\\.)*\"?""", re.IGNORECASE
)
#: What hands out tokens, or is asked with a secret: the Connection does that.
_TOKEN_PATH: Final = re.compile(r"token|ticket|secret|^/sns/|/component/api_|clear_quota/v2", re.IGNORECASE)
_WRITING_GETS: Final = frozenset({"/wxa/revertgrayrelease"})
_LISTED: Final = {row.path.lower(): row for row in CATALOGUE.values()}


def plain_call(endpoint: str, appid: str | None, fields: Mapping[str, Any]) -> Step[dict[str, Any]]:
    """Send one call of the catalogue, and return WeChat's answer without anything that may be a token.

    :param endpoint: name of a read, or of a write that the catalogue calls ``plain``.
    :param appid: whose token; ``None``: the platform's.
    :param fields: of the body, by WeChat's names; digits are a number where WeChat wants one.
    :raises WxaSpecError: no such endpoint, or one with steps of its own; or the body breaks its schema.
    """
    row = CATALOGUE.get(endpoint)
    if row is None or row.holds_secrets or row.binary or (row.writes and not row.plain):
        why = Text("endpoint_is_not_in_the_catalogue" if row is None else "endpoint_has_its_own_steps")
        said = Text("problem_of_endpoint", endpoint=repr(endpoint), problem=why)
        raise WxaSpecError(Text("endpoint_is_not_plain"), [said], appid=appid)
    if row.method == "GET":
        call = Call(row, appid, query={name: str(value) for name, value in fields.items()})
    else:
        kinds = {name: each.get("type") for name, each in body_schema(endpoint).get("properties", {}).items()}
        call = Call(row, appid, {name: _number(value, kinds.get(name)) for name, value in fields.items()})
    reply = yield call
    answer: dict[str, Any] = without_tokens({**reply.answer, "errcode": reply.errcode})
    return answer


def trial_qrcode(appid: str, path: str) -> Step[TrialQrcodeOutcome]:
    """Read the QR code of the trial version (体验版), which testers and admins can open.

    :param path: the page that it opens, with its query; ``""``: the first one.
    """
    return TrialQrcodeOutcome("read", appid, path, (yield get_qrcode(appid, path)).image)


def upload_media(appid: str, media: Media) -> Step[dict[str, Any]]:
    """Upload a picture or a video for ``preview_info`` of a submission; return ``{"mediaid", "type"}``.

    Media ids expire (85092), so it is uploaded anew for each submission.
    """
    answer = (yield uploadmedia(appid, media)).answer
    return {"mediaid": answer["mediaid"], "type": answer.get("type", "")}


def _number(value: Any, kind: Any) -> Any:
    return int(value) if kind == "integer" and isinstance(value, str) and value.isdecimal() else value


def unlisted_call(method: str, path: str, body: Mapping[str, Any], appid: str | None) -> Call:
    """Return the call; a read that the catalogue lists is sent as it is listed there.

    :param method: ``GET``, whose ``body`` goes into the query; or ``POST``, which counts as a write.
    :param path: such as ``/wxa/a_new_one``.
    :param appid: whose token; ``None``: the platform's.
    :raises WxaSpecError: no such path, or one that has an operator, or one about tokens; every problem is named.
    """
    listed = _LISTED.get(path.lower())
    problems = []
    if not _PATH.fullmatch(path) or len(path) > _LONGEST:
        problems.append(f"path = {shown(repr(path))}: must be a path of WeChat's, without query: /wxa/a_new_one")
    if _TOKEN_PATH.search(path):
        problems.append(problem("path", path, Text("path_is_about_secrets")))
    elif listed is not None and listed.writes:
        problems.append(problem("path", path, Text("path_has_an_operator")))
    problems += [problem_at(f"body.{name}", Text("no_secret_is_sent")) for name in body if _SECRET.search(name)]
    if problems:
        raise WxaSpecError(Text("unlisted_call_is_refused"), problems, appid=appid)
    token = TokenKind.PLATFORM if appid is None else TokenKind.MERCHANT
    writes = method == "POST" or path in _WRITING_GETS
    endpoint = listed or Endpoint(
        path.removeprefix("/"), "POST" if method == "POST" else "GET", path, token, writes, not writes, ""
    )
    if endpoint.method == "GET":
        return Call(endpoint, appid, query={name: str(value) for name, value in body.items()})
    return Call(endpoint, appid, body)


def without_tokens(answer: Any) -> Any:
    """Return an answer without the values that may be tokens or secrets by the names of their fields.

    Of a text as well, which can be the URL or the answer of an earlier call (rid/get).
    """
    if isinstance(answer, str):
        return _SECRET_IN_TEXT.sub(r'\1"***"', without_token_queries(answer))
    if isinstance(answer, dict):
        return {name: "***" if _SECRET.search(name) else without_tokens(value) for name, value in answer.items()}
    return [without_tokens(each) for each in answer] if isinstance(answer, list) else answer
