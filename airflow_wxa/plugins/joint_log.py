"""Pushes of several threads, logged in one transaction: a commit waits for the disk, however much it holds."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_wxa.store import NewPush, Store

__all__ = ["JointLog"]


class JointLog:
    """Logs pushes; while one thread waits for the disk, the others gather for the next transaction.

    :param open_store: opens the store.
    """

    def __init__(self, open_store: Callable[[], Store]) -> None:
        self._open_store = open_store
        self._gathering = threading.Lock()
        self._gathered: list[tuple[NewPush, Future[bool]]] = []
        self._turn = threading.Lock()

    def log(self, push: NewPush) -> bool:
        """Log a push, see :meth:`airflow_wxa.store.Store.log_pushes`; return whether it is new.

        :raises WxaError: the store does not answer or cannot be right; then nothing of it is logged.
        """
        mine: Future[bool] = Future()
        with self._gathering:
            self._gathered.append((push, mine))
        with self._turn:
            if not mine.done():  # nobody wrote it along: then it is our turn to write for all who wait
                self._write()
        return mine.result()

    def _write(self) -> None:
        with self._gathering:
            together, self._gathered = self._gathered, []
        try:
            are_new = self._open_store().log_pushes([push for push, _ in together])
        except BaseException as error:
            for _, future in together:
                future.set_exception(error)
            raise
        for (_, future), is_new in zip(together, are_new, strict=True):
            future.set_result(is_new)
