"""The client of workers, on ``requests``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self, TypeVar

import requests
from requests.utils import get_environ_proxies
from tenacity import Retrying
from urllib3.exceptions import HTTPError, ReadTimeoutError

from airflow_wxa.api.call import MAX_ANSWER_BYTES, Reply, read_reply
from airflow_wxa.api.endpoints import TokenKind
from airflow_wxa.client import policy
from airflow_wxa.client.wire import (
    JSON_HEADERS,
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
    from airflow_wxa.client.observer import Observer
    from airflow_wxa.client.tokens import TokenSource
    from airflow_wxa.steps import Step

__all__ = ["WxaClient"]

T = TypeVar("T")


class _Straight(requests.Session):
    """A session that has no eyes for redirects.

    Even where requests does not follow one, it reads the whole body and takes the Location apart, whatever is there.
    """

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return ``None``: the answer leads nowhere."""


class WxaClient:
    """Carries calls and steps to WeChat and back. One per task; not for several threads.

    :param egress: where to, and how.
    :param tokens: who gives the token of each call.
    :param observer: who sees each write before it is sent and after it was answered.
    """

    def __init__(self, egress: Egress, tokens: TokenSource, observer: Observer | None = None) -> None:
        quiet_url_loggers()
        check_ca_bundle(egress)
        self._observer = observer
        self._egress = egress
        self._tokens = tokens
        self._session = _Straight()
        self._session.headers.update(JSON_HEADERS)
        # Proxies and certificates of the environment are read once here, not for each of thousands of requests.
        proxy = egress.proxy
        self._session.proxies = (
            {"http": proxy, "https": proxy} if proxy else dict(get_environ_proxies(egress.host, no_proxy=None))
        )
        self._session.verify = (
            egress.ca_bundle or self._session.merge_environment_settings(egress.host, {}, None, None, None)["verify"]
        )
        self._session.trust_env = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._session.close()

    def run(self, step: Step[T]) -> T:
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
                time.sleep(wish.seconds)
                continue
            try:
                reply = self.send(wish)
            except WxaError as refused:
                error = refused

    def send(self, call: Call) -> Reply:
        """Send one call, again where the policy says so, and return its reply.

        :raises WxaSpecError: the body breaks its schema, or there is no token for it; nothing was sent.
        :raises WxaTransportError: no usable answer.
        :raises WxaApiError: WeChat refused.
        """
        content = call.content()
        token = None if call.endpoint.token is TokenKind.NONE else self._tokens.token(call)
        if self._observer is None or not call.writes:
            return self._send_renewing(call, content, token)
        noted = self._observer.before(call)
        try:
            reply = self._send_renewing(call, content, token)
        except WxaError as error:
            self._observer.refused(noted, error)
            raise
        self._observer.answered(noted, reply)
        return reply

    def _send_renewing(self, call: Call, content: bytes | None, token: Secret | None) -> Reply:
        try:
            return self._send_repeatedly(call, content, token)
        except WxaCredentialError as error:
            if token is None or not policy.wants_another_token(error):
                raise
            renewed = self._tokens.renewed(call, token)
            if renewed is None:
                raise
        return self._send_repeatedly(call, content, renewed)

    def _send_repeatedly(self, call: Call, content: bytes | None, token: Secret | None) -> Reply:
        try:
            return self._send_once(call, content, token)
        except WxaError as error:
            if not policy.is_repeated(call, error):
                raise
        again = Retrying(stop=policy.STOP_AGAIN, wait=policy.WAIT, retry=policy.repeated(call), reraise=True)
        return again(self._send_once, call, content, token)

    def _send_once(self, call: Call, content: bytes | None, token: Secret | None) -> Reply:
        failure = ""
        try:
            status, answer = self._exchange(call, url_of(self._egress.host, call, token), content)
        except (requests.RequestException, HTTPError) as error:  # the latter while the body is read
            failure = _in_words(error, self._egress.timeout)
        if failure:  # raised out here: the exception's text and context hold the URL, and the URL holds the token
            raise no_answer(call, self._egress.host, failure)
        if len(answer) > MAX_ANSWER_BYTES:
            raise too_large(call, MAX_ANSWER_BYTES)
        return read_reply(call, status, answer, secrets=[token] if token else [])

    def _exchange(self, call: Call, url: str, content: bytes | None) -> tuple[int, bytes]:
        """Return status and body, the latter cut off behind the limit; no redirect is followed, the URL is secret."""
        with self._session.request(
            call.endpoint.method,
            url,
            data=content,
            timeout=self._egress.timeout,
            allow_redirects=False,
            stream=True,
        ) as response:
            return response.status_code, response.raw.read(MAX_ANSWER_BYTES + 1, decode_content=True)


def _in_words(error: requests.RequestException | HTTPError, timeout: float) -> str:
    """Return what failed without the exception's own text, which names the URL."""
    words: dict[type[Exception], str] = {
        requests.exceptions.SSLError: NO_TLS,
        requests.exceptions.ProxyError: "the proxy refused or could not be reached",
        requests.exceptions.ConnectTimeout: f"no connection within {timeout} s",
        requests.exceptions.ReadTimeout: f"no answer within {timeout} s",
        ReadTimeoutError: f"no whole answer within {timeout} s",
    }
    for kind, text in words.items():
        if isinstance(error, kind):
            return text
    reason = getattr(error.args[0], "reason", error.args[0]) if error.args else error
    if type(reason).__name__ == "NameResolutionError":
        return NO_NAME
    return f"the connection broke ({type(error).__name__})"
