"""Measurements: their size, what is measured and how, and where figures are kept."""

from __future__ import annotations

import json
import os
import resource
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

T = TypeVar("T")

IS_FULL = os.environ.get("WXA_BENCHMARK") == "full"
FOLDER = Path(os.environ.get("WXA_BENCHMARK_FOLDER", "build/benchmarks"))
FERNET_KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
PLATFORM: Final = "wx00000000000000c1"
#: Whether nobody else has work for this machine as a measurement begins: else its wall time says nothing of ours.
IS_QUIET = os.getloadavg()[0] < (os.cpu_count() or 1)


def only_full(why: str) -> list[pytest.MarkDecorator]:
    """Mark a module that measures at full size only."""
    return [pytest.mark.benchmark, pytest.mark.skipif(not IS_FULL, reason=f"{why}: WXA_BENCHMARK=full")]


def keep(name: str, told: object) -> None:
    """Write figures as JSON."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps(told, indent=2) + "\n")


def cpu() -> float:
    """Return the CPU seconds of this process, and of all that it has started and that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


def spent(work: Callable[[], object]) -> tuple[float, float]:
    """Return the CPU seconds and the wall seconds of some work."""
    before, began = cpu(), time.perf_counter()
    work()
    return cpu() - before, time.perf_counter() - began


def by_turns(ways: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """Let each way take its turn in each round, every second time the other way round: neighbours come and go."""
    found: dict[str, list[T]] = {way: [] for way in ways}
    for number in range(rounds):
        for way in list(ways)[:: -1 if number % 2 else 1]:
            found[way].append(ways[way]())
    return found


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median of the ratios of figures that were taken by turns."""
    return statistics.median(mine / other for mine, other in zip(ours, theirs, strict=True))


def percentile(seconds: Sequence[float], percent: int) -> float:
    """Return the seconds that so many percent of all take at most."""
    return sorted(seconds)[min(len(seconds) * percent // 100, len(seconds) - 1)]


def percentiles(seconds: Sequence[float], *percents: int) -> str:
    """Return percentiles as they are printed."""
    return ", ".join(f"p{each} {percentile(seconds, each) * 1e3:.1f} ms" for each in percents)
