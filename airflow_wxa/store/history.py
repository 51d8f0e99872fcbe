"""The past as managers ask for it: releases by day, person and DAG, and how long reviews took."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, distinct, func, or_, select

from airflow_wxa.api.endpoints import BEIJING
from airflow_wxa.store.engine import OfStore
from airflow_wxa.store.ledger import APPROVAL
from airflow_wxa.store.standing import ONLINE
from airflow_wxa.store.tables import database_now, ledger, standing

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import ColumnElement

_SYSTEM_ERROR: Final = -1
_RELEASES: Final = ("release", "revertcoderelease")
_DAYS: Final = 30
_MAX_REVIEWS: Final = 2000


@dataclass(frozen=True, slots=True)
class Released:
    """One run's releases.

    :param began: epoch seconds of the first, ``at`` of the last.
    :param by: the user who triggered the run; ``approved_by``: the one who approved.
    :param count: Mini Programs; ``appid`` and ``name`` are those of one of them.
    :param versions: the least and the greatest; one where they are the same.
    """

    dag_id: str
    run_id: str
    endpoint: str
    by: str
    began: float
    at: float
    count: int
    appid: str
    name: str
    versions: tuple[str, ...]
    approved_by: str

    @property
    def day(self) -> str:
        """By WeChat's clock."""
        return dt.datetime.fromtimestamp(self.at, BEIJING).date().isoformat()


class History(OfStore):
    """Reads the ledger, for people who may see some DAGs."""

    def releases(
        self, dag_ids: Collection[str], *, by: str = "", dag_id: str = "", day: str = "", most: int = 100
    ) -> list[Released]:
        """Return the releases and rollbacks of a day, or of the last 30, a run each, the newest first.

        :param by: only of runs that this user triggered, ``dag_id`` likewise; ``day``: only of this day, in ISO 8601.
        """
        version = func.coalesce(*(ledger.c.after[name].as_string() for name in ("release_version", "user_version")))
        of_run = (ledger.c.dag_id, ledger.c.run_id, ledger.c.endpoint, ledger.c.triggered_by)
        last = func.max(ledger.c.sent_at)
        query = select(
            *of_run, func.min(ledger.c.sent_at), last, func.count(distinct(ledger.c.appid)), func.min(ledger.c.appid),
            func.min(version), func.max(version),
        )  # fmt: skip
        found = [ledger.c.dag_id.in_(sorted(dag_ids)), _was_released()]
        found += [ledger.c.triggered_by == by] if by else []
        found += [ledger.c.dag_id == dag_id] if dag_id else []
        bounds = _bounds(day)
        found.append(ledger.c.sent_at.between(*bounds) if bounds else _is_recent())
        rows = self._database.rows(query.where(*found).group_by(*of_run).order_by(last.desc()).limit(most))
        runs = sorted({row.run_id for row in rows})
        approvals = select(ledger.c.dag_id, ledger.c.run_id, ledger.c.after).where(
            ledger.c.run_id.in_(runs), ledger.c.dag_id.in_(sorted(dag_ids)), ledger.c.endpoint == APPROVAL
        )
        approved = {
            (row.dag_id, row.run_id): str(row.after["by"])
            for row in self._database.rows(approvals.order_by(ledger.c.id))
            if isinstance(row.after, dict) and row.after.get("outcome") == "approved" and row.after.get("by")
        }
        names = select(standing.c.appid, standing.c.name).where(standing.c.appid.in_({row[7] for row in rows}))
        name_of = {row.appid: row.name or "" for row in self._database.rows(names)}
        return [_released(row, name_of.get(row[7], ""), approved.get((row.dag_id, row.run_id), "")) for row in rows]

    def choices(self, dag_ids: Collection[str]) -> tuple[list[str], list[str]]:
        """Return the people and the DAGs that have released something in the last 30 days."""
        query = select(ledger.c.triggered_by, ledger.c.dag_id).where(
            ledger.c.dag_id.in_(sorted(dag_ids)), _was_released(), _is_recent()
        )
        rows = self._database.rows(query.distinct())
        return sorted({row[0] for row in rows if row[0]}), sorted({row[1] for row in rows})

    def reviews(self, dag_ids: Collection[str]) -> list[float]:
        """Return how many seconds the reviews took that ended in the last 30 days, the shortest first."""
        took = ledger.c.reviewed_at - ledger.c.answered_at
        query = select(took).where(
            ledger.c.endpoint == "submit_audit",
            ledger.c.dag_id.in_(sorted(dag_ids)),
            ledger.c.reviewed_at > database_now() - _DAYS * 86400,
        )
        return sorted(self._database.column(query.order_by(ledger.c.id.desc()).limit(_MAX_REVIEWS)))


def _was_released() -> ColumnElement[bool]:
    """Pick writes that put a version online, or of whose lost answer a later step found out that they did."""
    answered = and_(ledger.c.answered_at.is_not(None), ledger.c.errmsg.is_(None), ledger.c.errcode != _SYSTEM_ERROR)
    found_out = and_(ledger.c.resolved_by.is_not(None), ledger.c.after["outcome"].as_string().in_(sorted(ONLINE)))
    return and_(ledger.c.endpoint.in_(_RELEASES), or_(answered, found_out))


def _is_recent() -> ColumnElement[bool]:
    return ledger.c.sent_at > database_now() - _DAYS * 86400


def _bounds(day: str) -> tuple[float, float] | None:
    """Return when a day begins and ends by WeChat's clock; ``None``: it is no day."""
    try:
        begins = dt.datetime.combine(dt.date.fromisoformat(day), dt.time(), BEIJING).timestamp()
    except ValueError:
        return None
    return begins, begins + 86400 - 1e-3


def _released(row: Any, name: str, approved_by: str) -> Released:
    dag_id, run_id, endpoint, by, began, at, count, appid, least, greatest = row
    versions = tuple(dict.fromkeys(each for each in (least, greatest) if each))
    return Released(dag_id, run_id, endpoint, by, began, at, count, appid, name, versions, approved_by)
