"""The client of workers, on ``requests``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Self, TypeVar

import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError

from airflow_wxa.api.call import MAX_ANSWER_BYTES
from airflow_wxa.client import wire
from airflow_wxa.client.delivery import Answer, Deliverer, Note, Request, TokenOf
from airflow_wxa.errors import WxaError
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_wxa.api.call import Call, Reply
    from airflow_wxa.client.delivery import Delivery, Observer, TokenSource
    from airflow_wxa.steps import Pause, Step

T = TypeVar("T")


class WxaClient:
    """Carries calls and steps to WeChat and back. One per task; not for several threads.

    :param egress: the API's host, and the way there.
    :param tokens: gives the token of each call.
    :param observer: sees each write before and after, and the end of each step.
    :param sleep: takes seconds.
    """

    def __init__(
        self,
        egress: wire.Egress,
        tokens: TokenSource,
        observer: Observer | None = None,
        *,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        wire.quiet_url_loggers()
        self._egress = egress
        self._tokens = tokens
        self._observer = observer
        self._sleep = sleep
        self._http = Http(egress, egress.host)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def run(self, step: Step[T]) -> T:
        """Carry a step to its end and return its outcome; errors are thrown into it first.

        :raises WxaError: an error that the step did not handle.
        """
        return self._carry(Deliverer(self._egress.host, self._observer).step(step))

    def send(self, call: Call) -> Reply:
        """Send one call, again where that is safe, and return its reply.

        :raises WxaSpecError: the body breaks its schema, or there is no token for it; nothing was sent.
        :raises WxaTransportError: no usable answer.
        :raises WxaApiError: WeChat refused.
        """
        return self._carry(Deliverer(self._egress.host, self._observer).call(call))

    def _carry(self, delivery: Delivery[T]) -> T:
        result: Any = None
        error: WxaError | None = None
        while True:
            try:
                wanted = delivery.throw(error) if error is not None else delivery.send(result)
            except StopIteration as stop:
                carried: T = stop.value
                return carried
            result = error = None
            try:
                result = self._done(wanted)
            except WxaError as refused:
                error = refused

    def _done(self, wanted: Request | TokenOf | Note | Pause) -> Any:
        match wanted:
            case Request():
                return self._http.send(wanted)
            case TokenOf(owner, refused):
                return self._tokens.token(owner, refused)
            case Note(write, what):
                return write([what])[0]
        return self._sleep(wanted.seconds)


class _NoRedirects(requests.Session):
    """A session that has no eyes for redirects.

    Even if requests does not follow one, it reads the whole body and takes the Location apart.
    """

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return ``None``: the answer leads nowhere."""


class Http:
    """Sends requests on connections of its own.

    :param egress: how they leave.
    :param url: the target; by its host the environment names the proxy.
    :raises WxaSpecError: the certificates that are named are not there.
    """

    def __init__(self, egress: wire.Egress, url: str) -> None:
        wire.check_ca_bundle(url, egress)
        self._timeout = egress.timeout
        self._session = session = _NoRedirects()
        # Read once here, not for each of thousands of requests.
        proxy = wire.proxy_to(url, egress)
        session.proxies = {"http": proxy, "https": proxy} if proxy else {}
        _, ca_bundle = wire.ca_bundle_for(url, egress)
        session.verify = ca_bundle or True
        session.trust_env = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._session.close()

    def send(self, request: Request) -> Answer:
        """Send, and return the answer, cut off behind the limit; no redirect is followed, the URL is secret."""
        try:
            with (
                wire.in_flight(),
                self._session.request(
                    request.method,
                    request.url,
                    data=request.content,
                    headers=request.headers,
                    timeout=self._timeout,
                    allow_redirects=False,
                    stream=True,
                ) as response,
            ):
                return Answer(response.status_code, response.raw.read(MAX_ANSWER_BYTES + 1, decode_content=True))
        except (requests.RequestException, HTTPError, ValueError) as error:
            # HTTPError: while the body is read. ValueError: a header that none can be.
            return Answer(failure=_in_words(error, self._timeout))
        except BaseException as error:  # noqa: BLE001  (raised again)
            # A task's time-out strikes anywhere. The libraries' frames hold the URL, and the URL holds the token.
            raise error.with_traceback(None) from None


def _in_words(error: Exception, timeout: float) -> str:
    """Return what failed without the exception's own text, which names the URL."""
    words: dict[type[Exception], str] = {
        requests.exceptions.SSLError: Text("connecting", "no_tls"),
        requests.exceptions.ProxyError: Text("connecting", "no_proxy"),
        requests.exceptions.InvalidProxyURL: Text("connecting", "bad_proxy"),
        requests.exceptions.InvalidSchema: Text("connecting", "bad_proxy"),  # SOCKS, and no package for it
        requests.exceptions.ConnectTimeout: Text("no_answer_within", "connection", seconds=timeout),
        requests.exceptions.ReadTimeout: Text("no_answer_within", "answer", seconds=timeout),
        ReadTimeoutError: Text("no_answer_within", "whole", seconds=timeout),
    }
    for kind, text in words.items():
        if isinstance(error, kind):
            return text
    reason = getattr(error.args[0], "reason", error.args[0]) if error.args else error
    if type(reason).__name__ == "NameResolutionError":
        return Text("connecting", "no_name")
    return Text("connection_broke", error=type(error).__name__)
