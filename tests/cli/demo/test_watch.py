from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from airflow_wxa.cli.demo.airflow import ALL_RUNS, AirflowApi, AirflowStartError, TaskInstance
from airflow_wxa.cli.demo.releases import RELEASES, DemoRelease, current_task, release, telling

PLAIN, UNCHANGED = RELEASES[:2]


class ScriptedAirflow(AirflowApi):
    """Runs that go from one picture to the next each time somebody looks.

    :param scripts: run id → states of ``approve_release``, one a look; a run ends after its last.
    """

    def __init__(self, scripts: dict[str, list[str]]) -> None:
        self.scripts = scripts
        self.looks = 0
        self.triggered: list[tuple[str, bool]] = []
        self.approved: list[str] = []

    def trigger(self, _dag_id: str, run_id: str, conf: Mapping[str, Any]) -> None:
        self.triggered.append((run_id, conf["approval"]))

    def run_states(self, _dag_id: str) -> dict[str, str]:
        return {
            run_id: "running" if self.looks < len(states) - 1 else "success" for run_id, states in self.scripts.items()
        }

    def task_instances(self, _dag_id: str, run_id: str, states: Sequence[str] = ()) -> list[TaskInstance]:
        assert run_id == ALL_RUNS
        self.looks += 1
        now = {run_id: script[min(self.looks, len(script)) - 1] for run_id, script in self.scripts.items()}
        return [
            TaskInstance("approve_release", state, 1, run_id=run_id) for run_id, state in now.items() if state in states
        ]

    def approve(self, _dag_id: str, run_id: str, task_id: str) -> None:
        self.approved.append(f"{run_id}/{task_id} at look {self.looks}")


def states(runs: Iterable[tuple[DemoRelease, str]]) -> dict[str, str]:
    return {each.word: state for each, state in runs}


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let half a second pass with each look, without waiting."""
    now = [0.0]
    monkeypatch.setattr("airflow_wxa.cli.demo.releases.time.sleep", lambda seconds: now.append(now[-1] + seconds))
    monkeypatch.setattr("airflow_wxa.cli.demo.releases.time.monotonic", lambda: now[-1])


def test_all_runs_are_started_before_any_is_watched_and_nothing_is_approved_that_does_not_ask() -> None:
    airflow = ScriptedAirflow({"plain": ["running", "success"], "unchanged": ["success"]})
    ended = list(release(airflow, (PLAIN, UNCHANGED), str))
    assert airflow.triggered == [("plain", True), ("unchanged", False)]
    assert ended == [(UNCHANGED, "success"), (PLAIN, "success")]  # each as soon as it has ended
    assert airflow.approved == []


def test_an_approval_is_given_when_the_scheduler_has_noticed_the_question_or_after_a_while() -> None:
    script = {"plain": ["awaiting_input"] * 22 + ["success"]}
    airflow, looks = ScriptedAirflow(script), iter([False, False])
    states(release(airflow, (PLAIN,), str, has_parked=lambda *_: next(looks, True)))
    assert airflow.approved[0] == "plain/approve_release at look 3"
    unsure = ScriptedAirflow(script)
    states(release(unsure, (PLAIN,), str))
    assert unsure.approved[0] == "plain/approve_release at look 21"


def test_runs_that_are_left_at_their_approval_count_as_ended_and_those_that_never_end_are_left_as_they_are() -> None:
    airflow = ScriptedAirflow({"plain": ["running", "awaiting_input", "awaiting_input"], "unchanged": ["success"]})
    ended = states(release(airflow, (PLAIN, UNCHANGED), str, approves=False))
    assert ended == {"plain": "running", "unchanged": "success"}
    assert airflow.approved == []
    endless = ScriptedAirflow({"plain": ["running"] * 100, "unchanged": ["success"]})
    assert states(release(endless, (PLAIN, UNCHANGED), str, patience=5)) == ended


def test_a_state_is_told_once_unless_the_task_waits_for_its_turn_or_ended_well() -> None:
    told: list[str] = []
    airflow = ScriptedAirflow({"plain": ["queued", "running", "running", "deferred", "success"]})
    states(release(airflow, (PLAIN,), told.append))
    assert told == ["plain: approve_release running", "plain: approve_release deferred"]


@pytest.mark.parametrize(
    ("states", "current"),
    [
        ("", None),
        ("success", 0),
        ("success running", 1),
        ("success skipped scheduled", 2),
        ("success failed upstream_failed", 1),
        ("success skipped", 0),
        ("success success", 1),
        ("success deferred", 1),
    ],
)
def test_the_current_task_is_the_one_under_way_or_the_one_that_ended_it(states: str, current: int | None) -> None:
    tasks = [TaskInstance(f"task_{place}", state, 1) for place, state in enumerate(states.split())]
    assert current_task(tasks) == (None if current is None else tasks[current])


def test_a_file_gets_a_line_for_each_event_and_no_control_characters() -> None:
    events = ["scheduler starting", "plain: commit_code running"]
    with telling(Console(file=(sink := StringIO()))) as tell:
        for event in events:
            tell(event)
    assert [line.partition(" s  ")[2] for line in sink.getvalue().splitlines()] == events
    assert "\x1b" not in sink.getvalue()


def test_a_component_that_died_is_named_at_the_next_look() -> None:
    airflow, looks = ScriptedAirflow({"plain": ["running"] * 100}), iter([None, None])

    def check() -> None:
        if next(looks, "dead"):
            raise AirflowStartError("Airflow's scheduler ended with exit code 1")

    with pytest.raises(AirflowStartError, match="scheduler ended"):
        states(release(airflow, (PLAIN,), str, check=check))
    assert airflow.looks == 2
