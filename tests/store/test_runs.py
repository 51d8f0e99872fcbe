"""A decision of a run counts in that run alone: one that was deleted and made again under its id finds none."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest
from sqlalchemy import select, update

from airflow_wxa.api.code import release
from airflow_wxa.store import Ledger, TaskRef
from airflow_wxa.store.engine import Database
from airflow_wxa.store.questions import Fact, Question
from airflow_wxa.store.tables import database_now, ledger, run, run_task
from tests.store.databases import store_url  # noqa: F401  a fixture

PLATFORM, APPID = "wx00000000000000c1", "wx0000000000000001"
AFTER = 1_800_000_000.25
LIST = TaskRef("wxa_rollback", "mine", "list_versions", -1, 1, "lin", "list-1", AFTER)
APPROVE = replace(LIST, task_id="approve_rollback", ti_id="approve-1")
ROLLBACK = replace(LIST, task_id="rollback", ti_id="rollback-1")


@pytest.fixture
def noted(store_url: str) -> Ledger:  # noqa: F811  the fixture above
    """Return the ledger, in which a run was listed and approved."""
    noted = Ledger(store_url)
    noted.join(LIST)
    noted.decided(PLATFORM, APPID, APPROVE, {"outcome": "approved"})
    return noted


def is_approved(noted: Ledger, task: TaskRef) -> bool:
    return (noted.decision(PLATFORM, APPID, task, "approve_rollback") or {}).get("outcome") == "approved"


def test_the_run_that_was_approved_finds_its_decision_at_each_try(noted: Ledger) -> None:
    assert is_approved(noted, ROLLBACK)
    assert is_approved(noted, ROLLBACK)  # after a wait, which keeps the id
    assert is_approved(noted, replace(ROLLBACK, try_number=2, ti_id="rollback-2"))
    noted.join(replace(LIST, try_number=2, ti_id="list-2"))  # cleared: it has another id, and a higher try
    assert is_approved(noted, ROLLBACK)


@pytest.mark.parametrize(
    "again",
    [
        replace(LIST, ti_id="list-1 of the new run"),
        replace(APPROVE, ti_id="approve-1 of the new run"),
        replace(ROLLBACK, run_after=AFTER + 1e-6),
        replace(ROLLBACK, run_after=AFTER - 3600),
        replace(ROLLBACK, try_number=2, ti_id="rollback-2", run_after=None),
    ],
    ids=["a task that had joined", "the one that was approved", "later", "earlier", "none"],
)
def test_a_run_that_was_made_again_under_the_same_id_finds_no_decision(noted: Ledger, again: TaskRef) -> None:
    noted.join(again)
    later = replace(ROLLBACK, ti_id="rollback of the new run", run_after=again.run_after)
    assert not is_approved(noted, later)
    noted.decided(PLATFORM, APPID, replace(APPROVE, ti_id="new", run_after=again.run_after), {"outcome": "approved"})
    assert is_approved(noted, later)


def test_a_task_joins_by_any_write_of_its_hook(noted: Ledger) -> None:
    noted.intend(PLATFORM, [release(APPID)], ROLLBACK)
    assert not is_approved(noted, replace(ROLLBACK, ti_id="rollback-1 of the new run"))


def test_a_task_whose_later_try_joins_first_has_no_first_try_any_more(noted: Ledger) -> None:
    assert is_approved(noted, replace(ROLLBACK, try_number=2, ti_id="rollback-2"))
    assert not is_approved(noted, ROLLBACK)


def test_another_dag_with_the_ids_finds_no_decision(noted: Ledger) -> None:
    assert not is_approved(noted, replace(ROLLBACK, dag_id="another"))


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


@pytest.fixture
def database(store_url: str) -> Database:  # noqa: F811  the fixture above
    return Database(store_url)


def approve_as_before_nonces(noted: Ledger, database: Database) -> None:
    noted.decided(PLATFORM, APPID, replace(APPROVE, run_id="older"), {"outcome": "approved"})
    with database.writing() as connection:
        connection.execute(update(ledger).where(ledger.c.run_id == "older").values(nonce=None))
        connection.execute(run.delete().where(run.c.run_id == "older"))


def test_a_decision_without_nonce_counts_in_a_run_from_before_the_migration(noted: Ledger, database: Database) -> None:
    approve_as_before_nonces(noted, database)
    older = replace(ROLLBACK, run_id="older", run_after=time.time() - 3600)
    assert is_approved(noted, older)
    assert is_approved(noted, replace(older, task_id="verify", ti_id="verify-1"))
    # Deleted and made again by then, with the same run_after, which whoever triggers may choose:
    assert not is_approved(noted, replace(older, ti_id="rollback-1 of the new run"))


def test_a_decision_without_nonce_counts_in_no_run_from_after_it(noted: Ledger, database: Database) -> None:
    approve_as_before_nonces(noted, database)
    assert not is_approved(noted, replace(ROLLBACK, run_id="older", run_after=time.time() + 3600))


def test_runs_of_which_nothing_is_noted_any_more_are_forgotten(noted: Ledger, database: Database) -> None:
    noted.join(replace(LIST, run_id="nothing noted"))
    with database.writing() as connection:
        connection.execute(update(run).where(run.c.run_id != "").values(at=database_now() - 32 * 86400))
    noted.erase()
    with database.reading() as connection:
        left = set(connection.execute(select(run.c.run_id)).scalars())
        nonces = connection.execute(select(run_task.c.nonce).distinct()).scalars().all()
    assert left == {"", "mine"}
    assert len(nonces) == 1
    assert is_approved(noted, ROLLBACK)
