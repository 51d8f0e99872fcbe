"""Calls to endpoints outside the catalogue: any path of WeChat's but those that need more care than one call."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from airflow_wxa.api.call import Call
from airflow_wxa.api.endpoints import CATALOGUE, Endpoint, TokenKind
from airflow_wxa.api.redaction import without_token_queries
from airflow_wxa.errors import WxaSpecError, problem, problem_at, shown
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
