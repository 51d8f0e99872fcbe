"""Pushes that are none of ours, handed on to the system that ``[wxa] forward_pushes_to`` names.

They go on as they came: sealed and signed, with WeChat's own query fields and no others, so only who holds the
platform's keys can read them. A push that could hold a ticket or an authorisation code is never handed on.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import httpx
from airflow.sdk.configuration import conf

from airflow_wxa.client.wire import in_flight, is_loopback
from airflow_wxa.errors import WxaSpecError, WxaTransportError
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Header of what was handed on: such a push goes no further, or two receivers could play ball with it.
FORWARDED: Final = "X-Wxa-Forwarded"
_QUERY: Final = ("signature", "timestamp", "nonce", "openid", "encrypt_type", "msg_signature")
_APPID: Final = "$APPID$"
_SECONDS: Final = 4.0  # WeChat waits five


def forward_pushes_to() -> str:
    """Return the address that ``[wxa] forward_pushes_to`` names; ``""``: nothing is handed on.

    :raises WxaSpecError: it is no https URL, nor http to loopback, of scheme, host, port and path.
    """
    url = str(conf.get("wxa", "forward_pushes_to", fallback="") or "").strip()
    try:
        parts = urlsplit(url)
        is_plain = bool(parts.hostname) and not (parts.query or parts.fragment or "@" in parts.netloc)
    except ValueError:  # half an IPv6 address
        is_plain = False
    if url and not (is_plain and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(url)))):
        raise WxaSpecError(
            Text("forward_address_is_refused"),
            [Text("forward_address_must_be_https")],
        )
    return url


class PushForwarder:
    """Hands pushes on.

    :param url: see :func:`forward_pushes_to`; ``$APPID$`` in it stands for a push's appid.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        # Plain http goes to this machine, never through a proxy.
        self._http = {"trust_env": url.startswith("https:"), "verify": httpx.create_ssl_context(), "timeout": _SECONDS}

    async def forward(self, appid: str, query: Mapping[str, str], body: bytes) -> str:
        """Send a push, and return what its receiver answers WeChat.

        :param appid: of a push about the platform its ``component_appid``.
        :raises WxaTransportError: no answer within four seconds, or none of HTTP 200.
        """
        content = {"params": {name: query[name] for name in _QUERY if name in query}, "content": body}
        headers = {"Content-Type": "text/xml", FORWARDED: "1"}
        try:
            with in_flight():
                async with asyncio.timeout(_SECONDS), httpx.AsyncClient(**self._http) as http:  # type: ignore[arg-type]
                    answer = await http.post(self._url.replace(_APPID, appid), headers=headers, **content)  # type: ignore[arg-type]
            failure = "" if answer.status_code == httpx.codes.OK else f"HTTP status {answer.status_code}"
        except (httpx.HTTPError, TimeoutError) as error:
            failure = type(error).__name__  # its text holds the address
        if failure:
            raise WxaTransportError(
                Text("push_was_not_forwarded"), values={"to": urlsplit(self._url).hostname, "instead of 200": failure}
            )
        return answer.text
