"""Answers that get lost after the work was done, and calls that get lost before it: one sheet, one release."""

from collections.abc import Iterator
from typing import Any

import pytest

from airflow_wxa.access.fixed import FixedTokens
from airflow_wxa.client import Egress, WxaClient, delivery
from airflow_wxa.errors import WxaError
from airflow_wxa.sandbox import Fault, RunningSandbox
from airflow_wxa.sandbox.exchange import FaultKind
from airflow_wxa.sandbox.testing import APPID, MERCHANT_TOKEN, PLATFORM_TOKEN
from airflow_wxa.steps import ReleaseOutcome, commit_code, configure_domains, release_version, submit_version
from tests.chaos.releasing import VERSION, Plan, Task, carried

PLAN = Plan()
WRITES = ["setwebviewdomain", "commit", "submit_audit", "release"]


@pytest.fixture
def client(wxa_sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[WxaClient]:
    monkeypatch.setattr(delivery, "PAUSES", (0, 0))
    tokens = FixedTokens({APPID: MERCHANT_TOKEN}, PLATFORM_TOKEN)
    with WxaClient(Egress(wxa_sandbox.url), tokens) as client:
        yield client


def released(client: WxaClient) -> tuple[ReleaseOutcome, list[str]]:
    """Release as the DAG does, and return the outcome and the endpoints that tasks have failed at and were repeated."""
    failed = []

    def work(task: Task, _: int) -> Any:
        try:
            return client.run(task.make())
        except WxaError as error:
            failed.append(error.endpoint or "")
            raise

    return carried(PLAN, work), failed


def accepted(sandbox: RunningSandbox, endpoint: str) -> int:
    """Return how often the work of a call was done, whatever the client got to hear of it."""
    return sum(entry.path == f"/wxa/{endpoint}" and entry.errcode == 0 for entry in sandbox.journal)


def let_fail(sandbox: RunningSandbox, endpoint: str, kind: FaultKind, **options: Any) -> None:
    """Let the write of an endpoint go wrong; setwebviewdomain is read first, so its second call is the write."""
    path = f"/wxa/{endpoint}"
    if endpoint == "setwebviewdomain":
        sandbox.add_fault(Fault(path=path, kind="slow", seconds=0))
    sandbox.add_fault(Fault(path=path, kind=kind, **options))


def assert_released_once(sandbox: RunningSandbox, client: WxaClient, fails_at: tuple[str, ...] = ()) -> None:
    outcome, failed = released(client)
    assert (outcome.release_version, outcome.effective) == ("1.4.0", ("https://m.example.com",))
    assert tuple(failed) == fails_at
    assert [accepted(sandbox, endpoint) for endpoint in ("commit", "submit_audit", "release")] == [1, 1, 1]
    mini_program = sandbox.world.mini_program(APPID)
    assert len(mini_program.sheets) == 1
    assert mini_program.release_info is not None
    assert mini_program.release_info["release_desc"] == PLAN.description


@pytest.mark.parametrize("kind", ["drop_after", "truncated", "empty", "drop_before", "html_502", "errcode_before"])
@pytest.mark.parametrize("endpoint", WRITES)
def test_an_answer_lost_after_the_work_is_read_back_and_a_call_lost_before_it_made_up_for_by_running_the_step_again(
    wxa_sandbox: RunningSandbox, client: WxaClient, endpoint: str, kind: FaultKind
) -> None:
    has_worked = kind in ("drop_after", "truncated", "empty")
    let_fail(wxa_sandbox, endpoint, kind)
    fails_at = () if has_worked or endpoint == "setwebviewdomain" else (endpoint,)
    assert_released_once(wxa_sandbox, client, fails_at)
    (lost,) = [entry for entry in wxa_sandbox.journal if entry.fault == kind]
    assert (lost.path, lost.errcode == 0) == (f"/wxa/{endpoint}", has_worked)
    assert lost.body != {"action": "get"}


@pytest.mark.parametrize("endpoint", WRITES)
def test_minus_1_after_the_work_is_read_back_without_running_the_step_again(
    wxa_sandbox: RunningSandbox, client: WxaClient, endpoint: str
) -> None:
    let_fail(wxa_sandbox, endpoint, "errcode_after")
    outcome, failed = released(client)
    assert (outcome.release_version, failed) == ("1.4.0", [])
    (sheet,) = wxa_sandbox.world.mini_program(APPID).sheets
    assert sheet.user_version == "1.4.0"
    expected = 2 if endpoint == "setwebviewdomain" else 1  # safe to repeat, so the client did
    writes = [e for e in wxa_sandbox.journal if e.path == f"/wxa/{endpoint}" and e.body != {"action": "get"}]
    assert len(writes) == expected


def test_all_four_answers_lost_in_one_release(wxa_sandbox: RunningSandbox, client: WxaClient) -> None:
    for endpoint in WRITES:
        let_fail(wxa_sandbox, endpoint, "drop_after")
    assert_released_once(wxa_sandbox, client)


def test_a_step_killed_after_its_write_and_run_again_doubles_nothing(
    wxa_sandbox: RunningSandbox, client: WxaClient
) -> None:
    for _ in range(2):
        client.run(configure_domains(APPID, "add", PLAN.wanted))
        client.run(commit_code(VERSION, "release 1.4.0"))
    assert_released_once(wxa_sandbox, client)
    assert client.run(release_version(VERSION)).outcome == "already_released"
    assert client.run(submit_version(VERSION)).outcome == "adopted"
    assert client.run(commit_code(VERSION, "release 1.4.0")).outcome == "unchanged"
    assert_released_once(wxa_sandbox, client)


@pytest.mark.parametrize("endpoint", ["getversioninfo", "get_latest_auditstatus", "queryquota", "get_auditstatus"])
def test_a_read_that_is_lost_is_repeated_by_the_client(
    wxa_sandbox: RunningSandbox, client: WxaClient, endpoint: str
) -> None:
    let_fail(wxa_sandbox, endpoint, "drop_before", times=2)
    assert_released_once(wxa_sandbox, client)
