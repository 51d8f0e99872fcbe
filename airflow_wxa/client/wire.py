"""Common ground of both clients: the allowed host, the URL of a call, the words for a failure, quiet loggers."""

from __future__ import annotations

import ipaddress
import logging
import os
import re
import socket
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode, urlsplit

from requests.utils import get_environ_proxies, select_proxy

from airflow_wxa.api.redaction import without_token_queries
from airflow_wxa.client.telemetry import unobserved
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_wxa.api.call import Call
    from airflow_wxa.api.redaction import Secret

WECHAT: Final = "https://api.weixin.qq.com"
#: What names certificates in the environment, for both clients; the first that is set counts.
_CA_BUNDLES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
# An underscore is no host name by the book, and common inside companies. Behind the bar: an IPv6 address.
_LABEL: Final = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOSTNAME: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?|[0-9a-f]*:[0-9a-f:.]+(?:%\w+)?")


@dataclass(frozen=True, slots=True)
class Egress:
    """How requests leave, as the Connection says.

    :param host: scheme, host and port; see :func:`api_host`.
    :param timeout: seconds for connect, and for each read.
    :param proxy: URL of a proxy; ``None``: as the environment says.
    :param ca_bundle: path of the certificates to trust; ``None``: as the environment says.
    """

    host: str = WECHAT
    timeout: float = 10
    proxy: str | None = field(default=None, repr=False)  # may hold a password
    ca_bundle: str | None = None


def api_host(host: str, *, allow_http: bool = False) -> str:
    """Return scheme, host and port without a trailing slash; empty means WeChat's.

    :param host: e.g. ``https://api.weixin.qq.com``; without a scheme https is meant.
    :param allow_http: whether plain http to another machine is wanted after all.
    :raises WxaSpecError: not such a URL, or plain http to a host that is not loopback: tokens ride in URLs.
    """
    host = host.strip()
    if not host:
        return WECHAT
    problems = []
    try:
        parts = urlsplit(host if "://" in host else f"https://{host}")
        hostname = parts.hostname if parts.scheme in {"http", "https"} and parts.port != 0 else None
    except ValueError:  # half an IPv6 address, or a port that is no number
        parts, hostname = urlsplit(""), None
    # Nothing else of it is said: a password can stand anywhere in what was pasted here.
    if not hostname or not _HOSTNAME.fullmatch(hostname):
        problems.append(Text("host_is_no_address", count=len(host), example=WECHAT))
    elif parts.path not in {"", "/"} or parts.query or parts.fragment or "@" in parts.netloc:
        problems.append(Text("host_holds_more", host=hostname))
    elif parts.scheme == "http" and not (allow_http or is_loopback(parts.geturl())):
        problems.append(Text("host_is_plain_http", host=hostname))
    if problems:
        raise WxaSpecError(Text("host_is_refused"), problems)
    return f"{parts.scheme}://{parts.netloc}"


def ca_bundle_for(url: str, egress: Egress) -> tuple[str, str]:
    """Return who names the certificates to trust, and their path, the same for both clients; empty: the usual ones."""
    named = {"extra ca_bundle": egress.ca_bundle}
    if url.startswith("https:"):
        named |= {name: os.environ.get(name) for name in _CA_BUNDLES}
    return next(((name, path) for name, path in named.items() if path), ("", ""))


def check_ca_bundle(url: str, egress: Egress) -> None:
    """Look for the certificates where the Connection or the environment says they are, on this machine.

    :raises WxaSpecError: there is no such file or folder.
    """
    name, path = ca_bundle_for(url, egress)
    if path and not Path(path).exists():
        raise WxaSpecError(
            Text("certificates_are_unreadable"),
            [Text("certificate_file_cannot_be_read", field=name, path=repr(path), host=socket.gethostname())],
        )


def proxy_to(url: str, egress: Egress) -> str | None:
    """Return the proxy on the way to ``url``, the same for both clients; ``None``: there is none.

    Left to itself, aiohttp looks at no environment at all, and other clients stumble over what requests takes: a SOCKS
    proxy in ALL_PROXY beside the one that is used, an IPv6 network in NO_PROXY.
    """
    if is_loopback(url):  # a proxy would look for it on its own machine
        return None
    proxy = egress.proxy or select_proxy(url, get_environ_proxies(url, no_proxy=None))
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def url_of(host: str, call: Call, token: Secret | None) -> str:
    """Return the URL of a call; it holds the token, so it never leaves the room."""
    query = dict(call.query) if token is None else {call.endpoint.query_name: token.reveal()} | dict(call.query)
    url = f"{(token.reads_at if token is not None else '') or host}{call.endpoint.path}"
    return f"{url}?{urlencode(query, quote_via=quote, safe='')}" if query else url


_IN_FLIGHT: Final = ContextVar("a request of ours is under way", default=False)


@contextmanager
def in_flight() -> Iterator[None]:
    """Keep the HTTP libraries quiet at DEBUG in the block, and their instrumentation blind."""
    before = _IN_FLIGHT.set(True)
    try:
        with unobserved():
            yield
    finally:
        _IN_FLIGHT.reset(before)


class _WithoutTokens(logging.Filter):
    """Takes tokens out of the records of the HTTP libraries, and drops their DEBUG records of our requests.

    urllib3 tells URLs and headers there.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno <= logging.DEBUG and _IN_FLIGHT.get():
            return False
        text = record.getMessage()
        clean = without_token_queries(text)
        if clean != text:
            record.msg, record.args = clean, None
        return True


_FILTER: Final = _WithoutTokens()
_URL_LOGGERS: Final = (
    "urllib3.connection",
    "urllib3.connectionpool",
    "urllib3.poolmanager",
    "urllib3.response",
    "urllib3.util.retry",
    "aiohttp.client",
    "aiohttp.internal",
    "httpx",  # pushes are passed on with it
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "httpcore.socks",
)


def quiet_url_loggers() -> None:
    """Keep our query out of the HTTP libraries' records, inside and outside Airflow; a second call does nothing."""
    for name in _URL_LOGGERS:
        logging.getLogger(name).addFilter(_FILTER)


def is_loopback(url: str) -> bool:
    """Tell whether a URL names this machine."""
    try:
        hostname = urlsplit(url).hostname or ""
        return hostname == "localhost" or ipaddress.ip_address(hostname).is_loopback
    except ValueError:
        return False
