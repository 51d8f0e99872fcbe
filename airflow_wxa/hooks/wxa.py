"""The hook: reads the Connection, gives the client, runs steps."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, TypeVar

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from airflow_wxa.access import FixedTokens
from airflow_wxa.api.code import getversioninfo
from airflow_wxa.api.webview_domain import modify_wxa_jump_domain
from airflow_wxa.client import AsyncWxaClient, Egress, WxaClient, api_host
from airflow_wxa.errors import WxaError, WxaSpecError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Connection

    from airflow_wxa.steps import Step

__all__ = ["WxaHook"]

T = TypeVar("T")

_DEFAULT_TIMEOUT: Final = 10.0  # seconds
_TRIED_MERCHANTS: Final = 3  # so that testing a Connection stays quick


class WxaHook(BaseHook):
    """Talks to WeChat's third-party platform API for one Airflow Connection of type ``wxa``.

    :param wxa_conn_id: the Connection; its fields are described in ``docs/reference/connection.md``.
    """

    conn_name_attr = "wxa_conn_id"
    default_conn_name = "wxa_default"
    conn_type = "wxa"
    hook_name = "WeChat Mini Program platform"

    def __init__(self, wxa_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.wxa_conn_id = wxa_conn_id

    def get_conn(self) -> WxaClient:
        """Return a client; close it, or use it as a context manager.

        :raises WxaSpecError: the Connection cannot be right; every problem is named.
        """
        return WxaClient(*_read(self.get_connection(self.wxa_conn_id)))

    async def aget_conn(self) -> AsyncWxaClient:
        """Return an async client, to be used as a context manager; raises as :meth:`get_conn` does."""
        return AsyncWxaClient(*_read(await self.aget_connection(self.wxa_conn_id)))

    def run(self, step: Step[T]) -> T:
        """Carry a step to its end with a client of its own, and return its outcome.

        :raises WxaError: what the step did not answer for.
        """
        with self.get_conn() as client:
            return client.run(step)

    def token_problems(self, appid: str | None) -> list[str]:
        """Return why the Connection has no token for ``appid`` (``None``: for the platform), without any call."""
        try:
            _, tokens = _read(self.get_connection(self.wxa_conn_id))
        except AirflowNotFoundException:
            return [f"Connection {self.wxa_conn_id!r}: does not exist"]
        except WxaSpecError as error:
            return [f"Connection {self.wxa_conn_id!r}: {problem}" for problem in error.problems]
        try:
            tokens.token(getversioninfo(appid) if appid is not None else modify_wxa_jump_domain("get"))
        except WxaSpecError as error:
            return [f"Connection {self.wxa_conn_id!r}: {problem}" for problem in error.problems]
        return []

    def test_connection(self) -> tuple[bool, str]:
        """Read something harmless with each kind of token, and say in one sentence what works."""
        try:
            egress, tokens = _read(self.get_connection(self.wxa_conn_id))
            calls = [getversioninfo(appid) for appid in tokens.appids[:_TRIED_MERCHANTS]]
            calls += [modify_wxa_jump_domain("get")] if tokens.has_platform else []
            with WxaClient(egress, tokens) as client:
                for call in calls:
                    client.send(call)
        except WxaError as error:
            return False, str(error)
        if not calls:
            return False, (
                "The Connection holds no token: add extra authorizer_access_tokens (appid → token), "
                "or component_access_token for platform calls."
            )
        worked = [f"the token of {call.appid}" if call.appid else "the platform token" for call in calls]
        rest = len(tokens.appids) - _TRIED_MERCHANTS
        more = f" ({rest} more merchant tokens were not tried)" if rest > 0 else ""
        return True, f"{egress.host} accepts {' and '.join(worked)}{more}."


def _read(connection: Connection) -> tuple[Egress, FixedTokens]:
    """Read the Connection; all its problems are reported together, and no value of a secret field is shown."""
    extra: Mapping[str, Any] = connection.extra_dejson
    problems: list[str] = []
    merchants = _merchant_tokens(extra.get("authorizer_access_tokens"), problems)
    texts = {name: extra.get(name) or "" for name in ("component_access_token", "proxy", "ca_bundle")}
    problems += [f"extra {name} must be a text" for name, value in texts.items() if not isinstance(value, str)]
    timeout = extra.get("timeout") or _DEFAULT_TIMEOUT
    if not isinstance(timeout, int | float) or isinstance(timeout, bool) or timeout <= 0:
        problems.append(f"extra timeout = {timeout!r}: must be a number of seconds above 0")
    allow_http = extra.get("allow_http") or False
    if not isinstance(allow_http, bool):
        problems.append(f"extra allow_http = {allow_http!r}: must be true or false")
    host = ""
    try:
        host = api_host(_host_of(connection), allow_http=allow_http is True)
    except WxaSpecError as error:
        problems += error.problems
    if problems:
        raise WxaSpecError(
            f"the Connection {connection.conn_id!r} is refused",
            problems,
            why="Tokens ride in URLs: plain http is for loopback only, and each token belongs to one appid.",
            next_step="correct the Connection (Admin → Connections, or AIRFLOW_CONN_…)",
            source="docs/reference/connection.md",
        )
    egress = Egress(host, float(timeout), texts["proxy"] or None, texts["ca_bundle"] or None)
    return egress, FixedTokens(merchants, texts["component_access_token"])


def _host_of(connection: Connection) -> str:
    """Return the host, completed by the port and the schema that a Connection given as URI holds apart."""
    host = connection.host or ""
    if host and "://" not in host and connection.schema in {"http", "https"}:
        host = f"{connection.schema}://{host}"
    return f"{host}:{connection.port}" if host and connection.port else host


def _merchant_tokens(value: Any, problems: list[str]) -> Mapping[str, str]:
    """Return appid → token; the form in the UI sends the object as a text."""
    if isinstance(value, str) and value.strip():
        try:
            value = json.loads(value)
        except ValueError:
            problems.append("extra authorizer_access_tokens is no JSON")
            return {}
    if not value:
        return {}
    if not isinstance(value, dict):
        problems.append(f"extra authorizer_access_tokens is a {type(value).__name__}: must be an object appid → token")
        return {}
    bad = sorted(str(appid) for appid, token in value.items() if not (isinstance(token, str) and token))
    problems += [f"extra authorizer_access_tokens[{appid!r}]: must be a text" for appid in bad]
    return value
