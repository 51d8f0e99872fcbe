"""What others do meanwhile: somebody edits the platform's list, somebody releases the same Mini Program."""

from collections.abc import Callable
from typing import Any

import pytest

from airflow_wxa.sandbox import AuditPlan, Entry
from airflow_wxa.sandbox.journal import Journal
from airflow_wxa.steps import lag
from tests.dags.stepwise import Stepwise
from tests.dags.worlds import ORIGIN, Shop, failure, missing


class Watched(Journal):
    """A journal that calls somebody as soon as a path was called once."""

    def __init__(self, path: str, act: Callable[[], object]) -> None:
        super().__init__()
        self._path, self._act = path, act

    def append(self, entry: Entry) -> None:
        super().append(entry)
        if entry.path == self._path:
            self._path = ""
            self._act()


# Somebody edits the platform's list ---------------------------------------------------------------------------------


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
        # The guard's last look before the call is at the audit sheet; the list was read before it.
        shop.wechat.journal = Watched("/wxa/get_latest_auditstatus", lambda: shop.list_hosts("example.org"))
        words += ["wanted business domains are not effective", "these domains need a new version"]
    else:
        monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", shop.connection(component_access_token=None))
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
