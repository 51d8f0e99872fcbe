"""Which Connections exist for the push receiver: those of type ``wxa`` that hold what pushes are checked with."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from airflow.sdk.exceptions import AirflowException
from cachetools import TTLCache

from airflow_wxa.api.push import PushKeys
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.hooks.wxa import WxaHook

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_wxa.hooks.connection import WxaConnection

__all__ = ["PushConnection", "PushConnections", "read_push_connection"]

log = logging.getLogger(__name__)

_KNOWN_SECONDS: Final = 30.0  # a changed key is noticed after this
_UNKNOWN_SECONDS: Final = 5.0  # a new Connection after this
_KEPT: Final = 512  # of each kind


@dataclass(frozen=True, slots=True)
class PushConnection:
    """A Connection that pushes may come for.

    :param keys: what its pushes are checked and decrypted with.
    :param connection: the Connection as the hook reads it.
    """

    keys: PushKeys
    connection: WxaConnection


class PushConnections:
    """Connections by id, looked up once in a while.

    What is unknown is remembered apart: whoever knocks with made-up ids pushes no real Connection out.

    :param read: looks one up.
    """

    def __init__(self, read: Callable[[str], PushConnection | None] | None = None) -> None:
        self._read = read or read_push_connection
        self._lock = threading.Lock()
        self._known: TTLCache[str, PushConnection] = TTLCache(_KEPT, _KNOWN_SECONDS)
        self._unknown: TTLCache[str, bool] = TTLCache(_KEPT, _UNKNOWN_SECONDS)

    def find(self, wxa_conn_id: str) -> PushConnection | None:
        """Return the Connection; ``None`` when there is none that pushes may come for."""
        with self._lock:
            if (known := self._known.get(wxa_conn_id)) is not None or wxa_conn_id in self._unknown:
                return known
        found = self._read(wxa_conn_id)  # outside the lock: a slow look-up holds up nobody else's pushes
        with self._lock:
            if found is None:
                self._unknown[wxa_conn_id] = True
            else:
                self._known[wxa_conn_id] = found
        return found


def read_push_connection(wxa_conn_id: str) -> PushConnection | None:
    """Look a Connection up in Airflow; ``None`` when it is not of type ``wxa``, or lacks what pushes need."""
    hook = WxaHook(wxa_conn_id)
    try:
        if hook.get_connection(wxa_conn_id).conn_type != hook.conn_type:
            return None
        read = hook.read()
    except WxaSpecError as error:
        log.warning("no pushes for the Connection %s: %s", wxa_conn_id, "; ".join(error.problems))
        return None
    except AirflowException:  # there is none, or the secrets backend denies it
        return None
    if not read.component_appid or read.push_token is None or read.encoding_aes_key is None:
        return None
    keys = PushKeys(read.component_appid, read.push_token, read.encoding_aes_key, read.previous_encoding_aes_key)
    return PushConnection(keys, read)
