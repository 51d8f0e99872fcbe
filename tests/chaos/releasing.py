"""A whole release at the level of steps: the tasks of ``wxa_release``, and how Airflow tries them."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import pytest

from airflow_wxa import steps
from airflow_wxa.api.call import Call, Reply
from airflow_wxa.api.code import CodeVersion
from airflow_wxa.api.webview_domain import WebviewDomain, normalised_hosts
from airflow_wxa.client import WxaClient
from airflow_wxa.client.delivery import Answer, Request
from airflow_wxa.errors import WxaError
from airflow_wxa.hooks.recorder import Recorder
from airflow_wxa.sandbox import gate
from airflow_wxa.sandbox.exchange import Sandbox
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID
from airflow_wxa.steps import Step
from airflow_wxa.store import Ledger, TaskRef

VERSION: Final = CodeVersion.of(APPID, 47, "1.4.0")
TRIES: Final = 3  # the first, and the DAG's two retries
_STILL_OPEN: Final = frozenset({"auditing", "delayed"})


@dataclass(frozen=True)
class Plan:
    """What a run is to release.

    :param withdraw_foreign_audit: withdraw a foreign sheet that is in audit.
    """

    version: CodeVersion = VERSION
    wanted: tuple[WebviewDomain, ...] = (WebviewDomain("m.example.com"),)
    withdraw_foreign_audit: bool = False

    @property
    def description(self) -> str:
        return self.version.described(f"release {self.version.user_version}")


@dataclass(frozen=True)
class Task:
    """A task of the DAG: its step is made anew for each try."""

    task_id: str
    make: Callable[[], Step[Any]]


class Memory:
    """What the ledger knows of a run's accepted writes, kept in memory: the client's observer."""

    def __init__(self) -> None:
        self.accepted = steps.NOTHING_ACCEPTED
        self._calls: list[Call] = []
        self.component_appid = COMPONENT_APPID

    def before(self, calls: Sequence[Call]) -> Sequence[int]:
        self._calls += calls
        return range(len(self._calls) - len(calls), len(self._calls))

    def after(self, answers: Sequence[tuple[int, Reply | WxaError]]) -> Sequence[None]:
        for noted, answer in answers:
            if isinstance(answer, Reply) and answer.errcode == 0:
                self.accepted = _known(self.accepted, self._calls[noted], answer)
        return [None] * len(answers)

    def ended(self, steps: Sequence[tuple[Call | None, Any]]) -> Sequence[None]:
        return [None] * len(steps)

    def recall(self, questions: Sequence[steps.Recall]) -> Sequence[steps.AcceptedWrites]:
        return [self.accepted] * len(questions)

    def left(self, questions: Sequence[steps.Left]) -> Sequence[int]:
        return [5 - len(self.accepted.withdrawn)] * len(questions)

    def approved(self, questions: Sequence[steps.Approved]) -> Sequence[None]:
        return [None] * len(questions)


def _known(accepted: steps.AcceptedWrites, call: Call, reply: Reply) -> steps.AcceptedWrites:
    """Return what a run knows after one more accepted write, as the hook tells it from the ledger."""
    accepted = accepted.with_write(call.endpoint.name, call.before)
    match call.endpoint.name:
        case "submit_audit":
            return replace(accepted, submitted={str(reply.answer["auditid"]): steps.LAG_SECONDS, **accepted.submitted})
        case "modify_wxa_jump_domain":
            return replace(accepted, registered=normalised_hosts(call.body["wxa_jump_h5_domain"]))
        case "undocodeaudit":
            return replace(accepted, withdrawn=accepted.withdrawn | {call.before["auditid"]})
    return accepted


def tasks(plan: Plan) -> Generator[Task, Any, steps.ReleaseOutcome]:
    """Yield the tasks of a release, be sent their outcomes, and return the last one's."""
    version, wanted, withdraws = plan.version, plan.wanted, plan.withdraw_foreign_audit
    domains = yield Task("configure_domains", lambda: steps.configure_domains(APPID, "add", wanted))
    if domains.outcome == "platform_list_empty":
        hosts = [domain.host for domain in wanted]
        yield Task("register_platform_domains", lambda: steps.modify_platform_domains("add", hosts))
        yield Task("configure_domains_again", lambda: steps.configure_domains(APPID, "add", wanted))
    user_desc = f"release {version.user_version}"
    yield Task("commit_code", lambda: steps.commit_code(version, user_desc, withdraw_foreign_audit=withdraws))
    while (yield Task("wait_for_privacy_scan", lambda: steps.privacy_scan(APPID))).outcome != "clear":
        pass
    how = steps.Submission(version_desc="demo 1/1", withdraw_foreign_audit=withdraws)
    auditid = (yield Task("submit_audit", lambda: steps.submit_version(version, how))).auditid
    review = yield Task("wait_for_audit", lambda: steps.audit_status(APPID, auditid))
    while review.outcome in _STILL_OPEN:
        review = yield Task("wait_for_audit", lambda: steps.audit_status(APPID, auditid))
    if (ended_badly := steps.audit_error(review)) is not None:
        raise ended_badly
    released = yield Task("release", lambda: steps.release_version(version, wanted, noted_auditid=auditid))
    outcome: steps.ReleaseOutcome = yield Task(
        "verify_release", lambda: steps.verify_release(version, wanted, released_at=released.release_time)
    )
    return outcome


def as_one_step(
    plan: Plan, tried: Callable[[Task, int], Step[Any]] = lambda task, _: task.make()
) -> Step[steps.ReleaseOutcome]:
    """Return a release as the calls that it makes, one by one, for whoever wants to stand between them.

    A task whose error may be repeated is tried three times, as by Airflow.

    :param tried: one try of a task.
    :raises WxaError: what stopped the run.
    """
    flow, outcome = tasks(plan), None
    while True:
        try:
            task = flow.send(outcome)
        except StopIteration as stop:
            released: steps.ReleaseOutcome = stop.value
            return released
        for try_number in range(1, TRIES + 1):
            try:
                outcome = yield from tried(task, try_number)
                break
            except WxaError as error:
                if not error.retryable or try_number == TRIES:
                    raise


def carried(plan: Plan, work: Callable[[Task, int], Any]) -> steps.ReleaseOutcome:
    """Carry a release to its end; raises as :func:`as_one_step`.

    :param work: does one try of a task, and returns its outcome.
    """

    def at_once(task: Task, try_number: int) -> Step[Any]:
        yield from ()
        return work(task, try_number)

    with pytest.raises(StopIteration) as ended:
        next(as_one_step(plan, at_once))
    released: steps.ReleaseOutcome = ended.value.value
    return released


class Recorded:
    """Tries tasks as the hook does: every write in the ledger, withdrawals behind a fence.

    :param client_of: makes a client that the recorder observes.
    """

    def __init__(self, store_url: str, client_of: Callable[[Recorder], WxaClient], run_id: str = "manual__1") -> None:
        self._store_url = store_url
        self._client_of = client_of
        self._run_id = run_id

    def __call__(self, task: Task, try_number: int = 1) -> Any:
        ref = TaskRef("wxa_release", self._run_id, task.task_id, try_number=try_number, triggered_by="release-manager")
        recorder = Recorder(lambda: Ledger(self._store_url), COMPONENT_APPID, ref)
        with self._client_of(recorder) as client:
            return client.run(task.make())


def answered_at_once(sandbox: Sandbox, request: Request) -> Answer:
    """Return what the sandbox answers, without a connection."""
    url = urlsplit(request.url)
    asked = gate.Request(request.method, url.path, dict(parse_qsl(url.query)), request.content or b"")
    answer, _ = sandbox.answer(asked)
    return Answer(200, sandbox.encode(asked, answer))
