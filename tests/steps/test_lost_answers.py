"""All writes of a release through a client, their answers lost after the work: one sheet, one release."""

from typing import Any

import pytest

from airflow_wxa.access.fixed import FixedTokens
from airflow_wxa.client import Egress, WxaClient, delivery
from airflow_wxa.sandbox import Fault, RunningSandbox
from airflow_wxa.sandbox.exchange import FaultKind
from airflow_wxa.sandbox.testing import APPID, MERCHANT_TOKEN, PLATFORM_TOKEN
from airflow_wxa.steps import commit_code, configure_domains, release_version, submit_version
from tests.chaos.releasing import VERSION, Plan, Task, carried

PLAN = Plan()


@pytest.mark.parametrize("kind", ["drop_after", "truncated", "empty", "errcode_after"])
def test_a_release_that_hears_of_none_of_its_writes_and_runs_again_doubles_nothing(
    wxa_sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch, kind: FaultKind
) -> None:
    monkeypatch.setattr(delivery, "PAUSES", (0, 0))
    wxa_sandbox.add_fault(Fault(path="/wxa/setwebviewdomain", kind="slow", seconds=0))  # the first call reads
    writes = ("setwebviewdomain", "commit", "submit_audit", "release")
    for endpoint in writes:
        wxa_sandbox.add_fault(Fault(path=f"/wxa/{endpoint}", kind=kind))
    tokens = FixedTokens({APPID: MERCHANT_TOKEN}, PLATFORM_TOKEN)
    with WxaClient(Egress(wxa_sandbox.url), tokens) as client:

        def work(task: Task, try_number: int) -> Any:
            assert try_number == 1, f"{task.task_id} has failed"
            return client.run(task.make())

        outcome = carried(PLAN, work)
        assert (outcome.release_version, outcome.effective) == ("1.4.0", ("https://m.example.com",))
        assert client.run(configure_domains(APPID, "add", PLAN.wanted)).outcome == "unchanged"
        assert client.run(commit_code(VERSION, "release 1.4.0")).outcome == "unchanged"
        assert client.run(submit_version(VERSION)).outcome == "adopted"
        assert client.run(release_version(VERSION)).outcome == "already_released"
    assert [entry.path.rpartition("/")[2] for entry in wxa_sandbox.journal if entry.fault == kind] == [*writes]
    sent = [entry.path for entry in wxa_sandbox.journal]
    assert [sent.count(f"/wxa/{endpoint}") for endpoint in writes[1:]] == [1, 1, 1]
    (sheet,) = wxa_sandbox.world.mini_program(APPID).sheets
    assert sheet.user_desc == PLAN.description
