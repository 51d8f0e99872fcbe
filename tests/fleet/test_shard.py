"""A shard while its store hiccups, a scan that never ends, a plan whose manifest changes."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from airflow_wxa.api.call import Reply
from airflow_wxa.errors import WxaTransportError
from airflow_wxa.fleet import rows, shard
from airflow_wxa.fleet.plan import plan_digest
from airflow_wxa.sandbox import seeded_fleet
from airflow_wxa.sandbox.server import serve
from airflow_wxa.steps import NOTHING_ACCEPTED, Recall
from airflow_wxa.store.fleets import RunKey
from tests.fleet.driving import Drive
from tests.fleet.test_outcomes import manifest, tokens

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from airflow_wxa.api.call import Call
    from airflow_wxa.steps import AcceptedWrites, Approved, Left

KEY = RunKey("wxa_fleet_release", "run")


class Hiccuping:
    """A store that does not answer so many times."""

    def __init__(self, times: float) -> None:
        self.left = times
        self.rows: dict[int, dict[str, Any]] = {}
        self.rows_of: rows.Rows

    def change(self, key: RunKey, changes: dict[int, dict[str, Any]]) -> None:
        assert key == KEY
        if self.left > 0:
            self.left -= 1
            self.rows_of.change(1, {"stage": "newer"})  # comes while it is being written
            raise WxaTransportError("the store does not answer")
        for position, values in changes.items():
            self.rows.setdefault(position, {}).update(values)


def saved(store: Hiccuping, seconds: float) -> dict[int, dict[str, Any]]:
    async def work() -> None:
        saved = store.rows_of = rows.Rows(store, KEY)  # type: ignore[arg-type]
        async with saved.saving():
            saved.change(1, {"stage": "older", "done": "commit_code"})
            saved.change(2, {"stage": "older"})
            await asyncio.sleep(seconds)
            saved.change(3, {"stage": "last"})

    asyncio.run(work())
    return store.rows


def test_what_the_store_did_not_take_is_saved_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "_SAVE_SECONDS", 0.01)
    assert saved(Hiccuping(2), 0.3) == {
        1: {"stage": "newer", "done": "commit_code"},
        2: {"stage": "older"},
        3: {"stage": "last"},
    }


def test_a_store_that_is_still_away_at_the_end_fails_the_shard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "_SAVE_SECONDS", 0.01)
    with pytest.raises(WxaTransportError, match="the store does not answer"):
        saved(Hiccuping(float("inf")), 0.1)


def test_an_outcome_is_never_noted_before_the_answer_that_it_stands_on() -> None:
    noted: list[tuple[str, Any]] = []

    class Ledger:
        def before(self, calls: Sequence[Call]) -> Sequence[int]:
            return [1] * len(calls)

        def after(self, answers: Sequence[tuple[int, Any]]) -> Sequence[None]:
            noted.extend(("answer", row) for row, _ in answers)
            if len(noted) == 1:  # meanwhile another Mini Program is answered, and done
                late.after([(2, Reply({}))])
                late.ended([(None, 2)])
            return [None] * len(answers)

        def ended(self, steps: Sequence[tuple[Call | None, Any]]) -> Sequence[None]:
            noted.extend(("outcome", end) for _, end in steps)
            return [None] * len(steps)

        def recall(self, questions: Sequence[Recall]) -> Sequence[AcceptedWrites]:
            raise NotImplementedError

        def left(self, questions: Sequence[Left]) -> Sequence[int]:
            raise NotImplementedError

        def approved(self, questions: Sequence[Approved]) -> Sequence[bool]:
            raise NotImplementedError

    late = rows.LateResults(Ledger())
    late.after([(1, Reply({}))])
    late.ended([(None, 1)])
    late.save()
    late.save()
    assert noted == [("answer", 1), ("outcome", 1), ("answer", 2), ("outcome", 2)]


def test_a_question_behind_an_answer_that_is_still_being_noted_waits_for_it() -> None:
    is_noting, noted = threading.Event(), threading.Event()

    class Ledger:
        def before(self, calls: Sequence[Call]) -> Sequence[int]:
            return [1] * len(calls)

        def after(self, answers: Sequence[tuple[int, Any]]) -> Sequence[None]:
            is_noting.set()
            time.sleep(0.1)
            noted.set()
            return [None] * len(answers)

        def ended(self, steps: Sequence[tuple[Call | None, Any]]) -> Sequence[None]:
            return [None] * len(steps)

        def recall(self, questions: Sequence[Recall]) -> Sequence[AcceptedWrites]:
            assert noted.is_set()
            return [NOTHING_ACCEPTED] * len(questions)

        def left(self, questions: Sequence[Left]) -> Sequence[int]:
            raise NotImplementedError

        def approved(self, questions: Sequence[Approved]) -> Sequence[bool]:
            raise NotImplementedError

    late = rows.LateResults(Ledger())
    late.after([(1, Reply({}))])
    saver = threading.Thread(target=late.save)
    saver.start()
    is_noting.wait()
    assert late.recall([Recall()]) == [NOTHING_ACCEPTED]
    saver.join()


def test_a_scan_that_never_ends_holds_neither_the_fleet_nor_its_grant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard, "_SCAN_GIVEN_UP", 0.3)
    fleet = seeded_fleet(4, seed=5)
    endless, *others = fleet.kinds
    fleet.world.mini_program(endless).scan_polls = 10**6
    with serve(fleet.world) as wechat:
        drive = Drive(f"sqlite:///{tmp_path / 'wxa.db'}", wechat.url, tokens(fleet))
        drive.load(manifest(fleet))
        drive.submitted(usable=3)
    apps = drive.apps()
    assert (apps[endless].outcome, apps[endless].errcode) == ("failed", 61039)
    assert (apps[endless].audit_grant, apps[endless].submitted_at) == ("", None)
    assert [apps[appid].audit_grant for appid in others] == ["spent"] * 3


def test_another_manifest_is_another_plan_also_where_only_its_common_part_differs(tmp_path: Path) -> None:
    fleet = seeded_fleet(2, seed=5)
    drive = Drive(f"sqlite:///{tmp_path / 'wxa.db'}", "http://127.0.0.1:1", tokens(fleet))
    digests = set()
    for text in (manifest(fleet), manifest(fleet, audit_quota_reserve=1), manifest(fleet)):
        drive.load(text)
        digests.add(plan_digest(drive.run.digest, drive.fleets.apps(drive.key)))
    assert len(digests) == 2
