"""Many processes that do the same thing at the same moment."""

import multiprocessing
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing.context import ForkServerContext
from typing import Any, Final, TypeVar

T = TypeVar("T")
START_SECONDS: Final = 60
# Everything that the children import, pytest itself included: read once instead of by each.
PRELOADED: Final = [
    "pytest",
    "psycopg2",
    "airflow_wxa.sandbox",
    "tests.access.test_killed_refresh",
    "tests.chaos.rolling_back",
]


@cache
def fork_server() -> ForkServerContext:
    """Return processes that begin fresh, without a connection of ours, and with everything imported already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def together(number: int, work: Callable[..., T], *arguments: Any) -> list[T]:
    """Run ``work`` in this many processes; none begins before all are there."""
    context = fork_server()
    barrier = context.Barrier(number)
    with ProcessPoolExecutor(number, context, _remember, (barrier,)) as pool:
        running = [pool.submit(_when_all_are_there, work, *arguments) for _ in range(number)]
        return [each.result(2 * START_SECONDS) for each in running]


def _remember(barrier: threading.Barrier) -> None:
    _when_all_are_there.barrier = barrier  # type: ignore[attr-defined]


def _when_all_are_there(work: Callable[..., T], *arguments: Any) -> T:
    _when_all_are_there.barrier.wait(START_SECONDS)  # type: ignore[attr-defined]
    return work(*arguments)
