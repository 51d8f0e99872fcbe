"""What the ledger knows of a run's writes that WeChat accepted lately: a read that lags behind them is no news."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from airflow_wxa.api.webview_domain import normalised_hosts
from airflow_wxa.errors import WxaError
from airflow_wxa.hooks.past import pasts
from airflow_wxa.steps import LAG_SECONDS, NOTHING_ACCEPTED, AcceptedWrites
from airflow_wxa.steps.offline import Past

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from airflow_wxa.steps import Recall
    from airflow_wxa.store import Ledger, TaskRef
    from airflow_wxa.store.ledger import Entry

log = logging.getLogger(__name__)

_REGISTERING: Final = ("add", "set")  # actions that put hosts onto the platform list


def accepted_writes(
    open_ledger: Callable[[], Ledger], component_appid: str, task: TaskRef, questions: Sequence[Recall]
) -> list[AcceptedWrites]:
    """Return, for each question, the writes of a run that WeChat accepted within the last ten minutes.

    Outside of a run, and where the store does not answer, that is nothing; then a step decides from what WeChat shows.

    :param open_ledger: opens it; called only when there is something to read.
    """
    with_past = {each.appid for each in questions if each.past}
    if not (task.run_id or with_past):
        return [NOTHING_ACCEPTED] * len(questions)
    appids = {each.appid for each in questions}
    try:
        ledger = open_ledger()
        past = pasts(ledger.since_release(component_appid, with_past), task) if with_past else {}
        if not task.run_id:
            return [replace(NOTHING_ACCEPTED, past=past.get(each.appid, Past())) for each in questions]
        lately = ledger.accepted(component_appid, appids, task, seconds=LAG_SECONDS)
        withdrawn = ledger.withdrawn(component_appid, appids, task)
        noted = ledger.auditids(component_appid, appids, task)
    except WxaError as error:
        log.warning("what WeChat accepted lately is not known, the step goes on: %s", error.what)
        return [NOTHING_ACCEPTED] * len(questions)
    of_platform = [row for row in lately if not row[0].appid]
    of_appid: dict[str, list[tuple[Entry, float]]] = {}
    for row in lately:
        if row[0].appid:
            of_appid.setdefault(row[0].appid, []).append(row)
    return [
        _accepted(
            [
                (row, ago)
                for row, ago in (*of_appid.get(each.appid, ()), *of_platform)
                if _is_about(each, row.fingerprint)
            ],
            (auditid for whose, auditid in withdrawn if whose == each.appid),
            next(
                (auditid for whose, mark, auditid in reversed(noted) if whose == each.appid and _is_about(each, mark)),
                "",
            ),
            past.get(each.appid, Past()),
        )
        for each in questions
    ]


def _is_about(asked: Recall, fingerprint: str | None) -> bool:
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
