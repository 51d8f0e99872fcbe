"""A rollback is killed at every call and run again, and two are run at once: it moves back exactly one version."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from airflow_wxa.errors import WxaError
from airflow_wxa.sandbox import RunningSandbox, World
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.store import Ledger
from tests.chaos.mortal import Moment, Mortal, MortalClient, ended
from tests.chaos.rolling_back import Moves, carried, planned, process, world
from tests.store.processes import fork_server

pytestmark = pytest.mark.chaos

NEVER = -1


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
    say: Callable[[str], None],
) -> None:
    def run(number: int, at: int) -> int:
        kept = str(tmp_path / f"plan-{number}.json")
        return ended(fork_server().Process(target=process, args=(wxa_sandbox.url, store_url, kept, moment, at)))

    assert run(0, NEVER) == 0
    calls = len(wxa_sandbox.journal)
    for at in range(calls):
        wxa_sandbox.reset()
        moves.to.clear()
        assert run(at + 1, at) == -signal.SIGKILL, f"call {at} was not reached"
        assert run(at + 1, NEVER) == 0, f"killed {moment} call {at}, it could not be finished"
        assert moves.to == ["2"], f"killed {moment} call {at}"
        assert [entry for entry in Ledger(store_url).entries() if entry.result == "unknown"] == []
    say(f"\nkilled {moment} each of {calls} calls: {calls} of {calls} moved back exactly one version")


def test_two_runs_at_once_move_back_one_version(
    wxa_sandbox: RunningSandbox, store_url: str, moves: Moves, say: Callable[[str], None]
) -> None:
    ends = []
    places: list[tuple[Moment, int]] = [(moment, at) for at in range(8) for moment in ("before", "after")]  # type: ignore[misc]
    for moment, at in places:
        wxa_sandbox.reset()
        moves.to.clear()
        with MortalClient(wxa_sandbox.url, None, Mortal(moment, NEVER)) as client:  # type: ignore[arg-type]
            plan = planned(client)  # both looked, and both were approved

        of_place = f"{moment} {at}"  # runs of their own: what WeChat took of an earlier place is no lag here

        def other(plan: object = plan, run_id: str = f"other {of_place}") -> None:
            ends.append(_end(lambda: carried(plan, store_url, Mortal("before", NEVER), wxa_sandbox.url, run_id)))  # type: ignore[arg-type]

        ends.append(_end(lambda: carried(plan, store_url, Mortal(moment, at, other), wxa_sandbox.url, of_place)))  # noqa: B023
        assert moves.to == ["2"], (moment, at)
        online = wxa_sandbox.world.mini_program(APPID).release_info
        assert online
        assert online["release_version"] == "2"
    finished = sum(end == "rolled_back" for end in ends)
    assert finished >= len(places)
    did = f"{finished} of {len(ends)} ended with that version online"
    say(f"\ntwo runs, interleaved at {len(places)} places: one version back each time; {did}")


def _end(run: Callable[[], object]) -> str:
    try:
        return str(run().outcome)  # type: ignore[attr-defined]
    except WxaError as error:
        return error.what
