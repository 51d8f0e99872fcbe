"""What the ledger's rows tell of Mini Programs' domains since our last release: asked off, proven, noted."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from airflow_wxa.api.server_domain import SERVER_KINDS, lists_in
from airflow_wxa.steps.offline import WEBVIEW, Online, Past

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow_wxa.store import TaskRef
    from airflow_wxa.store.ledger import Entry

_KINDS: Final = (WEBVIEW, *SERVER_KINDS)
_LISTS: Final = ("setwebviewdomain", "setwebviewdomain_directly", "modify_domain", "modify_domain_directly")
_Found = dict[str, frozenset[str]]


def pasts(rows: Iterable[Entry], task: TaskRef) -> dict[str, Past]:
    """Return what rows tell, by appid.

    :param rows: of :meth:`~airflow_wxa.store.Ledger.since_release`, the oldest first.
    :param task: whose run's notes count.
    """
    by_appid = sorted(rows, key=lambda row: row.appid)
    return {appid: _past(list(of_appid), task) for appid, of_appid in groupby(by_appid, key=lambda row: row.appid)}


def _past(rows: Sequence[Entry], task: TaskRef) -> Past:
    released = rows[0] if rows and rows[0].endpoint == "release" and rows[0].result in {"ok", "resolved"} else None
    since = rows[1:] if released else rows
    mine = [row for row in since if task.run_id and (row.task.dag_id, row.task.run_id) == (task.dag_id, task.run_id)]
    noted: _Found = {}
    for row in mine:
        if row.online and row.endpoint != "release":
            for kind, effective in Online.from_json(row.online).effective.items():
                noted[kind] = noted.get(kind, frozenset()) | (effective or frozenset())
    return Past(
        noted=noted,
        asked_off=_asked_off(since),
        proven=frozenset[str]().union(*(_asked(row)[WEBVIEW] for row in mine if _proves(row))),
        released=Online.from_json(released.online) if released and released.online else None,
        fingerprint=released.fingerprint if released else "",
    )


def _asked_off(rows: Sequence[Entry]) -> _Found:
    """Return what writes took off the lists of a Mini Program, unless a later one put it back."""
    off: _Found = {}
    for index, row in enumerate(rows):
        if row.endpoint not in _LISTS or row.result == "refused":
            continue
        later = [each for each in rows[index + 1 :] if each.endpoint == row.endpoint]
        before = _told(row.before)
        after = _after(row) or (_told(later[0].before) if later else {})
        for kind, asked in _asked(row).items():
            removed, added = _change(row, asked, before.get(kind), after.get(kind))
            off[kind] = (off.get(kind, frozenset()) | removed) - added
    return off


def _change(
    row: Entry, asked: frozenset[str], before: frozenset[str] | None, after: frozenset[str] | None
) -> tuple[frozenset[str], frozenset[str]]:
    """Return what a write took off a list, and what it put there; of a lost answer only what was read back."""
    nothing = frozenset[str]()
    action = row.asked.get("action")
    meant_off = meant_on = nothing
    if action == "delete":
        meant_off = asked if before is None else asked & before
    elif action == "set":
        meant_off, meant_on = (before or nothing) - asked, asked
    elif action == "add":
        meant_on = asked
    elif action is None:
        meant_on = after or nothing
    if row.result == "ok":
        return (meant_off, meant_on) if row.errcode == 0 else (nothing, nothing)
    return (nothing, nothing) if after is None else (meant_off - after, meant_on & after)


def _proves(row: Entry) -> bool:
    """Tell whether WeChat's 0 says that it found what was asked covered by the platform's list."""
    return row.endpoint == "setwebviewdomain" and row.errcode == 0 and row.asked.get("action") in {"add", "set"}


def _asked(row: Entry) -> _Found:
    """Return the domains of a write, by the lists that it is about."""
    if row.endpoint.startswith("setwebviewdomain"):
        return dict(lists_in({WEBVIEW: row.asked.get(WEBVIEW) or []}, (WEBVIEW,)))
    return dict(lists_in(row.asked))


def _told(told: Any) -> _Found:
    """Return lists as a step noted them, by kind or business domains alone; one that was not told is left out."""
    lists: Mapping[str, Any] = {WEBVIEW: told} if isinstance(told, list) else told or {}
    return {kind: frozenset(lists[kind]) for kind in _KINDS if lists.get(kind) is not None}


def _after(row: Entry) -> _Found:
    """Return the lists as the step of a write read them back; ``{}``: it did not."""
    said: Mapping[str, Any] = row.after or {}
    return _told(said.get("after"))
