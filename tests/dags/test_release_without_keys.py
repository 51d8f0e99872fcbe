"""A release by a worker that has no keys of the platform, and a database role that may not read its credentials."""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.fernet import Fernet
from sqlalchemy import create_engine, text
from sqlalchemy.exc import ProgrammingError

from airflow_wxa.api.redaction import Secret
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.hooks.store import open_ledger, open_store
from airflow_wxa.sandbox import RunningSandbox, serve
from airflow_wxa.sandbox.testing import (
    APPID,
    COMPONENT_APPID,
    COMPONENT_APPSECRET,
    COMPONENT_VERIFY_TICKET,
    REFRESH_TOKEN,
    one_merchant,
)
from airflow_wxa.store import Store
from tests.airflow_session import ROOT
from tests.dags.worlds import PLATFORM_LIST, REGISTER, Shop, failure
from tests.store.databases import new_postgresql_database

BEARER, OTHERS = "bearer-of-team-a", "wx00000000000000ff"


@dataclass(frozen=True)
class Server:
    """A token server in a process of its own.

    :param url: its ``token_url``.
    :param log: the file of its audit lines.
    :param worker: the environment of a worker beside it, which has none of its keys.
    """

    url: str
    log: Path
    worker: Mapping[str, str]

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def ask(self, bearer: str = BEARER, **asked: str) -> httpx.Response:
        query = {"kind": "authorizer_access_token", "component_appid": COMPONENT_APPID, "appid": APPID} | asked
        headers = {"Authorization": f"Bearer {bearer}"}
        return httpx.get(self.url, params=query, headers=headers, trust_env=False)


@pytest.fixture(scope="module")
def wechat() -> Iterator[RunningSandbox]:
    with serve(one_merchant()) as running:
        yield running


@pytest.fixture(scope="module")
def running(wechat: RunningSandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Start a token server with the platform's keys."""
    folder = tmp_path_factory.mktemp("token-server")
    bearers, log, key = folder / "bearers.json", folder / "audit.log", Fernet.generate_key().decode()
    hashed = hashlib.sha256(BEARER.encode()).hexdigest()
    bearers.write_text(json.dumps({"team-a": {"sha256": hashed, "appids": [APPID]}}))
    bearers.chmod(0o600)
    program = str(Path(sys.executable).with_name("airflow-wxa"))
    command = [program, "token-server", "--port", "0", "--conn-id", "wxa_platform", "--bearers", str(bearers)]
    for owner_url in new_postgresql_database():
        store = Store(owner_url, [key])
        store.put_renewals(COMPONENT_APPID, {"": Secret(COMPONENT_VERIFY_TICKET), APPID: Secret(REFRESH_TOKEN)})
        store._database.engine.dispose()
        conn = {"conn_type": "wxa", "host": wechat.url, "login": COMPONENT_APPID}
        environment = os.environ | {
            "AIRFLOW_CONN_WXA_PLATFORM": json.dumps(conn | {"password": COMPONENT_APPSECRET}),
            "AIRFLOW__WXA__SQL_ALCHEMY_CONN": owner_url,
            "AIRFLOW__WXA__ENCRYPTION_KEYS": key,
        }
        with (
            log.open("a") as sink,
            subprocess.Popen(command, env=environment, stdout=sink, stderr=subprocess.PIPE, text=True) as process,
        ):
            try:
                url = next((line.split()[1] for line in process.stderr or () if line.startswith("token_url ")), "")
                assert url, "it did not start"
                extra = {"token_url": url, "token_url_bearer": BEARER}
                worker = {"AIRFLOW_CONN_WXA_DEFAULT": json.dumps({**conn, "extra": extra})}
                worker["AIRFLOW__WXA__SQL_ALCHEMY_CONN"] = narrow(owner_url)
                no_keys = dict.fromkeys(("AIRFLOW__WXA__ENCRYPTION_KEYS", "AIRFLOW__CORE__FERNET_KEY"), "")
                yield Server(url, log, worker | no_keys)
            finally:
                process.terminate()


@pytest.fixture
def server(
    wxa_default: RunningSandbox, wechat: RunningSandbox, running: Server, monkeypatch: pytest.MonkeyPatch
) -> Server:
    """Make this process a worker beside the token server, of which nothing is noted yet."""
    for name, value in running.worker.items():
        monkeypatch.setenv(name, value)
    wechat.journal.clear()
    os.truncate(running.log, 0)
    return running


def narrow(owner_url: str) -> str:
    """Make the role of a worker as the page says, and return its URL."""
    page = (ROOT / "docs/how-to/token-server.md").read_text("utf-8")
    role = f"wxa_worker_{owner_url.rpartition('_')[2]}"
    (statements,) = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    engine = create_engine(owner_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE ROLE {role} LOGIN"))
        for statement in statements.replace("wxa_worker", role).split(";\n"):
            if statement.strip():
                connection.execute(text(statement))
    engine.dispose()
    return re.sub(r"//[^@]*@", f"//{role}@", owner_url)


def test_a_worker_without_keys_releases_and_changes_no_platform(
    shop: Shop, server: Server, wechat: RunningSandbox
) -> None:
    assert shop.release().xcoms["release"]["outcome"] == "released"
    assert [each.endpoint for each in open_ledger().entries(appid=APPID) if each.endpoint == "release"] == ["release"]
    given = {(line["kind"], line["appid"], line["status"]) for line in server.lines() if "kind" in line}
    assert ("authorizer_access_token", APPID, 200) in given
    # It had nothing that the server has.
    with pytest.raises(WxaSpecError, match="there is no key"):
        open_store()
    with open_ledger()._database.engine.connect() as connection, pytest.raises(ProgrammingError, match="permission"):
        connection.execute(text("SELECT * FROM wxa_credential"))
    wechat.journal.clear()
    assert "nothing that changes the platform" in failure(shop.walk(**REGISTER), "check_release")
    assert [entry.path for entry in wechat.journal if entry.path.startswith("/wxa/")] == []


def test_a_bearer_gets_its_own_tokens_only_and_each_refusal_is_noted(server: Server) -> None:
    refused = server.ask(appid=OTHERS)
    assert (refused.status_code, refused.json()) == (403, {"refused": f"team-a may not ask for {OTHERS}"})
    assert server.ask("another").status_code == 401
    for asked in ({"component_appid": "wx00000000000000c9"}, {"kind": "component_verify_ticket"}):
        assert server.ask(**asked).status_code == 403
    given = server.ask()
    assert (given.status_code, given.json()["appid"]) == (200, APPID)
    assert given.json()["expires_in"] > 600
    noted = [(line["bearer"], line["appid"], line["status"]) for line in server.lines()]
    refusals = [("team-a", OTHERS, 403), (None, APPID, 401), ("team-a", APPID, 403), ("team-a", APPID, 403)]
    assert noted == [*refusals, ("team-a", APPID, 200)]
    assert [secret for secret in (given.json()["access_token"], BEARER) if secret in server.log.read_text()] == []


def test_the_platforms_lists_are_read_and_nothing_else(server: Server, wechat: RunningSandbox) -> None:
    told = server.ask(kind="component_access_token", appid="").json()
    assert told["reads"] is True
    root = server.url.removesuffix("/token")

    def post(path: str, body: Mapping[str, Any], token: str = told["access_token"]) -> Any:
        return httpx.post(f"{root}{path}", params={"access_token": token}, json=body, trust_env=False).json()

    assert post(PLATFORM_LIST, {"action": "get"})["published_wxa_jump_h5_domain"] == "example.com"
    asked = len(wechat.journal)
    assert post(PLATFORM_LIST, {"action": "add", "wxa_jump_h5_domain": "evil.example"})["errcode"] == 48001
    assert post("/cgi-bin/component/api_get_authorizer_list", {"offset": 0})["errcode"] == 48001
    assert post("/wxa/release", {})["errcode"] == 48001
    assert post(PLATFORM_LIST, {"action": "get"}, "made up")["errcode"] == 40001
    assert len(wechat.journal) == asked


def test_a_token_that_is_said_to_be_refused_is_renewed_once_a_minute(server: Server, wechat: RunningSandbox) -> None:
    first = server.ask().json()["access_token"]
    wechat.journal.clear()
    renewed = [server.ask(refused="1").json()["access_token"] for _ in range(3)]
    assert first not in renewed
    assert len(set(renewed)) == 1
    assert wechat.journal.count("/cgi-bin/component/api_authorizer_token") == 1
