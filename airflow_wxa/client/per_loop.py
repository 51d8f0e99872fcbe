"""Values that all users in one event loop share: opened for the first of them, closed by the last."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Hashable


class Closable(Protocol):
    """A value that can be shared."""

    async def aclose(self) -> None:
        """Give back what it holds."""


K = TypeVar("K", bound="Hashable")
V = TypeVar("V", bound=Closable)


class PerLoop(Generic[K, V]):
    """One value for each key and event loop.

    :param opened: makes the value of a key.
    """

    def __init__(self, opened: Callable[[K], V]) -> None:
        self._opened = opened
        #: Loop → key → value, and how many have joined and not left.
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[K, tuple[V, int]]] = WeakKeyDictionary()

    @asynccontextmanager
    async def using(self, key: K) -> AsyncIterator[V]:
        """Give the running loop's value while the block runs."""
        value = self.join(key)
        try:
            yield value
        finally:
            await self.leave(key)

    def join(self, key: K) -> V:
        """Return the running loop's value, to be given up by :meth:`leave`."""
        here = self._loops.get(asyncio.get_running_loop(), {})
        value, users = here[key] if key in here else (self._opened(key), 0)
        here[key] = (value, users + 1)
        self._loops[asyncio.get_running_loop()] = here
        return value

    async def leave(self, key: K) -> None:
        """Give the value up; the last user closes it."""
        loop = asyncio.get_running_loop()
        value, users = self._loops[loop][key]
        if users > 1:
            self._loops[loop][key] = (value, users - 1)
            return
        del self._loops[loop][key]  # before anything is awaited: whoever joins meanwhile gets a new one
        if not self._loops[loop]:
            del self._loops[loop]
        await value.aclose()
