"""Wait for one Mini Program: sleep, look, and again, until there is nothing left to wait for."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final, Literal

from cachetools import TTLCache

from airflow_wxa.errors import WxaError, WxaQuotaError
from airflow_wxa.triggers.sharing import NO_CONNECTION

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from airflow_wxa.steps import AuditOutcome, PrivacyOutcome, Step
    from airflow_wxa.triggers.hints import Hint
    from airflow_wxa.triggers.rhythm import Rhythm
    from airflow_wxa.triggers.sharing import SharedConnection

__all__ = ["Mentions", "Wait", "Word"]

#: ``final``: it ended. ``refused``: no look helps any more. ``waiting``: the time is over.
Word = Literal["final", "refused", "waiting"]

_MENTIONED_SECONDS: Final = 900.0
_MENTIONED: Final = 256  # texts that are remembered


class Mentions:
    """Says each thing once in a quarter of an hour: a wait of days looks hundreds of times.

    :param say: takes a level of :mod:`logging` and the text.
    """

    def __init__(self, say: Callable[[int, str], object]) -> None:
        self._say = say
        self._said: TTLCache[str, bool] = TTLCache(_MENTIONED, _MENTIONED_SECONDS)

    def mention(self, text: str, level: int = logging.INFO) -> None:
        """Say it, unless it was said a moment ago."""
        if text not in self._said:
            self._said[text] = True
            self._say(level, text)


class Wait:
    """The wait for one Mini Program.

    :param connection: what looks go through.
    :param look: makes the step that looks once.
    :param pending: outcomes that are worth waiting on.
    :param end_time: epoch seconds.
    """

    def __init__(
        self,
        connection: SharedConnection,
        appid: str,
        look: Callable[[], Step[AuditOutcome | PrivacyOutcome]],
        *,
        pending: Collection[str],
        end_time: float,
        mentions: Mentions,
    ) -> None:
        self._connection = connection
        self._appid = appid
        self._look = look
        self._pending = pending
        self._end_time = end_time
        self._mentions = mentions

    async def until_over(self, rhythm: Rhythm, hint: Hint) -> Word:
        """Look after each pause, or when a push says that it is worth it; a look is cut off where the time ends."""
        try:
            async with asyncio.timeout(self._end_time - time.time()):
                return await self._until_ended(rhythm, hint)
        except TimeoutError:
            return "waiting"

    async def _until_ended(self, rhythm: Rhythm, hint: Hint) -> Word:
        word: Word = "waiting"
        while word == "waiting":
            if await hint.cuts_short(self._turn_after(rhythm.pause())):
                rhythm.restart()
                word = await self._looked()
            else:
                try:
                    word = await self._looked()
                finally:
                    self._connection.polls.release()
        return word

    async def _turn_after(self, seconds: float) -> None:
        """Sleep, then queue up; a push that comes meanwhile ends either."""
        await asyncio.sleep(seconds)
        await self._connection.polls.acquire()

    async def _looked(self) -> Word:
        try:
            async with await self._connection.client() as client:
                outcome = await client.run(self._look())
        except NO_CONNECTION:
            return "refused"
        except WxaError as error:
            # A counter that is used up resets by the minute or the day, and this wait lasts days.
            if not (error.retryable or isinstance(error, WxaQuotaError)):
                return "refused"
            self._mentions.mention(f"still waiting for {self._appid}: {error.what}", logging.WARNING)
            return "waiting"
        self._mentions.mention(f"{self._appid}: {outcome.outcome}")
        return "waiting" if outcome.outcome in self._pending else "final"
