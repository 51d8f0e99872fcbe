"""What becomes of each kind of Mini Program; which kind is where says the sandbox's generator, not this package."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
import yaml

from airflow_wxa.fleet import shard
from airflow_wxa.sandbox import seeded_fleet
from airflow_wxa.sandbox.loose import Looseness
from airflow_wxa.sandbox.server import serve
from airflow_wxa.steps import lag
from tests.fleet.driving import PLATFORM, Drive

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_wxa.sandbox.worlds import Fleet, Kind

SHARES: dict[Kind, float] = {"individual": 0.03, "unauthorised": 0.02, "rejected": 0.05, "lost_answer": 0.01}
EXPECTED: dict[Kind, tuple[str, int | None]] = {
    "ordinary": ("released", None),
    "individual": ("released", None),  # without business domains
    "unauthorised": ("blocked", 61003),
    "rejected": ("rejected", None),
    "lost_answer": ("released", None),
}


def manifest(fleet: Fleet, **changes: object) -> str:
    release = {
        "template_id": 47,
        "user_version": "3.2.0",
        "domain_action": "set",
        "webviewdomain": ["https://m.example.com"],
    }
    return yaml.safe_dump({"release": release, "apps": list(fleet.kinds), **changes})


def tokens(fleet: Fleet) -> dict[str, str]:
    return {each.appid: each.fixed_token for each in fleet.world.mini_programs}


@pytest.mark.parametrize(
    ("size", "shares"),
    [(40, {kind: 3 * share for kind, share in SHARES.items()}), pytest.param(2000, SHARES, marks=pytest.mark.load)],
    ids=["40", "2000"],
)
def test_each_mini_program_ends_as_its_kind_must(
    size: int, shares: dict[Kind, float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard, "RETRY_SECONDS", (0.01, 0.02, 0.04))
    monkeypatch.setattr(lag, "_PAUSES", (0.01,) * 5)
    fleet = seeded_fleet(size, seed=11, shares=shares, loose=Looseness.everything())
    assert set(fleet.kinds.values()) == set(EXPECTED)
    with serve(fleet.world) as wechat:
        for fault in fleet.faults:
            wechat.add_fault(fault)
        drive = Drive(f"sqlite:///{tmp_path / 'wxa.db'}", wechat.url, tokens(fleet))
        drive.load(manifest(fleet, waves={"canary": {"apps": 5}, "early": {"percent": 10}}), shard_size=size // 2)
        drive.submitted()
        drive.released()
    found = {appid: (app.outcome, app.errcode) for appid, app in drive.apps().items()}
    wrong = {
        appid: (kind, found[appid], drive.apps()[appid].what)
        for appid, kind in fleet.kinds.items()
        if found[appid] != EXPECTED[kind]
    }
    assert wrong == {}
    assert Counter(outcome for outcome, _ in found.values())["released"] == sum(
        EXPECTED[kind][0] == "released" for kind in fleet.kinds.values()
    )


def test_a_rejected_one_says_what_the_reviewer_said(tmp_path: Path) -> None:
    fleet = seeded_fleet(1, seed=11, shares={"rejected": 1.0})
    (appid,) = fleet.kinds
    with serve(fleet.world) as wechat:
        drive = Drive(f"sqlite:///{tmp_path / 'wxa.db'}", wechat.url, tokens(fleet))
        drive.load(manifest(fleet))
        drive.submitted()
        drive.released("rest")
    app = drive.apps()[appid]
    assert app.outcome == "rejected"
    assert "the pages do not match the chosen category" in app.what
    (said,) = [each.said for each in drive.ledger().outcomes(PLATFORM, appid)]
    assert (said["auditid"], said["reason"]) == (app.auditid, "1: the pages do not match the chosen category")
