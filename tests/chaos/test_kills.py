"""The process of a release is killed at every call, and a fresh one runs it again: nothing is lost or doubled."""

import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from airflow_wxa.sandbox import RunningSandbox
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.steps import modify_platform_domains
from airflow_wxa.store import Entry, Ledger
from tests.chaos.mortal import Moment, Mortal, MortalClient, ended, release
from tests.chaos.releasing import Plan, Recorded, Task
from tests.chaos.witness import THE_TIME, Witness, end_state
from tests.store.processes import fork_server

pytestmark = pytest.mark.chaos

NEVER: Final = -1
WRITES: Final = ("setwebviewdomain", "modify_wxa_jump_domain", "undocodeaudit", "commit", "submit_audit", "release")


class Deaths:
    """Releases in processes that die, against one sandbox and one store."""

    def __init__(self, running: RunningSandbox, witness: Witness, folder: Path) -> None:
        self.running = running
        self.witness = witness
        self._folder = folder
        self._begun = 0
        self.begin()

    def begin(self) -> None:
        """Start over with a store of its own: what erases a ledger keeps what counts the month's withdrawals."""
        self.running.reset()
        self.witness.forget()
        self._begun += 1
        self.store_url = f"sqlite:///{self._folder / f'{self._begun}.db'}"
        self.ledger = Ledger(self.store_url)

    def process(self, moment: Moment = "before", at: int = NEVER) -> int:
        """Run the release in a fresh process, and return how that ended."""
        return ended(fork_server().Process(target=release, args=(self.running.url, self.store_url, moment, at)))

    def register_again(self) -> None:
        """Register the hosts once more, which changes nothing."""
        again = Task("register_platform_domains", lambda: modify_platform_domains("add", ["m.example.com"]))
        work = Recorded(
            self.store_url, lambda recorder: MortalClient(self.running.url, recorder, Mortal("after", NEVER))
        )
        assert work(again, 1).outcome == "unchanged"

    def unknown(self) -> list[Entry]:
        return [entry for entry in self.ledger.entries(most=None) if entry.result == "unknown"]


@pytest.fixture
def deaths(wxa_sandbox: RunningSandbox, witness: Witness, tmp_path: Path) -> Deaths:
    wxa_sandbox.world.clock = lambda: THE_TIME
    return Deaths(wxa_sandbox, witness, tmp_path)


@pytest.fixture
def undisturbed(deaths: Deaths) -> tuple[dict[str, Any], int]:
    """Return what an undisturbed release comes to, and how many calls it makes."""
    deaths.begin()
    assert deaths.process() == 0
    assert deaths.witness.published == [(Plan().description, ("https://m.example.com",))]
    assert Counter(entry.result for entry in deaths.ledger.entries(most=None)) == {"ok": len(WRITES)}
    return end_state(deaths.running.world), len(deaths.running.journal)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_release_killed_at_any_call_is_finished_by_a_fresh_process(
    deaths: Deaths, undisturbed: tuple[dict[str, Any], int], moment: Moment, say: Callable[[str], None]
) -> None:
    end, calls = undisturbed
    lost: Counter[str] = Counter()
    for at in range(calls):
        deaths.begin()
        assert deaths.process(moment, at) == -signal.SIGKILL, f"call {at} was not reached"
        unknown = deaths.unknown()
        assert len(unknown) <= 1
        lost.update(entry.endpoint for entry in unknown)
        assert deaths.process() == 0, f"the release killed {moment} call {at} could not be finished"
        assert end_state(deaths.running.world) == end, f"killed {moment} call {at}"
        assert len(deaths.witness.submitted) == len(deaths.witness.published) == 1
        assert len(deaths.running.world.mini_program(APPID).withdrawals) == 1
        if deaths.unknown():
            # Once the platform list is filled no release looks at it again: whoever changes it next finds out.
            assert [entry.endpoint for entry in unknown] == ["modify_wxa_jump_domain"]
            deaths.register_again()
        assert deaths.unknown() == []
        assert all(entry.result == "resolved" for entry in deaths.ledger.entries(most=None) if entry.id in ids(unknown))
    assert set(lost) == set(WRITES)
    say(f"\nkilled {moment} each of {calls} calls: {calls} of {calls} finished as an undisturbed release; ")
    say(f"{lost.total()} writes were unknown after the kill, all were resolved afterwards")


def ids(entries: list[Entry]) -> set[int]:
    return {entry.id for entry in entries}
