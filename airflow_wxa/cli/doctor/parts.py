"""The Connection, read in parts: what is wrong with its push keys must not hide what is wrong with its host."""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk import Connection

from airflow_wxa.errors import WxaSpecError
from airflow_wxa.hooks.connection import WxaConnection, read_connection

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["ConnectionParts"]

_ALLOW_HTTP: Final = "allow_http"
_PUSH_FIELDS: Final = frozenset({"push_token", "encoding_aes_key", "previous_encoding_aes_key"})


class ConnectionParts:
    """A Connection whose parts are refused each for itself.

    :param connection: as Airflow keeps it.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._extra: dict[str, Any] = dict(connection.extra_dejson)

    @property
    def host(self) -> str:
        """The host as it was written."""
        return self._connection.host or ""

    @property
    def allows_http(self) -> bool:
        """Whether plain http to another machine is permitted."""
        return self._extra.get(_ALLOW_HTTP) is True

    @cached_property
    def host_refusal(self) -> WxaSpecError | None:
        """Why the host cannot be right, whether plain http is permitted or not."""
        return _refusal(self._with_host({_ALLOW_HTTP: True}))

    @cached_property
    def is_plain_http(self) -> bool:
        """Whether the host is plain http to another machine."""
        return self.host_refusal is None and _refusal(self._with_host({})) is not None

    @cached_property
    def push_refusal(self) -> WxaSpecError | None:
        """Why the keys of the push receiver cannot be right."""
        return _refusal(self._with(self._only(_PUSH_FIELDS)))

    @cached_property
    def push_fields(self) -> frozenset[str]:
        """Which fields of the push receiver are filled."""
        return frozenset(name for name in _PUSH_FIELDS if self._extra.get(name))

    @cached_property
    def other_refusal(self) -> WxaSpecError | None:
        """Why the rest cannot be right: login, password, tokens, token server, egress."""
        parts = self._connection
        extra = self._only(self._extra.keys() - _PUSH_FIELDS)
        if isinstance(extra.get(_ALLOW_HTTP), bool):
            del extra[_ALLOW_HTTP]
        return _refusal(self._with(extra, login=parts.login, password=parts.password))

    @cached_property
    def read(self) -> WxaConnection | None:
        """The Connection as it is used, without push keys that are refused; ``None``: it cannot be used."""
        fields = self._extra.keys() - (_PUSH_FIELDS if self.push_refusal else frozenset())
        parts = self._connection
        try:
            return read_connection(self._with_host(self._only(fields), login=parts.login, password=parts.password))
        except WxaSpecError:
            return None

    def _only(self, names: Collection[str]) -> dict[str, Any]:
        return {name: value for name, value in self._extra.items() if name in names}

    def _with_host(self, extra: dict[str, Any], **fields: Any) -> Connection:
        parts = self._connection
        return self._with(extra, host=parts.host, schema=parts.schema, port=parts.port, **fields)

    def _with(self, extra: dict[str, Any], **fields: Any) -> Connection:
        return Connection(conn_id=self._connection.conn_id, conn_type="wxa", extra=json.dumps(extra), **fields)


def _refusal(part: Connection) -> WxaSpecError | None:
    try:
        read_connection(part)
    except WxaSpecError as error:
        return error
    return None
