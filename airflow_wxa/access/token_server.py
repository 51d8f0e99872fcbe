"""A company token server: somebody else refreshes, and tells us the tokens.

Request: ``GET <token_url>?kind=authorizer_access_token&component_appid=…&appid=…`` with ``Authorization: Bearer …``;
``kind=component_access_token`` without ``appid`` for the platform. ``refused=1`` says that WeChat refused the token
told before. Answer: HTTP 200 and ``{"appid": "wx…", "access_token": "…", "expires_in": 5400}``, where ``appid`` is the
one asked for (the platform's for the platform token) and ``expires_in`` the seconds that are left.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

import requests
from jsonschema import Draft202012Validator

from airflow_wxa.api.endpoints import TokenKind
from airflow_wxa.api.redaction import Secret, without_credentials
from airflow_wxa.errors import WxaTransportError

if TYPE_CHECKING:
    from airflow_wxa.api.call import Call
    from airflow_wxa.client import Egress

__all__ = ["TokenServer"]

_ANSWER: Final = Draft202012Validator(
    {
        "type": "object",
        "required": ["appid", "access_token", "expires_in"],
        "properties": {
            "appid": {"type": "string"},
            "access_token": {"type": "string", "minLength": 1},
            "expires_in": {"type": "number", "exclusiveMinimum": 0},
        },
    }
)
_EARLY: Final = 30.0  # seconds before the end when it is asked again; a tenth of the life where that is shorter


class TokenServer:
    """A :class:`~airflow_wxa.client.tokens.TokenSource` that asks a server of the company.

    :param url: https, or loopback; see the module for what it answers.
    :param bearer: sent as ``Authorization: Bearer``.
    :param component_appid: the platform.
    :param egress: time-out, proxy and certificates.
    """

    def __init__(self, url: str, bearer: Secret | None, component_appid: str, egress: Egress) -> None:
        self._url = url
        self._bearer = bearer
        self._component_appid = component_appid
        self._egress = egress
        self._known: dict[str, tuple[Secret, float]] = {}

    def token(self, call: Call) -> Secret:
        """Return the token; the server is asked when the known one has run out.

        :raises WxaTransportError: it does not answer, or not about the appid that was asked for.
        """
        token, until = self._known.get(self._whose(call), (None, 0.0))
        if token is not None and time.monotonic() < until:
            return token
        return self._asked(call)

    def renewed(self, call: Call, refused: Secret) -> Secret | None:
        """Return another token than the one that WeChat refused; ``None`` when the server still tells that one."""
        self._known.pop(self._whose(call), None)
        token = self._asked(call, refused="1")
        return None if token == refused else token

    async def atoken(self, call: Call) -> Secret:
        """Return the same as :meth:`token`, in a thread."""
        return await asyncio.to_thread(self.token, call)

    async def arenewed(self, call: Call, refused: Secret) -> Secret | None:
        """Return the same as :meth:`renewed`, in a thread."""
        return await asyncio.to_thread(self.renewed, call, refused)

    def _whose(self, call: Call) -> str:
        return self._component_appid if call.endpoint.token is TokenKind.PLATFORM else call.appid or ""

    def _asked(self, call: Call, **query: str) -> Secret:
        whose = self._whose(call)
        query |= {"kind": call.endpoint.token.value, "component_appid": self._component_appid}
        if call.endpoint.token is TokenKind.MERCHANT:
            query["appid"] = whose
        begin = time.monotonic()
        status, answer = self._got(call, query)
        if status != requests.codes.ok or not _ANSWER.is_valid(answer):
            raise self._useless(call, f"HTTP status {status}, or not the JSON that its documentation promises")
        if answer["appid"] != whose:
            raise self._useless(call, f"it answered about {answer['appid']!r} instead of {whose!r}")
        token = Secret(answer["access_token"])
        life = answer["expires_in"]
        self._known[whose] = (token, begin + life - min(_EARLY, life / 10))
        return token

    def _got(self, call: Call, query: dict[str, str]) -> tuple[int, Any]:
        proxy = self._egress.proxy
        try:
            response = requests.get(
                self._url,
                params=query,
                auth=self._signed,
                timeout=self._egress.timeout,
                proxies={"http": proxy, "https": proxy} if proxy else None,
                verify=self._egress.ca_bundle or True,
                allow_redirects=False,
            )
        except (requests.RequestException, ValueError) as error:  # ValueError: a bearer that no header can hold
            failure = type(error).__name__
        else:
            return response.status_code, _json(response)
        # Raised out here: the exception's text may quote the header, and the header holds the bearer.
        raise self._useless(call, f"no answer ({failure})")

    def _signed(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        # As auth and not as a header, because an entry in .netrc would replace the header.
        if self._bearer is not None:
            request.prepare_headers({**request.headers, "Authorization": f"Bearer {self._bearer.reveal()}"})
        return request

    def _useless(self, call: Call, what: str) -> WxaTransportError:
        return WxaTransportError(
            f"{call.endpoint.name} not sent: the token server gave no token",
            values={"token_url": without_credentials(self._url), "it did": what},
            why="The Connection's extra token_url names where tokens come from, and a token is never guessed.",
            next_step="ask whoever runs that server; airflow-wxa docs connection says what it must answer",
            endpoint=call.endpoint.name,
            appid=call.appid,
        )


def _json(response: requests.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None
