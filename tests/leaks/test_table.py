"""Every kind of secret through every exit: a platform's whole work, its failures with it, and none of them shows."""

import base64
import hashlib
import io
import json
import time
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest
import requests

from airflow_wxa.access import TokenServer
from airflow_wxa.api.code import getversioninfo
from airflow_wxa.api.redaction import Secret
from airflow_wxa.cli.main import main
from airflow_wxa.cli.token_server import Bearer, TokenDesk, create_token_server
from airflow_wxa.client import Egress, delivery
from airflow_wxa.dags.wxa_release import release_dag
from airflow_wxa.errors import WxaTransportError
from airflow_wxa.hooks.connection import _platform
from airflow_wxa.hooks.store import open_store
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.notifications import WxaNotifier
from airflow_wxa.plugins.receiver import create_receiver
from airflow_wxa.sandbox import Fault, RunningSandbox, serve
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID, one_merchant
from airflow_wxa.steps import lag
from airflow_wxa.steps.authorisation import list_refresh_tokens
from tests.airflow_session import PLAIN, register_dag, run_dag
from tests.canaries import spellings
from tests.leaks.exits import COLLECTED, HOOKED, Left, caught, watched
from tests.plugins.browser import Browser
from tests.plugins.receiving import served

EXITS = (*HOOKED, *COLLECTED)
#: Kind → the secret, each with characters that URLs and JSON spell otherwise, where its kind allows them.
SECRETS = {
    "appsecret": "canary/appsecret+&=令",
    "ticket": "canary/ticket+&=",
    "refresh token": "canary/refresh+&=",
    "issued tokens and codes": "canary/issued+&=",
    "fixed merchant token": "canary/fixed-merchant+&=",
    "fixed platform token": "canary/fixed-platform+&=",
    "push token": "canarypushtoken0123456789",
    "encoding AES key": "canaryaeskey0123456789canaryaeskey012345678",
    "previous AES key": "canaryprevious0123456789canaryprevious01234",
    "bearer": "canary-bearer-0123456789",
    "key in token_url": "canary-url-key-0123456789",
    "proxy password": "canary-proxy-0123456789",
    "database password": "canary-database-0123456789",
    "encryption key": base64.urlsafe_b64encode(b"canary-encryption-key-0123456789").decode(),
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    numbers, world = count(), one_merchant()
    platform, account = world.platforms[0], world.mini_programs[0]
    platform.component_appsecret, platform.component_verify_ticket = SECRETS["appsecret"], SECRETS["ticket"]
    platform.push_token, platform.encoding_aes_key = SECRETS["push token"], SECRETS["encoding AES key"]
    platform.component_access_token = SECRETS["fixed platform token"]
    account.authorizer_access_token, account.refresh_token = SECRETS["fixed merchant token"], SECRETS["refresh token"]
    world.generate = lambda: f"{SECRETS['issued tokens and codes']}{next(numbers)}"
    with serve(world) as running:
        yield running


@dataclass
class Scene:
    """What every scene works with: ``left`` is kept by exit."""

    left: dict[str, Left]
    sandbox: RunningSandbox
    patched: pytest.MonkeyPatch
    airflow: Browser

    def connection(self, conn_id: str, *, password: str = "", host: str = "", **extra: Any) -> None:
        said = {"conn_type": "wxa", "host": host or self.sandbox.url, "login": COMPONENT_APPID}
        self.patched.setenv(
            f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(said | {"password": password, "extra": extra})
        )

    def caught(self, work: Any) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001  (whatever it is)
            caught(error, self.left["frames"])

    def release(self, dag_id: str, **params: Any) -> str:
        def keep_fields(context: Any) -> None:
            fields = {name: getattr(context["task"], name) for name in context["task"].template_fields}
            self.left["rendered fields"].append(repr(fields))

        told = [WxaNotifier(lambda context: self.left["notifier"].append(repr(context))), keep_fields]
        dag = register_dag(release_dag(dag_id, default_args={"on_success_callback": told, "on_retry_callback": told}))
        run = run_dag(dag, **{**PLAIN, **params})
        self.left["XCom"].append(repr(run.xcoms))
        for error in run.errors.values():
            caught(error, self.left["frames"])
        return run.state

    def command(self, *words: str) -> None:
        with suppress(SystemExit), redirect_stdout(printed := io.StringIO()):
            main(words)
        self.left["--json"].append(printed.getvalue())
        print(printed.getvalue())


def pushes(scene: Scene) -> None:
    """Use an imported ticket; take another and an authorisation whose code is exchanged, and refuse what is forged."""
    open_store().put_renewals(COMPONENT_APPID, {"": Secret(SECRETS["ticket"])})
    hook = WxaHook("wxa_default")
    hook.run(list_refresh_tokens(COMPONENT_APPID))
    platform = scene.sandbox.world.platforms[0]
    with served(create_receiver()) as url:
        platform.push_url = f"{url}/wxa_default/authorisation"
        assert scene.sandbox.push_ticket().text == "success"
        assert scene.sandbox.send(scene.sandbox.compose("authorized", APPID)).text == "success"
        forged = requests.post(platform.push_url, params={"msg_signature": "x"}, data=b"<xml/>", timeout=5)
        scene.left["HTTP answers"].append(forged.text + str(forged.headers))
        for _ in range(200):
            if APPID in open_store().merchants(COMPONENT_APPID):
                break
            time.sleep(0.02)


def a_release_by_the_platforms_credentials(scene: Scene) -> None:
    assert scene.release("leaks_credentials", user_version="1.4.0") == "success"


def a_release_that_fails(scene: Scene) -> None:
    for kind, errcode in (("html_502", None), ("errcode_before", 61007), ("errcode_before", 40001)):
        scene.sandbox.add_fault(Fault(path="/wxa/commit", kind=kind, errcode=errcode, times=9))  # type: ignore[arg-type]
        assert scene.release("leaks_failing", user_version=f"1.5.{len(kind)}{errcode or 0}") == "failed"
        requests.post(f"{scene.sandbox.url}/_sandbox/faults", json=[], timeout=5)
        scene.sandbox.faults.clear()


def a_release_with_fixed_tokens(scene: Scene) -> None:
    (platform,), (account,) = scene.sandbox.world.platforms, scene.sandbox.world.mini_programs
    platform.testing, platform.published = [], []  # so that the platform's token writes its list
    platform.component_access_token = SECRETS["fixed platform token"]
    account.authorizer_access_token = SECRETS["fixed merchant token"]
    tokens: dict[str, Any] = {"authorizer_access_tokens": {APPID: account.authorizer_access_token}}
    scene.connection("wxa_fixed", **tokens, component_access_token=platform.component_access_token)
    params = {"user_version": "1.6.0", "wxa_conn_id": "wxa_fixed", "on_platform_list_empty": "register"}
    assert scene.release("leaks_fixed", **params) == "success"


def tokens_by_a_token_server(scene: Scene) -> None:
    platform: Any = WxaHook("wxa_default").read().platform
    bearers = {hashlib.sha256(SECRETS["bearer"].encode()).hexdigest(): Bearer("a", frozenset({APPID}))}
    noted: list[object] = []
    with served(create_token_server(TokenDesk(platform, bearers, noted.append))) as url:
        scene.connection("wxa_worker", token_url=f"{url}/token", token_url_bearer=SECRETS["bearer"])
        hook = WxaHook("wxa_worker")
        with hook.get_conn() as client:
            assert client.send(getversioninfo(APPID)).errcode == 0
            scene.caught(lambda: client.send(getversioninfo("wx00000000000000ff")))
        another = Secret("x" + SECRETS["bearer"])
        wrong = TokenServer(Secret(f"{url}/token"), another, COMPONENT_APPID, Egress(scene.sandbox.url))
        scene.caught(lambda: wrong.token(APPID))
    # A company's own server, which is not there: what its own instrumentation keeps of its URLs is its own.
    named = f"http://127.0.0.1:1/token?key={SECRETS['key in token_url']}"
    scene.caught(lambda: TokenServer(Secret(named), None, COMPONENT_APPID, Egress(scene.sandbox.url)).token(APPID))
    scene.left["HTTP answers"].append(repr(noted))


def connections_and_stores_that_cannot_be_reached(scene: Scene) -> None:
    scene.connection(
        "wxa_proxied",
        host="https://wechat.invalid",
        password=SECRETS["appsecret"],
        proxy=f"http://user:{SECRETS['proxy password']}@127.0.0.1:1",
        authorizer_access_tokens={APPID: SECRETS["fixed merchant token"]},
    )
    with pytest.raises(WxaTransportError, match="the proxy refused"):
        WxaHook("wxa_proxied").call("getversioninfo", APPID)
    scene.caught(lambda: WxaHook("wxa_proxied").call("getversioninfo", APPID))
    with pytest.MonkeyPatch.context() as patched:
        url = f"postgresql+psycopg2://wxa:{SECRETS['database password']}@127.0.0.1:1/wxa?password=too"
        patched.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", url)
        scene.caught(open_store)
        scene.command("doctor", "--output", "json")
        patched.setenv("AIRFLOW__WXA__ENCRYPTION_KEYS", f"x{SECRETS['encryption key']}")
        scene.caught(open_store)


def commands(scene: Scene) -> None:
    for words in ("doctor", "accounts", "ledger"):
        scene.command(words, "--output", "json")
    scene.command("ticket")
    scene.command("errcode", "40001")


def pages(scene: Scene) -> None:
    for path in ("/", f"/mini-program/{APPID}", "/fleets", "/errcodes", "/mini-programs.csv"):
        answer = scene.airflow.get(path, "admin")
        assert answer.status_code == 200, path
        scene.left["board"].append(answer.text)


#: In the order above: commands and pages show what the others left.
SCENES = [each for each in list(vars().values()) if getattr(each, "__annotations__", {}).get("scene") is Scene]


@pytest.fixture(scope="module")
def played(sandbox: RunningSandbox, airflow: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Play every scene while every exit is watched; give the exits, and the secrets that were in play."""
    left, revealed = {name: Left() for name in EXITS}, set[str]()
    reveal = Secret.reveal

    def noted(secret: Secret) -> str:
        revealed.add(reveal(secret))
        return reveal(secret)

    store = tmp_path_factory.mktemp("store") / "wxa.db"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Secret, "reveal", noted)
        patched.setattr(lag, "_PAUSES", (0.0,) * len(lag._PAUSES))
        patched.setattr(delivery, "PAUSES", (0.0,) * len(delivery.PAUSES))
        patched.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", f"sqlite:///{store}")
        patched.setenv("AIRFLOW__WXA__ENCRYPTION_KEYS", SECRETS["encryption key"])
        scene = Scene(left, sandbox, patched, airflow)
        keys = {"push_token": "push token", "encoding_aes_key": "encoding AES key"}
        keys["previous_encoding_aes_key"] = "previous AES key"
        extra = {name: SECRETS[kind] for name, kind in keys.items()}
        scene.connection("wxa_default", password=SECRETS["appsecret"], **extra)
        with watched(left):
            for play in SCENES:
                play(scene)
        left["store's file"].append(store.read_bytes().decode("latin-1"))
    yield left, revealed
    _platform.cache_clear()


@pytest.mark.parametrize("exit_name", EXITS)
def test_no_secret_leaves(played: Any, exit_name: str) -> None:
    left, _ = played
    shown = "\n".join(left[exit_name]).encode("utf-8", "replace")
    assert len(shown) > 100, "nothing left here at all, so this exit shows nothing"
    assert [kind for kind, secret in SECRETS.items() if any(form in shown for form in spellings(secret))] == []


@pytest.mark.parametrize("kind", sorted(SECRETS.keys() - {"proxy password"}))  # held by a scene: a proxy was asked
def test_every_kind_of_secret_was_in_play(played: Any, kind: str) -> None:
    _, revealed = played
    assert any(SECRETS[kind] in each for each in revealed), "no scene uses it, so no exit shows anything about it"


def test_every_exit_would_show_a_secret_that_leaves(airflow_database: None) -> None:
    left, mark = {name: Left() for name in HOOKED}, "planted/mark+0123456789"
    with watched(left):
        for _, careless in HOOKED.values():
            try:
                careless(mark)
            except ValueError as error:
                caught(error, left["frames"])
    assert [
        name for name, said in left.items() if not any(form in str(said).encode() for form in spellings(mark))
    ] == []
