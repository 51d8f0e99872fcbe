"""What people do meanwhile: Clear, marks, an edit of the platform's list, another release of the same Mini Program.

Nothing is doubled, and nothing unapproved goes online.
"""

from typing import Any

import pytest

from airflow_wxa.sandbox import AuditPlan, Entry
from airflow_wxa.steps import lag
from tests.dags.stepwise import Stepwise
from tests.dags.worlds import ONCE, ORIGIN, Arrange, Shop, empty_list, failure, individual, missing

TASKS = (
    *("check_release", "configure_domains", "commit_code", "wait_for_privacy_scan"),
    *("submit_audit", "wait_for_audit", "release", "verify_release"),
)
EACH_ONCE = dict.fromkeys(ONCE, 1)


@pytest.fixture
def shop(shop: Shop) -> Shop:
    """Let scans end at the first look."""
    shop.account.scan_polls = 0
    return shop


def gone_on(run: Stepwise) -> Stepwise:
    assert run.go_on() == "success", run.errors
    return run


def marked(task_id: str) -> Stepwise:
    """Return a run that went up to a task, was marked success there, and went on as far as it could."""
    run = Stepwise({})
    run.go_on(until=task_id)
    run.mark(task_id, "success")
    run.go_on()
    return run


def test_clearing_any_task_of_a_run_doubles_nothing(shop: Shop) -> None:
    shop.account.audit = AuditPlan(polls=3)
    run = Stepwise({})
    run.go_on(until="wait_for_audit")
    run.clear("submit_audit")
    assert gone_on(run).xcom("submit_audit")["outcome"] == "adopted"
    for task_id in TASKS:
        run.clear(task_id, downstream=False)
        gone_on(run)
    assert run.xcom("release")["outcome"] == "already_released"
    run.clear(TASKS[0])
    gone_on(run)
    assert (shop.accepted, len(shop.account.sheets)) == (EACH_ONCE, 1)


# Mark success -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task_id", "stops"),
    [
        ("configure_domains", {"release": "release not sent: it would leave wanted business domains offline"}),
        ("commit_code", {"wait_for_privacy_scan": "no committed code"}),
        ("submit_audit", {"wait_for_audit": "auditid"}),
        ("wait_for_audit", {"release": "the audit sheet of this version is not approved"}),
        ("release", {"verify_release": "another version is online than the one released"}),
        *((only_looks, {}) for only_looks in ("check_release", "wait_for_privacy_scan", "verify_release")),
    ],
)
def test_a_mark_of_success_does_no_work_and_the_run_says_so(shop: Shop, task_id: str, stops: dict[str, str]) -> None:
    shop.account.audit = AuditPlan(polls=9)  # more looks than a run takes before it waits
    run = marked(task_id)
    assert {stopped: said in failure(run, stopped) for stopped, said in stops.items()} == dict.fromkeys(
        run.errors, True
    )
    assert shop.accepted["/wxa/release"] == (not stops)


def test_marking_the_commit_success_never_submits_another_version(shop: Shop) -> None:
    Stepwise({"user_version": "9.9.9"}).go_on(until="wait_for_privacy_scan")
    assert "trial version 9.9.9" in failure(marked("commit_code"), "submit_audit")
    assert shop.accepted["/wxa/submit_audit"] == 0


def test_marking_the_scan_success_while_it_goes_on_submits_nothing_and_clear_finishes_it(shop: Shop) -> None:
    shop.account.scan_polls = 20
    run = marked("wait_for_privacy_scan")
    assert "61039" in failure(run, "submit_audit")
    assert shop.accepted["/wxa/submit_audit"] == 0
    shop.account.scan_polls = 0
    run.clear("wait_for_privacy_scan")
    gone_on(run)


@pytest.mark.parametrize(
    ("arrange", "params", "task_id", "effective"),
    [
        (empty_list, {}, "register_platform_domains", [ORIGIN]),
        (individual, {"on_individual": "stop"}, "individual_account", None),
    ],
)
def test_marking_the_end_of_a_road_success_writes_nothing_platform_wide_and_releases(
    shop: Shop, arrange: Arrange, params: dict[str, Any], task_id: str, effective: list[str] | None
) -> None:
    arrange(shop)
    run = Stepwise(params)
    assert run.go_on() == "failed"
    assert run.states[task_id] == "failed"
    shop.list_hosts("example.com")  # somebody registers by hand
    run.mark(task_id, "success")
    assert gone_on(run).xcom("verify_release")["effective"] == effective
    assert (shop.writes(), shop.accepted["/wxa/release"]) == ([], 1)


# Mark failed --------------------------------------------------------------------------------------------------------


def test_a_mark_of_failed_ends_the_run_before_and_behind_any_task_and_clear_goes_on(shop: Shop) -> None:
    run = Stepwise({})
    for task_id in TASKS:
        run.go_on(until=task_id)
        before = shop.accepted
        run.mark(task_id, "failed")
        assert run.go_on() == "failed"
        assert shop.accepted == before, f"nothing is sent behind {task_id}"
        run.clear(task_id)
    gone_on(run)
    for task_id in ("submit_audit", "release"):  # what was done is not taken back
        run.mark(task_id, "failed")
        assert shop.online == "1.4.0"
        run.clear(task_id)
        gone_on(run)
    assert shop.accepted == EACH_ONCE


# Somebody else edits the platform's list -----------------------------------------------------------------------------


@pytest.mark.parametrize("until", ["commit_code", "release"])
def test_a_list_edited_before_the_guard_reads_it_stops_the_release(shop: Shop, until: str) -> None:
    run = Stepwise({})
    run.go_on(until=until)
    shop.list_hosts("example.org")
    assert run.go_on() == "failed"
    words = ("release not sent", f"not on the platform list {ORIGIN}", "platform list example.org")
    assert missing(words, failure(run, "release")) == []
    assert shop.journal.count("/wxa/release") == 0
    assert run.states["verify_release"] == "upstream_failed"


@pytest.mark.parametrize("guard_sees_the_list", [True, False])
def test_a_list_edited_behind_the_guards_back_fails_the_proof_with_the_domain_named(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, guard_sees_the_list: bool
) -> None:
    monkeypatch.setattr(lag, "_PAUSES", (0.0,))  # without a platform token nothing that is read tells it from lag
    words = [f"missing {ORIGIN}"]
    run = Stepwise({})
    if guard_sees_the_list:
        run.go_on(until="release")
        add = shop.journal.add

        def note(entry: Entry, **how: Any) -> None:
            add(entry, **how)
            # The guard's last look before the call is at the audit sheet; the list was read before it.
            if entry.path == "/wxa/get_latest_auditstatus":
                shop.list_hosts("example.org")

        monkeypatch.setattr(shop.journal, "add", note)
        words += ["wanted business domains are not effective", "these domains need a new version"]
    else:
        shop.connect(component_access_token=None)
        run.go_on(until="release")
        shop.list_hosts("example.org")
    assert run.go_on() == "failed"
    assert (run.states["release"], shop.accepted["/wxa/release"]) == ("success", 1)
    assert missing(words, failure(run, "verify_release")) == []


# Somebody releases the same Mini Program ----------------------------------------------------------------------------

A, B = "1.4.0", "1.5.0"

# name → turns of the two runs (None: to the end), the version online, the other one, the task that stops its run
INTERLEAVINGS: dict[str, tuple[list[tuple[str, str | None]], str, str, str]] = {
    "committed over": ([(A, "submit_audit"), (B, None), (A, None)], B, A, "submit_audit"),
    "in audit": ([(A, "wait_for_audit"), (B, None), (A, None)], A, B, "commit_code"),
    "approved, not released": ([(A, "release"), (B, None), (A, None)], B, A, "release"),
    "overtaken before the release": ([(A, "release"), (B, "release"), (A, None), (B, None)], B, A, "release"),
    "released over": ([(A, "verify_release"), (B, None), (A, None)], B, A, "verify_release"),
}


@pytest.mark.parametrize(("turns", "winner", "loser", "stopped"), INTERLEAVINGS.values(), ids=INTERLEAVINGS)
def test_two_runs_on_one_mini_program_never_publish_each_others_version(
    shop: Shop, turns: list[tuple[str, str | None]], winner: str, loser: str, stopped: str
) -> None:
    shop.account.audit = AuditPlan(polls=2)
    runs: dict[str, Any] = {version: Stepwise({"user_version": version}) for version in (A, B)}
    for version, until in turns:
        before = shop.online
        runs[version].go_on(until=until)
        assert shop.online in {before, version}, "a run publishes its own version or none"
    assert (shop.online, runs[winner].states["verify_release"]) == (winner, "success"), runs[winner].errors
    assert list(runs[loser].errors) == [stopped]
    assert winner in failure(runs[loser], stopped)
