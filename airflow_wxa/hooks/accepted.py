"""The ledger's answer to a step's :class:`~airflow_wxa.steps.Recall`.

Writes of the run that WeChat accepted lately, since a read that lags behind them is no news; and changes of Mini
Programs' domains since our last release: asked off, proven, noted.
"""

import datetime as dt
import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, Final

from airflow_wxa.api.audit import withdrawals_left
from airflow_wxa.api.server_domain import SERVER_KINDS, lists_in
from airflow_wxa.api.values import THE_PLATFORM
from airflow_wxa.api.webview_domain import normalised_hosts
from airflow_wxa.errors import WxaError
from airflow_wxa.steps import LAG_SECONDS, NOTHING_ACCEPTED, AcceptedWrites, Recall
from airflow_wxa.steps.offline import WEBVIEW, Online, Past
from airflow_wxa.store import Ledger, TaskRef
from airflow_wxa.store.ledger import Entry

log = logging.getLogger(__name__)

_REGISTERING: Final = ("add", "set")  # actions that put hosts onto the platform list


def accepted_writes(
    open_ledger: Callable[[], Ledger],
    component_appid: str,
    task: TaskRef,
    questions: Sequence[Recall],
    *,
    supersedes: bool = False,
) -> list[AcceptedWrites]:
    """Return, for each question, the writes of a run that WeChat accepted within the last ten minutes.

    Outside of a run, or if the store does not answer, that is nothing; a step decides from WeChat's answers then.

    :param open_ledger: opens it; called only when there is something to read.
    :param supersedes: the run withdraws sheets of earlier runs of its DAG.
    """
    appids, with_past = {each.appid for each in questions}, {each.appid for each in questions if each.past}
    if not (task.run_id or with_past):
        return [NOTHING_ACCEPTED] * len(questions)
    with_sheets = {each.appid for each in questions if each.own_sheets and supersedes and task.run_id}
    try:
        ledger = open_ledger()
        noted = noted_writes(ledger, component_appid, task, appids, with_past)
        sheets = ledger.submitted(component_appid, with_sheets, task.dag_id) if with_sheets else set()
        left = {
            appid: withdrawals_left(*ledger.spent(component_appid, appid, "undocodeaudit", dt.datetime.now(dt.UTC)))
            for appid in with_sheets
        }
    except WxaError as error:
        log.warning("what WeChat accepted lately is not known, the step goes on: %s", error.what)
        return [NOTHING_ACCEPTED] * len(questions)
    return [
        replace(
            noted(each),
            own_sheets=frozenset(auditid for appid, auditid in sheets if appid == each.appid),
            withdrawals=left.get(each.appid, 0),
        )
        for each in questions
    ]


def noted_writes(
    ledger: Ledger, component_appid: str, task: TaskRef, appids: Collection[str], with_past: Collection[str]
) -> Callable[[Recall], AcceptedWrites]:
    """Read the rows about Mini Programs at once, and return a function that answers a question about one of them.

    :param with_past: those of which also the past of their domains is read.
    :raises WxaTransportError: the store does not answer.
    """
    past = pasts(ledger.since_release(component_appid, with_past), task) if with_past else {}
    if not task.run_id:
        return lambda asked: replace(NOTHING_ACCEPTED, past=past.get(asked.appid, Past()))
    writes = defaultdict[str, list[tuple[Entry, float]]](list)
    for row, ago in ledger.writes_of(component_appid, appids, task):
        writes[row.appid].append((row, ago))

    def answer(asked: Recall) -> AcceptedWrites:
        mine = [row for row, _ in writes[asked.appid]]
        rows = writes[asked.appid] + (writes[THE_PLATFORM] if asked.appid else [])
        lately = [
            (row, ago)
            for row, ago in rows
            if row.errcode == 0 and ago < LAG_SECONDS and _is_about(asked, row.fingerprint)
        ]
        withdrawn = [
            row.before["auditid"]
            for row in mine
            if row.endpoint == "undocodeaudit" and row.errcode == 0 and (row.before or {}).get("auditid")
        ]
        sheets = [row.auditid for row in mine if row.auditid and _is_about(asked, row.fingerprint)]
        return _accepted(lately, withdrawn, sheets[0] if sheets else "", past.get(asked.appid, Past()))

    return answer


def _is_about(asked: Recall, fingerprint: str) -> bool:
    """Tell whether a row is about the version that is asked for; one that another tool uploaded has no fingerprint."""
    return asked.fingerprint in ("", fingerprint) or not fingerprint


def _accepted(
    rows: list[tuple[Entry, float]], withdrawn: Iterable[str], noted_auditid: str, past: Past
) -> AcceptedWrites:
    of_list = [row.asked for row, _ in rows if row.endpoint == "modify_wxa_jump_domain"]
    added = [asked for asked in of_list if asked.get("action") in _REGISTERING]
    return AcceptedWrites(
        before={
            endpoint: [row.before for row, _ in rows if row.endpoint == endpoint]
            for endpoint in {row.endpoint for row, _ in rows}
        },
        submitted={row.auditid: LAG_SECONDS - ago for row, ago in rows if row.auditid},
        registered=normalised_hosts(";".join(asked["wxa_jump_h5_domain"] for asked in added)),
        withdrawn=frozenset(withdrawn),
        noted_auditid=noted_auditid,
        past=past,
    )


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
    """Return the domains that a write took off a list, and put there; of a lost answer only those read back."""
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
