"""The month's quota is a budget: in order, over months, by a run that goes on by itself or by weekly releases."""

from __future__ import annotations

import datetime as dt
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from airflow_wxa.api.endpoints import BEIJING
from airflow_wxa.dags.wxa_fleet_release import fleet_release_dag
from airflow_wxa.fleet.manifest import read_manifest
from airflow_wxa.hooks.store import open_fleets
from airflow_wxa.operators import fleet as fleet_operator
from airflow_wxa.operators.fleet import looks_again
from airflow_wxa.sandbox.exchange import Fault
from airflow_wxa.sandbox.server import serve
from airflow_wxa.store.fleets import NewApp, RunKey
from airflow_wxa.store.tables import fleet_run
from tests.airflow_session import run_dag
from tests.fleet.driving import PLATFORM, Drive
from tests.fleet.fleets import appid, fleet_connection, fleet_world, manifest, token
from tests.fleet.test_manifest import Files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow_wxa.sandbox.server import RunningSandbox
    from airflow_wxa.sandbox.world import World
    from tests.airflow_session import Run


class Months:
    """An emulated WeChat whose month turns whenever a run waits for it.

    :param released: Mini Programs that were released in each month, in WeChat's order.
    """

    def __init__(self, world: World, wechat: RunningSandbox, a_month: int) -> None:
        self.world, self.wechat, self.a_month = world, wechat, a_month
        self.released: list[list[str]] = []

    def turn(self, now: dt.datetime) -> float:
        known = sum(map(len, self.released))
        paths = [each for each in self.wechat.journal if each.path == "/wxa/release" and each.errcode == 0]
        self.released.append([str(each.appid) for each in paths[known:]])
        self.world.advance(31 * 86400)
        self.world.platforms[0].audit_rest = self.a_month
        return now.timestamp() + 0.05

    def release(self, **common: Any) -> Run:
        text = manifest(len(self.world.mini_programs), carry_over=True, **common)
        run = run_dag(fleet_release_dag(), approval=False, shard_size=8, manifest=text)
        self.turn(dt.datetime.now(dt.UTC))
        return run


@contextmanager
def months(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, count: int, a_month: int, **world: Any) -> Iterator[Months]:
    made = fleet_world(count, audit_limit=a_month, audit_rest=a_month, **world)
    with serve(made) as wechat:
        monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", fleet_connection(wechat.url, count))
        monkeypatch.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", f"sqlite:///{tmp_path / 'wxa.db'}")
        kept = Months(made, wechat, a_month)
        monkeypatch.setattr(fleet_operator, "looks_again", kept.turn)
        yield kept


@pytest.mark.usefixtures("airflow_database")
@pytest.mark.parametrize("reserve", [0, 3])
@pytest.mark.parametrize("count", [30, pytest.param(200, marks=pytest.mark.load)])
def test_all_are_released_in_order_over_five_months(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, count: int, reserve: int
) -> None:
    usable = count // 5
    with months(monkeypatch, tmp_path, count, usable + reserve) as here:
        run = here.release(audit_quota_reserve=reserve)
    assert (run.state, run.xcoms["fleet_result"]) == ("success", {"released": count}), run.errors
    assert [sorted(each) for each in here.released] == [
        [appid(number) for number in range(first, first + usable)] for first in range(0, count, usable)
    ]
    submitted = [each for each in here.wechat.journal if each.path == "/wxa/submit_audit"]
    assert sum(each.errcode == 0 for each in submitted) == count
    assert sum(each.errcode == 85085 for each in submitted) <= (0 if reserve else 5)


@pytest.mark.usefixtures("airflow_database")
def test_a_canary_that_waits_for_quota_and_one_that_is_rejected(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with months(monkeypatch, tmp_path, 6, 2) as here:
        here.world.mini_programs[4].audit.result = "rejected"
        run = here.release()
    assert run.xcoms["fleet_result"] == {"released": 5, "rejected": 1}, run.errors
    assert [len(each) for each in here.released] == [2, 2, 1]


@pytest.mark.usefixtures("airflow_database")
def test_a_run_that_is_stopped_wakes_and_carries_nothing_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with months(monkeypatch, tmp_path, 6, 2) as here:

        def stopped(now: dt.datetime) -> float:
            fleets = open_fleets()
            fleets.stop(fleets._runs(fleet_run.c.run_id != "")[-1].key, "lin")
            return now.timestamp() + 3600

        monkeypatch.setattr(fleet_operator, "looks_again", stopped)
        began = time.monotonic()
        run = here.release()
    assert time.monotonic() - began < 600
    assert "stopped by lin" in str(run.errors["fleet_result"])
    assert len(here.released[0]) == 2


@pytest.mark.usefixtures("airflow_database")
def test_without_carry_over_the_task_is_skipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with months(monkeypatch, tmp_path, 3, 2) as here:
        run = run_dag(fleet_release_dag(), approval=False, manifest=manifest(3))
    assert (run.states["carry_over"], run.xcoms["fleet_result"]) == ("skipped", {"released": 2, "no_quota": 1})
    assert here.released == []


@pytest.mark.parametrize(
    ("now", "looks"),
    [
        ("2026-11-30T15:59:59+00:00", "2026-12-01T00:00:00+08:00"),
        ("2026-11-02T12:00:00+08:00", "2026-12-01T00:00:00+08:00"),
        ("2026-12-01T00:00:01+08:00", "2026-12-01T01:00:01+08:00"),  # WeChat's counter may turn later than the clock
        ("2027-01-31T12:00:00+08:00", "2027-02-01T00:00:00+08:00"),
    ],
)
def test_the_month_turns_in_beijing(now: str, looks: str) -> None:
    assert looks_again(dt.datetime.fromisoformat(now)) == dt.datetime.fromisoformat(looks).timestamp()
    assert dt.datetime.fromtimestamp(looks_again(dt.datetime.fromisoformat(now)), BEIJING).isoformat() == looks


class OfLedger(Files):
    """Sources that know what the ledger knows."""

    def __init__(self, drive: Drive, count: int) -> None:
        super().__init__()
        self._drive, self._count = drive, count

    def authorised(self) -> list[str]:
        return [appid(number) for number in range(self._count)]

    def released_at(self) -> dict[str, float]:
        return self._drive.ledger().released_at(PLATFORM)


@pytest.mark.parametrize(("count", "a_month"), [(10, 2), pytest.param(200, 40, marks=pytest.mark.load)])
def test_weekly_releases_of_a_quarter_serve_each_once_before_any_twice(
    tmp_path: Path, count: int, a_month: int
) -> None:
    world = fleet_world(count, audit_limit=a_month, audit_rest=a_month)
    tokens = {appid(number): token(number) for number in range(count)}
    with serve(world) as wechat:
        for week in range(13):
            if week in (5, 9):  # a month turns
                world.platforms[0].audit_rest = a_month
            drive = Drive(
                f"sqlite:///{tmp_path / 'wxa.db'}", wechat.url, tokens, RunKey("wxa_fleet_release", f"w{week}")
            )
            release = {"template_id": 47, "user_version": f"1.4.{week}", "domain_action": "get"}
            text = manifest(count, apps={"authorised": True}, release=release)
            read = read_manifest(text, OfLedger(drive, count))
            apps = [NewApp(app.appid, "rest", 0, app.given) for app in read.apps]
            drive.fleets.load(drive.key, PLATFORM, read.common, read.digest, apps)
            drive.submitted(usable=max(1, world.platforms[0].audits_left))
            drive.released("rest")
            drive.fleets.end(drive.key)
    served = [each.appid for each in wechat.journal if each.path == "/wxa/release" and each.errcode == 0]
    print(f"\n13 weekly releases of {count} with {a_month} submissions a month: {len(served)} served, all different")
    assert len(served) == len(set(served)) == 3 * a_month


@pytest.mark.usefixtures("airflow_database")
@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "errcode_after", "truncated"])
def test_an_answer_that_is_lost_behind_the_turn_spends_nothing_twice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: Any
) -> None:
    monkeypatch.setattr("airflow_wxa.fleet.shard.RETRY_SECONDS", (0.0, 0.0, 0.0))
    with months(monkeypatch, tmp_path, 6, 2) as here:

        def turn(now: dt.datetime) -> float:
            for path in ("/wxa/commit", "/wxa/submit_audit", "/wxa/release"):
                here.wechat.add_fault(Fault(path=path, kind=kind))
            return here.turn(now)

        monkeypatch.setattr(fleet_operator, "looks_again", turn)
        run = here.release()
    assert run.xcoms["fleet_result"] == {"released": 6}, run.errors
    assert [len(each.sheets) for each in here.world.mini_programs] == [1] * 6
    assert here.world.platforms[0].audits_left == 2  # the month after the last has turned
