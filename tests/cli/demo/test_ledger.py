from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_wxa.api.code import release
from airflow_wxa.cli.demo.ledger import FILE, ledger_problems, read_ledger
from airflow_wxa.cli.demo.stories import STORIES
from airflow_wxa.store import Entry, Ledger, TaskRef
from tests.cli.demo.conftest import noted

if TYPE_CHECKING:
    from pathlib import Path

PLAIN, REJECTED = STORIES[0], STORIES[5]


def test_one_audit_and_one_release_of_each_released_mini_program_are_as_they_must_be(ledger: list[Entry]) -> None:
    assert ledger_problems(ledger, STORIES) == []


def test_what_was_refused_or_lost_counts_for_nothing(ledger: list[Entry]) -> None:
    others = [noted(PLAIN.appid, "release", errcode=-1), noted(PLAIN.appid, "submit_audit", is_answered=False)]
    assert ledger_problems(ledger + others, STORIES) == []
    assert ledger_problems(others, [PLAIN]) != []


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([], "holds neither audit nor release; must be submit_audit"),
        ([noted(REJECTED.appid, "submit_audit")] * 2, "holds submit_audit, submit_audit; must be submit_audit"),
        (
            [noted(REJECTED.appid, "submit_audit"), noted(REJECTED.appid, "release")],
            "holds submit_audit, release; must be submit_audit",
        ),
    ],
)
def test_what_a_rejected_mini_program_must_not_have_done_is_named(rows: list[Entry], problem: str) -> None:
    assert ledger_problems(rows, [REJECTED]) == [f"rejected ({REJECTED.appid}): {problem}"]


def test_the_ledger_is_read_from_the_store_in_the_home_oldest_first(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path / FILE}")
    for story in STORIES[:2]:
        ledger.answered(ledger.intend(story.component_appid, release(story.appid), TaskRef(run_id=story.word)))
    read = read_ledger(tmp_path)
    assert [(row.appid, row.task.run_id, row.result) for row in read] == [
        (story.appid, story.word, "ok") for story in STORIES[:2]
    ]


def test_a_home_without_a_store_has_no_rows_and_gets_no_store(tmp_path: Path) -> None:
    assert read_ledger(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
