"""The process of a release is killed at every call, and a fresh one runs it again: nothing is lost or doubled."""

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


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_release_killed_at_any_call_is_finished_by_a_fresh_process(
    wxa_sandbox: RunningSandbox, witness: Witness, tmp_path: Path, moment: Moment
) -> None:
    def begin(number: int) -> None:
        """Start over with a store of its own: what erases a ledger keeps what counts the month's withdrawals."""
        nonlocal store_url
        wxa_sandbox.reset()
        witness.forget()
        store_url = f"sqlite:///{tmp_path / f'{number}.db'}"

    def process(at: int = NEVER) -> int:
        return in_a_process(release, wxa_sandbox.url, store_url, moment, at)

    def rows() -> dict[tuple[int, str], str]:
        """Return the result of each row of the ledger, by its id and endpoint."""
        return {(entry.id, entry.endpoint): entry.result for entry in Ledger(store_url).entries(most=None)}

    store_url = ""
    begin(NEVER)
    assert process() == 0
    witness.assert_released_once(wxa_sandbox.world, Plan().description)
    assert Counter(rows().values()) == {"ok": len(WRITES)}
    end, lost = end_state(wxa_sandbox.world), set[str]()
    for at in range(len(wxa_sandbox.journal)):
        begin(at)
        assert process(at) == -signal.SIGKILL, f"call {at} was not reached"
        unknown = [row for row, result in rows().items() if result == "unknown"]
        assert len(unknown) <= 1
        lost.update(endpoint for _, endpoint in unknown)
        assert process() == 0, f"the release killed {moment} call {at} could not be finished"
        assert end_state(wxa_sandbox.world) == end, f"killed {moment} call {at}"
        witness.assert_released_once(wxa_sandbox.world, Plan().description)
        if "unknown" in rows().values():
            # Once the platform list is filled no release looks at it again: whoever changes it next finds out.
            assert [endpoint for _, endpoint in unknown] == ["modify_wxa_jump_domain"]
            again = Task("register_platform_domains", lambda: modify_platform_domains("add", ["m.example.com"]))
            assert recorded(wxa_sandbox.url, store_url)(again).outcome == "unchanged"
        assert {rows()[row] for row in unknown} <= {"resolved"}
        assert "unknown" not in rows().values()
    assert lost == set(WRITES)
