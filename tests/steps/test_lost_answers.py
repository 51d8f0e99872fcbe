"""Answers that get lost after the work was done, and calls that get lost before it: one sheet, one release."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from airflow_wxa.access.fixed import FixedTokens
from airflow_wxa.api.code import CodeVersion
from airflow_wxa.api.webview_domain import WebviewDomain
from airflow_wxa.client import Egress, WxaClient, delivery
from airflow_wxa.errors import WxaBusyError, WxaTransportError
from airflow_wxa.sandbox import Fault, RunningSandbox
from airflow_wxa.sandbox.testing import APPID, MERCHANT_TOKEN, PLATFORM_TOKEN
from airflow_wxa.steps import (
    ReleaseOutcome,
    Step,
    audit_status,
    commit_code,
    configure_domains,
    privacy_scan,
    release_version,
    submit_version,
    verify_release,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_wxa.sandbox.exchange import FaultKind

T = TypeVar("T")
WANTED = (WebviewDomain("m.example.com"),)
VERSION = CodeVersion.of(APPID, 47, "1.4.0")
WRITES = ["setwebviewdomain", "commit", "submit_audit", "release"]


@pytest.fixture
def client(wxa_sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[WxaClient]:
    monkeypatch.setattr(delivery, "PAUSES", (0, 0))
    tokens = FixedTokens({APPID: MERCHANT_TOKEN}, PLATFORM_TOKEN)
    with WxaClient(Egress(wxa_sandbox.url), tokens) as client:
        yield client


class Release:
    """A release as the Dag runs it: step after step, each again when it failed and may be repeated."""

    def __init__(self, client: WxaClient, retries: int) -> None:
        self.client = client
        self.retries = retries
        self.failures: list[str] = []

    def run(self) -> ReleaseOutcome:
        self._task(lambda: configure_domains(APPID, "add", WANTED))
        self._task(lambda: commit_code(VERSION, "release 1.4.0"))
        while self._task(lambda: privacy_scan(APPID)).outcome != "clear":
            pass
        auditid = self._task(lambda: submit_version(VERSION)).auditid
        while self._task(lambda: audit_status(APPID, auditid)).outcome != "approved":
            pass
        self._task(lambda: release_version(VERSION))
        return self._task(lambda: verify_release(VERSION, WANTED))

    def _task(self, make: Callable[[], Step[T]]) -> T:
        for _ in range(self.retries):
            try:
                return self.client.run(make())
            except (WxaTransportError, WxaBusyError) as error:
                self.failures.append(error.endpoint or "")
        return self.client.run(make())


def accepted(sandbox: RunningSandbox, endpoint: str) -> int:
    """Return how often the work of a call was done, whatever the client got to hear of it."""
    return sum(entry.path == f"/wxa/{endpoint}" and entry.errcode == 0 for entry in sandbox.journal)


def let_fail(sandbox: RunningSandbox, endpoint: str, kind: FaultKind, **options: Any) -> None:
    """Let the write of an endpoint go wrong; setwebviewdomain is read first, so its second call is the write."""
    path = f"/wxa/{endpoint}"
    if endpoint == "setwebviewdomain":
        sandbox.add_fault(Fault(path=path, kind="slow", seconds=0))
    sandbox.add_fault(Fault(path=path, kind=kind, **options))


def assert_released_once(sandbox: RunningSandbox, outcome: ReleaseOutcome) -> None:
    assert (outcome.release_version, outcome.effective) == ("1.4.0", ("https://m.example.com",))
    assert [accepted(sandbox, endpoint) for endpoint in ("commit", "submit_audit", "release")] == [1, 1, 1]
    mini_program = sandbox.world.mini_program(APPID)
    assert len(mini_program.sheets) == 1
    assert mini_program.release_info is not None
    assert mini_program.release_info["release_desc"] == VERSION.described("release 1.4.0")


@pytest.mark.parametrize("kind", ["drop_after", "truncated", "empty", "drop_before", "html_502", "errcode_before"])
@pytest.mark.parametrize("endpoint", WRITES)
def test_an_answer_lost_after_the_work_is_read_back_and_a_call_lost_before_it_made_up_for_by_running_the_step_again(
    wxa_sandbox: RunningSandbox, client: WxaClient, endpoint: str, kind: FaultKind
) -> None:
    has_worked = kind in ("drop_after", "truncated", "empty")
    let_fail(wxa_sandbox, endpoint, kind)
    release = Release(client, retries=0 if has_worked else 1)
    assert_released_once(wxa_sandbox, release.run())
    assert release.failures == ([] if has_worked or endpoint == "setwebviewdomain" else [endpoint])
    (lost,) = [entry for entry in wxa_sandbox.journal if entry.fault == kind]
    assert (lost.path, lost.errcode == 0) == (f"/wxa/{endpoint}", has_worked)
    assert lost.body != {"action": "get"}


@pytest.mark.parametrize("endpoint", WRITES)
def test_minus_1_after_the_work_is_read_back_without_running_the_step_again(
    wxa_sandbox: RunningSandbox, client: WxaClient, endpoint: str
) -> None:
    let_fail(wxa_sandbox, endpoint, "errcode_after")
    release = Release(client, retries=0).run()
    assert release.release_version == "1.4.0"
    mini_program = wxa_sandbox.world.mini_program(APPID)
    assert (len(mini_program.sheets), mini_program.sheets[0].user_version) == (1, "1.4.0")
    expected = 2 if endpoint == "setwebviewdomain" else 1  # safe to repeat, so the client did
    writes = [e for e in wxa_sandbox.journal if e.path == f"/wxa/{endpoint}" and e.body != {"action": "get"}]
    assert len(writes) == expected


def test_all_four_answers_lost_in_one_release(wxa_sandbox: RunningSandbox, client: WxaClient) -> None:
    for endpoint in WRITES:
        let_fail(wxa_sandbox, endpoint, "drop_after")
    assert_released_once(wxa_sandbox, Release(client, retries=0).run())


def test_a_step_killed_after_its_write_and_run_again_doubles_nothing(
    wxa_sandbox: RunningSandbox, client: WxaClient
) -> None:
    for _ in range(2):
        client.run(configure_domains(APPID, "add", WANTED))
        client.run(commit_code(VERSION, "release 1.4.0"))
    release = Release(client, retries=0)
    assert_released_once(wxa_sandbox, release.run())
    assert client.run(release_version(VERSION)).outcome == "already_released"
    assert client.run(submit_version(VERSION)).outcome == "adopted"
    assert client.run(commit_code(VERSION, "release 1.4.0")).outcome == "unchanged"
    assert_released_once(wxa_sandbox, release.run())


@pytest.mark.parametrize("endpoint", ["getversioninfo", "get_latest_auditstatus", "queryquota", "get_auditstatus"])
def test_a_read_that_is_lost_is_repeated_by_the_client(
    wxa_sandbox: RunningSandbox, client: WxaClient, endpoint: str
) -> None:
    let_fail(wxa_sandbox, endpoint, "drop_before", times=2)
    assert_released_once(wxa_sandbox, Release(client, retries=0).run())
