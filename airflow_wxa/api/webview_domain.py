"""A business domain (业务域名, also jump or webview domain) as a value, and both formats in which it travels.

A Mini Program's list holds origins (``["https://m.example.com"]``), the platform's holds bare hosts joined by ``;``.

Source: https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/domain-management/api_modifyjumpdomain
"""

from __future__ import annotations

import ipaddress
import logging
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import idna

from airflow_wxa.api.call import Call, of_merchant
from airflow_wxa.errors import WxaSpecError, problem, problem_with, shown
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

Action: TypeAlias = Literal["add", "delete", "set", "get"] | None
LIST_ACTIONS: Final[tuple[Action, ...]] = ("add", "delete", "set", "get")
ACTIONS: Final = (*LIST_ACTIONS, None)

_log = logging.getLogger(__name__)
_SOURCE: Final = "https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/domain-management/api_modifyjumpdomain"
_URL: Final = re.compile(r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):)?//(?P<authority>[^/?#]*)(?P<rest>.*)", re.DOTALL)
_JOINTS: Final = re.compile(r"[;,；，\s]+")  # noqa: RUF001  (also full-width)
_ODD_HOST: Final = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.[a-z][a-z0-9-]*")
_SCHEME: Final = re.compile(r"^(?:https?:)?//", re.IGNORECASE)
_MANY: Final = 100  # the lowest of the three limits that WeChat's pages give; 89029 decides


@dataclass(frozen=True, slots=True, order=True)
class WebviewDomain:
    """One business domain, normalised.

    :param host: lower case, IDN as punycode, at least two labels, no port.
    """

    host: str

    @property
    def origin(self) -> str:
        """Return the form of a Mini Program's list, without a trailing slash."""
        return f"https://{self.host}"

    @classmethod
    def parse(cls, text: str) -> WebviewDomain:
        """Return the domain that ``text`` names, e.g. ``https://M.Example.com/`` → ``https://m.example.com``.

        :raises WxaSpecError: not an https origin of a host with at least two labels; every problem is named.
        """
        domain, problems = _read_origin(text)
        if domain is None:
            raise _refused(problems)
        return domain

    def covered_by(self, hosts: Iterable[str]) -> bool:
        """Tell whether the platform list permits this domain: it holds the host or a parent, never a sibling."""
        return any(self.host == host or self.host.endswith(f".{host}") for host in hosts)


def parse_origins(texts: Iterable[Any]) -> tuple[WebviewDomain, ...]:
    """Return the domains in sorted order, each once.

    :raises WxaSpecError: all problems of all texts together.
    """
    if isinstance(texts, str):  # a list that a template rendered to text, or one domain without its brackets
        raise _refused([f"webviewdomain = {shown(repr(texts))}: must be a list of texts, not one text"])
    domains, problems = read_origins(texts)
    if problems:
        raise _refused(problems)
    return domains


def read_origins(texts: Iterable[Any]) -> tuple[tuple[WebviewDomain, ...], list[str]]:
    """Return the domains in sorted order, each once, and the problems of the texts that name none."""
    read = [_read_origin(text) for text in texts]
    domains = {domain for domain, _ in read if domain is not None}
    return tuple(sorted(domains)), [problem for _, problems in read for problem in problems]


def read_hosts(texts: Iterable[Any]) -> tuple[tuple[str, ...], list[str]]:
    """Return bare hosts of the platform's list, sorted, each once, and the problems of the texts that are none."""
    read = [_read_bare_host(text) for text in texts]
    hosts = {host for host, problems in read if not problems}
    return tuple(sorted(hosts)), [problem for _, problems in read for problem in problems]


def normalised_origins(entries: str | Iterable[str]) -> frozenset[str]:
    """Return the origins that a list of WeChat's means, see :func:`normalised_hosts`."""
    return frozenset(WebviewDomain(host).origin for host in normalised_hosts(entries))


def normalised_hosts(entries: str | Iterable[str]) -> frozenset[str]:
    """Return the hosts that a list of WeChat's means; a text is joined by ``;``.

    Entries come with and without a scheme, with a slash at the end, in upper case. One that means no host is warned of
    and covers nothing.

    Source: https://developers.weixin.qq.com/community/develop/doc/0008aaf95d8de04ec684e0d0b66c00
    """
    texts = _JOINTS.split(entries) if isinstance(entries, str) else entries
    found = {text: _host_meant(text) for text in texts if text.strip()}
    for text in [text for text, host in found.items() if not host]:
        _log.warning("an entry of WeChat's list of domains means no host, so it covers nothing: %s", shown(repr(text)))
    return frozenset(host for host in found.values() if host)


def is_permitted(entry: str, hosts: Collection[str]) -> bool:
    """Tell whether the platform list permits what an entry of a list of WeChat's means."""
    return all(WebviewDomain(host).covered_by(hosts) for host in normalised_hosts([entry]))


def _host_meant(entry: str) -> str:
    """Return the host that an entry of WeChat's lists means; ``""``: none."""
    host = _SCHEME.sub("", entry.strip()).rstrip("/").removesuffix(":443").removesuffix(".").lower()
    # An underscore is no host name by the book, but WeChat may list what it would not take from us.
    return _read_host(host)[0] or (host if _ODD_HOST.fullmatch(host) else "")


def remaining(
    action: Action, wanted: Iterable[WebviewDomain], actual: Iterable[str], platform: Iterable[str] | None = None
) -> list[str]:
    """Return the origins by which ``actual`` is not yet what ``action`` wants; empty when it is done.

    :param actual: normalised origins.
    :param platform: hosts of the platform list, all of which ``None`` adds; ``None`` when it could not be read.
    """
    if action is None:
        return sorted(left_to_do("add", frozenset(f"https://{host}" for host in platform or ()), frozenset(actual)))
    return sorted(left_to_do(action, frozenset(domain.origin for domain in wanted), frozenset(actual)))


def left_to_do(action: str, wanted: frozenset[str], actual: frozenset[str]) -> frozenset[str]:
    """Return the entries by which any list of domains is not yet what an action wants; exact match.

    ``add``: those that are missing; ``set``: also those too many; ``delete``: those still there; ``get``: none.
    """
    left = {"add": wanted - actual, "set": wanted ^ actual, "delete": wanted & actual}
    return left.get(action, frozenset())


def action_problems(name: str, action: Any, given: Collection[Any], *, known: Collection[Any]) -> list[str]:
    """Return the problem of an action with the domains beside it; empty when they go together.

    :param name: of the field that holds the domains.
    :param known: the actions of this list; ``None`` among them takes no domains.
    """
    if action not in known:
        return [f"action = {shown(repr(action))}: must be add, delete, set or get{', or None' * (None in known)}"]
    takes_none = action in ("get", None)
    if takes_none is not bool(given):
        return []
    said = Text("action_is_left_out") if action is None else f"action {action!r}"
    return [problem(name, given, Text("action_takes", "none" if takes_none else "some", action=said))]


def body_of(action: str, **lists: Any) -> dict[str, Any]:
    """Return the body of a call about a list; ``get`` takes nothing else."""
    return {"action": action} | ({} if action == "get" else lists)


def setwebviewdomain(appid: str, action: Action, wanted: Iterable[WebviewDomain] = ()) -> Call:
    """Change or read a Mini Program's business domains (设置业务域名).

    :param action: ``None`` leaves the field out: WeChat then adds every domain of the platform list.
    :param wanted: the domains of ``add``, ``delete`` and ``set``; an array on the wire (a string is 89021).
    """
    body = {} if action is None else body_of(action, webviewdomain=[domain.origin for domain in sorted(wanted)])
    return Call.to("setwebviewdomain", appid, body)


def setwebviewdomain_directly(appid: str, action: str, origins: Iterable[str] = ()) -> Call:
    """Change or read a Mini Program's business domains in direct mode; effective after a release.

    :return: a call whose reply holds ``webviewdomain``, an array of origins.
    """
    return Call.to("setwebviewdomain_directly", appid, body_of(action, webviewdomain=sorted(origins)))


#: Read the verification file that a host has to serve at its root before it is set in direct mode: ``file_name`` and
#: ``file_content``.
get_webviewdomain_confirmfile: Final = of_merchant("get_webviewdomain_confirmfile")
#: Read the business domains by origin of the setting, and those that are effective: ``mp_webviewdomain``,
#: ``third_webviewdomain``, ``direct_webviewdomain`` and ``effective_webviewdomain``, arrays of origins.
get_effective_webviewdomain: Final = of_merchant("get_effective_webviewdomain")


def modify_wxa_jump_domain(action: Literal["add", "delete", "set", "get"], hosts: Iterable[str] = ()) -> Call:
    """Change or read the platform's own list, testing and published version together (第三方平台业务域名).

    :param hosts: bare hosts.
    :return: a call whose reply holds ``testing_…``, ``published_…`` and ``invalid_wxa_jump_h5_domain``, each hosts
        joined by ``;`` and each absent at times: published when the platform is not published, invalid when none is.
    """
    # The default changes the testing version only, and merchants of a published platform are checked against the
    # published one: reports of 89021 after an "add" fit that.
    fields = {"wxa_jump_h5_domain": ";".join(sorted(hosts)), "is_modify_published_together": True}
    return Call.to("modify_wxa_jump_domain", None, body_of(action, **fields))


def get_domain_confirmfile() -> Call:
    """Read the verification file that each host of the platform list has to serve: ``file_name``, ``file_content``."""
    return Call.to("get_domain_confirmfile", None)


def warning_of_many(wanted: Collection[WebviewDomain]) -> str:
    """Return a warning when a list is longer than the lowest limit that WeChat's pages give; else ``""``."""
    if len(wanted) <= _MANY:
        return ""
    return Text("many_domains", count=len(wanted))


def _refused(problems: list[str]) -> WxaSpecError:
    return WxaSpecError(Text("webview_domains_are_malformed"), problems, source=_SOURCE)


def _read_origin(text: Any) -> tuple[WebviewDomain | None, list[str]]:
    """Return the domain, or every reason why ``text`` is none."""
    if not isinstance(text, str):
        return None, [problem_with(text, Text("domain_is", "no_text"))]
    if not text.strip():
        return None, [problem_with(text, Text("domain_is", "empty"))]
    match = _URL.fullmatch(text)
    if match is None:
        return None, [problem_with(text, Text("domain_is", "without_scheme"))]
    problems: list[str] = []
    if (match["scheme"] or "").lower() != "https":
        problems.append(Text("domain_has_scheme", scheme=shown(repr(match["scheme"] or ""))))
    userinfo, _, host_port = match["authority"].rpartition("@")
    if userinfo or "@" in match["authority"]:
        problems.append(Text("domain_is", "with_user"))
    host, colon, _ = host_port.partition(":") if not host_port.startswith("[") else (host_port, "", "")
    if colon:
        problems.append(Text("domain_is", "with_port"))
    problems += _rest_problems(match["rest"])
    host, wrong = _read_host(host)
    problems += wrong
    if problems:
        return None, [problem_with(text, each) for each in problems]
    return WebviewDomain(host), []


def _read_bare_host(text: Any) -> tuple[str, list[str]]:
    if not isinstance(text, str):
        return "", [problem_with(text, Text("domain_is", "no_host_text"))]
    if "/" in text or ":" in text:
        return "", [problem_with(text, Text("domain_is", "no_bare_host"))]
    host, problems = _read_host(text)
    return host, [problem_with(text, each) for each in problems]


def _rest_problems(rest: str) -> list[str]:
    """Return what follows the host and must not; one slash is dropped."""
    before_fragment, hash_, _ = rest.partition("#")
    path, mark, _ = before_fragment.partition("?")
    found = ((path not in {"", "/"}, "path"), (bool(mark), "query"), (bool(hash_), "fragment"))
    return [Text("domain_is", f"with_{part}") for there, part in found if there]


@lru_cache(1024)  # of a fleet, most name the same few
def _read_host(host: str) -> tuple[str, tuple[str, ...]]:
    """Return the host in lower case and punycode, and its problem."""
    if not host:
        return "", (Text("domain_is", "without_host"),)
    if re.search(r"\s", host):
        return "", (Text("domain_is", "with_blank"),)
    if "*" in host:
        return "", (Text("domain_is", "with_wildcard"),)
    if _is_ip(host):
        return "", (Text("domain_is", "ip"),)
    try:
        name = idna.encode(host, uts46=True, std3_rules=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError) as error:
        return "", (Text("domain_is_no_host", why=shown(str(error))),)
    if name.endswith(".") or "." not in name:
        return "", (Text("domain_is", "one_label"),)
    # No top-level domain begins with a digit, and what does is read as a number: 127.1, 0x7f.0x1.
    if _is_ip(name) or name.rpartition(".")[2][0].isdigit():
        return "", (Text("domain_is", "ip"),)
    return name, ()


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False
    return True
