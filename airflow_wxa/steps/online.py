"""Reading what is online: domains by the list that they stand on, and the platform's lists that keep them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from airflow_wxa.api.endpoints import CATALOGUE, Endpoint
from airflow_wxa.api.errcodes import INDIVIDUAL_NOT_SUPPORTED
from airflow_wxa.api.server_domain import SERVER_KINDS, get_effective_domain, lists_in, modify_wxa_server_domain
from airflow_wxa.api.webview_domain import (
    get_effective_webviewdomain,
    modify_wxa_jump_domain,
    normalised_hosts,
    normalised_origins,
)
from airflow_wxa.errors import WxaApiError, WxaStateError
from airflow_wxa.steps.offline import WEBVIEW, Kinds, Lists, Offline, Online, Past, goes_offline, joined
from airflow_wxa.steps.outcome import Step, in_order
from airflow_wxa.steps.remote_state import if_known, read_versions
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_wxa.api.call import Reply

#: Field of :class:`Lists` → its name in WeChat's answers.
_NAMES: Final[Mapping[str, str]] = {"api": "third", "own": "mp", "direct": "direct", "effective": "effective"}
#: The platform's list of server domains, of business domains.
SERVER_LIST, _BUSINESS_LIST = CATALOGUE["modify_wxa_server_domain"], CATALOGUE["modify_wxa_jump_domain"]
_NOTHING: Final = Lists(*[frozenset[str]()] * 4)


def read_webview_lists(appid: str) -> Step[Lists]:
    """Read business domains by list; ``None`` where WeChat does not say."""
    answer = (yield get_effective_webviewdomain(appid)).answer
    return Lists(**{field: _origins(answer.get(f"{name}_webviewdomain")) for field, name in _NAMES.items()})


def read_online(appid: str, webview: Lists | None = None) -> Step[Online]:
    """Read domains by list, without the platform's; a list that WeChat refuses to tell is not known.

    :param webview: business domains, if they were read a moment ago.
    :raises WxaError: it may tell later.
    """
    lists: dict[str, Lists] = {}
    try:
        lists[WEBVIEW] = webview or (yield from read_webview_lists(appid))
    except WxaApiError as error:
        if error.retryable:
            raise
        if error.errcode == INDIVIDUAL_NOT_SUPPORTED:
            lists[WEBVIEW] = _NOTHING
    try:
        of_servers = yield get_effective_domain(appid)
    except WxaApiError as error:
        if error.retryable:
            raise
    else:
        lists |= _servers(of_servers)
    return Online(lists)


def _origins(entries: Any) -> frozenset[str] | None:
    return None if entries is None else normalised_origins(entries)


def _servers(reply: Reply) -> dict[str, Lists]:
    told = {field: reply.answer.get(f"{name}_domain") for field, name in _NAMES.items()}
    lists = {field: {} if entries is None else lists_in(entries) for field, entries in told.items()}
    return {kind: Lists(**{field: of_kind.get(kind) for field, of_kind in lists.items()}) for kind in SERVER_KINDS}


def going_offline(
    appid: str,
    online: Online,
    past: Past,
    *,
    changed: Mapping[str, Kinds] | None = None,
    registered: frozenset[str] = frozenset(),
) -> Step[tuple[Offline, Online]]:
    """Look what a release of a Mini Program would take away now.

    :param online: as :func:`read_online` has read it a moment ago, with the platform's list if that was read as well.
    :param past: of its domains, as the ledger knows it.
    :param changed: field of :class:`Lists`, ``api`` or ``direct`` → lists by kind as they will be at the release.
    :param registered: hosts that this run has put on the platform's list of business domains.
    :return: also the domains that it was judged from: online now, or before this run's commit.
    """
    for field, kinds in (changed or {}).items():  # a list that was read by itself is newer
        known = {kind: domains for kind, domains in kinds.items() if domains is not None and kind in online.lists}
        lists = {kind: replace(online.lists[kind], **{field: domains}) for kind, domains in known.items()}
        online = replace(online, lists={**online.lists, **lists})
    online = yield from _with_hosts(online, past, registered)
    offline, whole = goes_offline(online, past), joined(online, past)
    if any(offline.lost.values()):
        info = yield from if_known(read_versions(appid))
        if info is not None and info.online is None:  # nothing is online yet, so nobody can open anything
            nothing = {kind: replace(lists, effective=frozenset()) for kind, lists in whole.lists.items()}
            return Offline(), replace(whole, lists=nothing)
    return offline, whole


def _with_hosts(online: Online, past: Past, registered: frozenset[str]) -> Step[Online]:
    """Return the same with the platform's lists, read where they decide something."""
    nothing_registered = replace(online, hosts=frozenset(), server_hosts=frozenset())
    kinds = {kind for kind, lost in goes_offline(nothing_registered, past).lost.items() if lost}
    if WEBVIEW in kinds or online.lists.get(WEBVIEW, _NOTHING).own:
        hosts = online.hosts or (yield from _hosts(_BUSINESS_LIST))
        online = replace(online, hosts=None if hosts is None else hosts | registered)
    if kinds - {WEBVIEW} or any(lists.own for kind, lists in online.lists.items() if kind != WEBVIEW):
        online = replace(online, server_hosts=(yield from _hosts(SERVER_LIST)))
    return online


def _hosts(endpoint: Endpoint) -> Step[frozenset[str] | None]:
    """Read the hosts that merchants are checked against, if the Connection can."""
    platform = yield from if_known(read_platform_list(endpoint))
    return platform.hosts if platform is not None and platform.parts else None


@dataclass(frozen=True, slots=True)
class PlatformList:
    """Both versions of the platform list; ``None`` for one that WeChat did not tell."""

    testing: frozenset[str] | None
    published: frozenset[str] | None

    def to_json(self) -> dict[str, Any]:
        """Return it as the ledger keeps it."""
        return {"testing": in_order(self.testing), "published": in_order(self.published)}

    @property
    def parts(self) -> dict[str, frozenset[str]]:
        """The versions that WeChat told, by name."""
        versions = {"testing": self.testing, "published": self.published}
        return {part: hosts for part, hosts in versions.items() if hosts is not None}

    @property
    def hosts(self) -> frozenset[str]:
        """The version that merchants are checked against: the published one if there is one."""
        return next(reversed(self.parts.values()), frozenset())


def read_platform_list(endpoint: Endpoint = _BUSINESS_LIST) -> Step[PlatformList]:
    """Read both versions; the published one is absent while no platform version is published."""
    is_server = endpoint == SERVER_LIST
    answer = (yield modify_wxa_server_domain("get") if is_server else modify_wxa_jump_domain("get")).answer
    field = "wxa_server_domain" if is_server else "wxa_jump_h5_domain"
    names = (f"testing_{field}", f"published_{field}")
    return PlatformList(*(normalised_hosts(answer[name]) if name in answer else None for name in names))


def refuse_losses(step: str, appid: str, offline: Offline, allowed: Kinds | None) -> None:
    """Return if a release takes nothing offline beyond the allowed domains; ``None``: any.

    :param step: name of the endpoint that is not called for it.
    :raises WxaStateError: it would; each domain is named, and three ways on.
    """
    beyond = {} if allowed is None else offline.beyond(allowed)
    if not beyond:
        return
    counted = sum(map(len, beyond.values()))
    raise WxaStateError(
        Text("domains_would_go_offline", step=step, counted=counted, plural="s" * (counted != 1)),
        values={"goes offline": in_words(beyond)}
        | ({"not proven": in_words(offline.not_proven)} if offline.not_proven else {}),
        **CATALOGUE["get_effective_webviewdomain"].named(appid, step),
    )


def in_words(kinds: Mapping[str, Any]) -> str:
    """Return domains by kind in words: business domains as they are, others behind their kind."""
    return "; ".join(
        ("" if kind == WEBVIEW else f"{kind} ") + ("not known" if domains is None else ", ".join(sorted(domains)))
        for kind, domains in kinds.items()
    )
