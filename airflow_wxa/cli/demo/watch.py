"""Six runs: started together, watched to their end, approved where a person would; and told about meanwhile."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from airflow_wxa.cli.demo.releases import DAG_ID, TASKS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import Console

    from airflow_wxa.cli.demo.airflow import AirflowApi, TaskInstance
    from airflow_wxa.cli.demo.releases import DemoRelease

LOOK_SECONDS: Final = 0.5
RELEASE_SECONDS: Final = 240.0
APPROVAL: Final = "approve_release"
WAITING: Final = ("awaiting_input", "deferred")  # as Airflow 3.3, and 3.2, call a task that waits for a person
#: Nobody answers faster than this, and Airflow 3.3 does not expect it: an answer that comes before the scheduler has
#: noticed that the task went to wait makes it take the task for lost, and repeat it a minute later.
THINKING_SECONDS: Final = 2.0
FINAL: Final = frozenset({"success", "failed"})
UNEVENTFUL: Final = frozenset({"scheduled", "queued", "success"})


@contextmanager
def telling(console: Console) -> Iterator[Callable[[str], None]]:
    """Give what prints a line with the seconds since now; on a terminal something moves below the lines."""
    began = time.monotonic()

    def tell(text: str) -> None:
        console.print(f"{time.monotonic() - began:6.1f} s  {text}", markup=False, highlight=False, soft_wrap=True)

    with console.status("Releasing Mini Programs on a real Airflow"):
        yield tell


def release(
    api: AirflowApi,
    releases: Sequence[DemoRelease],
    tell: Callable[[str], object],
    *,
    approves: bool = True,
    patience: float = RELEASE_SECONDS,
) -> dict[str, str]:
    """Start all runs and watch until the last has ended.

    :param tell: called with a line when a run comes to another task, or its task into another state.
    :param approves: whether an approval is given; else a run that waits for one counts as ended.
    :param patience: seconds after which runs that still go on are left as they are.
    :return: word of a release → state of its run.
    """
    deadline = time.monotonic() + patience
    for each in releases:
        api.trigger(DAG_ID, each.word, each.conf)
    states: dict[str, str] = {}
    told: dict[str, tuple[str, str]] = {}
    asked_at: dict[str, float] = {}
    waiting: set[str] = set()
    watched = list(releases)
    while watched and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
        states = api.run_states(DAG_ID)
        for each in watched:
            tasks = in_order(api.task_instances(DAG_ID, each.word))
            current = current_task(tasks)
            if current is not None and told.get(each.word) != (current.task_id, current.state):
                told[each.word] = (current.task_id, current.state)
                if current.state not in UNEVENTFUL:
                    tell(f"{each.word}: {current.task_id} {current.state}")
            if any(task.task_id == APPROVAL and task.state in WAITING for task in tasks):
                since = asked_at.setdefault(each.word, time.monotonic())
                if not approves:
                    waiting.add(each.word)
                elif time.monotonic() - since >= THINKING_SECONDS:
                    api.approve(DAG_ID, each.word, APPROVAL)
        watched = [each for each in watched if states.get(each.word) not in FINAL and each.word not in waiting]
    return {each.word: states.get(each.word, "") for each in releases}


def in_order(tasks: Sequence[TaskInstance]) -> list[TaskInstance]:
    """Return tasks in the DAG's order; one that it does not know stands at the end."""
    places = {task_id: place for place, task_id in enumerate(TASKS)}
    return sorted(tasks, key=lambda task: places.get(task.task_id, len(places)))


def current_task(tasks: Sequence[TaskInstance]) -> TaskInstance | None:
    """Return the task that a run is at: one under way, else the failed one, else the last that came to an end.

    :param tasks: in the DAG's order.
    """
    begun = [task for task in tasks if task.state not in {"", "upstream_failed", "skipped"}]
    under_way = [task for task in begun if task.state not in FINAL]
    failed = [task for task in begun if task.state == "failed"]
    return next(iter(under_way or failed or begun[-1:]), None)
