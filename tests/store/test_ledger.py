"""The ledger: intent before, result after, and what a lost answer reads like until somebody finds out."""

import datetime as dt
import re
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from typing import Any

from sqlalchemy import event, update

from airflow_wxa.api.audit import submit_audit, undocodeaudit
from airflow_wxa.api.call import Call
from airflow_wxa.api.code import release
from airflow_wxa.api.endpoints import CATALOGUE
from airflow_wxa.api.errcodes import error_for
from airflow_wxa.api.webview_domain import modify_wxa_jump_domain
from airflow_wxa.errors import WxaStateError
from airflow_wxa.store import Entry, Ledger, Result, TaskRef
from airflow_wxa.store.questions import Fact, Question
from airflow_wxa.store.tables import ledger as rows
from tests.store.conftest import APPID, OTHER_PLATFORM, PLATFORM
from tests.store.conftest import SECOND as OTHER

TASK = TaskRef("wxa_release", "manual__1", "release", try_number=1, triggered_by="release-manager")
NEXT_RUN = TaskRef("wxa_release", "manual__2", "release", try_number=1)
BEIJING = dt.timezone(dt.timedelta(hours=8))


def intend(ledger: Ledger, call: Call | None = None, task: TaskRef = TASK, platform: str = PLATFORM) -> int:
    call = call or release(APPID)
    whose = (call.appid or "", call.endpoint.name)
    fences = {whose: ledger.take_fence(platform, *whose)} if call.endpoint.fenced else {}
    return ledger.intend(platform, [call], task, fences)[0]


def answer(ledger: Ledger, key: int, errcode: int | None, errmsg: str = "", rid: str = "") -> None:
    """Note an answer; ``None``: it was lost."""
    if errcode == 0:
        ledger.answered({key: 0})
    elif errcode is not None:
        ledger.answered({key: error_for(errcode, endpoint=CATALOGUE["release"], errmsg=errmsg, rid=rid)})


def test_an_intent_says_who_asks_for_what_and_knows_what(ledger: Ledger) -> None:
    began = time.time()
    key = intend(ledger, release(APPID).knowing({"version": "1.3.0"}))
    (entry,) = ledger.entries()
    assert (entry.id, entry.component_appid, entry.appid, entry.endpoint) == (key, PLATFORM, APPID, "release")
    assert (entry.task, entry.before, entry.asked) == (TASK, {"version": "1.3.0"}, {})
    assert began - 5 < entry.sent_at < time.time() + 5
    assert (entry.answered_at, entry.errcode, entry.after, entry.result) == (None, None, None, "unknown")
    intend(ledger, submit_audit(APPID, version_desc="demo account 1/1"))
    intend(ledger, modify_wxa_jump_domain("add", ["m.example.com"]))
    platform, submission, _ = ledger.entries()
    assert submission.asked == {"privacy_api_not_use": False}  # no words for reviewers are kept
    assert platform.appid == ""  # it names no Mini Program


def test_an_answer_completes_its_own_row_only_and_says_what_became_of_it(ledger: Ledger) -> None:
    keys = [intend(ledger) for _ in range(8)]
    ledger.answered({keys[0]: 0, keys[1]: 85052, keys[2]: 89019})  # what is so already is done, and not refused
    answer(ledger, keys[3], 85020, errmsg="status not allowed", rid="0-1-2")
    answer(ledger, keys[4], 85020)
    answer(ledger, keys[5], -1, errmsg="system error")  # says nothing about the work
    ledger.forget([keys[7]])  # refused on our side
    by_id = {entry.id: entry for entry in ledger.entries()}
    said = [(by_id[key].result, by_id[key].errcode, by_id[key].errmsg, by_id[key].rid) for key in keys[:7]]
    assert said == [
        ("ok", 0, "", ""), ("ok", 85052, "", ""), ("ok", 89019, "", ""),
        ("refused", 85020, "status not allowed", "0-1-2"), ("refused", 85020, "", ""),
        ("unknown", -1, "system error", ""), ("unknown", None, "", ""),
    ]  # fmt: skip
    assert [by_id[key].answered_at is None for key in keys[:7]] == [False] * 6 + [True]
    assert keys[7] not in by_id


def test_every_column_of_a_row_is_written_and_read(ledger: Ledger) -> None:
    statements: list[str] = []
    event.listen(ledger._database.engine, "before_cursor_execute", lambda *told: statements.append(told[2]))
    answer(ledger, intend(ledger), 85020)
    ledger.settle(PLATFORM, TASK, [Result(APPID, "release", {"outcome": "approved", "auditid": "1234567"})])
    writes = [each.partition("WHERE")[0] for each in statements if re.search("(INTO|UPDATE) wxa_ledger", each)]
    columns = set(rows.c.keys())
    assert columns - set(re.findall(r"\w+", " ".join(writes))) == set()
    of_entry = {each.name for each in (*fields(Entry), *fields(TaskRef))}
    assert columns - of_entry == {"nonce", "reviewed_at"}  # by which rows are found, and counted


# Lost answers


def settled(ledger: Ledger, task: TaskRef = NEXT_RUN, *, resolves: bool = True, **other: str) -> None:
    key = {"component_appid": PLATFORM, "appid": APPID, "endpoint": "release"} | other
    platform = key.pop("component_appid")
    ledger.settle(platform, task, [Result(**key, said={"outcome": "already_released"}, resolves=resolves)])


def test_a_lost_answer_is_resolved_by_the_first_run_that_finds_out_about_the_same_call(ledger: Ledger) -> None:
    lost, busy = intend(ledger), intend(ledger)
    answer(ledger, busy, -1)
    for other in ({"component_appid": OTHER_PLATFORM}, {"appid": OTHER}, {"endpoint": "commit"}):
        settled(ledger, **other)
    settled(ledger, replace(TASK, task_id="stopped"), resolves=False)  # it stopped without finding out
    assert {entry.result for entry in ledger.entries()} == {"unknown"}
    settled(ledger)
    settled(ledger, TaskRef("wxa_release", "manual__3", "release"))
    told = [(entry.id, entry.result, entry.resolved_by, entry.errcode) for entry in ledger.entries()]
    assert told == [(key, "resolved", "wxa_release manual__2", errcode) for key, errcode in ((busy, -1), (lost, None))]
    ledger.answered({lost: 0})  # that comes after all, and counts more
    assert ledger.entries()[1].result == "ok"
    intend(ledger)
    settled(ledger, TaskRef())
    assert ledger.entries()[0].resolved_by == "by hand"


# Outcomes


def test_an_outcome_stands_with_the_writes_of_its_own_task_and_run(ledger: Ledger) -> None:
    mine = intend(ledger)
    others = [replace(TASK, task_id="release_again"), replace(TASK, dag_id="other"), NEXT_RUN]
    for key in (mine, *(intend(ledger, task=other) for other in others)):
        ledger.answered({key: 0})
    settled(ledger, TASK, resolves=False)
    after = {entry.id: entry.after for entry in ledger.entries()}
    assert after.pop(mine) == {"outcome": "already_released"}
    assert set(after.values()) == {None}


def test_the_latest_outcome_of_a_run_takes_the_place_of_the_one_before(ledger: Ledger) -> None:
    for word in ("committed", "submitted"):
        ledger.settle(PLATFORM, TASK, [Result(APPID, "commit", {"outcome": word})])
    ledger.settle(PLATFORM, TaskRef(), [Result(APPID, "commit", {"outcome": "committed"})])
    assert ledger.outcome("wxa_release", "manual__1", APPID) == {"outcome": "submitted"}
    nothing = (("wxa_release", "manual__1", OTHER), ("wxa_release", "manual__2", APPID), ("", "", APPID))
    assert [ledger.outcome(*key) for key in nothing] == [None] * 3
    said = [Result(APPID, "submit_audit", {"outcome": "first"}), Result(APPID, "commit", {"outcome": "last"})]
    ledger.settle(PLATFORM, TASK, said)  # the last stands, whatever the order of its endpoints
    assert [each.said for each in ledger.outcomes(PLATFORM, APPID)] == [{"outcome": "last"}]


def test_a_decision_is_a_complete_row_and_the_latest_of_a_task_of_this_very_run_is_found(ledger: Ledger) -> None:
    asking = replace(TASK, task_id="approve")
    for task, outcome in [(asking, "asked"), (asking, "approved"), (replace(asking, run_id="other"), "rejected")]:
        ledger.decided(PLATFORM, APPID, task, {"outcome": outcome})
    said = {"outcome": "stopped", "by": "release-manager", "why": "not on a Friday"}
    ledger.decided(PLATFORM, APPID, TASK, said, refused="nobody approved it")
    refused, other, *_ = ledger.entries()
    assert (refused.endpoint, refused.result, refused.after, refused.task) == ("approve_release", "refused", said, TASK)
    assert (other.result, ledger.outcome("wxa_release", "manual__1", APPID)) == ("ok", said)
    assert ledger.decision(PLATFORM, APPID, TASK, "approve") == {"outcome": "approved"}
    assert ledger.decision(PLATFORM, APPID, replace(TASK, triggered_by="somebody else"), "approve") is None
    assert ledger.decision(PLATFORM, OTHER, TASK, "approve") is None


def test_each_instance_and_each_try_of_a_task_finds_its_own_question(ledger: Ledger) -> None:
    def ask(task: TaskRef, version: str) -> Question:
        facts = {"user_version": Fact(version, "run")}
        return ledger.asked(PLATFORM, APPID, task, lambda nonce: Question("release", facts, nonce))

    instances = [replace(TASK, map_index=index) for index in (0, 1)]
    asked = [ask(task, f"1.{task.map_index}") for task in instances]
    for task, question in zip(instances, asked, strict=True):
        said = {"user_version": f"1.{task.map_index}", "question": question.digest}
        assert ledger.question(PLATFORM, APPID, task) == said
    assert ledger.question(PLATFORM, APPID, TASK) is None

    first, second = (replace(TASK, ti_id=ti_id, try_number=number) for number, ti_id in ((1, "a"), (2, "b")))
    ask(first, "1.0")
    assert ledger.question(PLATFORM, APPID, first) is not None
    ask(second, "2.0")
    assert ledger.question(PLATFORM, APPID, first) is None
    assert (ledger.question(PLATFORM, APPID, second) or {})["user_version"] == "2.0"
    ledger.decided(PLATFORM, APPID, second, {"outcome": "approved"})
    assert ledger.question(PLATFORM, APPID, second) is not None  # a task that is resumed once more says the same


# Fences


def test_only_the_newest_attempt_may_send_once_a_call_of_its_mini_program_and_platform(ledger: Ledger) -> None:
    def is_noted(fence: str, appid: str = APPID, platform: str = PLATFORM) -> bool:
        """Tell whether the ledger lets a call be sent; what it refuses leaves no row."""
        before, call = len(ledger.entries()), undocodeaudit(appid)
        try:
            ledger.intend(platform, [release(APPID), call], TASK, {(appid, call.endpoint.name): fence})
        except WxaStateError:
            assert len(ledger.entries()) == before
            return False
        return True

    older, newer, others, elsewhere = (
        ledger.take_fence(platform, appid, "undocodeaudit")
        for platform, appid in ((PLATFORM, APPID), (PLATFORM, APPID), (PLATFORM, OTHER), (OTHER_PLATFORM, APPID))
    )
    assert [is_noted(fence) for fence in (older, others, elsewhere, newer, newer, older, "", "made up")] == [
        False, False, False, True, False, False, False, False,
    ]  # fmt: skip
    assert is_noted(others, OTHER)
    assert is_noted(elsewhere, platform=OTHER_PLATFORM)


def test_many_intents_are_noted_in_their_order(ledger: Ledger) -> None:
    calls = [release(f"wx{number:016x}") for number in range(1200)]  # more than a statement takes
    ids = ledger.intend(PLATFORM, calls, TASK)
    appids = {entry.id: entry.appid for entry in ledger.entries(most=None)}
    assert [appids[each] for each in ids] == [call.appid for call in calls]


# Budgets


def move(ledger: Ledger, moment: dt.datetime, *keys: int) -> None:
    ledger._database.write(update(rows).where(rows.c.id.in_(keys)).values(sent_at=moment.timestamp()))


def test_withdrawals_that_may_have_been_done_are_counted_by_beijings_days_and_months(ledger: Ledger) -> None:
    def moment(*numbers: int) -> dt.datetime:
        """Return a moment of 2026: month, day, hour, minute."""
        return dt.datetime(2026, *numbers, tzinfo=BEIJING)  # type: ignore[arg-type,misc]

    for sent in ((2, 28, 23, 59), (3, 1, 0, 0), (3, 14, 23, 59), (3, 15, 0, 0)):
        key = intend(ledger, undocodeaudit(APPID))
        ledger.answered({key: 0})
        move(ledger, moment(*sent), key)
    for at, spent in [
        ((3, 15, 0, 0), (1, 3)),
        ((3, 15, 23, 59), (1, 3)),
        ((3, 16, 0, 0), (0, 3)),
        ((3, 14, 23, 59), (2, 3)),  # what was sent later than now is counted, which is on the safe side
        ((4, 1, 0, 0), (0, 0)),
    ]:
        assert ledger.spent(PLATFORM, APPID, "undocodeaudit", moment(*at).astimezone(dt.UTC)) == spent, at
    now = dt.datetime.now(dt.UTC)
    for answers, counted in (((0, None, -1), 1), ((87013, 61007), 0)):  # unless it is known that it was refused
        for errcode in answers:
            before = ledger.spent(PLATFORM, OTHER, "undocodeaudit", now)[1]
            answer(ledger, intend(ledger, undocodeaudit(OTHER)), errcode)
            assert ledger.spent(PLATFORM, OTHER, "undocodeaudit", now) == (before + counted,) * 2
    for platform, endpoint in ((OTHER_PLATFORM, "undocodeaudit"), (PLATFORM, "release")):
        assert ledger.spent(platform, OTHER, endpoint, now) == (0, 0)


# Reading and erasing


def test_rows_are_read_by_platform_mini_program_and_run_the_newest_first(ledger: Ledger) -> None:
    keys = [intend(ledger), intend(ledger, release(OTHER)), intend(ledger, task=NEXT_RUN)]
    keys += [intend(ledger, platform=OTHER_PLATFORM)]
    wanted: list[tuple[dict[str, Any], list[int]]] = [
        ({}, [3, 2, 1, 0]),
        ({"component_appid": PLATFORM}, [2, 1, 0]),
        ({"appid": APPID}, [3, 2, 0]),
        ({"run_id": "manual__2"}, [2]),
        ({"appid": OTHER, "run_id": "manual__2"}, []),
        ({"most": 2}, [3, 2]),
        ({"most": None}, [3, 2, 1, 0]),
    ]
    for which, found in wanted:
        assert [entry.id for entry in ledger.entries(**which)] == [keys[each] for each in found], which


def test_what_budgets_approvals_and_lag_need_is_not_erased_and_the_rest_by_appid_and_age(ledger: Ledger) -> None:
    def move_back(days: float, *keys: int) -> None:
        move(ledger, dt.datetime.now(dt.UTC) - dt.timedelta(days=days), *keys)

    intend(ledger)
    move_back(2, intend(ledger), intend(ledger, undocodeaudit(APPID)))
    old = intend(ledger, undocodeaudit(APPID))
    move_back(32, old)
    ledger.decided(PLATFORM, APPID, TASK, {"outcome": "approved", "by": "lin"})
    assert ledger.erase(older_than_days=30) == 1
    assert old not in {entry.id for entry in ledger.entries()}
    assert ledger.erase() == 1
    assert [entry.endpoint for entry in ledger.entries()] == ["approve_release", "undocodeaudit", "release"]
    for appid in (APPID, OTHER):
        move_back(32, intend(ledger, release(appid)))
        ledger.settle(PLATFORM, TASK, [Result(appid, "release", {"outcome": "released"})])
    assert ledger.erase(appid=APPID) == 1
    outcomes = [ledger.outcome("wxa_release", "manual__1", appid) for appid in (APPID, OTHER)]
    assert outcomes == [None, {"outcome": "released"}]
    assert (ledger.erase(), ledger.entries(appid=OTHER)) == (1, [])


def test_whatever_wechat_says_and_however_long_a_run_is_called_is_noted_and_found(ledger: Ledger) -> None:
    for errmsg in ("a\0b", "a\ud800b", "x" * 70_000):
        answer(ledger, intend(ledger), 85013, errmsg=errmsg)
        assert (ledger.entries()[0].result, len(ledger.entries()[0].errmsg)) == ("refused", len(errmsg))
    task = replace(TASK, run_id="r" * 300, triggered_by="u" * 300)
    key = intend(ledger, task=task)
    ledger.settle(PLATFORM, task, [Result(APPID, "release", {"outcome": "released"}, resolves=True)])
    assert [entry.id for entry in ledger.entries(run_id=task.run_id)] == [key]
    assert ledger.outcome(task.dag_id, task.run_id, APPID) == {"outcome": "released"}
    assert len(ledger.entries()[0].resolved_by) == 250


def test_runs_that_settle_the_same_mini_programs_in_other_orders_do_not_wait_for_each_other(ledger: Ledger) -> None:
    """Each finds out about lost answers of the other, besides: rows of the other's run are among those it changes."""
    appids = [f"wx{number:016x}" for number in range(200)]
    results = [Result(appid, "release", {"outcome": "already_released"}) for appid in appids]
    for task in (TASK, NEXT_RUN):
        ledger.intend(PLATFORM, [release(appid) for appid in appids], task)

    def settle(task: TaskRef, results: Sequence[Result]) -> None:
        for _ in range(5):
            ledger.settle(PLATFORM, task, results)

    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(settle, TASK, results), pool.submit(settle, NEXT_RUN, results[::-1])]:
            done.result()
    assert {entry.result for entry in ledger.entries(most=None)} == {"resolved"}
    assert len(ledger.outcomes(PLATFORM, APPID)) == 2
