"""Waves of release: which Mini Program is in which, in which shard of it, and when the next wave may begin."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from airflow_wxa.store.fleets import ROLLBACK
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from airflow_wxa.store.fleets import FleetRun, Fleets

WAVES: Final = ("canary", "early", "rest")
_PLANNING: Final = ("plan_release", "plan_rollback")
#: What a Mini Program comes to that needs nothing more.
DONE: Final = ("released", "rolled_back")
#: Shard of the last wave: Mini Programs that earlier waves have left behind in review.
STRAGGLERS: Final = -1
_FAILED_PERCENT: Final = {"canary": 0.0, "early": 5.0, "rest": 100.0}
_BAD: Final = frozenset({"failed", "rejected", "blocked"})


@dataclass(frozen=True, slots=True)
class Wave:
    """One wave as the manifest asks for it.

    :param apps: how many Mini Programs; ``None``: by percent, and without that all that are left.
    :param percent: of the whole fleet, rounded up.
    :param max_failed_percent: of the wave; when more failed, the next wave does not begin.
    :param soak_minutes: from its last release until its gate may open.
    :param approval: somebody is asked before it is released.
    :param released_percent: when so much of it is released, Mini Programs still in review are left to the last wave;
        ``None``: all are waited for.
    """

    name: str
    apps: int | None
    percent: float | None
    max_failed_percent: float
    soak_minutes: float = 0.0
    approval: bool = False
    released_percent: float | None = None

    def size(self, fleet: int, left: int) -> int:
        """Return how many of a fleet it takes.

        :param left: how many earlier waves have left.
        """
        if self.name == WAVES[-1]:
            return left
        wanted = self.apps if self.apps is not None else math.ceil(fleet * (self.percent or 0) / 100)
        return min(wanted, left)


def read_waves(asked: Mapping[str, Any]) -> tuple[Wave, ...]:
    """Return the three waves; one that the manifest leaves out is empty, and ``rest`` takes what is left."""
    found = []
    for name in WAVES:
        each = asked.get(name) or {}
        limits = {"max_failed_percent": _FAILED_PERCENT[name], "apps": None, "percent": None}
        found.append(Wave(**{"name": name, **limits, **each}))
    return tuple(found)


def wave_of(manifest: Mapping[str, Any], name: str) -> Wave:
    """Return a wave of a manifest."""
    return read_waves(manifest.get("waves") or {})[WAVES.index(name)]


def submits_ahead(manifest: Mapping[str, Any]) -> bool:
    """Tell whether nothing is submitted behind the canary's gate: as asked, or where there is no canary."""
    canary = wave_of(manifest, WAVES[0])
    return manifest.get("submit") == "ahead" or ROLLBACK in manifest or not (canary.apps or canary.percent)


def places(waves: Iterable[Wave], fleet: int, shard_size: int) -> Iterator[tuple[str, int]]:
    """Yield wave and shard number of each Mini Program, in the manifest's order."""
    left = fleet
    for wave in waves:
        size = wave.size(fleet, left)
        left -= size
        yield from ((wave.name, at // shard_size) for at in range(size))


@dataclass(slots=True)
class WaveCount:
    """Outcomes of a wave so far.

    :param failed: ``failed``, ``rejected``, and ``blocked`` unless the plan had it so.
    """

    total: int = 0
    released: int = 0
    failed: int = 0
    unended: int = 0

    @property
    def failed_percent(self) -> float:
        """Of all its Mini Programs."""
        return 100 * self.failed / self.total if self.total else 0.0


def wave_counts(counts: Iterable[tuple[str, str, str | None, int | None, int]]) -> dict[str, WaveCount]:
    """Return what became of each wave.

    :param counts: how many there are by wave, stage, outcome and errcode.
    """
    found = {name: WaveCount() for name in WAVES}
    for wave, stage, outcome, _, count in counts:
        here = found[wave]
        here.total += count
        here.released += count if outcome in DONE else 0
        here.unended += count if outcome is None else 0
        was_blocked_before = outcome == "blocked" and stage.rpartition(".")[2] in _PLANNING
        if outcome in _BAD and not was_blocked_before:
            here.failed += count
    return found


def gate_problem(fleets: Fleets, run: FleetRun, wave: str) -> str:
    """Return why the next wave must not begin; ``""``: it may."""
    if run.stopped_by is not None:
        return Text("stopped_before_the_next_wave", stopped_by=run.stopped_by or Text("somebody"))
    count, limit = wave_counts(fleets.counts(run.key))[wave], wave_of(run.manifest, wave).max_failed_percent
    if count.unended:
        return Text("wave_lost_a_shard", wave=wave, unended=count.unended, total=count.total)
    if count.failed_percent <= limit:
        return ""
    return Text(
        "wave_failed_too_often",
        wave=wave,
        failed=count.failed,
        total=count.total,
        failed_percent=f"{count.failed_percent:.1f}",
        limit=f"{limit:g}",
        run_id=run.run_id,
    )
