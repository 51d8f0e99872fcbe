"""What the pages show, read from the store: plain values for the templates."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from airflow_wxa.api.webview_domain import WebviewDomain
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.store.mini_programs import outcome_word

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from airflow_wxa.store import Entry

_WAVES: Final = ("canary", "early", "rest")
_SCREENSHOTS_SHOWN: Final = 20
_LISTS: Final = ("wanted", "own", "platform", "effective")


@dataclass(frozen=True, slots=True)
class DomainList:
    """One of the four lists.

    :param at: epoch seconds of when it was read, or asked for; ``None``: never.
    """

    name: str
    at: float | None
    origins: Collection[str] | None


@dataclass(frozen=True, slots=True)
class Origin:
    """A domain and the lists that hold it: ``yes``, ``no`` or ``unknown`` each."""

    text: str
    marks: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """Tell whether the lists that are known disagree."""
        return len({mark for mark in self.marks if mark != "unknown"}) > 1


@dataclass(frozen=True, slots=True)
class DomainTable:
    """The lists side by side."""

    lists: tuple[DomainList, ...]
    origins: tuple[Origin, ...]


def domain_table(entries: Iterable[Entry], platform: Iterable[Entry], outcomes: Sequence[Any]) -> DomainTable:
    """Return the four lists as they were read last.

    :param entries: the Mini Program's rows of the ledger, the newest first; ``platform``: the platform's.
    :param outcomes: ``(at, said)`` of its latest outcomes, the newest first.
    """
    lists = {
        "wanted": _wanted(entries),
        "own": _own(entries),
        "platform": _platform(platform),
        "effective": _effective(outcomes),
    }
    shown = tuple(DomainList(name, *lists[name]) for name in _LISTS)
    texts = sorted({text for each in shown if each.name != "platform" for text in each.origins or ()})
    return DomainTable(shown, tuple(Origin(text, tuple(_mark(text, each) for each in shown)) for text in texts))


_List = tuple[float | None, "Collection[str] | None"]


def _wanted(entries: Iterable[Entry]) -> _List:
    for entry in entries:
        if entry.endpoint.startswith("setwebviewdomain") and entry.asked.get("action") in ("add", "set"):
            return entry.sent_at, list(entry.asked.get("webviewdomain") or ())
    return None, None


def _own(entries: Iterable[Entry]) -> _List:
    for entry in entries:
        if entry.endpoint.startswith("setwebviewdomain") and isinstance(entry.after, dict):
            known = entry.after.get("after")
            known = known.get("webviewdomain") if isinstance(known, dict) else known
            if known is not None:
                return entry.sent_at, known
    return None, None


def _platform(entries: Iterable[Entry]) -> _List:
    for entry in entries:
        if entry.endpoint == "modify_wxa_jump_domain" and isinstance(entry.after, dict):
            known = entry.after.get("published")
            if known is not None:
                return entry.sent_at, known
    return None, None


def _effective(outcomes: Sequence[Any]) -> _List:
    for at, said in outcomes:
        if said.get("effective") is not None:
            return at, said["effective"]
    return None, None


def _mark(text: str, which: DomainList) -> str:
    if which.origins is None:
        return "unknown"
    if which.name != "platform":
        return "yes" if text in which.origins else "no"
    try:
        return "yes" if WebviewDomain.parse(text).covered_by(frozenset(which.origins)) else "no"
    except WxaSpecError:
        return "unknown"


@dataclass(slots=True)
class Wave:
    """How far a wave of a fleet has come.

    :param outcomes: how many by the outcome's word, of those that have ended.
    """

    name: str
    total: int = 0
    done: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)


def waves_of(
    counts: Iterable[tuple[str, str, str | None, int | None, int]],
) -> tuple[list[Wave], Counter[int]]:
    """Return a run's waves, and how many Mini Programs stopped with which errcode.

    :param counts: how many by wave, stage, outcome and errcode.
    """
    waves = {name: Wave(name) for name in _WAVES}
    errcodes: Counter[int] = Counter()
    for name, _, outcome, errcode, count in counts:
        wave = waves.setdefault(name, Wave(name))
        wave.total += count
        if outcome is not None:
            wave.done += count
            wave.outcomes[outcome_word({"outcome": outcome})] += count
        if errcode:
            errcodes[errcode] += count
    return [wave for wave in waves.values() if wave.total], errcodes


def offline_of(outcomes: Iterable[Any]) -> dict[str, Any] | None:
    """Return the domains that the latest release took offline, or that the next one will; ``None``: none are known."""
    for each in outcomes:
        for name in ("lost", "will_be_lost"):
            if each.said.get(name) is not None:
                return (
                    {"key": f"offline.{name}", "domains": each.said[name], "at": each.at} if each.said[name] else None
                )
    return None


def rejection_of(outcomes: Iterable[Any]) -> dict[str, Any] | None:
    """Return the reviewer's latest words, and the numbers of the screenshots that belong to them."""
    for each in outcomes:
        if each.said.get("reason"):
            media_ids = each.said.get("screenshot") or ()
            return {
                "reason": str(each.said["reason"]),
                "auditid": str(each.said.get("auditid", "")),
                "screenshots": [str(number) for number, _ in enumerate(media_ids, 1)][:_SCREENSHOTS_SHOWN],
            }
    return None
