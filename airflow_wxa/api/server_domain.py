"""Server domains (服务器域名): the hosts that a Mini Program may request, and the lists in which they travel.

Six lists by kind, each with its scheme; a domain may carry a port, and then only that port works. The platform's list
holds bare hosts.

Source: https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/domain-management/api_modifyserverdomain
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from airflow_wxa.api.call import Call, of_merchant
from airflow_wxa.api.webview_domain import body_of, normalised_origins, read_hosts
from airflow_wxa.errors import WxaSpecError, problem_at, problem_with, shown
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

#: Kind, as WeChat names its list → scheme of its domains.
SERVER_KINDS: Final[Mapping[str, str]] = {
    "requestdomain": "https",
    "wsrequestdomain": "wss",
    "uploaddomain": "https",
    "downloaddomain": "https",
    "udpdomain": "udp",
    "tcpdomain": "tcp",
}
#: Kind → domains. A kind that is not there is one that nobody speaks of, which is not an empty one.
DomainLists: TypeAlias = "Mapping[str, frozenset[str]]"

_FORBIDDEN: Final = "api.weixin.qq.com"
_DOMAIN: Final = re.compile(r"(?P<scheme>[A-Za-z]+)://(?P<host>[^/?#:@\[\]]*)(?::(?P<port>[0-9]{1,5}))?/?")
_HIGHEST_PORT: Final = 65535
_SOURCE: Final = "https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/domain-management/api_modifyserverdomain"


def parse_server_domains(given: Mapping[str, Iterable[Any]]) -> DomainLists:
    """Return the domains that lists by kind name, normalised; a kind that is left out is left out.

    :raises WxaSpecError: every problem of all lists together.
    """
    lists, problems = read_server_domains(given)
    if problems:
        raise WxaSpecError(Text("server_domains_are_malformed"), problems, source=_SOURCE)
    return lists


def read_server_domains(given: Mapping[str, Any]) -> tuple[DomainLists, list[str]]:
    """Return the domains that lists by kind name, and the problems of the texts that name none."""
    lists: dict[str, frozenset[str]] = {}
    problems: list[str] = []
    for kind, texts in given.items():
        if kind not in SERVER_KINDS:
            problems.append(problem_at(shown(repr(kind)), Text("must_be_one_of", choices=", ".join(SERVER_KINDS))))
        elif isinstance(texts, str) or not hasattr(texts, "__iter__"):
            problems.append(f"{kind} = {shown(repr(texts))}: must be a list of {SERVER_KINDS[kind]}:// domains")
        else:
            read = [_read(kind, text) for text in texts]
            problems += [problem_at(kind, wrong) for _, wrong in read if wrong]
            lists[kind] = frozenset(domain for domain, wrong in read if not wrong)
    return lists, problems


def lists_in(answer: Mapping[str, Any], kinds: Iterable[str] = SERVER_KINDS) -> DomainLists:
    """Return the lists that an answer tells, normalised; one that it does not tell is left out.

    :param kinds: of server domains, or ``webviewdomain``.
    """
    told = [kind for kind in kinds if kind in answer]
    return {
        kind: _normalised(kind, answer[kind]) if kind in SERVER_KINDS else normalised_origins(answer[kind])
        for kind in told
    }


def bare_hosts(lists: DomainLists) -> frozenset[str]:
    """Return the hosts of server domains, as the platform's list names them."""
    found = (_DOMAIN.fullmatch(domain) for domains in lists.values() for domain in domains)
    return frozenset(match["host"] for match in found if match)


def modify_domain(appid: str, action: str, lists: DomainLists | None = None) -> Call:
    """Change or read a Mini Program's server domains (设置服务器域名), of those that the platform registered.

    Every write sends all six lists: ``set`` replaces all of them, also those that it does not name.

    :param action: ``"add"``, ``"delete"``, ``"set"`` or ``"get"``.
    :return: a call whose reply holds the six lists, and ``invalid_*`` and ``no_icp_domain``: domains that were
        not taken, beside errcode 0.
    """
    return Call.to("modify_domain", appid, _body(action, lists))


def modify_domain_directly(appid: str, action: str, lists: DomainLists | None = None) -> Call:
    """Change or read a Mini Program's server domains in direct mode; effective after a release.

    :return: a call whose reply holds the six lists.
    """
    return Call.to("modify_domain_directly", appid, _body(action, lists))


#: Read the server domains by origin of the setting, and those that are effective: ``mp_domain``, ``third_domain``,
#: ``direct_domain`` and ``effective_domain``, each an object of six lists.
get_effective_domain: Final = of_merchant("get_effective_domain")


def modify_wxa_server_domain(
    action: Literal["add", "delete", "set", "get"], hosts: Iterable[str] = (), *, published: bool = True
) -> Call:
    """Change or read the platform's own list of server domains (第三方平台服务器域名).

    :param hosts: bare hosts.
    :param published: change the published version as well; 61028 when there is none.
    :return: a call whose reply holds ``testing_…``, ``published_…`` and ``invalid_wxa_server_domain``, each hosts
        joined by ``;`` and each absent at times: published when the platform is not published, invalid when none is.
    """
    fields = {"wxa_server_domain": ";".join(sorted(hosts)), "is_modify_published_together": published}
    return Call.to("modify_wxa_server_domain", None, body_of(action, **fields))


def _body(action: str, lists: DomainLists | None) -> dict[str, Any]:
    return body_of(action, **{kind: sorted((lists or {}).get(kind, ())) for kind in SERVER_KINDS})


def _normalised(kind: str, entries: str | Collection[Any]) -> frozenset[str]:
    """Return domains as WeChat's lists mean them, in the form in which they are asked for.

    A slash or a dot at the end, upper case, Chinese instead of punycode and a scheme that is left out are nothing of
    their own. An entry that means no domain stays as it is.
    """
    texts = re.split(r"[;,\s]+", entries) if isinstance(entries, str) else entries
    return frozenset(_meant(kind, text) for each in texts if (text := str(each).strip().rstrip("/").lower()))


def _meant(kind: str, text: str) -> str:
    match = _DOMAIN.fullmatch(text if "://" in text else f"{SERVER_KINDS[kind]}://{text}")
    hosts, problems = read_hosts([match["host"].removesuffix(".")]) if match else ((), [text])
    if match is None or problems:
        return text
    return f"{match['scheme']}://{hosts[0]}" + (f":{int(match['port'])}" if match["port"] else "")


def _read(kind: str, text: Any) -> tuple[str, str]:
    """Return the domain, or what is wrong with the text."""
    scheme = SERVER_KINDS[kind]
    match = _DOMAIN.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return "", problem_with(text, Text("server_domain_is_none", scheme=scheme))
    if match["scheme"].lower() != scheme:
        return "", problem_with(text, Text("server_domain_has_scheme", kind=kind, scheme=scheme))
    hosts, problems = read_hosts([match["host"]])
    if problems:
        return "", problem_at(shown(repr(text)), problems[0])
    if hosts[0] == _FORBIDDEN:
        return "", problem_at(shown(repr(text)), Text("server_domain_is_forbidden", domain=_FORBIDDEN))
    if match["port"] and not 0 < int(match["port"]) <= _HIGHEST_PORT:
        return "", problem_with(text, Text("server_domain_has_port", highest=_HIGHEST_PORT))
    port = f":{int(match['port'])}" if match["port"] else ""
    return f"{scheme}://{hosts[0]}{port}", ""
