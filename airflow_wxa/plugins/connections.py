"""The Connections that pushes may come for: those that ``[wxa] push_conn_ids`` lists."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowException, AirflowRuntimeError

from airflow_wxa.api.push import PushKeys
from airflow_wxa.errors import WxaSpecError, WxaTransportError
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from airflow_wxa.hooks.connection import WxaConnection

log = logging.getLogger(__name__)

_KNOWN_SECONDS: Final = 30.0  # a changed key is noticed after this
_FAILED_SECONDS: Final = 5.0  # a new Connection after this
_LOOK_UP_SECONDS: Final = 3.0  # that a push waits for a look-up which another one began


@dataclass(frozen=True, slots=True)
class PushConnection:
    """A Connection that pushes may come for, with the keys that prove and open them."""

    keys: PushKeys
    connection: WxaConnection


class TeamHook(WxaHook):
    """The hook in Airflow's server, which may read the Connections of every team.

    :param team: whose Connection comes before one that is everybody's; ``""``: no team's.
    """

    def __init__(self, wxa_conn_id: str, team: str) -> None:
        super().__init__(wxa_conn_id)
        self._team = team

    def get_connection(self, conn_id: str) -> Any:  # type: ignore[override]  # an instance knows its team
        """Return the Connection."""
        if not self._team:
            return super().get_connection(conn_id)
        from airflow.models.connection import Connection  # noqa: PLC0415  (not there where the receiver runs alone)

        return Connection.get_connection_from_secrets(conn_id, team_name=self._team)

    def read_own(self) -> WxaConnection | None:
        """Read the Connection; ``None``: it is of another type."""
        of_this_type = self.get_connection(self.wxa_conn_id).conn_type == self.conn_type
        return self.read() if of_this_type else None


def team_and_conn_id(listed: str) -> tuple[str, str]:
    """Return the parts of ``team/conn_id``, as an Airflow of several teams lists it; the team may be ``""``."""
    if not conf.getboolean("core", "multi_team", fallback=False):
        return "", listed  # without teams Airflow lets a slash be a part of the id
    team, _, conn_id = listed.rpartition("/")
    return team, conn_id


class PushConnections:
    """Connections by id, each looked up once in a while, one look-up at a time.

    Anybody may send to the receiver: so an id that is not listed is never looked up in a backend that may be slow, cost
    money, or keep an audit log.

    :param conn_ids: the ids that exist for the receiver; default: ``[wxa] push_conn_ids``.
    :param read: looks one up.
    """

    def __init__(
        self, conn_ids: Iterable[str] | None = None, read: Callable[[str], PushConnection | None] | None = None
    ) -> None:
        self._read = read or read_push_connection
        self._locks = {each: threading.Lock() for each in (push_conn_ids() if conn_ids is None else conn_ids)}
        #: Id → until when what was found is good, and what that was.
        self._found: dict[str, tuple[float, PushConnection | WxaTransportError | None]] = {}

    def is_listed(self, wxa_conn_id: str) -> bool:
        """Tell whether an id exists for the receiver."""
        return wxa_conn_id in self._locks

    def find(self, wxa_conn_id: str) -> PushConnection | None:
        """Return the Connection; ``None``: it is not listed, or takes no pushes.

        :raises WxaTransportError: it could not be looked up.
        """
        lock = self._locks.get(wxa_conn_id)
        if lock is None:
            return None
        if not lock.acquire(timeout=_LOOK_UP_SECONDS):
            raise WxaTransportError(Text("connection_lookup_is_slow", wxa_conn_id=repr(wxa_conn_id)))
        try:
            until, found = self._found.get(wxa_conn_id, (0.0, None))
            if time.monotonic() >= until:
                found = self._looked_up(wxa_conn_id)
                seconds = _KNOWN_SECONDS if isinstance(found, PushConnection) else _FAILED_SECONDS
                self._found[wxa_conn_id] = (time.monotonic() + seconds, found)
        finally:
            lock.release()
        if isinstance(found, WxaTransportError):
            raise found.with_traceback(None)
        return found

    def _looked_up(self, wxa_conn_id: str) -> PushConnection | WxaTransportError | None:
        try:
            return self._read(wxa_conn_id)
        except WxaTransportError as error:
            return error


def push_conn_ids() -> list[str]:
    """Return the ids that ``[wxa] push_conn_ids`` lists."""
    listed: str = conf.get("wxa", "push_conn_ids", fallback="") or WxaHook.default_conn_name
    return [each.strip() for each in listed.split(",") if each.strip()]


def read_push_connection(wxa_conn_id: str) -> PushConnection | None:
    """Look a Connection up in Airflow; ``None``: it is not of type ``wxa``, or a key for pushes is missing.

    :param wxa_conn_id: with ``[core] multi_team`` also ``team/conn_id``.
    :raises WxaTransportError: there is none, or Airflow does not give it. Airflow says the same of a secrets backend
        that does not answer and of a Connection that does not exist.
    """
    team, conn_id = team_and_conn_id(wxa_conn_id)
    try:
        read = TeamHook(conn_id, team).read_own()
    except WxaSpecError as error:
        log.warning("no pushes for the Connection %s: %s", wxa_conn_id, "; ".join(error.problems))
        return None
    except (AirflowException, AirflowRuntimeError) as error:
        failure = type(error).__name__  # a text of Airflow's may hold anything
    else:
        if read is None or not read.component_appid or read.push_token is None or read.encoding_aes_key is None:
            return None
        keys = PushKeys(read.component_appid, read.push_token, read.encoding_aes_key, read.previous_encoding_aes_key)
        return PushConnection(keys, read)
    raise WxaTransportError(
        Text("connection_lookup_failed", wxa_conn_id=repr(wxa_conn_id)), values={"Airflow says": failure}
    )
