"""Ten cells of the matrix through a real Airflow: its retries, its task states, its ledger."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.sandbox import Fault, RunningSandbox
from tests.airflow_session import Run, connection
from tests.chaos.releasing import Plan
from tests.chaos.test_matrix import FAULTS
from tests.chaos.witness import Witness

Release = Callable[..., Run]

pytestmark = pytest.mark.chaos


@pytest.fixture
def run(release: Release, wxa_sandbox: RunningSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Release:
    """Run the DAG against the contested world, with half a second of patience for each answer."""
    monkeypatch.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", f"sqlite:///{tmp_path / 'wxa.db'}")
    monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", connection(wxa_sandbox.url, timeout=0.5))
    return partial(release, on_platform_list_empty="register", withdraw_foreign_audit=True)


@pytest.mark.parametrize(
    ("path", "fault", "task_id", "tries", "said"),
    [
        ("/wxa/submit_audit", "reset after", "submit_audit", 1, ""),
        ("/wxa/submit_audit", "timeout", "submit_audit", 1, ""),
        ("/wxa/submit_audit", "-1 before", "submit_audit", 2, ""),
        ("/wxa/commit", "truncated", "commit_code", 1, ""),
        ("/wxa/undocodeaudit", "reset before", "commit_code", 2, ""),
        ("/wxa/release", "-1 after", "release", 1, ""),
        ("/wxa/release", "502 HTML", "release", 2, ""),
        ("/wxa/submit_audit", "reset before", "submit_audit", 3, "submit_audit got no answer"),
        ("/wxa/getversioninfo", "40001", "commit_code", 1, "errcode 40001"),
        ("/cgi-bin/component/modify_wxa_jump_domain", "45009", "register_platform_domains", 1, "errcode 45009"),
    ],
)
def test_a_passing_fault_is_lived_through_and_one_that_stays_stops_the_run_until_a_rerun_finishes(
    run: Release, wxa_sandbox: RunningSandbox, witness: Witness, path: str, fault: str, task_id: str, tries: int,
    said: str,
) -> None:  # fmt: skip
    wxa_sandbox.add_fault(Fault(path=path, times=None if said else 1, **FAULTS[fault]))
    ended = run()
    assert ended.tries[task_id] == tries
    if said:
        assert (ended.state, ended.states[task_id]) == ("failed", "failed")
        assert said in str(ended.errors[task_id])
        assert witness.published == []
        wxa_sandbox.faults.clear()
        ended = run()
    assert ended.state == "success", ended.errors
    witness.assert_released_once(wxa_sandbox.world, Plan().version.described("1.4.0"))
    entries = open_ledger().entries()
    assert said or {entry.result for entry in entries} <= {"ok", "resolved"}
    assert {entry.task.dag_id for entry in entries} == {"wxa_release"}
    assert {entry.task.task_id for entry in entries} >= {"commit_code", "submit_audit", "release"}
