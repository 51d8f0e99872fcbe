"""Business domains as WeChat reads them: origins on Mini Programs, bare hosts on platforms, coverage by label.

This is a reading of WeChat's pages of its own. The client reads them too, elsewhere and otherwise: a test finds
out when the two disagree.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# The last label starts with a letter: neither an IP address nor a single label is a domain to WeChat.
_HOST = rf"(?:{_LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])?"
_BARE_HOST = re.compile(_HOST)
# WeChat's own samples hold entries with a trailing slash, so it takes them; port, path and query it does not.
_ORIGIN = re.compile(rf"https://({_HOST})/?")


def host_of_origin(value: object) -> str | None:
    """Return the lower-case host of ``https://host`` or ``https://host/``; None for anything else."""
    if not isinstance(value, str):
        return None
    match = _ORIGIN.fullmatch(value.lower())
    return match[1] if match else None


ServerDomains = dict[str, list[str]]
"""Server domains by kind."""

#: Kind of server domain → its scheme.
SERVER_KINDS = {
    "requestdomain": "https",
    "wsrequestdomain": "wss",
    "uploaddomain": "https",
    "downloaddomain": "https",
    "udpdomain": "udp",
    "tcpdomain": "tcp",
}
# A server domain may carry a port, and then only that port works.
_SERVER = re.compile(rf"(https|wss|udp|tcp)://({_HOST})(?::\d{{1,5}})?/?")


def host_of_server(value: object, scheme: str) -> str | None:
    """Return the lower-case host of a server domain; None when it is none of this scheme."""
    match = _SERVER.fullmatch(value.lower()) if isinstance(value, str) else None
    return match[2] if match and match[1] == scheme else None


def bare_host(value: str) -> str | None:
    """Return the host of a platform-list entry in lower case; None when it carries more than a host."""
    host = value.lower()
    return host if _BARE_HOST.fullmatch(host) else None


def covered(host: str, registered: Iterable[str]) -> bool:
    """Tell whether a platform list permits a host: the entry itself or anything below it, never a sibling.

    ``qq.com`` permits ``qq.com`` and ``x.qq.com``; it does not permit ``notqq.com``.
    """
    return any(host == entry or host.endswith(f".{entry}") for entry in registered)


def still_covered(origins: Iterable[str], registered: Iterable[str]) -> list[str]:
    """Return the business or server domains that a platform list permits, in their order."""
    entries = list(registered)
    return [origin for origin in origins if covered(_host_of(origin), entries)]


def _host_of(origin: str) -> str:
    match = _SERVER.fullmatch(origin.lower())
    return match[2] if match else ""
