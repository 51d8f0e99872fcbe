"""A rollback is killed at every call and run again, and two are run at once: it moves back exactly one version."""

import itertools
import signal
from functools import partial
from pathlib import Path

import pytest

from airflow_wxa.errors import WxaError
from airflow_wxa.sandbox import RunningSandbox, World
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.steps import RollbackPlan, plan_rollback
from airflow_wxa.store import Ledger
from tests.chaos.mortal import NEVER, Moment, Mortal, in_a_process, recorded
from tests.chaos.releasing import Recorded, Task
from tests.chaos.rolling_back import Moves, carried, process, world

pytestmark = pytest.mark.chaos


@pytest.fixture
def wxa_world() -> World:
    return world()


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'wxa.db'}"


@pytest.fixture(params=[False, True], ids=["strict", "keeps_its_list"])
def moves(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Moves:
    moves = Moves()
    moves.watch(monkeypatch, keeps_its_list=request.param)
    return moves


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_rollback_killed_at_any_call_and_run_again_moves_back_one_version(
    wxa_sandbox: RunningSandbox,
    store_url: str,
    tmp_path: Path,
    moves: Moves,
    moment: Moment,
) -> None:
    def run(number: int, at: int) -> int:
        return in_a_process(process, wxa_sandbox.url, store_url, str(tmp_path / f"plan-{number}.json"), moment, at)

    assert run(0, NEVER) == 0
    for at in range(len(wxa_sandbox.journal)):
        wxa_sandbox.reset()
        moves.to.clear()
        assert run(at + 1, at) == -signal.SIGKILL, f"call {at} was not reached"
        assert run(at + 1, NEVER) == 0, f"killed {moment} call {at}, it could not be finished"
        assert moves.to == ["2"], f"killed {moment} call {at}"
        assert [entry for entry in Ledger(store_url).entries() if entry.result == "unknown"] == []


def test_two_runs_at_once_move_back_one_version(wxa_sandbox: RunningSandbox, store_url: str, moves: Moves) -> None:
    ends, url = list[str](), wxa_sandbox.url
    places: list[tuple[Moment, int]] = list(itertools.product(("before", "after"), range(8)))
    for moment, at in places:
        wxa_sandbox.reset()
        moves.to.clear()
        plan = recorded(url, store_url)(Task("list_versions", lambda: plan_rollback(APPID)))  # of both, and approved
        of_place = f"{moment} {at}"  # runs of their own: what WeChat took of an earlier place is no lag here
        other = recorded(url, store_url, run_id=f"other {of_place}")
        between = Mortal(moment, at, partial(go_back, other, plan, ends))
        go_back(recorded(url, store_url, between, of_place), plan, ends)
        assert moves.to == ["2"], (moment, at)
        online = wxa_sandbox.world.mini_program(APPID).release_info
        assert online
        assert online["release_version"] == "2"
    assert ends.count("rolled_back") >= len(places)


def go_back(tried: Recorded, plan: RollbackPlan, ends: list[str]) -> None:
    try:
        ends.append(carried(tried, plan).outcome)
    except WxaError as error:
        ends.append(error.what)
