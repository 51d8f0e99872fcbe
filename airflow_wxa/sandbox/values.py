"""Parts of a world's state: plain objects as WeChat shows them, domains as it reads them, its calendar, JSON.

The reading of domains is one of WeChat's pages of its own: origins on Mini Programs, bare hosts on platforms, coverage
by label. The client reads those pages too, elsewhere and otherwise: a test finds out when the two disagree.
"""

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import field
from typing import Annotated, Any, Literal, TypeVar

from pydantic import ConfigDict, PlainSerializer, TypeAdapter, ValidationError
from typing_extensions import TypedDict  # pydantic wants it before Python 3.12

T = TypeVar("T", bound=int | str)
StateT = TypeVar("StateT")
Json = dict[str, Any]

#: For every class of the state: an unknown name is refused.
STRICT = ConfigDict(extra="forbid")
SortedSet = Annotated[set[T], PlainSerializer(sorted)]
BEIJING = dt.timezone(dt.timedelta(hours=8))


TicketEvent = Literal["component_verify_ticket"]
AuthorisationEvent = Literal["authorized", "updateauthorized", "unauthorized"]
AuditEvent = Literal["weapp_audit_success", "weapp_audit_fail", "weapp_audit_delay"]
PushEvent = TicketEvent | AuthorisationEvent | AuditEvent


class ExpInfo(TypedDict):
    """The trial version, as getversioninfo shows it; ``exp_time`` in epoch seconds."""

    exp_time: int
    exp_version: str
    exp_desc: str


class ReleaseInfo(TypedDict):
    """The online version, as getversioninfo shows it; ``release_time`` in epoch seconds."""

    release_time: int
    release_version: str
    release_desc: str


class OnlineVersion(TypedDict):
    """An earlier online version, as revertcoderelease lists it; ``commit_time`` in epoch seconds."""

    app_version: int
    user_version: str
    user_desc: str
    commit_time: int


class GrayPlan(TypedDict):
    """A staged release, as getgrayreleaseplan shows it; ``create_timestamp`` in epoch seconds."""

    status: int  #: 0 without one, 1 running, 3 finished, 4 cancelled
    create_timestamp: int
    gray_percentage: int
    support_debuger_first: bool
    support_experiencer_first: bool


class Category(TypedDict):
    """One line of get_category."""

    first_class: str
    second_class: str
    first_id: int
    second_id: int


class IllegalRecord(TypedDict):
    """One violation of getillegalrecords; ``illegal_content`` was seen missing."""

    illegal_record_id: str
    create_time: int
    illegal_reason: str
    rule_url: str
    rule_name: str


def no_gray_plan() -> GrayPlan:
    """Return what is shown where no staged release was ever started."""
    return {
        "status": 0,
        "create_timestamp": 0,
        "gray_percentage": 0,
        "support_debuger_first": False,
        "support_experiencer_first": False,
    }


def secret(**default: Any) -> Any:
    """Return a field of an account or a world that nothing may show."""
    return field(repr=False, metadata={"secret": True}, **default)


def spent(times: list[float], now: float, *, by: str = "month") -> int:
    """Return how many of these times lie in the day or month of ``now``, by Beijing's calendar."""
    since = dt.datetime.fromtimestamp(now, BEIJING).replace(hour=0, minute=0, second=0, microsecond=0)
    since = since.replace(day=1) if by == "month" else since
    return sum(at >= since.timestamp() for at in times)


def default_categories() -> list[Category]:
    """Return the one category that a merchant has."""
    return [{"first_class": "工具", "second_class": "备忘录", "first_id": 1, "second_id": 2}]


def read(adapter: TypeAdapter[StateT], data: Any) -> StateT:
    """Build a state from JSON values.

    :raises ValueError: every wrong, missing or unknown field by its place, without its value, which may be a token.
    """
    try:
        return adapter.validate_python(data)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        told = [f"{'.'.join(map(str, each['loc'])) or 'state'}: {each['msg']}" for each in problems]
    raise ValueError("; ".join(told))


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
