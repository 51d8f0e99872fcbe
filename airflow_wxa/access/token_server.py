"""A company token server: somebody else refreshes, and tells us the tokens.

Request: ``GET <token_url>?kind=authorizer_access_token&component_appid=…&appid=…`` with ``Authorization: Bearer …``;
``kind=component_access_token`` without ``appid`` for the platform. ``refused=1`` says that WeChat refused the token
told before. Answer: HTTP 200 and ``{"appid": "wx…", "access_token": "…", "expires_in": 5400}``, with ``appid`` as asked
for (the platform's for the platform token) and ``expires_in`` as the seconds left. A server that gives no platform
token may give one that reads the platform's lists at itself: ``"reads": true`` stands beside it then. HTTP 401 or 403
with ``{"refused": "…"}`` says why nothing is given.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit

from jsonschema import Draft202012Validator

from airflow_wxa.api.endpoints import TokenKind
from airflow_wxa.api.redaction import Secret
from airflow_wxa.api.values import THE_PLATFORM
from airflow_wxa.client.delivery import Request
from airflow_wxa.client.sync import Http
from airflow_wxa.errors import WxaError, WxaSpecError, WxaTransportError, shown
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from airflow_wxa.client import Egress

_ANSWER: Final = Draft202012Validator(
    {
        "type": "object",
        "required": ["appid", "access_token", "expires_in"],
        "properties": {
            "appid": {"type": "string"},
            "access_token": {"type": "string", "minLength": 1},
            "expires_in": {"type": "number", "exclusiveMinimum": 0},
            "reads": {"type": "boolean"},
        },
    }
)
_HTTP_OK: Final = 200
_REFUSED: Final = frozenset({401, 403})
_EARLY: Final = 30.0  # seconds before the end when it is asked again; a tenth of the life where that is shorter


class TokenServer:
    """A :class:`~airflow_wxa.client.TokenSource` that asks a server of the company.

    :param url: https, or loopback; see the module for its answers.
    :param bearer: sent as ``Authorization: Bearer``.
    :param component_appid: the platform.
    :param egress: time-out, proxy and certificates.
    """

    def __init__(self, url: Secret, bearer: Secret | None, component_appid: str, egress: Egress) -> None:
        self._url = url
        self._bearer = bearer
        self._component_appid = component_appid
        self._egress = egress
        self._known: dict[str, tuple[Secret, float]] = {}

    def known(self, owner: str) -> Secret | None:
        """Return the token that the server told, until shortly before its end."""
        token, until = self._known.get(owner, (None, 0.0))
        return token if time.monotonic() < until else None

    def token(self, owner: str, refused: Sequence[Secret] = ()) -> Secret:
        """Return the token; the server is asked when none is known, or it was refused.

        :raises WxaSpecError: it refuses.
        :raises WxaTransportError: it does not answer, or not about the appid that was asked for.
        """
        known = self.known(owner)
        if known is not None and known not in refused:
            return known
        merchant, asked = owner != THE_PLATFORM, owner or self._component_appid
        kind = TokenKind.MERCHANT if merchant else TokenKind.PLATFORM
        query = {"kind": kind.value, "component_appid": self._component_appid}
        query |= ({"appid": owner} if merchant else {}) | ({"refused": "1"} if refused else {})
        begin = time.monotonic()
        told = self._told(asked, query)
        if isinstance(told, WxaError):  # raised out here: in there, URL, bearer and answer are spelled out
            raise told
        token, life = told
        self._known[owner] = (token, begin + life - min(_EARLY, life / 10))
        return token

    def preload(self, owners: Collection[str]) -> None:
        """Do nothing: the server is asked one by one."""

    def _told(self, asked: str, query: dict[str, str]) -> tuple[Secret, float] | WxaError:
        """Return the token of this appid and the seconds that it still lives, or why there is none."""
        url = self._url.reveal()
        headers = {} if self._bearer is None else {"Authorization": f"Bearer {self._bearer.reveal()}"}
        with Http(self._egress, url) as http:
            answer = http.send(
                Request("GET", f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(query)}", headers=headers)
            )
        if answer.failure:
            return self._useless(asked, answer.failure)
        told: Any = None
        with suppress(ValueError):
            told = json.loads(answer.content)
        if answer.status in _REFUSED and isinstance(told, dict) and told.get("refused"):
            return WxaSpecError(Text("token_server_refuses"), [shown(str(told["refused"]))], appid=asked)
        if answer.status != _HTTP_OK or not _ANSWER.is_valid(told):
            return self._useless(asked, Text("token_server_answers_oddly", status=answer.status))
        if told["appid"] != asked:
            return self._useless(asked, Text("answer_is_about_another", told=repr(told["appid"]), asked=repr(asked)))
        parts = urlsplit(url)
        return Secret(told["access_token"], f"{parts.scheme}://{parts.netloc}" if told.get("reads") else ""), told[
            "expires_in"
        ]

    def _useless(self, asked: str, what: str) -> WxaTransportError:
        return WxaTransportError(
            Text("token_server_gave_no_token"),
            values={"token_url": urlsplit(self._url.reveal()).hostname, "it did": what},
            appid=asked,
        )
