"""A decision of a run counts in that run alone: one that was deleted and made again under its id finds none."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest
from sqlalchemy import select, update

from airflow_wxa.api.code import release
from airflow_wxa.store import Ledger, TaskRef
from airflow_wxa.store.questions import Fact, Question
from airflow_wxa.store.tables import database_now, ledger, run, run_task
from tests.store.conftest import APPID, PLATFORM

AFTER = 1_800_000_000.25
LIST = TaskRef("wxa_rollback", "mine", "list_versions", -1, 1, "lin", "list-1", AFTER)
APPROVE = replace(LIST, task_id="approve_rollback", ti_id="approve-1")
ROLLBACK = replace(LIST, task_id="rollback", ti_id="rollback-1")


@pytest.fixture
def noted(store_url: str) -> Ledger:
    """Return the ledger, in which a run was listed and approved."""
    return approved_in(Ledger(store_url), "mine")


def approved_in(noted: Ledger, run_id: str) -> Ledger:
    noted.join(replace(LIST, run_id=run_id))
    noted.decided(PLATFORM, APPID, replace(APPROVE, run_id=run_id), {"outcome": "approved"})
    return noted


def is_approved(noted: Ledger, task: TaskRef) -> bool:
    return (noted.decision(PLATFORM, APPID, task, "approve_rollback") or {}).get("outcome") == "approved"


def test_the_run_that_was_approved_finds_its_decision_at_each_try(noted: Ledger) -> None:
    assert is_approved(noted, ROLLBACK)
    assert is_approved(noted, ROLLBACK)  # after a wait, which keeps the id
    assert is_approved(noted, replace(ROLLBACK, try_number=2, ti_id="rollback-2"))
    noted.join(replace(LIST, try_number=2, ti_id="list-2"))  # cleared: it has another id, and a higher try
    assert is_approved(noted, ROLLBACK)
    assert not is_approved(noted, replace(ROLLBACK, dag_id="another"))


def test_a_run_that_was_made_again_under_the_same_id_finds_no_decision(noted: Ledger) -> None:
    for run_id, again in {
        "of a task that had joined": replace(LIST, ti_id="list-1 of the new run"),
        "of the task that was approved": replace(APPROVE, ti_id="approve-1 of the new run"),
        "run after later": replace(ROLLBACK, run_after=AFTER + 1e-6),
        "run after earlier": replace(ROLLBACK, run_after=AFTER - 3600),
        "run after none": replace(ROLLBACK, try_number=2, ti_id="rollback-2", run_after=None),
    }.items():
        approved_in(noted, run_id)
        assert not is_approved(noted, replace(again, run_id=run_id)), run_id
        later = replace(ROLLBACK, run_id=run_id, ti_id="rollback of the new run", run_after=again.run_after)
        assert not is_approved(noted, later), run_id
        approving = replace(later, task_id="approve_rollback", ti_id="approve of the new run")
        noted.decided(PLATFORM, APPID, approving, {"outcome": "approved"})
        assert is_approved(noted, later), run_id


def test_a_task_joins_by_any_write_of_its_hook_and_a_later_try_that_joins_first_ends_the_first(noted: Ledger) -> None:
    noted.intend(PLATFORM, [release(APPID)], ROLLBACK)
    assert not is_approved(noted, replace(ROLLBACK, ti_id="rollback-1 of the new run"))
    approved_in(noted, "another")
    assert is_approved(noted, replace(ROLLBACK, run_id="another", try_number=2, ti_id="rollback-2"))
    assert not is_approved(noted, replace(ROLLBACK, run_id="another"))


def test_a_question_of_the_same_facts_is_another_one_in_another_run(noted: Ledger) -> None:
    def asked(task: TaskRef) -> Question:
        return noted.asked(
            PLATFORM, APPID, task, lambda nonce: Question("rollback", {"user_version": Fact("2", "WeChat")}, nonce)
        )

    first = asked(APPROVE)
    assert asked(replace(APPROVE, try_number=2, ti_id="approve-2")).digest == first.digest
    assert asked(replace(APPROVE, ti_id="approve-1 of the new run")).digest != first.digest
    assert first.line == f"question {first.digest}"
    [row] = [each for each in noted.entries() if each.asked][-1:]
    assert json.loads(json.dumps(row.asked)) == {"ti_id": "approve-1", "question": first.to_json()}


def test_a_decision_without_nonce_counts_in_runs_from_before_nonces_only(noted: Ledger) -> None:
    older = replace(ROLLBACK, run_id="older", run_after=time.time() - 3600)
    newer = replace(ROLLBACK, run_id="newer", run_after=time.time() + 3600)
    for each in (older, newer):
        noted.decided(PLATFORM, APPID, replace(APPROVE, run_id=each.run_id), {"outcome": "approved"})
        noted._database.write(update(ledger).where(ledger.c.run_id == each.run_id).values(nonce=None))
        noted._database.write(run.delete().where(run.c.run_id == each.run_id))
    assert is_approved(noted, older)
    assert is_approved(noted, replace(older, task_id="verify", ti_id="verify-1"))
    # Deleted and made again by then, with the same run_after, which whoever triggers may choose:
    assert not is_approved(noted, replace(older, ti_id="rollback-1 of the new run"))
    assert not is_approved(noted, newer)


def test_runs_of_which_nothing_is_noted_any_more_are_forgotten(noted: Ledger) -> None:
    noted.join(replace(LIST, run_id="nothing noted"))
    noted._database.write(update(run).where(run.c.run_id != "").values(at=database_now() - 32 * 86400))
    noted.erase()
    assert set(noted._database.column(select(run.c.run_id))) == {"", "mine"}
    assert len(noted._database.column(select(run_task.c.nonce).distinct())) == 1
    assert is_approved(noted, ROLLBACK)
