"""A shard's records of its Mini Programs while it works: their rows, and the results in the ledger."""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, TypeVar

from airflow_wxa.client.delivery import gathered, without_waiting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from airflow_wxa.api.call import Call, Reply
    from airflow_wxa.client import Observer
    from airflow_wxa.errors import WxaError
    from airflow_wxa.steps import AcceptedWrites, Recall
    from airflow_wxa.store.fleets import Fleets, RunKey

log = logging.getLogger(__name__)

T = TypeVar("T")

_SAVE_SECONDS: Final = 0.25
_GATHERED_SECONDS: Final = 0.01  # a few calls to WeChat take longer, and a shard's Mini Programs are read together


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

    def __init__(self, observer: Observer) -> None:
        self.before, self.left, self.approved = observer.before, observer.left, observer.approved
        self._observer = observer
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
                self._ended.put((wrote, end))
        return [None] * len(steps)

    @gathered(_GATHERED_SECONDS)
    def recall(self, questions: Sequence[Recall]) -> Sequence[AcceptedWrites]:
        """Note what was kept, and answer: a step that asks behind a write has to be told of it."""
        self.save()
        return self._observer.recall(questions)

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
