"""A shard while its store hiccups, a scan that never ends, a plan whose manifest changes."""

import asyncio
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import repeat
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest

from airflow_wxa.api.call import Call, Reply
from airflow_wxa.api.webview_domain import modify_wxa_jump_domain, parse_origins, setwebviewdomain
from airflow_wxa.errors import WxaTransportError
from airflow_wxa.fleet import rows, shard
from airflow_wxa.fleet.plan import plan_digest
from airflow_wxa.steps import NOTHING_ACCEPTED, AcceptedWrites, DomainOutcome, Left, Recall
from airflow_wxa.store.fleets import RunKey
from tests.chaos.releasing import Memory
from tests.fleet.driving import Drive, Drives
from tests.fleet.fleets import NEVER, fleet_world, manifest


def saved(failures: Iterator[object], seconds: float) -> dict[int, dict[str, Any]]:
    """Return what a store took, which does not answer as often as there are failures."""
    taken: dict[int, dict[str, Any]] = {}

    def change(key: RunKey, changes: dict[int, dict[str, Any]]) -> None:
        assert key.run_id == "run"
        if next(failures, False):
            changed.change(1, {"stage": "newer"})  # comes while it is being written
            raise WxaTransportError("the store does not answer")
        for position, values in changes.items():
            taken.setdefault(position, {}).update(values)

    async def work() -> None:
        async with changed.saving():
            changed.change(1, {"stage": "older", "done": "commit_code"})
            changed.change(2, {"stage": "older"})
            await asyncio.sleep(seconds)
            changed.change(3, {"stage": "last"})

    changed = rows.Rows(SimpleNamespace(change=change), RunKey("wxa_fleet_release", "run"))
    asyncio.run(work())
    return taken


@patch.object(rows, "_SAVE_SECONDS", 0.01)
def test_what_the_store_did_not_take_is_saved_later_and_the_shard_fails_if_it_is_still_away_at_the_end() -> None:
    assert saved(repeat(True, 2), 0.3) == {
        1: {"stage": "newer", "done": "commit_code"},
        2: {"stage": "older"},
        3: {"stage": "last"},
    }
    with pytest.raises(WxaTransportError, match="the store does not answer"):
        saved(repeat(True), 0.1)


class Observed(Memory):
    def __init__(self, after: Callable[[list[int]], None] = lambda _: None) -> None:
        super().__init__()
        self._after = after
        self.noted_for: list[list[str]] = []
        self.asked: list[Recall] = []
        self.told: list[tuple[str, Any]] = []

    def after(self, answers: Sequence[tuple[int, Any]]) -> Sequence[None]:
        self._after([row for row, _ in answers])
        return [None] * len(answers)

    def ended(self, steps: Sequence[tuple[Call | None, Any]]) -> Sequence[None]:
        self.told += [("outcome", end) for _, end in steps]
        return super().ended(steps)

    def recall(self, questions: Sequence[Recall]) -> Sequence[AcceptedWrites]:
        self.asked += questions
        return super().recall(questions)

    def noted(self, appids: Collection[str]) -> Callable[[Recall], AcceptedWrites]:
        self.noted_for.append(sorted(appids))
        return lambda _: READ_AHEAD


READ_AHEAD = AcceptedWrites(noted_auditid="1")


def test_an_outcome_is_never_noted_before_the_answer_that_it_stands_on() -> None:
    def meanwhile(rows_: list[int]) -> None:
        ledger.told.extend(("answer", row) for row in rows_)
        if len(ledger.told) == 1:  # meanwhile another Mini Program is answered, and done
            late.after([(2, Reply({}))])
            late.ended([(None, 2)])

    ledger = Observed(meanwhile)
    late = rows.LateResults(ledger)
    late.after([(1, Reply({}))])
    late.ended([(None, 1)])
    late.save()
    late.save()
    assert ledger.told == [("answer", 1), ("outcome", 1), ("answer", 2), ("outcome", 2)]


def test_a_question_behind_an_answer_that_is_still_being_noted_waits_for_it() -> None:
    is_noting, noted = threading.Event(), threading.Event()

    def slowly(_: list[int]) -> None:
        is_noting.set()
        time.sleep(0.1)
        noted.set()

    late = rows.LateResults(Observed(slowly))
    late.after([(1, Reply({}))])
    saver = threading.Thread(target=late.save)
    saver.start()
    is_noting.wait()
    assert late.recall([Recall()]) == [NOTHING_ACCEPTED]
    assert noted.is_set()
    saver.join()


ONE, TWO = "wx0000000000000001", "wx0000000000000002"


@pytest.mark.parametrize(
    "change",
    [
        lambda late: late.before([setwebviewdomain(ONE, "add", parse_origins(["https://m.example.com"]))]),
        lambda late: late.before([modify_wxa_jump_domain("add", ["m.example.com"])]),  # is in everybody's answer
        lambda late: late.ended([(None, DomainOutcome("unchanged", ONE, "set"))]),  # may have found a lost answer out
        lambda late: late.left([Left("revertcoderelease", ONE)]),  # an older attempt may have sent it before the fence
    ],
    ids=["write", "platform's write", "end of a step", "fence"],
)
def test_what_a_shard_has_changed_is_not_told_as_read_ahead(change: Callable[[rows.LateResults], object]) -> None:
    ledger = Observed()
    late = rows.LateResults(ledger)
    late.preload([ONE, TWO])
    assert [late.known(Recall(each)) for each in (ONE, TWO)] == [READ_AHEAD, READ_AHEAD]
    change(late)
    assert late.known(Recall(ONE)) is None
    assert late.recall([Recall(ONE)]) == [NOTHING_ACCEPTED]
    assert ledger.noted_for == [[ONE, TWO]]


def test_what_was_read_ahead_is_read_again_together_when_it_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Observed()
    late = rows.LateResults(ledger)
    late.preload([ONE, TWO])
    assert late.known(Recall(ONE, own_sheets=True)) is None  # the sheets that a run may withdraw are never read ahead
    later = time.monotonic() + rows._NOTED_SECONDS
    monkeypatch.setattr(rows.time, "monotonic", lambda: later)
    assert late.known(Recall(ONE)) is None
    assert late.recall([Recall(ONE)]) == [READ_AHEAD]
    assert late.known(Recall(TWO)) == READ_AHEAD
    assert (ledger.noted_for, ledger.asked) == ([[ONE, TWO], [ONE, TWO]], [])


@patch.object(shard, "_SCAN_GIVEN_UP", 0.3)
def test_a_scan_that_never_ends_holds_neither_the_fleet_nor_its_grant(drive: Drives) -> None:
    world = fleet_world(4)
    world.mini_programs[0].scan_polls = NEVER
    here = drive(world)
    here.submitted(usable=3)
    endless, *others = here.apps().values()
    assert (endless.outcome, endless.errcode) == ("failed", 61039)
    assert (endless.audit_grant, endless.submitted_at) == ("", None)
    assert [each.audit_grant for each in others] == ["spent"] * 3


def test_another_manifest_is_another_plan_also_where_only_its_common_part_differs(store_url: str) -> None:
    drive = Drive(store_url, "http://127.0.0.1:1", {})
    digests = set()
    for reserve in (None, 1, None):
        drive.load(manifest(2, audit_quota_reserve=reserve))
        digests.add(plan_digest(drive.run.digest, drive.fleets.apps(drive.key)))
    assert len(digests) == 2
