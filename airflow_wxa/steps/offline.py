"""Losses of a release: domains that are effective now, and will not be behind it.

At release WeChat keeps of each list what the platform's published list covers, and drops the rest. Wanted domains are
proven elsewhere; here are those that nobody speaks of. One rule for business domains and for server domains::

    stays       on the API list (third_), and covered by the platform's list · on the direct list · the Mini Program's
                own (mp_), and on the platform's list itself · its own that survived our last release under a platform
                entry that still is there
    asked off   taken off the API or direct list by a write of ours since our last release, and not put back
    lost        effective now, or before this run's commit, and neither of these
    not proven  the platform's list, or the list that an entry stands on, cannot be read

Source: https://developers.weixin.qq.com/doc/oplatform/Third-party_Platforms/2.0/product/domain.html
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, TypeAlias

from airflow_wxa.api.server_domain import SERVER_KINDS
from airflow_wxa.api.webview_domain import WebviewDomain

WEBVIEW: Final = "webviewdomain"
#: What may go offline where nobody said yes.
ALLOWS_NOTHING: Final[Kinds] = {}
#: Fact of a question that names what a release takes away.
OFFLINE: Final = "offline"
#: Kind of domain, as WeChat names its list → domains; ``None``: not known.
Kinds: TypeAlias = Mapping[str, frozenset[str] | None]
#: Lost, asked off, not proven.
_Losses: TypeAlias = tuple[frozenset[str], frozenset[str], frozenset[str]]


@dataclass(frozen=True, slots=True)
class Lists:
    """Domains of one kind, by the way that they were set; ``None``: WeChat does not tell.

    :param api: by ``setwebviewdomain`` or ``modify_domain``; ``own`` on mp.weixin.qq.com; ``direct`` in direct mode.
    """

    api: frozenset[str] | None = None
    own: frozenset[str] | None = None
    direct: frozenset[str] | None = None
    effective: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Online:
    """Domains of a Mini Program that are online, at one look.

    :param lists: by kind; a kind that is missing is one that WeChat does not tell.
    :param hosts: of the platform's published list of business domains, ``server_hosts`` of that of server domains;
        ``None``: it cannot be read.
    :param asked_off: at a release: domains that had been asked off until then.
    :param allowed: at a release: domains that it was allowed to take away; ``None``: any.
    """

    lists: Mapping[str, Lists] = field(default_factory=dict)
    hosts: frozenset[str] | None = None
    server_hosts: frozenset[str] | None = None
    asked_off: Kinds = field(default_factory=dict)
    allowed: Kinds | None = None

    @property
    def effective(self) -> Kinds:
        """Effective domains by kind."""
        return {kind: lists.effective for kind, lists in self.lists.items()}

    def hosts_of(self, kind: str) -> frozenset[str] | None:
        """Return the platform's list for a kind."""
        return self.hosts if kind == WEBVIEW else self.server_hosts

    def to_json(self) -> dict[str, Any]:
        """Return it as the ledger keeps it."""
        return {
            "lists": {kind: _plain(asdict(lists)) for kind, lists in self.lists.items()},
            **_plain({"hosts": self.hosts, "server_hosts": self.server_hosts}),
            "asked_off": _plain(self.asked_off),
            "allowed": None if self.allowed is None else _plain(self.allowed),
        }

    @classmethod
    def from_json(cls, noted: Mapping[str, Any]) -> Online:
        """Read what :meth:`to_json` wrote."""
        return cls(
            lists={kind: Lists(**_read(lists)) for kind, lists in noted["lists"].items()},
            **_read({name: noted[name] for name in ("hosts", "server_hosts")}),
            asked_off=_read(noted["asked_off"]),
            allowed=None if noted["allowed"] is None else _read(noted["allowed"]),
        )


@dataclass(frozen=True, slots=True)
class Past:
    """The ledger's knowledge of a Mini Program's domains since our last release of it.

    :param noted: effective before the commits of this run, by kind.
    :param asked_off: by kind, domains that our writes took off its lists.
    :param proven: domains that an answer 0 of this run proves covered by the platform's list.
    :param released: as it was read before our last release; ``None``: there was none.
    :param fingerprint: of the version that was released then.
    """

    noted: Kinds = field(default_factory=dict)
    asked_off: Kinds = field(default_factory=dict)
    proven: frozenset[str] = frozenset()
    released: Online | None = None
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Offline:
    """Losses of a release by kind; sorted, a kind without any is left out.

    :param lost: ``None`` as a value: not known.
    """

    lost: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)
    asked: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    not_proven: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def webviewdomain(self) -> tuple[str, ...] | None:
        """Business domains that go offline; ``None``: not known."""
        return self.lost.get(WEBVIEW, ())

    @property
    def servers(self) -> dict[str, list[str]] | None:
        """Server domains that go offline, by kind; ``None``: not known of any kind."""
        lost = {kind: domains for kind, domains in self.lost.items() if kind != WEBVIEW}
        if lost and not any(lost.values()) and len(lost) == len(SERVER_KINDS):
            return None
        return {kind: list(domains) for kind, domains in lost.items() if domains}

    def beyond(self, allowed: Kinds) -> dict[str, list[str]]:
        """Return losses beyond the allowed ones; an unknown list is beyond nothing."""
        beyond = {kind: sorted(set(lost or ()) - (allowed.get(kind) or set())) for kind, lost in self.lost.items()}
        return {kind: domains for kind, domains in beyond.items() if domains}

    def to_json(self) -> dict[str, Any]:
        """Return it as an approval names it."""
        return {name: _plain(getattr(self, name)) for name in ("lost", "asked", "not_proven")}


def goes_offline(now: Online, past: Past = Past()) -> Offline:
    """Return the losses of a release, by the table above.

    :param now: with the API and direct lists, and the platform's, as they will be at the release.
    """

    def of(kind: str) -> _Losses | None:
        lists, hosts = now.lists.get(kind, Lists()), now.hosts_of(kind)
        if lists.effective is None:
            return None
        effective = lists.effective | (past.noted.get(kind) or frozenset())
        stays = _staying(kind, lists, hosts, past)
        off = effective & (past.asked_off.get(kind) or frozenset()) - stays
        unsure = (effective & _unsure(lists, hosts)) - stays - off
        return effective - stays - off - unsure, off, unsure

    return _by_kind(of)


def may_be_lost(decision: Mapping[str, Any] | None, unasked: Kinds | None) -> Kinds | None:
    """Return the domains that may go offline, as a decision names them; one that was not known then may not.

    :param decision: ``None``: nobody was asked.
    :param unasked: domains that may go then.
    """
    if decision is None:
        return unasked
    named = decision.get(OFFLINE) or {"lost": {}}
    return {kind: frozenset(domains) for kind, domains in named["lost"].items() if domains}


def was_lost(before: Kinds, after: Kinds, asked_off: Kinds) -> Offline:
    """Return what is not effective any more that was before a release."""

    def of(kind: str) -> _Losses | None:
        were, are, off = before.get(kind), after.get(kind), asked_off.get(kind) or frozenset()
        return None if were is None or are is None else (were - are - off, (were - are) & off, frozenset())

    return _by_kind(of)


def _by_kind(of: Callable[[str], _Losses | None]) -> Offline:
    """Return the losses of every kind; ``None`` of one: not known."""
    losses = {kind: of(kind) for kind in (WEBVIEW, *SERVER_KINDS)}
    lost = {kind: found and tuple(sorted(found[0])) for kind, found in losses.items() if found is None or found[0]}
    asked, not_proven = (
        {kind: tuple(sorted(found[n])) for kind, found in losses.items() if found and found[n]} for n in (1, 2)
    )
    return Offline(lost, asked, not_proven)


def joined(online: Online, past: Past) -> Online:
    """Return the online domains, with those from before this run's commit counted as effective."""
    told = {kind: lists.effective for kind, lists in online.lists.items() if lists.effective is not None}
    whole = {kind: effective | (past.noted.get(kind) or frozenset()) for kind, effective in told.items()}
    lists = {kind: replace(each, effective=whole.get(kind)) for kind, each in online.lists.items()}
    return replace(online, lists=lists)


def _staying(kind: str, lists: Lists, hosts: frozenset[str] | None, past: Past) -> frozenset[str]:
    api, own = lists.api or frozenset(), lists.own or frozenset()
    covered = past.proven & api if hosts is None else {each for each in api if _is_covered(each, hosts)}
    registered = {each for each in own if host_of(each) in (hosts or ())}
    survived = {each for each in own if _has_survived(kind, each, hosts, past.released)}
    return frozenset((lists.direct or frozenset()) | covered | registered | survived)


def _has_survived(kind: str, entry: str, hosts: frozenset[str] | None, released: Online | None) -> bool:
    """Tell whether an own entry came through our last release under an entry that the platform's list still holds."""
    lists = released.lists.get(kind) if released else None
    if released is None or lists is None or entry not in (lists.own or ()):
        return False
    then = released.hosts_of(kind)
    if hosts is None or then is None:
        known = then if hosts is None else hosts
        return known is None or _is_covered(entry, known)
    return _is_covered(entry, hosts & then)


def _unsure(lists: Lists, hosts: frozenset[str] | None) -> frozenset[str]:
    """Return entries whose fate cannot be told: on the API list, or on no list that was told while one was not."""
    told = [each for each in (lists.api, lists.own, lists.direct) if each is not None]
    unproven = (lists.api or frozenset()) if hosts is None else frozenset()
    unexplained = (lists.effective or frozenset()).difference(*told) if len(told) < 3 else frozenset()  # noqa: PLR2004
    return unproven | unexplained


def host_of(entry: str) -> str:
    """Return the host of a domain, without scheme and port."""
    return entry.partition("://")[2].partition(":")[0]


def _is_covered(entry: str, hosts: Collection[str]) -> bool:
    return WebviewDomain(host_of(entry)).covered_by(hosts)


def _plain(kinds: Mapping[str, Collection[str] | None]) -> dict[str, list[str] | None]:
    return {kind: None if domains is None else sorted(domains) for kind, domains in kinds.items()}


def _read(kinds: Mapping[str, Collection[str] | None]) -> dict[str, Any]:
    return {kind: None if domains is None else frozenset(domains) for kind, domains in kinds.items()}
