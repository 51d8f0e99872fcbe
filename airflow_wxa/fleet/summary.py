"""Summary of a fleet: the outcome of each Mini Program, the counts, and the manifest of unfinished ones."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import yaml

from airflow_wxa.api.endpoints import month_turns
from airflow_wxa.api.values import csv_lines
from airflow_wxa.fleet.located import know_plain_values
from airflow_wxa.fleet.pace import Pace, moment
from airflow_wxa.fleet.plan import CALL_SECONDS, CALLS
from airflow_wxa.fleet.waves import DONE
from airflow_wxa.fleet.window import deadline, opens_at
from airflow_wxa.store.fleets import ROLLBACK, version_of
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from airflow_wxa.store.fleets import FleetApp, FleetRun

OUTCOME_FIELDS: Final = (
    "appid",
    "outcome",
    "stage",
    "wave",
    "errcode",
    "what",
    "next_step",
    "user_version",
    "auditid",
)
#: Outcomes, the worst first.
_WORST_FIRST: Final = ("failed", "blocked", "rejected", "pending", "no_quota", "not_reached")
FINISHED: Final = frozenset({*DONE, "rejected", "superseded"})
_NAMED: Final = 10
_ENTRIES_AT_ONCE: Final = 500
_Base: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_Base):  # type: ignore[misc]
    """Puts a text into quotes that a manifest is read to hold as something else: ``1e5`` is a number there."""


know_plain_values(_Dumper)


def outcome_of(run: FleetRun, app: FleetApp) -> dict[str, Any]:
    """Return what became of a Mini Program, as JSON values; ``outcome`` is ``None`` while it has not ended."""
    return {name: getattr(app, name, None) for name in OUTCOME_FIELDS} | {"user_version": version_of(run, app)}


def outcome_text(outcome: str | None) -> str:
    """Return the word of an outcome, as its reader reads it."""
    return Text("outcome", outcome or "goes on") or str(outcome)


def errcode_texts(summary: Summary) -> list[Text]:
    """Return a line for each errcode that a fleet met, with the remedy."""
    return [
        Text("errcode_was_met", errcode=errcode, count=count, next_step=next_step)
        for errcode, (count, next_step) in sorted(summary.errcodes.items())
    ]


def outcomes_csv(run: FleetRun, apps: Iterable[FleetApp]) -> Iterator[str]:
    """Yield the lines of a CSV file."""
    return csv_lines(chain([OUTCOME_FIELDS], (outcome_of(run, app).values() for app in apps)))


def rerun_manifest(run: FleetRun, apps: Iterable[FleetApp]) -> str:
    """Return the manifest of unfinished Mini Programs; ``""`` when there are none.

    A rejected version is finished: it needs a fix, and another ``user_version`` or ``template_id``. Of a rollback those
    are listed that were planned, with the version that comes back.
    """
    if ROLLBACK in run.manifest:
        planned = ((app, (app.plan or {}).get("rollback")) for app in apps if app.outcome not in FINISHED)
        back = [{"appid": app.appid, "app_version": plan["target"]["app_version"]} for app, plan in planned if plan]
        return _written({"apps": back} | {name: run.manifest[name] for name in ("waves", "pace")}) if back else ""
    left = [
        {"appid": app.appid, **app.given} if app.given else app.appid for app in apps if app.outcome not in FINISHED
    ]
    if not left:
        return ""
    release, *rest = run.manifest.items()
    # By the hundred, each as it would stand in the whole: the writer keeps all it has written, and looks through it.
    parts = (_written(left[first : first + _ENTRIES_AT_ONCE]) for first in range(0, len(left), _ENTRIES_AT_ONCE))
    return "".join([_written(dict([release])), "apps:\n", *parts, _written(dict(rest)) if rest else ""])


def _written(part: Mapping[str, Any] | Sequence[Any]) -> str:
    return str(yaml.dump(part, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120))


def time_left(run: FleetRun, apps: Iterable[FleetApp], now: float) -> str:
    """Return what a run still waits for, and until when at the latest: calls, reviews, the month's turn.

    :param now: epoch seconds.
    """
    calls, reviews, without = 0, list[float](), 0
    for app in apps:
        if app.outcome is None:
            calls += sum(CALLS.get(step, 0) for step in (app.plan or {}).get("steps", ()))
            if app.auditid and app.submitted_at:
                reviews.append(deadline(run.manifest, app.submitted_at))
        without += app.outcome == "no_quota"
    minutes = calls * CALL_SECONDS / Pace(run.manifest).concurrency / 60
    found = [Text("left_of_calls", minutes=f"{minutes:.0f}")] if calls else []
    if reviews:
        found.append(Text("left_of_reviews", count=len(reviews), until=moment(max(reviews))))
    opens = opens_at(run.manifest, now)
    if found and opens > now:
        found.append(Text("left_closed", until=moment(opens)) if opens < math.inf else Text("left_never_open"))
    if without and run.manifest.get("carry_over") and run.ended_at is None:
        turn = month_turns(dt.datetime.fromtimestamp(now, dt.UTC)).timestamp()
        found.append(Text("left_without_quota", count=without, until=moment(turn)))
    return Text("left", each=found) if found else ""


@dataclass(slots=True)
class Summary:
    """Summary of a fleet.

    :param outcomes: how many by outcome; ``goes on``: not ended.
    :param errcodes: how many by errcode, with the remedy.
    :param worst: a few that somebody should look at first.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    errcodes: dict[int, tuple[int, str]] = field(default_factory=dict)
    worst: list[FleetApp] = field(default_factory=list)

    @classmethod
    def of(cls, apps: Iterable[FleetApp]) -> Summary:
        """Count."""
        summary = cls()
        kept: dict[str, list[FleetApp]] = {outcome: [] for outcome in _WORST_FIRST}
        for app in apps:
            summary.outcomes[app.outcome or "goes on"] += 1
            if app.errcode:
                count, _ = summary.errcodes.get(app.errcode, (0, ""))
                summary.errcodes[app.errcode] = (count + 1, app.next_step)
            if app.outcome in kept and len(kept[app.outcome]) < _NAMED:
                kept[app.outcome].append(app)
        summary.worst = [app for outcome in _WORST_FIRST for app in kept[outcome]][:_NAMED]
        return summary

    def __str__(self) -> Text:
        counts = [
            Text("so_many_ended", count=count, outcome=outcome_text(outcome))
            for outcome, count in self.outcomes.most_common()
        ]
        return Text("list", each=counts, between=", ")
