"""The ledger: intent before, result after, and what a lost answer reads like until somebody finds out."""

from __future__ import annotations

import datetime as dt
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import update

from airflow_wxa.api.audit import submit_audit, undocodeaudit
from airflow_wxa.api.code import release
from airflow_wxa.api.errcodes import error_for
from airflow_wxa.api.webview_domain import modify_wxa_jump_domain
from airflow_wxa.errors import WxaStateError, WxaTransportError
from airflow_wxa.store import Ledger, Result, TaskRef
from airflow_wxa.store.questions import Fact, Question
from airflow_wxa.store.tables import ledger as rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_wxa.api.call import Call
    from airflow_wxa.store import Entry

PLATFORM, OTHER_PLATFORM = "wx00000000000000c1", "wx00000000000000c2"
APPID, OTHER = "wx0000000000000001", "wx0000000000000002"
TASK = TaskRef("wxa_release", "manual__1", "release", try_number=1, triggered_by="release-manager")
NEXT_RUN = TaskRef("wxa_release", "manual__2", "release", try_number=1)
BEIJING = dt.timezone(dt.timedelta(hours=8))


@pytest.fixture
def ledger(store_url: str) -> Ledger:
    return Ledger(store_url)


def intend(ledger: Ledger, call: Call | None = None, task: TaskRef = TASK, platform: str = PLATFORM) -> int:
    call = call or release(APPID)
    whose = (call.appid or "", call.endpoint.name)
    fences = {whose: ledger.take_fence(platform, *whose)} if call.endpoint.fenced else {}
    return ledger.intend(platform, [call], task, fences)[0]


def only(ledger: Ledger) -> Entry:
    (entry,) = ledger.entries()
    return entry


def test_an_intent_says_who_asks_for_what_and_knows_what(ledger: Ledger) -> None:
    began = time.time()
    key = intend(ledger, release(APPID).knowing({"version": "1.3.0"}))
    entry = only(ledger)
    assert (entry.id, entry.component_appid, entry.appid, entry.endpoint) == (key, PLATFORM, APPID, "release")
    assert (entry.task, entry.before, entry.asked) == (TASK, {"version": "1.3.0"}, {})
    assert began - 5 < entry.sent_at < time.time() + 5
    assert (entry.answered_at, entry.errcode, entry.after, entry.result) == (None, None, None, "unknown")


def test_an_answer_completes_its_own_row_only(ledger: Ledger) -> None:
    first, second = intend(ledger), intend(ledger)
    ledger.answered({first: 0})
    by_id = {entry.id: entry for entry in ledger.entries()}
    assert (by_id[first].result, by_id[first].errcode) == ("ok", 0)
    assert by_id[first].answered_at is not None
    assert by_id[second].result == "unknown"


def test_a_refusal_keeps_errcode_errmsg_and_rid(ledger: Ledger) -> None:
    error = error_for(85020, endpoint=release(APPID).endpoint, appid=APPID, errmsg="status not allowed", rid="0-1-2")
    ledger.answered({intend(ledger): error})
    entry = only(ledger)
    assert (entry.result, entry.errcode, entry.errmsg, entry.rid) == ("refused", 85020, "status not allowed", "0-1-2")


def test_a_refusal_without_words_is_a_refusal(ledger: Ledger) -> None:
    ledger.answered({intend(ledger): error_for(85020, endpoint=release(APPID).endpoint)})
    assert (only(ledger).result, only(ledger).errmsg) == ("refused", "")


@pytest.mark.parametrize("errcode", [85052, 89019])
def test_what_is_so_already_is_done_and_not_refused(ledger: Ledger, errcode: int) -> None:
    ledger.answered({intend(ledger): errcode})
    assert (only(ledger).result, only(ledger).errcode) == ("ok", errcode)


def test_minus_1_says_nothing_about_the_work_and_reads_unknown(ledger: Ledger) -> None:
    ledger.answered({intend(ledger): error_for(-1, endpoint=release(APPID).endpoint, errmsg="system error")})
    assert (only(ledger).result, only(ledger).errcode) == ("unknown", -1)


def test_what_was_refused_on_our_side_is_forgotten(ledger: Ledger) -> None:
    kept, forgotten = intend(ledger), intend(ledger)
    ledger.forget([forgotten])
    assert [entry.id for entry in ledger.entries()] == [kept]


def test_version_desc_is_not_kept_it_holds_test_accounts(ledger: Ledger) -> None:
    intend(ledger, submit_audit(APPID, version_desc="demo account 1/1"))
    assert only(ledger).asked == {"privacy_api_not_use": False}


def test_a_write_to_the_platforms_own_list_is_nobodys_mini_program(ledger: Ledger) -> None:
    intend(ledger, modify_wxa_jump_domain("add", ["m.example.com"]))
    assert only(ledger).appid == ""


# Lost answers


def settled(ledger: Ledger, task: TaskRef = NEXT_RUN, *, resolves: bool = True, **other: str) -> None:
    key = {"component_appid": PLATFORM, "appid": APPID, "endpoint": "release"} | other
    platform = key.pop("component_appid")
    ledger.settle(platform, task, [Result(**key, said={"outcome": "already_released"}, resolves=resolves)])


def lost(ledger: Ledger, errcode: int | None) -> None:
    """Note a write whose answer was lost, or was -1."""
    key = intend(ledger)
    if errcode is not None:
        ledger.answered({key: error_for(errcode, endpoint=release(APPID).endpoint)})


@pytest.mark.parametrize("errcode", [None, -1])
def test_a_lost_answer_is_resolved_by_the_run_that_finds_out(ledger: Ledger, errcode: int | None) -> None:
    lost(ledger, errcode)
    settled(ledger)
    assert (only(ledger).result, only(ledger).resolved_by) == ("resolved", "wxa_release manual__2")
    assert only(ledger).errcode == errcode


def test_who_first_found_out_stays_named(ledger: Ledger) -> None:
    lost(ledger, None)
    settled(ledger)
    settled(ledger, TaskRef("wxa_release", "manual__3", "release"))
    assert only(ledger).resolved_by == "wxa_release manual__2"


def test_a_hand_that_finds_out_is_named_as_such(ledger: Ledger) -> None:
    lost(ledger, None)
    settled(ledger, TaskRef())
    assert only(ledger).resolved_by == "by hand"


@pytest.mark.parametrize(
    "other", [{"component_appid": OTHER_PLATFORM}, {"appid": OTHER}, {"endpoint": "commit"}], ids=str
)
def test_only_the_same_call_on_the_same_mini_program_is_resolved(ledger: Ledger, other: dict[str, str]) -> None:
    lost(ledger, None)
    settled(ledger, **other)
    assert only(ledger).result == "unknown"


def test_a_step_that_stopped_without_finding_out_resolves_nothing(ledger: Ledger) -> None:
    lost(ledger, None)
    settled(ledger, TASK, resolves=False)
    assert (only(ledger).result, only(ledger).after) == ("unknown", {"outcome": "already_released"})


def test_an_answer_that_comes_after_all_counts_more_than_what_others_found_out(ledger: Ledger) -> None:
    key = intend(ledger)
    settled(ledger)
    ledger.answered({key: 0})
    assert only(ledger).result == "ok"


# Outcomes


def test_an_outcome_stands_with_the_writes_of_its_own_task_and_run(ledger: Ledger) -> None:
    mine = intend(ledger)
    another_task = intend(ledger, task=TaskRef("wxa_release", "manual__1", "release_again"))
    another_run = intend(ledger, task=NEXT_RUN)
    for key in (mine, another_task, another_run):
        ledger.answered({key: 0})
    settled(ledger, TASK)
    after = {entry.id: entry.after for entry in ledger.entries()}
    assert after == {mine: {"outcome": "already_released"}, another_task: None, another_run: None}


def test_the_latest_outcome_of_a_run_takes_the_place_of_the_one_before(ledger: Ledger) -> None:
    for word in ("committed", "submitted"):
        ledger.settle(PLATFORM, TASK, [Result(APPID, "commit", {"outcome": word})])
    assert ledger.outcome("wxa_release", "manual__1", APPID) == {"outcome": "submitted"}
    assert ledger.outcome("wxa_release", "manual__1", OTHER) is None
    assert ledger.outcome("wxa_release", "manual__2", APPID) is None


def test_what_was_done_outside_of_a_run_has_no_outcome(ledger: Ledger) -> None:
    ledger.settle(PLATFORM, TaskRef(), [Result(APPID, "commit", {"outcome": "committed"})])
    assert ledger.outcome("", "", APPID) is None


def test_a_decision_is_a_complete_row_and_the_latest_outcome(ledger: Ledger) -> None:
    said = {"outcome": "rejected", "by": "release-manager", "why": "not on a Friday"}
    ledger.decided(PLATFORM, APPID, TASK, said)
    entry = only(ledger)
    assert (entry.endpoint, entry.result, entry.after, entry.task) == ("approve_release", "ok", said, TASK)
    assert ledger.outcome("wxa_release", "manual__1", APPID) == said


def test_the_latest_decision_of_a_task_of_this_very_run_is_found(ledger: Ledger) -> None:
    asking = replace(TASK, task_id="approve")
    for task, outcome in [(asking, "asked"), (asking, "approved"), (replace(asking, run_id="other"), "rejected")]:
        ledger.decided(PLATFORM, APPID, task, {"outcome": outcome})
    ledger.decided(PLATFORM, APPID, TASK, {"outcome": "stopped"}, refused="nobody approved it")

    assert ledger.decision(PLATFORM, APPID, TASK, "approve") == {"outcome": "approved"}
    assert ledger.decision(PLATFORM, APPID, replace(TASK, triggered_by="somebody else"), "approve") is None
    assert ledger.decision(PLATFORM, OTHER, TASK, "approve") is None
    assert ledger.entries()[0].result == "refused"


def ask(ledger: Ledger, task: TaskRef, version: str) -> Question:
    return ledger.asked(
        PLATFORM, APPID, task, lambda nonce: Question("release", {"user_version": Fact(version, "run")}, nonce)
    )


def test_an_instance_of_a_mapped_task_finds_its_own_question(ledger: Ledger) -> None:
    asked = [ask(ledger, replace(TASK, map_index=index), f"1.{index}") for index in (0, 1)]

    for index in (0, 1):
        said = {"user_version": f"1.{index}", "question": asked[index].digest}
        assert ledger.question(PLATFORM, APPID, replace(TASK, map_index=index)) == said
    assert ledger.question(PLATFORM, APPID, TASK) is None


def test_a_try_finds_no_question_that_another_try_has_asked_since(ledger: Ledger) -> None:
    first, second = (replace(TASK, ti_id=ti_id, try_number=number) for number, ti_id in ((1, "a"), (2, "b")))
    ask(ledger, first, "1.0")
    assert ledger.question(PLATFORM, APPID, first) is not None
    ask(ledger, second, "2.0")
    assert ledger.question(PLATFORM, APPID, first) is None
    assert (ledger.question(PLATFORM, APPID, second) or {})["user_version"] == "2.0"
    ledger.decided(PLATFORM, APPID, second, {"outcome": "approved"})
    assert ledger.question(PLATFORM, APPID, second) is not None  # a task that is resumed once more says the same


def test_what_a_task_came_to_stands_beside_no_write_of_another_dag(ledger: Ledger) -> None:
    intend(ledger)
    ledger.settle(PLATFORM, replace(TASK, dag_id="other"), [Result(APPID, "release", {"outcome": "released"})])
    assert only(ledger).after is None


# Fences


WITHDRAWAL = undocodeaudit(APPID)


def is_noted(ledger: Ledger, fence: str, call: Call = WITHDRAWAL, platform: str = PLATFORM) -> bool:
    """Tell whether the ledger lets a call be sent; what it refuses leaves no row."""
    before = len(ledger.entries())
    try:
        ledger.intend(platform, [release(APPID), call], TASK, {(call.appid or "", call.endpoint.name): fence})
    except WxaStateError:
        assert len(ledger.entries()) == before
        return False
    return True


def test_only_the_newest_attempt_may_send_and_only_once(ledger: Ledger) -> None:
    older, newer = (ledger.take_fence(PLATFORM, APPID, "undocodeaudit") for _ in range(2))
    assert [is_noted(ledger, fence) for fence in (older, newer, newer, older, "", "made up")] == [
        False, True, False, False, False, False,
    ]  # fmt: skip


def test_fences_of_mini_programs_and_platforms_stand_apart(ledger: Ledger) -> None:
    mine, others, elsewhere = (
        ledger.take_fence(platform, appid, "undocodeaudit")
        for platform, appid in ((PLATFORM, APPID), (PLATFORM, OTHER), (OTHER_PLATFORM, APPID))
    )
    assert not is_noted(ledger, others)
    assert not is_noted(ledger, elsewhere)
    assert is_noted(ledger, mine)
    assert is_noted(ledger, others, undocodeaudit(OTHER))
    assert is_noted(ledger, elsewhere, platform=OTHER_PLATFORM)


def test_many_intents_are_noted_in_their_order(ledger: Ledger) -> None:
    calls = [release(f"wx{number:016x}") for number in range(2500)]
    ids = ledger.intend(PLATFORM, calls, TASK)
    appids = {entry.id: entry.appid for entry in ledger.entries(most=None)}
    assert [appids[each] for each in ids] == [call.appid for call in calls]


# Budgets


def sent(ledger: Ledger, *moment: int) -> None:
    """Note a withdrawal at a moment of 2026 in Beijing: month, day, hour, minute."""
    key = intend(ledger, undocodeaudit(APPID))
    ledger.answered({key: 0})
    move(ledger, key, dt.datetime(2026, *moment, tzinfo=BEIJING))  # type: ignore[arg-type,misc]


def move(ledger: Ledger, key: int, moment: dt.datetime) -> None:
    with ledger._database.writing() as connection:
        connection.execute(update(rows).where(rows.c.id == key).values(sent_at=moment.timestamp()))


@pytest.mark.parametrize(
    ("now", "spent"),
    [
        ((3, 15, 0, 0), (1, 3)),
        ((3, 15, 23, 59), (1, 3)),
        ((3, 16, 0, 0), (0, 3)),
        ((3, 14, 23, 59), (2, 3)),  # what was sent later than now is counted, which is on the safe side
        ((4, 1, 0, 0), (0, 0)),
    ],
)
def test_withdrawals_are_counted_by_beijings_days_and_months(
    ledger: Ledger, now: tuple[int, ...], spent: tuple[int, int]
) -> None:
    for moment in ((2, 28, 23, 59), (3, 1, 0, 0), (3, 14, 23, 59), (3, 15, 0, 0)):
        sent(ledger, *moment)
    asked_at = dt.datetime(2026, *now, tzinfo=BEIJING).astimezone(dt.UTC)  # type: ignore[arg-type,misc]
    assert ledger.spent(PLATFORM, APPID, "undocodeaudit", asked_at) == spent


@pytest.mark.parametrize(("errcode", "counted"), [(0, 1), (None, 1), (-1, 1), (87013, 0), (61007, 0)])
def test_a_withdrawal_counts_unless_it_is_known_that_it_was_refused(
    ledger: Ledger, errcode: int | None, counted: int
) -> None:
    key = intend(ledger, undocodeaudit(APPID))
    if errcode is not None:
        error = error_for(errcode, endpoint=undocodeaudit(APPID).endpoint) if errcode else None
        ledger.answered({key: error or 0})
    now = dt.datetime.now(dt.UTC)
    assert ledger.spent(PLATFORM, APPID, "undocodeaudit", now) == (counted, counted)
    assert ledger.spent(PLATFORM, OTHER, "undocodeaudit", now) == (0, 0)
    assert ledger.spent(OTHER_PLATFORM, APPID, "undocodeaudit", now) == (0, 0)
    assert ledger.spent(PLATFORM, APPID, "release", now) == (0, 0)


# Reading and erasing


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, 4),
        ({"component_appid": PLATFORM}, 3),
        ({"appid": APPID}, 3),
        ({"run_id": "manual__2"}, 1),
        ({"appid": OTHER, "run_id": "manual__2"}, 0),
        ({"most": 2}, 2),
        ({"most": None}, 4),
    ],
)
def test_rows_are_read_by_platform_mini_program_and_run(ledger: Ledger, wanted: dict[str, Any], found: int) -> None:
    intend(ledger)
    intend(ledger, release(OTHER))
    intend(ledger, task=NEXT_RUN)
    intend(ledger, platform=OTHER_PLATFORM)
    assert len(ledger.entries(**wanted)) == found


def test_the_newest_row_comes_first(ledger: Ledger) -> None:
    keys = [intend(ledger) for _ in range(3)]
    assert [entry.id for entry in ledger.entries()] == keys[::-1]
    assert [entry.id for entry in ledger.entries(most=1)] == keys[-1:]


def test_old_rows_are_erased_and_young_ones_stay(ledger: Ledger) -> None:
    old, young = intend(ledger), intend(ledger)
    move(ledger, old, dt.datetime.now(dt.UTC) - dt.timedelta(days=31))
    assert ledger.erase(older_than_days=30) == 1
    assert [entry.id for entry in ledger.entries()] == [young]


def long_ago(ledger: Ledger, *keys: int, days: float = 32) -> None:
    for key in keys:
        move(ledger, key, dt.datetime.now(dt.UTC) - dt.timedelta(days=days))


def test_what_budgets_approvals_and_lag_still_need_is_not_erased(ledger: Ledger) -> None:
    intend(ledger)
    long_ago(ledger, intend(ledger), intend(ledger, undocodeaudit(APPID)), days=2)
    long_ago(ledger, intend(ledger, undocodeaudit(APPID)), days=32)
    ledger.decided(PLATFORM, APPID, TASK, {"outcome": "approved", "by": "lin"})
    assert ledger.erase() == 2
    assert [entry.endpoint for entry in ledger.entries()] == ["approve_release", "undocodeaudit", "release"]


@pytest.mark.parametrize("errmsg", ["a\0b", "a\ud800b", "x" * 70_000])
def test_whatever_wechat_says_is_noted(ledger: Ledger, errmsg: str) -> None:
    key = intend(ledger)
    error = error_for(85013, endpoint=release(APPID).endpoint, errmsg=errmsg)
    ledger.answered({key: error})
    assert (only(ledger).result, len(only(ledger).errmsg)) == ("refused", len(error.errmsg))


def test_a_long_run_id_is_noted_and_found(ledger: Ledger) -> None:
    task = replace(TASK, run_id="r" * 300, triggered_by="u" * 300)
    key = intend(ledger, task=task)
    ledger.settle(PLATFORM, task, [Result(APPID, "release", {"outcome": "released"}, resolves=True)])
    assert [entry.id for entry in ledger.entries(run_id=task.run_id)] == [key]
    assert ledger.outcome(task.dag_id, task.run_id, APPID) == {"outcome": "released"}
    assert len(only(ledger).resolved_by) == 250


def test_one_mini_programs_rows_and_outcomes_are_erased_and_the_others_stay(ledger: Ledger) -> None:
    for appid in (APPID, OTHER):
        long_ago(ledger, intend(ledger, release(appid)))
        ledger.settle(PLATFORM, TASK, [Result(appid, "release", {"outcome": "released"})])
    assert ledger.erase(appid=APPID) == 1
    assert [entry.appid for entry in ledger.entries()] == [OTHER]
    assert ledger.outcome("wxa_release", "manual__1", APPID) is None
    assert ledger.outcome("wxa_release", "manual__1", OTHER) == {"outcome": "released"}


def test_all_is_erased_when_nothing_narrows_it(ledger: Ledger) -> None:
    long_ago(ledger, intend(ledger), intend(ledger, release(OTHER)))
    assert ledger.erase() == 2
    assert ledger.entries() == []


def test_a_store_that_cannot_be_opened_says_so(tmp_path: Any) -> None:
    (tmp_path / "wxa.db").mkdir()
    with pytest.raises(WxaTransportError, match="the store does not answer"):
        Ledger(f"sqlite:///{tmp_path / 'wxa.db'}")


def test_runs_that_settle_the_same_mini_programs_in_other_orders_do_not_wait_for_each_other(ledger: Ledger) -> None:
    results = [Result(f"wx{number:016x}", "commit", {"outcome": "committed"}) for number in range(60)]

    def settle(task: TaskRef, results: Sequence[Result]) -> None:
        for _ in range(20):
            ledger.settle(PLATFORM, task, results)

    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(settle, TASK, results), pool.submit(settle, NEXT_RUN, results[::-1])]:
            done.result()
    assert len(ledger.outcomes(PLATFORM, APPID)) == 2


def test_runs_that_find_out_about_each_others_lost_answers_do_not_wait_for_each_other(ledger: Ledger) -> None:
    appids = [f"wx{number:016x}" for number in range(400)]
    results = [Result(appid, "release", {"outcome": "already_released"}) for appid in appids]
    for task in (TASK, NEXT_RUN):
        ledger.intend(PLATFORM, [release(appid) for appid in appids], task)
    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(ledger.settle, PLATFORM, task, results) for task in (TASK, NEXT_RUN)]:
            done.result()
    assert {entry.result for entry in ledger.entries()} == {"resolved"}


def test_what_a_mini_program_came_to_last_stands_whatever_the_order_of_its_endpoints(ledger: Ledger) -> None:
    said = [Result(APPID, "submit_audit", {"outcome": "first"}), Result(APPID, "commit", {"outcome": "last"})]
    ledger.settle(PLATFORM, TASK, said)
    assert [each.said for each in ledger.outcomes(PLATFORM, APPID)] == [{"outcome": "last"}]
