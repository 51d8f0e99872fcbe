"""Which source a Connection chooses, what it is refused for, and which few secrets Airflow is told to mask."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from airflow.sdk import Connection
from cryptography.fernet import Fernet

from airflow_wxa.access import PlatformCredentials, TokenServer
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.hooks.connection import WxaConnection, read_connection
from airflow_wxa.hooks.store import open_store, store_url
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID, ENCODING_AES_KEY

CANARY = "canary+/="


@pytest.fixture(autouse=True)
def configured(airflow_database: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "LocalExecutor")
    monkeypatch.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", f"sqlite:///{tmp_path / 'wxa.db'}")
    monkeypatch.setenv("AIRFLOW__WXA__ENCRYPTION_KEYS", Fernet.generate_key().decode())


def of(extra: dict[str, Any] | None = None, **fields: Any) -> WxaConnection:
    return read_connection(Connection(conn_id="c", conn_type="wxa", extra=json.dumps(extra or {}), **fields))


def test_a_fixed_token_comes_first_then_a_token_url_then_platform_credentials_one_object_a_process() -> None:
    fixed = of({"authorizer_access_tokens": {APPID: "token"}}).tokens
    assert (fixed.appids, fixed.other) == ((APPID,), None)
    login: dict[str, Any] = {"login": COMPONENT_APPID, "password": CANARY}
    assert isinstance(of({"token_url": "https://tokens.example.com/t"}, **login).tokens.other, TokenServer)
    first, second = of(**login), of(**login)
    assert isinstance(first.tokens.other, PlatformCredentials)
    assert first.platform is second.platform
    assert CANARY not in repr(first)


def test_the_few_long_lived_secrets_are_masked_raw_and_url_encoded() -> None:
    secrets = {
        "component_access_token": f"{CANARY}platform",
        "token_url_bearer": f"{CANARY}bearer",
        "push_token": f"{CANARY}push",
        "encoding_aes_key": ENCODING_AES_KEY,
    }
    read = of(
        {**secrets, "authorizer_access_tokens": {APPID: f"{CANARY}merchant"}},
        login=COMPONENT_APPID,
        password=f"{CANARY}secret",
    )
    expected = [*secrets.values(), f"{CANARY}secret"]
    assert set(read.long_lived) == {*expected, *(quote(value, safe="") for value in expected)}


@pytest.mark.parametrize(
    ("host", "extra"),
    [
        ("http://api.example.com", {}),
        ("ftp://api.example.com", {}),
        ("https://[::1", {}),
        ("https://user:canary@api.example.com", {}),
        ("https://api.example.com?key=canary", {}),
        ("https://user:canary/@api.example.com", {}),
        ("", {"token_url": "http://user:canary@tokens.example.com/t"}),
        ("", {"token_url": "http://tokens.example.com/t?key=canary"}),
    ],
)
def test_of_a_refused_url_at_most_the_hosts_name_is_shown(host: str, extra: dict[str, str]) -> None:
    with pytest.raises(WxaSpecError, match=r"host (api|tokens)\.example\.com|host \(not shown") as error:
        of(extra, host=host)
    assert "canary" not in str(error.value)


# The store that Airflow's configuration names --------------------------------------------------------------------


def test_without_configuration_the_store_is_a_file_in_airflows_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN")
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    assert store_url() == f"sqlite:///{tmp_path / 'wxa.db'}"


@pytest.mark.parametrize(
    "executor",
    [
        "CeleryExecutor",
        "LocalExecutor,CeleryExecutor",
        "e:my.KubernetesExecutor",
        "CeleryExecutor;team_a=my:path.to.LocalExecutor",
        "LocalExecutor;team_a=CeleryExecutor",
        "LocalExecutor; team_a = LocalExecutor, e:my.KubernetesExecutor",
    ],
)
@pytest.mark.parametrize("url", ["", "sqlite:////srv/wxa.db"])
def test_a_file_is_refused_when_the_executor_spans_machines(
    executor: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", executor)
    monkeypatch.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", url)
    with pytest.raises(WxaSpecError, match=r"SQLite[\s\S]*PostgreSQL[\s\S]*AIRFLOW__WXA__SQL_ALCHEMY_CONN"):
        store_url()


def test_in_a_kubernetes_pod_a_file_must_be_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "LocalExecutor")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.delenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", raising=False)
    with pytest.raises(WxaSpecError, match=r"Kubernetes pod[\s\S]*fixed tokens, too[\s\S]*PostgreSQL"):
        store_url()
    monkeypatch.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", "sqlite:////volume/wxa.db")
    assert store_url() == "sqlite:////volume/wxa.db"


def test_a_database_server_serves_any_executor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    monkeypatch.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", "postgresql+psycopg2://wxa@db/wxa")
    assert store_url() == "postgresql+psycopg2://wxa@db/wxa"


def test_several_keys_are_read_newest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    monkeypatch.setenv("AIRFLOW__WXA__ENCRYPTION_KEYS", old)
    open_store().ensure(COMPONENT_APPID)
    monkeypatch.setenv("AIRFLOW__WXA__ENCRYPTION_KEYS", f"{new}, {old}")
    assert open_store().rotate_keys() == 1


def test_without_keys_airflows_own_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__WXA__ENCRYPTION_KEYS", "")
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", Fernet.generate_key().decode())
    open_store().ensure(COMPONENT_APPID)
