"""A shard's records of its Mini Programs while it works: their rows, and the results in the ledger."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from airflow_wxa.client import Observer
from airflow_wxa.client.delivery import gathered, without_waiting
from airflow_wxa.errors import WxaError
from airflow_wxa.steps import NOTHING_ACCEPTED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence

    from airflow_wxa.api.call import Call, Reply
    from airflow_wxa.steps import AcceptedWrites, Left, Recall
    from airflow_wxa.store.fleets import Fleets, RunKey

log = logging.getLogger(__name__)

T = TypeVar("T")

_SAVE_SECONDS: Final = 0.25
_GATHERED_SECONDS: Final = 0.01  # a call to WeChat takes longer, and a shard's questions and writes are noted together
_NOTED_AT_MOST: Final = 5_000  # Mini Programs: each is named twice, and SQLite takes 32,766 values
_NOTED_SECONDS: Final = 10.0  # a step takes as long: whatever another process writes meanwhile, it does not see either


class ReadingObserver(Observer, Protocol):
    """An observer that can read ahead."""

    def noted(self, appids: Collection[str]) -> Callable[[Recall], AcceptedWrites]:
        """Read what the ledger knows of Mini Programs at once, and return a function that answers :meth:`recall`."""
        ...


@dataclass(slots=True)
class Rows:
    """Changes of rows, and results, saved together a few times a second.

    :param results: of the same shard.
    """

    fleets: Fleets
    key: RunKey
    results: LateResults | None = None
    _changes: dict[int, dict[str, Any]] = field(default_factory=dict)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def change(self, position: int, values: Mapping[str, Any]) -> None:
        """Change a row soon."""
        self._changes.setdefault(position, {}).update(values)

    @asynccontextmanager
    async def saving(self) -> AsyncIterator[None]:
        """Save while the block runs, and all of it at the end.

        :raises WxaTransportError: the store did not answer at the end.
        """
        is_over = asyncio.Event()
        saver = asyncio.create_task(self._save_until(is_over))
        try:
            yield
        finally:
            is_over.set()
            await saver
            await self.save()

    async def save(self) -> None:
        """Save changed rows; those that cannot be saved are part of the next time.

        :raises WxaTransportError: the store does not answer.
        """
        # Shielded: a write that is under way when its caller is cancelled must not come after a later one.
        await asyncio.shield(asyncio.create_task(self._saved()))

    async def _saved(self) -> None:
        async with self._turn:
            if self.results is not None and self.results.has_some:
                await asyncio.to_thread(self.results.save)
            changes, self._changes = self._changes, {}
            try:
                if changes:
                    await asyncio.to_thread(self.fleets.change, self.key, changes)
            except BaseException:
                for position, newer in self._changes.items():
                    changes.setdefault(position, {}).update(newer)
                self._changes = changes
                raise

    async def _save_until(self, is_over: asyncio.Event) -> None:
        while not is_over.is_set():
            try:
                await self.save()
            except Exception as error:  # noqa: BLE001  (nothing is lost, and the last save raises it)
                log.warning("not saved yet, tried again: %s", getattr(error, "what", type(error).__name__))
            with suppress(TimeoutError):
                await asyncio.wait_for(is_over.wait(), _SAVE_SECONDS)


class LateResults:
    """An observer that notes intents at once, and results when :meth:`save` is called, together.

    A process that dies before leaves them as lost answers, which the next try resolves; so nothing waits for them. A
    Mini Program's progress is handed on as the outcomes of its steps.
    """

    def __init__(self, observer: ReadingObserver) -> None:
        self.approved = observer.approved
        self._observer = observer
        #: Answers of the ledger that were read at once, and the Mini Programs of which they still are true.
        self._noted: Callable[[Recall], AcceptedWrites] = lambda _: NOTHING_ACCEPTED
        self._noted_at = -math.inf
        self._unchanged: set[str] = set()
        self._answers: SimpleQueue[tuple[int, Reply | WxaError]] = SimpleQueue()
        self._ended: SimpleQueue[tuple[Call | None, Any]] = SimpleQueue()
        self._turn = threading.Lock()

    @property
    def component_appid(self) -> str:
        """The platform."""
        return self._observer.component_appid

    @property
    def has_some(self) -> bool:
        """Whether there is something to save."""
        return not (self._answers.empty() and self._ended.empty())

    @gathered(_GATHERED_SECONDS)
    def before(self, calls: Sequence[Call]) -> Sequence[int]:
        """Note the intents; answers that were read before them are over."""
        for call in calls:
            self._changed(call.appid)
        return self._observer.before(calls)

    def left(self, questions: Sequence[Left]) -> Sequence[int]:
        """Take fences; answers that were read before them are over: an older attempt may have sent the call since."""
        for each in questions:
            self._changed(each.appid)
        return self._observer.left(questions)

    @without_waiting
    def after(self, answers: Sequence[tuple[int, Reply | WxaError]]) -> Sequence[None]:
        """Keep what became of calls."""
        for each in answers:
            self._answers.put(each)
        return [None] * len(answers)

    @without_waiting
    def ended(self, steps: Sequence[tuple[Call | None, Any]]) -> Sequence[None]:
        """Keep each outcome."""
        for wrote, whole in steps:
            for end in getattr(whole, "outcomes", (whole,)):
                self._changed(getattr(end, "appid", None))
                self._ended.put((wrote, end))
        return [None] * len(steps)

    @gathered(_GATHERED_SECONDS)
    def recall(self, questions: Sequence[Recall]) -> Sequence[AcceptedWrites]:
        """Note what was kept, and answer: a step that asks behind a write has to be told of it."""
        self.save()
        if any(each.appid in self._unchanged for each in questions):  # those that were read are too old by now
            self._read()
        known = [answer for each in questions if (answer := self.known(each))]
        return known if len(known) == len(questions) else self._observer.recall(questions)

    def preload(self, appids: Collection[str]) -> None:
        """Read what the ledger knows of many Mini Programs at once; without it each question is asked by itself."""
        self._noted_at, self._unchanged = -math.inf, set(islice(appids, _NOTED_AT_MOST))
        self._read()

    def _read(self) -> None:
        # Never a set anew: what another thread takes out meanwhile stays out.
        self._noted_at, began = -math.inf, time.monotonic()
        with suppress(WxaError):
            self._noted = self._observer.noted(frozenset(self._unchanged))
            self._noted_at = began

    def known(self, asked: Recall) -> AcceptedWrites | None:
        """Answer from the rows read at once, unless they are old or this shard has changed something since."""
        is_fresh = time.monotonic() < self._noted_at + _NOTED_SECONDS
        return self._noted(asked) if is_fresh and asked.appid in self._unchanged and not asked.own_sheets else None

    def _changed(self, appid: str | None) -> None:
        if appid:
            self._unchanged.discard(appid)
        else:  # the platform's list is in every answer
            self._unchanged.clear()

    def save(self) -> None:
        """Note the kept results; those that another thread is noting are noted when this returns."""
        with self._turn:
            # Taken first, noted last: what ends meanwhile would be noted before the answer that it stands on.
            ended = _drained(self._ended)
            if answers := _drained(self._answers):
                self._observer.after(answers)
            if ended:
                self._observer.ended(ended)


def _drained(queue: SimpleQueue[T]) -> list[T]:
    found = []
    with suppress(Empty):
        while True:
            found.append(queue.get_nowait())
    return found
