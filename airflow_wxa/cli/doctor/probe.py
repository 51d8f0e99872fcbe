"""One request without a token: whether the host can be reached, whether it is WeChat's API, and its time.

The clients hide what is wanted here: the headers, and which of DNS, TLS and connection failed. No token is sent, so
texts of exceptions may be read.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from itertools import islice
from typing import TYPE_CHECKING, Final, Literal

import requests

from airflow_wxa.api.endpoints import CATALOGUE
from airflow_wxa.client.wire import ca_bundle_for
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from airflow_wxa.client import Egress

Failure = Literal["dns", "tls", "proxy", "connection"]

#: Any POST with a merchant token will do; without one WeChat answers 41001 before it counts or does anything.
_PATH: Final = CATALOGUE["getversioninfo"].path
_PIECE_BYTES: Final = 4096
_PIECES: Final = 16  # an honest answer is one of a hundred bytes


@dataclass(frozen=True, slots=True)
class Probe:
    """Result of the request.

    :param failure: why there was no answer; ``None`` when there was one.
    :param said: the failure, or the answer, in a few words.
    :param is_wechats: whether the answer is one that WeChat's API gives: a JSON object with an errcode.
    :param skew: seconds that this machine's clock is ahead of the host's; ``None`` when it told no time.
    """

    failure: Failure | None
    said: Text
    is_wechats: bool = False
    skew: float | None = None


def probed(egress: Egress) -> Probe:
    """Send one harmless request."""
    begin = time.time()
    try:
        with requests.post(
            f"{egress.host}{_PATH}",
            data=b"{}",
            timeout=egress.timeout,
            proxies={"http": egress.proxy, "https": egress.proxy} if egress.proxy else None,
            verify=ca_bundle_for(egress.host, egress)[1] or True,
            allow_redirects=False,
            stream=True,
        ) as response:
            content = b"".join(islice(response.iter_content(_PIECE_BYTES), _PIECES))
    except requests.RequestException as error:
        return _failed(error, egress.timeout)
    except OSError as error:  # requests' word for a ca_bundle that is not there
        return Probe("tls", Text("ca_bundle_cannot_be_read", error=error))
    kind = response.headers.get("Content-Type") or Text("no_content_type")
    said = Text("host_answered", status=response.status_code, content_type=kind)
    return Probe(None, said, _is_wechats(response.status_code, content), _skew(response, (begin + time.time()) / 2))


def _failed(error: requests.RequestException, timeout: float) -> Probe:
    if isinstance(error, requests.exceptions.ProxyError):
        return Probe("proxy", Text("proxy_refused"))
    if isinstance(error, requests.exceptions.SSLError):
        plain = "WRONG_VERSION_NUMBER" in str(error) or "record layer failure" in str(error)
        return Probe("tls", Text("host_speaks_no_tls") if plain else _certificate_problem(error))
    if isinstance(error, requests.exceptions.Timeout):
        return Probe("connection", Text("no_answer_within", "answer", seconds=f"{timeout:g}"))
    if "NameResolutionError" in str(error) or "Failed to resolve" in str(error):
        return Probe("dns", Text("host_name_is_unknown"))
    return Probe("connection", Text("nobody_listens"))


def _certificate_problem(error: BaseException) -> Text:
    """Return what OpenSSL says, which stands innermost."""
    inner = error.args[0] if error.args else None
    reason = getattr(inner, "reason", inner)
    while isinstance(reason, BaseException) and not hasattr(reason, "verify_message"):
        reason = reason.args[0] if reason.args else None
    return Text("certificate_is_refused", reason=getattr(reason, "verify_message", Text("handshake_failed")))


def _is_wechats(status: int, content: bytes) -> bool:
    if status != requests.codes.ok:
        return False
    try:
        answer = json.loads(content)
    except ValueError:
        return False
    return isinstance(answer, dict) and type(answer.get("errcode")) is int


def _skew(response: requests.Response, now: float) -> float | None:
    try:
        return now - parsedate_to_datetime(response.headers.get("Date", "")).timestamp()
    except ValueError:
        return None
