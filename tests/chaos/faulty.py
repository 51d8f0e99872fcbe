"""A client whose chosen exchange goes wrong on a real socket; the others are answered without one, which is quick."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlsplit

from airflow_wxa.access.fixed import FixedTokens
from airflow_wxa.client import Egress, WxaClient
from airflow_wxa.sandbox import Fault
from airflow_wxa.sandbox.gate import Request
from airflow_wxa.sandbox.testing import APPID, MERCHANT_TOKEN, PLATFORM_TOKEN

if TYPE_CHECKING:
    from airflow_wxa.api.call import Call
    from airflow_wxa.api.redaction import Secret
    from airflow_wxa.sandbox import RunningSandbox
    from airflow_wxa.sandbox.exchange import Sandbox

TIMEOUT: Final = 0.3  # seconds
_NEVER: Final = 30.0
REFUSED: Final = "refused"

#: Name → what the sandbox acts out; ``refused`` needs nobody to act.
FAULTS: Final[dict[str, dict[str, Any]]] = {
    REFUSED: {},
    "reset before": {"kind": "drop_before"},
    "reset after": {"kind": "drop_after"},
    "timeout": {"kind": "slow", "seconds": _NEVER},
    "502 HTML": {"kind": "html_502"},
    "truncated": {"kind": "truncated"},
    "-1 before": {"kind": "errcode_before"},
    "-1 after": {"kind": "errcode_after"},
    "45009": {"kind": "errcode_before", "errcode": 45009},
    "40001": {"kind": "errcode_before", "errcode": 40001},
    "42001": {"kind": "errcode_before", "errcode": 42001},
    "slow": {"kind": "slow", "seconds": 0.02},
}


@dataclass
class Trouble:
    """When which fault comes, and what was asked so far.

    :param at: the exchange that goes wrong, from 0; ``None``: none by its number.
    :param endpoint: every exchange with this endpoint goes wrong; ``""``: none by its name.
    """

    fault: str
    at: int | None = None
    endpoint: str = ""
    asked: int = 0

    def strikes(self, call: Call) -> bool:
        """Count an exchange, and tell whether it goes wrong."""
        self.asked += 1
        return self.at == self.asked - 1 or self.endpoint == call.endpoint.name


class Renewing(FixedTokens):
    """Tokens of platform credentials: a refused one is fetched anew (here it is the same again)."""

    def renewed(self, call: Call, refused: Secret) -> Secret:  # type: ignore[override]  # noqa: ARG002  (the protocol's)
        return refused


class FaultyClient(WxaClient):
    """See the module."""

    def __init__(self, running: RunningSandbox, trouble: Trouble) -> None:
        tokens = Renewing({APPID: MERCHANT_TOKEN}, PLATFORM_TOKEN)
        super().__init__(Egress(running.url, timeout=TIMEOUT), tokens)
        self._running = running
        self._trouble = trouble

    def _exchange(self, call: Call, url: str, content: bytes | None) -> tuple[int, bytes]:
        if not self._trouble.strikes(call):
            return answered_at_once(self._running.sandbox, call, url, content)
        if self._trouble.fault == REFUSED:
            nobody = f"http://127.0.0.1:{_closed_port()}"
            return super()._exchange(call, url.replace(self._running.url, nobody), content)
        self._running.add_fault(Fault(path=call.endpoint.path, **FAULTS[self._trouble.fault]))
        return super()._exchange(call, url, content)


def answered_at_once(sandbox: Sandbox, call: Call, url: str, content: bytes | None) -> tuple[int, bytes]:
    """Return what the sandbox answers, without a connection."""
    query = parse_qsl(urlsplit(url).query)
    request = Request(call.endpoint.method, call.endpoint.path, dict(query), content or b"")
    answer, _ = sandbox.answer(request)
    return 200, answer if isinstance(answer, bytes) else json.dumps(answer).encode()


def _closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
