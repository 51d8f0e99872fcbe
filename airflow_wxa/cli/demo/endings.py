"""How a run ended, read back from Airflow; and how that differs from what was written down."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from airflow_wxa.cli.demo.stories import DAG_ID, Ending

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_wxa.cli.demo.rest import AirflowApi, TaskInstance
    from airflow_wxa.cli.demo.stories import Story

_ERRCODE = re.compile(r"\berrcode (-?\d+)")
_DOMAIN_TASKS = ("configure_domains", "register_platform_domains", "configure_domains_again")
_LINES_WITH_NEXT_STEP = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One Mini Program of the demo: what was to come of it, and what came of it.

    :param error: the whole text that the failed task ended with; empty when none failed.
    """

    story: Story
    seen: Ending
    error: str = ""

    @property
    def differences(self) -> list[str]:
        """What is not as it was written down, a line each."""
        must, found = self.story.must_end, []
        for each in fields(Ending):
            wanted, seen = getattr(must, each.name), getattr(self.seen, each.name)
            if each.name == "next_step":
                if wanted not in seen:
                    found.append(f"next_step does not speak of {wanted!r}: {seen!r}")
            elif each.name == "task_states":
                found += _different_states(wanted, seen)
            elif wanted != seen:
                found.append(f"{each.name} must be {_shown(wanted)}, is {_shown(seen)}")
        return found

    def to_json(self) -> dict[str, Any]:
        """Return the row as JSON values."""
        return {
            "story": self.story.word,
            "appid": self.story.appid,
            "seen": _plain(self.seen),
            "must_be": _plain(self.story.must_end),
            "error": self.error,
            "differences": self.differences,
        }


def read_row(api: AirflowApi, story: Story, *, run_state: str, effective: Sequence[str]) -> Row:
    """Read from Airflow how a run ended.

    :param run_state: the run's, which the caller has.
    :param effective: the domains that open at WeChat now, which Airflow cannot know of a run that stopped.
    """
    tasks = {task.task_id: task for task in in_order(story, api.task_instances(DAG_ID, story.word))}
    domains = [outcome for task_id in _DOMAIN_TASKS if (outcome := _returned(api, story, tasks.get(task_id)))]
    verified = _returned(api, story, tasks.get("verify_release"))
    failed = next((task for task in tasks.values() if task.state == "failed"), None)
    error = api.error_text(DAG_ID, story.word, failed) if failed else ""
    seen = Ending(
        road=tuple(outcome["outcome"] for outcome in domains),
        outcome=_outcome(verified, failed),
        errcode=domains[0].get("errcode") if domains else errcode_in(error),
        next_step=next_step_in(error) if failed else _outcome(verified, failed),
        run_state=run_state,
        task_states={task.task_id: task.state for task in tasks.values()},
        effective=tuple(sorted(effective)),
    )
    return Row(story=story, seen=seen, error=error)


def in_order(story: Story, tasks: Sequence[TaskInstance]) -> list[TaskInstance]:
    """Return tasks in the order in which the story has them, which is the DAG's."""
    places = {task_id: place for place, task_id in enumerate(story.must_end.task_states)}
    return sorted(tasks, key=lambda task: places.get(task.task_id, len(places)))


def errcode_in(error: str) -> int | None:
    """Return the errcode that an error's text names; ``None`` when it names none."""
    found = _ERRCODE.search(error)
    return int(found[1]) if found else None


def next_step_in(error: str) -> str:
    """Return the next step of an error's text: it stands before the source, which is the last line."""
    lines = [line.strip() for line in error.splitlines() if line.strip()]
    return lines[-2] if len(lines) >= _LINES_WITH_NEXT_STEP else "see the task's log"


def _returned(api: AirflowApi, story: Story, task: TaskInstance | None) -> Any:
    """Return what a task returned; ``None`` when it did not get so far."""
    return api.xcom(DAG_ID, story.word, task.task_id) if task and task.state == "success" else None


def _outcome(verified: Any, failed: TaskInstance | None) -> str:
    if failed:
        return f"stopped at {failed.task_id}"
    return str(verified["outcome"]) if verified else "not finished"


def _different_states(must: Any, seen: Any) -> list[str]:
    return [
        f"task {task_id} must be {must.get(task_id, 'absent')}, is {seen.get(task_id) or 'absent'}"
        for task_id in {**must, **seen}
        if must.get(task_id) != seen.get(task_id)
    ]


def _shown(value: object) -> str:
    return (" → ".join(value) or "empty") if isinstance(value, tuple) else str(value)


def _plain(ending: Ending) -> dict[str, Any]:
    values = {each.name: getattr(ending, each.name) for each in fields(ending)}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
