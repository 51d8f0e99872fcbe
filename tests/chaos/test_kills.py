"""The process of a release is killed at every call, and a fresh one runs it again: nothing is lost or doubled."""

import itertools
import signal
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from airflow_wxa.sandbox import RunningSandbox
from airflow_wxa.steps import modify_platform_domains
from airflow_wxa.store import Ledger
from tests.chaos.mortal import NEVER, Moment, in_a_process, recorded, release
from tests.chaos.releasing import Plan, Task
from tests.chaos.witness import Witness, end_state

pytestmark = pytest.mark.chaos

WRITES: Final = ("setwebviewdomain", "modify_wxa_jump_domain", "undocodeaudit", "commit", "submit_audit", "release")


class Deaths:
    """Releases in processes that die, against one sandbox and one store."""

    def __init__(self, running: RunningSandbox, witness: Witness, folder: Path) -> None:
        self.running = running
        self.witness = witness
        self._stores = (f"sqlite:///{folder / f'{number}.db'}" for number in itertools.count())
        self.begin()

    def begin(self) -> None:
        """Start over with a store of its own: what erases a ledger keeps what counts the month's withdrawals."""
        self.running.reset()
        self.witness.forget()
        self.store_url = next(self._stores)
        self.ledger = Ledger(self.store_url)

    def process(self, moment: Moment = "before", at: int = NEVER) -> int:
        return in_a_process(release, self.running.url, self.store_url, moment, at)

    def register_again(self) -> None:
        """Register the hosts once more, which changes nothing."""
        again = Task("register_platform_domains", lambda: modify_platform_domains("add", ["m.example.com"]))
        assert recorded(self.running.url, self.store_url)(again).outcome == "unchanged"

    def results(self) -> dict[tuple[int, str], str]:
        """Return the result of each row of the ledger, by its id and endpoint."""
        return {(entry.id, entry.endpoint): entry.result for entry in self.ledger.entries(most=None)}


@pytest.fixture
def deaths(wxa_sandbox: RunningSandbox, witness: Witness, tmp_path: Path) -> Deaths:
    return Deaths(wxa_sandbox, witness, tmp_path)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_release_killed_at_any_call_is_finished_by_a_fresh_process(deaths: Deaths, moment: Moment) -> None:
    assert deaths.process() == 0
    deaths.witness.assert_released_once(deaths.running.world, Plan().description)
    assert Counter(deaths.results().values()) == {"ok": len(WRITES)}
    end, lost = end_state(deaths.running.world), set[str]()
    for at in range(len(deaths.running.journal)):
        deaths.begin()
        assert deaths.process(moment, at) == -signal.SIGKILL, f"call {at} was not reached"
        unknown = [row for row, result in deaths.results().items() if result == "unknown"]
        assert len(unknown) <= 1
        lost.update(endpoint for _, endpoint in unknown)
        assert deaths.process() == 0, f"the release killed {moment} call {at} could not be finished"
        assert end_state(deaths.running.world) == end, f"killed {moment} call {at}"
        deaths.witness.assert_released_once(deaths.running.world, Plan().description)
        if "unknown" in deaths.results().values():
            # Once the platform list is filled no release looks at it again: whoever changes it next finds out.
            assert [endpoint for _, endpoint in unknown] == ["modify_wxa_jump_domain"]
            deaths.register_again()
        assert {deaths.results()[row] for row in unknown} <= {"resolved"}
        assert "unknown" not in deaths.results().values()
    assert lost == set(WRITES)
