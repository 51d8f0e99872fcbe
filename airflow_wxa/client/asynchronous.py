"""The client of triggers, on ``httpx``: the twin of :mod:`airflow_wxa.client.sync` but for the ``await``."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import TYPE_CHECKING, Self, TypeVar

import httpx
from tenacity import AsyncRetrying

from airflow_wxa.api.call import MAX_ANSWER_BYTES, Reply, read_reply
from airflow_wxa.api.endpoints import TokenKind
from airflow_wxa.client import policy, pool
from airflow_wxa.client.wire import (
    NO_NAME,
    NO_TLS,
    Egress,
    check_ca_bundle,
    no_answer,
    quiet_url_loggers,
    too_large,
    url_of,
)
from airflow_wxa.errors import WxaCredentialError, WxaError
from airflow_wxa.steps import Pause

if TYPE_CHECKING:
    from types import TracebackType

    from airflow_wxa.api.call import Call
    from airflow_wxa.api.redaction import Secret
    from airflow_wxa.client.tokens import TokenSource
    from airflow_wxa.steps import Step

__all__ = ["AsyncWxaClient"]

T = TypeVar("T")


class AsyncWxaClient:
    """Carries calls and steps to WeChat and back without blocking, inside ``async with``.

    All clients of one event loop that leave the same way share one pool of connections. A client may be entered
    several times at once: the pool stays open until all have left.

    It is for waits, which only read: unlike its sync twin it has no observer, and keeps no ledger of what it writes.

    :param egress: where to, and how.
    :param tokens: who gives the token of each call.
    """

    def __init__(self, egress: Egress, tokens: TokenSource) -> None:
        quiet_url_loggers()
        check_ca_bundle(egress)
        self._egress = egress
        self._tokens = tokens
        self._entered: pool.Pool | None = None

    async def __aenter__(self) -> Self:
        self._entered = pool.join(self._egress)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await pool.leave(self._egress, self._pool)

    async def run(self, step: Step[T]) -> T:
        """Carry a step to its end and return its outcome: errors are thrown into it, its pauses are slept.

        :raises WxaError: what the step did not answer for.
        """
        reply: Reply | None = None
        error: WxaError | None = None
        while True:
            try:
                wish = step.throw(error) if error is not None else step.send(reply)  # type: ignore[arg-type]
            except StopIteration as stop:
                outcome: T = stop.value
                return outcome
            reply = error = None
            if isinstance(wish, Pause):
                await asyncio.sleep(wish.seconds)
                continue
            try:
                reply = await self.send(wish)
            except WxaError as refused:
                error = refused

    async def send(self, call: Call) -> Reply:
        """Send one call, again where the policy says so, and return its reply; raises as the sync twin does."""
        content = call.content()
        token = None if call.endpoint.token is TokenKind.NONE else await self._tokens.atoken(call)
        try:
            return await self._send_repeatedly(call, content, token)
        except WxaCredentialError as error:
            if token is None or not policy.wants_another_token(error):
                raise
            renewed = await self._tokens.arenewed(call, token)
            if renewed is None:
                raise
        return await self._send_repeatedly(call, content, renewed)

    async def _send_repeatedly(self, call: Call, content: bytes | None, token: Secret | None) -> Reply:
        try:
            return await self._send_once(call, content, token)
        except WxaError as error:
            if not policy.is_repeated(call, error):
                raise
        again = AsyncRetrying(stop=policy.STOP_AGAIN, wait=policy.WAIT, retry=policy.repeated(call), reraise=True)
        return await again(self._send_once, call, content, token)

    async def _send_once(self, call: Call, content: bytes | None, token: Secret | None) -> Reply:
        failure = ""
        try:
            status, answer = await self._exchange(call, url_of(self._egress.host, call, token), content)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:  # the latter two: a host that is no name
            failure = _in_words(error, self._egress.timeout)
        if failure:  # raised out here: the exception's request holds the URL, and the URL holds the token
            raise no_answer(call, self._egress.host, failure)
        if len(answer) > MAX_ANSWER_BYTES:
            raise too_large(call, MAX_ANSWER_BYTES)
        return read_reply(call, status, answer, secrets=[token] if token else [])

    async def _exchange(self, call: Call, url: str, content: bytes | None) -> tuple[int, bytes]:
        """Return status and body, the latter cut off behind the limit."""
        answer = bytearray()
        http = self._pool.http
        async with self._pool.turn, http.stream(call.endpoint.method, url, content=content) as response:
            async for chunk in response.aiter_bytes():
                answer += chunk
                if len(answer) > MAX_ANSWER_BYTES:
                    break
        return response.status_code, bytes(answer)

    @property
    def _pool(self) -> pool.Pool:
        if self._entered is None:
            raise RuntimeError("an AsyncWxaClient is used inside its `async with` block only")
        return self._entered


def _in_words(error: Exception, timeout: float) -> str:
    """Return what failed without the exception's own text, which can name the URL."""
    words = {
        httpx.ConnectTimeout: f"no connection within {timeout} s",
        httpx.ReadTimeout: f"no answer within {timeout} s",
        httpx.ProxyError: "the proxy refused or could not be reached",
    }
    for kind, text in words.items():
        if isinstance(error, kind):
            return text
    cause: BaseException | None = error
    while cause is not None:  # httpx says "ConnectError" of all of these
        if isinstance(cause, ssl.SSLError):
            return NO_TLS
        if isinstance(cause, socket.gaierror):
            return NO_NAME
        cause = cause.__cause__ or cause.__context__
    return f"the connection broke ({type(error).__name__})"
