"""Six runs of ``wxa_release``: started together, watched to their end, and approved where a person would."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from airflow_wxa.cli.demo.endings import in_order
from airflow_wxa.cli.demo.stories import DAG_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_wxa.cli.demo.rest import AirflowApi, TaskInstance
    from airflow_wxa.cli.demo.stories import Story

LOOK_SECONDS: Final = 0.5
RELEASE_SECONDS: Final = 240.0
APPROVAL: Final = "approve_release"
#: Nobody answers faster than this, and Airflow 3.3 does not expect it: an answer that comes before the scheduler has
#: noticed that the task went to wait makes it take the task for lost, and repeat it a minute later.
THINKING_SECONDS: Final = 2.0
FINAL: Final = frozenset({"success", "failed"})
NOT_BEGUN: Final = frozenset({"", "upstream_failed", "skipped"})


class Releases:
    """The runs of some stories in one Airflow.

    :param tell: called with a story, its current task and that task's state, whenever they change.
    """

    def __init__(self, api: AirflowApi, stories: Sequence[Story], tell: Callable[[Story, str, str], object]) -> None:
        self._api = api
        self._stories = stories
        self._tell = tell
        self._told: dict[str, tuple[str, str]] = {}
        self._asked_at: dict[str, float] = {}

    def run(self, patience: float = RELEASE_SECONDS) -> dict[str, str]:
        """Start them all and watch until the last has ended.

        :param patience: seconds after which runs that still go on are left as they are.
        :return: story → state of its run.
        """
        deadline = time.monotonic() + patience
        for story in self._stories:
            self._api.trigger(DAG_ID, story.word, story.conf)
        states: dict[str, str] = {}
        watched = list(self._stories)
        while watched and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
            states = self._api.run_states(DAG_ID)
            for story in watched:
                self._look(story)
            watched = [story for story in watched if states.get(story.word) not in FINAL]
        return {story.word: states.get(story.word, "") for story in self._stories}

    def _look(self, story: Story) -> None:
        tasks = in_order(story, self._api.task_instances(DAG_ID, story.word))
        current = current_task(tasks)
        if current is not None and self._told.get(story.word) != (current.task_id, current.state):
            self._told[story.word] = (current.task_id, current.state)
            self._tell(story, current.task_id, current.state)
        if any(task.task_id == APPROVAL and task.state == "awaiting_input" for task in tasks):
            self._approve_in_time(story)

    def _approve_in_time(self, story: Story) -> None:
        asked_at = self._asked_at.setdefault(story.word, time.monotonic())
        if time.monotonic() - asked_at >= THINKING_SECONDS:
            self._api.approve(DAG_ID, story.word, APPROVAL)


def current_task(tasks: Sequence[TaskInstance]) -> TaskInstance | None:
    """Return the task that a run is at: one under way, else the failed one, else the last that came to an end.

    :param tasks: as :func:`~airflow_wxa.cli.demo.endings.in_order` has them.
    """
    begun = [task for task in tasks if task.state not in NOT_BEGUN]
    under_way = [task for task in begun if task.state not in FINAL]
    failed = [task for task in begun if task.state == "failed"]
    return next(iter(under_way or failed or begun[-1:]), None)
