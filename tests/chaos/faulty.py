"""A client whose chosen exchange goes wrong on a real socket; the others are answered without one, which is quick."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from airflow_wxa.access.fixed import FixedTokens
from airflow_wxa.api.redaction import Secret
from airflow_wxa.cli.demo.airflow import free_port
from airflow_wxa.client import Egress, WxaClient
from airflow_wxa.client.delivery import Answer, Observer, Request
from airflow_wxa.sandbox import Fault, RunningSandbox, World, gate
from airflow_wxa.sandbox.exchange import Sandbox
from airflow_wxa.sandbox.testing import APPID, MERCHANT_TOKEN, PLATFORM_TOKEN

PATIENCE: Final = 5.0  # seconds, for an answer that comes
NO_PATIENCE: Final = 0.05  # seconds, for one that never does
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

    def strikes(self, endpoint: str) -> bool:
        """Count an exchange, and tell whether it goes wrong."""
        self.asked += 1
        return self.at == self.asked - 1 or self.endpoint == endpoint


class Renewing(FixedTokens):
    """Tokens that WeChat gives anew when it refused them."""

    def __init__(self, world: World) -> None:
        super().__init__({APPID: MERCHANT_TOKEN}, PLATFORM_TOKEN)
        self._world = world

    def token(self, owner: str, refused: Sequence[Secret] = ()) -> Secret:
        if refused:
            fresh = f"{refused[-1].reveal()}+"
            self._tokens[owner] = Secret(fresh)
            if owner:
                self._world.mini_program(owner).authorizer_access_token = fresh
            else:
                self._world.platforms[0].component_access_token = fresh
        return super().token(owner)


class FaultyClient(WxaClient):
    def __init__(self, running: RunningSandbox, trouble: Trouble, observer: Observer | None = None) -> None:
        tokens = Renewing(running.world)
        patience = NO_PATIENCE if trouble.fault == "timeout" else PATIENCE
        super().__init__(Egress(running.url, timeout=patience), tokens, observer, sleep=lambda _: None)
        send = self._http.send

        def send_or_fail(request: Request) -> Answer:
            path = urlsplit(request.url).path
            if not trouble.strikes(path.rpartition("/")[2]):
                return answered_at_once(running, request)
            if trouble.fault == REFUSED:
                nobody = f"http://127.0.0.1:{free_port()}"
                return send(replace(request, url=request.url.replace(running.url, nobody)))
            running.add_fault(Fault(path=path, **FAULTS[trouble.fault]))
            return send(request)

        self._http.send = send_or_fail  # type: ignore[method-assign]


def answered_at_once(sandbox: Sandbox, request: Request) -> Answer:
    url = urlsplit(request.url)
    asked = gate.Request(request.method, url.path, dict(parse_qsl(url.query)), request.content or b"")
    answer, _ = sandbox.answer(asked)
    return Answer(200, sandbox.encode(asked, answer))
