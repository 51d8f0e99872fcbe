"""What becomes of each kind of Mini Program, also where reads lag behind writes for longer than one task waits.

Which kind is where says the sandbox's generator, not this package.
"""

from typing import get_args

import pytest

from airflow_wxa.sandbox import Looseness, seeded_fleet
from airflow_wxa.sandbox.loose import Lag
from airflow_wxa.sandbox.worlds import Kind
from tests.fleet.driving import PLATFORM, Drives

SHARES: dict[Kind, float] = {"individual": 0.03, "unauthorised": 0.02, "rejected": 0.05, "lost_answer": 0.01}
EXPECTED: dict[Kind, tuple[str, int | None]] = {
    "ordinary": ("released", None),
    "individual": ("released", None),  # without business domains
    "unauthorised": ("blocked", 61003),
    "rejected": ("rejected", None),
    "lost_answer": ("released", None),
}
#: Reads in a row that one try makes before it leaves it to the next.
PATIENCE = 6
OWN = tuple(kind for kind in get_args(Lag) if not kind.startswith("platform"))


@pytest.mark.parametrize(
    ("size", "shares"),
    [(20, {kind: 6 * share for kind, share in SHARES.items()}), pytest.param(2000, SHARES, marks=pytest.mark.load)],
    ids=["20", "2000"],
)
def test_each_mini_program_ends_as_its_kind_must(drive: Drives, size: int, shares: dict[Kind, float]) -> None:
    fleet = seeded_fleet(size, seed=11, shares=shares, loose=Looseness.everything())
    assert set(fleet.kinds.values()) == set(EXPECTED)
    here = drive(fleet.world, shard_size=size // 2, waves={"canary": {"apps": 5}, "early": {"percent": 10}})
    for fault in fleet.faults:
        here.wechat.add_fault(fault)
    here.carried()
    ended = here.apps()
    assert [
        (kind, ended[appid].outcome, ended[appid].errcode, ended[appid].what)
        for appid, kind in fleet.kinds.items()
        if (ended[appid].outcome, ended[appid].errcode) != EXPECTED[kind]
    ] == []


def test_a_rejected_one_says_what_the_reviewer_said(drive: Drives) -> None:
    here = drive(seeded_fleet(1, seed=11, shares={"rejected": 1.0}).world)
    assert here.carried() == {"rejected": 1}
    (app,) = here.apps().values()
    assert "the pages do not match the chosen category" in app.what
    (said,) = [each.said for each in here.ledger().outcomes(PLATFORM, app.appid)]
    assert (said["auditid"], said["reason"]) == (app.auditid, "1: the pages do not match the chosen category")


@pytest.mark.parametrize(
    "loose",
    [*(Looseness(lag={kind: PATIENCE + 3}) for kind in OWN), Looseness(unseen_after_submit=2 * PATIENCE)],
    ids=[*OWN, "sheet"],
)
def test_what_lags_is_no_news_to_the_next_task_and_a_sheet_unknown_in_audit(drive: Drives, loose: Looseness) -> None:
    here = drive(seeded_fleet(3, loose=loose).world)
    assert here.carried() == {"released": 3}
    assert {app.what for app in here.apps().values()} == {""}
    assert {here.wechat.journal.count(f"/wxa/{each}") for each in ("commit", "submit_audit", "release")} == {3}
