"""What error trackers keep of a traceback shows no secret: variables of every frame, by Sentry's SDK and by rich.

Each failure is met as its caller meets it, with marked secrets wherever one can be.
"""

import asyncio
import json
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sentry_sdk
from sqlalchemy import text

from airflow_wxa.access import FixedTokens, PlatformCredentials, TokenServer
from airflow_wxa.api.authorisation import Grant, api_component_token
from airflow_wxa.api.code import getversioninfo, release
from airflow_wxa.api.redaction import Secret
from airflow_wxa.client import AsyncWxaClient, Egress, WxaClient, delivery
from airflow_wxa.errors import WxaError
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.sandbox import Fault, MiniProgram, RunningSandbox, World, serve
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID, one_merchant
from airflow_wxa.steps.authorisation import exchange_code, list_refresh_tokens
from airflow_wxa.store import Ledger, Store
from tests.leaks.exits import careless_client, shown_by_rich, without_tests

KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
CANARY = "canary"
APPSECRET, TICKET, REFRESH = (f"{CANARY}-{name}" for name in ("appsecret", "ticket", "refresh"))
MERCHANT_TOKEN, PLATFORM_TOKEN, BEARER = (f"{CANARY}-{name}" for name in ("merchant", "platform", "bearer"))
DATABASE = f"postgresql+psycopg2://wxa:{CANARY}-database@127.0.0.1:1/wxa?password={CANARY}-too"
NOWHERE = "http://127.0.0.1:1"
RENEWAL, PLATFORM_RENEWAL = (f"/cgi-bin/component/api_{of}_token" for of in ("authorizer", "component"))


def world(merchants: int) -> World:
    made = one_merchant()
    (platform,) = made.platforms
    platform.component_appsecret, platform.component_verify_ticket = APPSECRET, TICKET
    platform.component_access_token = PLATFORM_TOKEN
    made.mini_programs = [
        MiniProgram(
            appid=f"wx{1 + number * 4096:016x}",
            component_appid=COMPONENT_APPID,
            refresh_token=f"{REFRESH}-{number}",
            authorizer_access_token=f"{MERCHANT_TOKEN}{number or ''}",
        )
        for number in range(merchants)
    ]
    made.generate = lambda: f"{CANARY}-issued"
    return made


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    with serve(world(1)) as running:
        yield running


class Scene:
    """What the failures need; files lie in ``folder``."""

    def __init__(self, sandbox: RunningSandbox, folder: Path, patched: pytest.MonkeyPatch) -> None:
        self.sandbox, self.folder, self.patched = sandbox, folder, patched
        self.egress = Egress(sandbox.url, timeout=2)
        self.fixed = FixedTokens({APPID: MERCHANT_TOKEN}, PLATFORM_TOKEN)

    def failing(self, kind: Any = "html_502", path: str = "*", **fault: Any) -> "Scene":
        """Let each call there fail, and return itself."""
        self.sandbox.add_fault(Fault(path=path, kind=kind, times=None, **fault))
        return self

    def send(self, call: Any, egress: Egress | None = None) -> None:
        with WxaClient(egress or self.egress, self.fixed) as client:
            client.send(call)

    def run(self, step: Any) -> None:
        with WxaClient(self.egress, self.fixed) as client:
            client.run(step)

    def asend(self, call: Any, egress: Egress | None = None) -> None:
        async def carry() -> None:
            async with AsyncWxaClient(egress or self.egress, self.fixed) as client:
                await client.send(call)

        asyncio.run(carry())

    def store(self, key: str = KEY) -> Store:
        return Store(f"sqlite:///{self.folder / 'wxa.db'}", [key])

    def credentials(self) -> PlatformCredentials:
        store = self.store()
        store.put_renewals(COMPONENT_APPID, {"": Secret(TICKET), APPID: Secret(f"{REFRESH}-0")})
        return PlatformCredentials(COMPONENT_APPID, Secret(APPSECRET), store, self.egress, sleep=lambda _: None)

    def token_server(self, url: str) -> TokenServer:
        return TokenServer(Secret(url), Secret(BEARER), COMPONENT_APPID, self.egress)

    def hook(self, **fields: Any) -> WxaHook:
        extra = {"authorizer_access_tokens": {APPID: MERCHANT_TOKEN}, "push_token": f"{CANARY}-push"}
        said = {"conn_type": "wxa", "login": COMPONENT_APPID, "password": APPSECRET, "extra": extra} | fields
        self.patched.setenv("AIRFLOW_CONN_WXA_FRAMES", json.dumps(said))
        return WxaHook("wxa_frames")


class _Alarm(Exception):  # noqa: N818  (as Airflow's time-out of a task strikes: anywhere)
    pass


def the_tasks_time_out(scene: Scene) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:

        def strike(*_: object) -> None:
            raise _Alarm

        before = signal.signal(signal.SIGALRM, strike)
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        try:
            scene.send(release(APPID), Egress(f"http://127.0.0.1:{silent.getsockname()[1]}"))
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)


def the_second_page_of_a_list(scene: Scene) -> None:
    scene.sandbox.replace_world(world(600).to_json(tokens=True))
    step = list_refresh_tokens(COMPONENT_APPID)
    with WxaClient(scene.egress, scene.fixed) as client:
        reply = client.send(next(step))  # type: ignore[arg-type]
        scene.failing()
        try:
            client.send(step.send(reply))  # type: ignore[arg-type]
        except WxaError as error:
            step.throw(error)


def a_database_that_is_not_there(scene: Scene) -> None:
    scene.patched.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", DATABASE)
    _ = scene.hook().read().tokens


def keys_that_are_none(scene: Scene) -> None:
    scene.patched.setenv("AIRFLOW__WXA__ENCRYPTION_KEYS", f"{CANARY}-key")
    scene.patched.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", f"sqlite:///{scene.folder / 'keys.db'}")
    _ = scene.hook(login="wx00000000000000c2").read().tokens


def a_row_of_another_key(scene: Scene) -> None:
    scene.credentials()
    scene.store("OTg3NjU0MzIxMDk4NzY1NDMyMTA5ODc2NTQzMjEwOTg=").merchants(COMPONENT_APPID)


def a_table_that_is_gone(scene: Scene) -> None:
    store = scene.credentials().store
    row: Any = store.merchant(COMPONENT_APPID, APPID)
    with store._database.writing() as connection:
        connection.execute(text("DROP TABLE wxa_credential"))
    store.store_grant(row, Grant(Secret(MERCHANT_TOKEN), 7200, Secret(REFRESH)))


def a_ledger_that_does_not_answer(scene: Scene) -> None:
    (scene.folder / "ledger.db").mkdir()
    Ledger(f"sqlite:///{scene.folder / 'ledger.db'}")


#: Failure → the work that meets it: functions above that take a scene, and what is one call.
FAILURES: dict[str, Callable[[Scene], object]] = {
    **{name: each for name, each in vars().items() if getattr(each, "__annotations__", {}).get("scene") is Scene},
    "an_error_page": lambda scene: scene.failing().send(getversioninfo(APPID)),
    "an_answer_that_breaks_off": lambda scene: scene.failing("truncated").asend(getversioninfo(APPID)),
    "a_refused_token": lambda scene: scene.failing("errcode_before", errcode=40001).asend(release(APPID)),
    "a_lost_platform_token": lambda scene: scene.failing("truncated", PLATFORM_RENEWAL).credentials().token(""),
    "a_refused_refresh_token": lambda scene: (
        scene.failing("errcode_before", RENEWAL, errcode=61023).credentials().token(APPID)
    ),
    "a_lost_merchant_token": lambda scene: scene.failing("drop_after", RENEWAL).credentials().token(APPID),
    "a_token_server_that_says_something_else": lambda scene: (
        scene.failing("errcode_before", errcode=0)
        .token_server(f"{scene.sandbox.url}/wxa/getversioninfo?access_token={MERCHANT_TOKEN}")
        .token(APPID)
    ),
    "no_connection": lambda scene: scene.send(release(APPID), Egress(NOWHERE)),
    "no_connection_async": lambda scene: scene.asend(release(APPID), Egress(NOWHERE)),
    "an_errcode": lambda scene: scene.send(release(APPID)),
    "a_name_that_is_none": lambda scene: scene.send(release(APPID), Egress("https://" + "a" * 64 + ".com")),
    "a_proxy_that_is_not_there": lambda scene: scene.send(
        release(APPID), Egress("https://wechat.invalid", proxy=f"http://user:{CANARY}@127.0.0.1:1")
    ),
    "an_empty_ticket": lambda scene: scene.send(api_component_token(COMPONENT_APPID, Secret(APPSECRET), Secret(""))),
    "a_code_that_is_none": lambda scene: scene.run(exchange_code(COMPONENT_APPID, Secret(f"{CANARY}-code"))),
    "a_token_server_that_is_not_there": lambda scene: scene.token_server(f"{NOWHERE}/token?key={CANARY}").token(APPID),
    "a_bad_host": lambda scene: scene.hook(host=f"http://user:{CANARY}@example.com/{CANARY}").run(
        list_refresh_tokens(COMPONENT_APPID)
    ),
    "another_conn_type": lambda scene: scene.hook(conn_type="postgres", host=f"{CANARY}.example.com").get_conn(),
    "a_bad_host_in_an_event_loop": lambda scene: asyncio.run(scene.hook(host=f"ftp://{CANARY}").aget_conn()),
}


def kept_by_sentry(error: BaseException) -> str:
    left = list[str]()
    with sentry_sdk.new_scope() as scope:
        scope.set_client(careless_client(left, default_integrations=False))
        scope.capture_exception(error)
    return "".join(left)


@pytest.mark.parametrize("failure", FAILURES)
def test_no_frame_leaks(failure: str, sandbox: RunningSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "PAUSES", (0, 0))
    with pytest.raises((WxaError, _Alarm)) as raised:
        FAILURES[failure](Scene(sandbox, tmp_path, monkeypatch))
    error = without_tests(raised.value)
    kept = kept_by_sentry(error) + shown_by_rich(error)
    assert "vars" in kept
    at = kept.find(CANARY)
    assert at == -1, kept[max(0, at - 1500) : at + 200]


def test_a_search_finds_what_a_frame_holds() -> None:
    def held() -> None:
        password = f"{CANARY}-held"
        raise WxaError(f"{len(password)} characters")

    with ThreadPoolExecutor(1) as pool, pytest.raises(WxaError) as raised:
        pool.submit(held).result()
    assert CANARY in kept_by_sentry(raised.value)
    assert CANARY in shown_by_rich(raised.value)
