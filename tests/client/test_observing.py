"""Both clients tell their observer alike; what many tasks note at one moment reaches it together."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import pytest

from airflow_wxa.access import FixedTokens
from airflow_wxa.api.call import Call, Reply
from airflow_wxa.api.code import CodeVersion, commit, release
from airflow_wxa.client import AsyncWxaClient, Egress
from airflow_wxa.client.asynchronous import _Batches
from airflow_wxa.client.delivery import gathered, without_waiting
from airflow_wxa.errors import WxaError, WxaStateError, WxaTransportError
from airflow_wxa.sandbox import RunningSandbox
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.steps import NOTHING_ACCEPTED, AcceptedWrites, Approved, Left, Pause, Recall, Step, commit_code, recall
from tests.client.conftest import CANARY, Twins

T = TypeVar("T")
VERSION = CodeVersion.of(APPID, 47, "1.4.0")


class Notebook:
    """An observer that keeps the batches it was given; it takes its time, as a database does.

    :param refuses: the endpoint of calls that it lets nobody send.
    """

    def __init__(self, refuses: str = "") -> None:
        self.refuses = refuses
        self.batches: list[int] = []
        self.told: list[tuple[str, Any]] = []
        self.asked: list[int] = []
        self.known = NOTHING_ACCEPTED

    def before(self, calls: Sequence[Call]) -> list[int]:
        time.sleep(0.02)
        self.batches.append(len(calls))
        if self.refuses in {call.endpoint.name for call in calls}:
            raise WxaStateError(f"{self.refuses} not sent")
        self.told += [("before", call.endpoint.name) for call in calls]
        return list(range(len(calls)))

    def after(self, answers: Sequence[tuple[int, Reply | WxaError]]) -> list[None]:
        self.told += [("after", getattr(answer, "errcode", None)) for _, answer in answers]
        return [None] * len(answers)

    def ended(self, steps: Sequence[tuple[Call | None, Any]]) -> list[None]:
        self.told += [("ended", getattr(end, "outcome", type(end).__name__)) for _, end in steps]
        return [None] * len(steps)

    def recall(self, questions: Sequence[Recall]) -> list[AcceptedWrites]:
        self.asked.append(len(questions))
        return [self.known] * len(questions)

    def left(self, questions: Sequence[Left]) -> list[int]:
        raise NotImplementedError

    def approved(self, questions: Sequence[Approved]) -> list[Any]:
        raise NotImplementedError


def carried(url: str, observer: Notebook, work: Callable[[AsyncWxaClient], Awaitable[T]]) -> T:
    """Let a client do some work."""

    async def carry() -> T:
        async with AsyncWxaClient(Egress(url), FixedTokens({APPID: CANARY}), observer) as client:
            return await work(client)

    return asyncio.run(asyncio.wait_for(carry(), 10))


def test_both_tell_of_a_write_and_of_the_end_of_its_step(twins: Twins) -> None:
    notebook = twins.options["observer"] = Notebook()
    twins.run(commit_code(VERSION, "release"))
    assert notebook.told == [("before", "commit"), ("after", 0), ("ended", "committed")]


def test_hundreds_of_intents_are_noted_in_a_few_batches_before_any_is_sent(wxa_sandbox: RunningSandbox) -> None:
    notebook = Notebook()

    async def commits(client: AsyncWxaClient) -> None:
        await asyncio.gather(*(client.send(commit(VERSION, "release")) for _ in range(120)), return_exceptions=True)

    carried(wxa_sandbox.url, notebook, commits)
    assert sum(notebook.batches) == 120
    assert len(notebook.batches) <= 5
    assert len([each for each in notebook.told if each[0] == "after"]) == 120


def test_questions_of_one_moment_are_asked_together_and_each_is_answered_by_itself() -> None:
    class Ledger(Notebook):
        @gathered(0.05)
        def recall(self, questions: Sequence[Recall]) -> list[AcceptedWrites]:
            super().recall(questions)
            return [NOTHING_ACCEPTED.with_write("commit", each.appid) for each in questions]

    def late(number: int) -> Step[AcceptedWrites]:
        yield Pause(number * 0.0001)
        return (yield from recall(f"wx{number}"))

    async def ask(client: AsyncWxaClient) -> list[AcceptedWrites]:
        return await asyncio.gather(*(client.run(late(number)) for number in range(100)))

    notebook = Ledger()
    known = carried("https://h", notebook, ask)
    assert [each.before["commit"] for each in known] == [[f"wx{number}"] for number in range(100)]
    assert len(notebook.asked) <= 3  # one waits for the others: one after the other they would wait for five seconds


def test_what_waits_for_nothing_is_noted_without_a_thread(wxa_sandbox: RunningSandbox) -> None:
    class Remembers(Notebook):
        @without_waiting
        def after(self, answers: Sequence[tuple[int, Reply | WxaError]]) -> list[None]:
            threads["after"] = threading.get_ident()
            return super().after(answers)

        def ended(self, steps: Sequence[tuple[Call | None, Any]]) -> list[None]:
            threads["ended"] = threading.get_ident()
            return super().ended(steps)

    threads, notebook = dict[str, int](), Remembers()
    carried(wxa_sandbox.url, notebook, lambda client: client.run(commit_code(VERSION, "release")))
    assert [what for what, _ in notebook.told] == ["before", "after", "ended"]
    assert threads["after"] == threading.get_ident() != threads["ended"]


def test_a_call_that_may_not_be_sent_stops_none_that_was_noted_with_it(wxa_sandbox: RunningSandbox) -> None:
    async def three(client: AsyncWxaClient) -> list[Any]:
        calls = [commit(VERSION, "release"), release(APPID), commit(VERSION, "release")]
        return await asyncio.gather(*(client.send(call) for call in calls), return_exceptions=True)

    first, stopped, last = carried(wxa_sandbox.url, Notebook(refuses="release"), three)
    assert isinstance(stopped, WxaStateError)
    assert (first.errcode, last.errcode) == (0, 0)
    assert wxa_sandbox.journal.count("/wxa/release") == 0


@pytest.mark.parametrize(
    ("error", "asked"), [(WxaTransportError("the store is away"), [5]), (ValueError("odd"), [5, *[1] * 5])]
)
def test_what_the_observer_raises_reaches_each_of_its_batch(error: Exception, asked: list[int]) -> None:
    class Failing(Notebook):
        def before(self, calls: Sequence[Call]) -> list[int]:
            self.batches.append(len(calls))
            raise error

    notebook = Failing()

    async def commits() -> list[Any]:
        batches = _Batches(notebook.before)
        async with asyncio.timeout(10):
            async with batches._turn:  # so that all of them come as one batch
                noting = [asyncio.create_task(batches.add(commit(VERSION, "release"))) for _ in range(5)]
                await asyncio.sleep(0.01)
            return await asyncio.gather(*noting, return_exceptions=True)

    assert asyncio.run(commits()) == [error] * 5
    assert notebook.batches == asked


def test_who_is_cancelled_takes_nobody_along(wxa_sandbox: RunningSandbox) -> None:
    async def cancel_the_first(client: AsyncWxaClient) -> list[Any]:
        tasks = [asyncio.create_task(client.send(commit(VERSION, "release"))) for _ in range(6)]
        await asyncio.sleep(0.01)  # the first batch is being written, the next is waiting
        tasks[0].cancel()
        tasks[5].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    results = carried(wxa_sandbox.url, Notebook(), cancel_the_first)
    assert [type(each).__name__ for each in results] == ["CancelledError", *["Reply"] * 4, "CancelledError"]
