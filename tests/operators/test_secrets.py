"""Tokens of calls that fail, looked for wherever something is written: logs, exceptions with all they hold, output."""

import asyncio
import json
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from airflow.sdk.exceptions import AirflowException

from airflow_wxa.errors import WxaError
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.operators import (
    WxaCommitOperator,
    WxaModifyPlatformDomainOperator,
    WxaReleaseOperator,
    WxaSetWebviewDomainBranchOperator,
    WxaSetWebviewDomainOperator,
    WxaSubmitAuditOperator,
    WxaVerifyReleaseOperator,
)
from airflow_wxa.sandbox import Fault, RunningSandbox
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID
from airflow_wxa.sensors import WxaAuditSensor, WxaPrivacyScanSensor
from airflow_wxa.triggers import WxaAuditTrigger
from tests.airflow_session import connection
from tests.canaries import spellings
from tests.leaks.exits import Loggers

# Characters that URLs encode, so that each spelling is another text.
MERCHANT = "canary/merchant+token=&secret 令牌"
PLATFORM = "canary/platform+token=&secret 令牌"

DOMAINS: dict[str, Any] = {"task_id": "t", "appid": APPID, "action": "add", "webviewdomain": ["https://m.example.com"]}
VERSION: dict[str, Any] = {"task_id": "t", "appid": APPID, "template_id": 47, "user_version": "1.4.0"}
OPERATORS = [
    WxaSetWebviewDomainOperator(**DOMAINS),
    WxaSetWebviewDomainBranchOperator(**DOMAINS, configured="a"),
    WxaModifyPlatformDomainOperator(task_id="t", action="add", hosts=["m.example.org"]),
    WxaCommitOperator(**VERSION),
    WxaSubmitAuditOperator(**VERSION),
    WxaReleaseOperator(**VERSION),
    WxaVerifyReleaseOperator(**VERSION),
    WxaPrivacyScanSensor(task_id="t", appid=APPID),
    WxaAuditSensor(task_id="t", appid=APPID, auditid="400000001"),
]


def everything_of(error: BaseException | None) -> Iterator[str]:
    """Yield all that an exception says and holds, and those behind it."""
    while error is not None:
        yield from ("".join(traceback.format_exception(error)), str(error), repr(error), repr(error.args))
        yield repr(vars(error))
        error = error.__cause__ or error.__context__


@pytest.fixture(autouse=True)
def canaries(airflow_database: None, wxa_default: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the sandbox and the Connection tokens whose every spelling is unmistakable."""
    wxa_default.world.mini_program(APPID).authorizer_access_token = MERCHANT
    wxa_default.world.platform(COMPONENT_APPID).component_access_token = PLATFORM
    use(monkeypatch, wxa_default.url)


def use(monkeypatch: pytest.MonkeyPatch, host: str, **changes: Any) -> None:
    tokens = {"authorizer_access_tokens": {APPID: MERCHANT}, "component_access_token": PLATFORM}
    monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", connection(host, **tokens | changes))


def nobody_listens(sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    use(monkeypatch, f"http://127.0.0.1:{port}")


def faulty(kind: Any, errcode: int | None = None) -> Callable[[RunningSandbox, pytest.MonkeyPatch], None]:
    def arrange(sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
        sandbox.add_fault(Fault(path="*", kind=kind, errcode=errcode, times=200))

    return arrange


def tokens_are_refused(sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.world.expired_tokens = {MERCHANT, PLATFORM}


#: Those of a connection stand in ``tests/client/test_secrets.py``.
TROUBLES = {
    "refused connection": nobody_listens,
    "HTML 502": faulty("html_502"),
    "61007": faulty("errcode_before", 61007),
    "expired": tokens_are_refused,
}


class EchoingGateway(BaseHTTPRequestHandler):
    """Something in between that answers with the URL it was asked for, as it came and decoded."""

    def answer(self) -> None:
        url = f"{self.path} {unquote(self.path)} {urlsplit(self.path).query}"
        content = json.dumps(self.server.answer_to(url), ensure_ascii=False).encode()  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = answer  # noqa: N815  (the library's names)

    def log_message(self, *arguments: object) -> None:
        """Write nothing: what the gateway itself logs is not ours."""


#: Answers whose values a step may quote.
ECHOES: dict[str, Callable[[str], dict[str, Any]]] = {
    "errmsg": lambda url: {"errcode": 61007, "errmsg": f"not authorised: {url} rid: 1-2"},
    "unknown errcode": lambda url: {"errcode": 987654, "errmsg": url},
    "another shape": lambda url: {"errcode": url},
    "schema": lambda url: (
        {name: {"url": url} for name in ("auditid", "status", "testing_wxa_jump_h5_domain")}
        | {"without_auth_list": url, "webviewdomain": [url], "effective_webviewdomain": url, "rest": url}
        | {"exp_info": {"exp_version": url, "exp_desc": url}, "user_desc": url, "user_version": url}
    ),
}


@contextmanager
def echoing(echo: str) -> Iterator[str]:
    """Run the gateway; yield its URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), EchoingGateway) as server:
        server.answer_to = ECHOES[echo]  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def run_everything() -> Iterator[str]:
    """Run every operator and sensor, and the test of the Connection too; yield all that is said."""
    for operator in OPERATORS:
        try:
            yield repr(operator.execute({}))
        except (AirflowException, WxaError) as error:
            yield from everything_of(error)
    yield WxaHook().test_connection()[1]


def look_from_the_triggerer() -> Iterator[str]:
    trigger = WxaAuditTrigger(
        sheets=[{"appid": APPID, "auditid": "1"}],
        wxa_conn_id="wxa_default",
        poll_seconds=0.01,
        end_time=time.time() + 0.1,
    )

    async def events() -> list[Any]:
        return [event.payload async for event in trigger.run()]

    yield from (repr(asyncio.run(events())), repr(trigger.serialize()), repr(vars(trigger)))


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str]) -> Iterator[list[str]]:
    """Give a list for what is said; in the end neither it nor output nor log shows a token."""
    said, loggers = list[str](), Loggers()
    with loggers.watched():
        yield said
    assert "Connection Retrieved" in loggers.shown, "the log was not overheard"
    everything = "\n".join([*said, *capsys.readouterr(), loggers.shown]).encode()
    assert [form for token in (MERCHANT, PLATFORM) for form in spellings(token) if form in everything] == []


@pytest.mark.parametrize("echo", ECHOES)
def test_no_task_repeats_a_token_that_it_was_answered(
    monkeypatch: pytest.MonkeyPatch, shown: list[str], echo: str
) -> None:
    with echoing(echo) as url:
        use(monkeypatch, url)
        shown += run_everything()


@pytest.mark.parametrize("trouble", TROUBLES)
def test_no_failing_task_and_no_failing_trigger_shows_a_token(
    wxa_default: RunningSandbox, monkeypatch: pytest.MonkeyPatch, shown: list[str], trouble: str
) -> None:
    TROUBLES[trouble](wxa_default, monkeypatch)
    shown += [*run_everything(), *look_from_the_triggerer()]
    assert not WxaHook().test_connection()[0]
