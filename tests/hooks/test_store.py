"""The store that Airflow's configuration names, and the keys that it is opened with."""

from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from airflow_wxa.api.redaction import Secret
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.hooks.store import open_store, store_url
from airflow_wxa.sandbox.testing import COMPONENT_APPID

FILE, SERVER = "sqlite:////volume/wxa.db", "postgresql+psycopg2://wxa@db/wxa"


def url_of(monkeypatch: pytest.MonkeyPatch, executor: str, url: str = "") -> str:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", executor)
    monkeypatch.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", url)
    return store_url()


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
def test_a_file_serves_one_machine_and_a_server_serves_many(executor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("", FILE):
        with pytest.raises(WxaSpecError, match=r"SQLite[\s\S]*PostgreSQL[\s\S]*AIRFLOW__WXA__SQL_ALCHEMY_CONN"):
            url_of(monkeypatch, executor, url)
    assert url_of(monkeypatch, executor, SERVER) == SERVER


def test_a_file_in_airflows_home_is_the_default_but_in_no_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    assert url_of(monkeypatch, "LocalExecutor") == f"sqlite:///{tmp_path / 'wxa.db'}"
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    with pytest.raises(WxaSpecError, match=r"Kubernetes pod[\s\S]*fixed tokens, too[\s\S]*PostgreSQL"):
        url_of(monkeypatch, "LocalExecutor")
    assert url_of(monkeypatch, "LocalExecutor;team_a=my:path.to.LocalExecutor", FILE) == FILE


def test_several_keys_are_read_newest_first_or_airflows_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new, airflows = (Fernet.generate_key().decode() for _ in range(3))
    monkeypatch.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", f"sqlite:///{tmp_path / 'wxa.db'}")
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", airflows)
    monkeypatch.setenv("AIRFLOW__WXA__ENCRYPTION_KEYS", "")
    open_store().put_renewals(COMPONENT_APPID, {"": Secret("ticket")})
    for keys in (f"{old}, {airflows}", f"{new}, {old}", new):
        monkeypatch.setenv("AIRFLOW__WXA__ENCRYPTION_KEYS", keys)
        assert open_store().rotate_keys() == 1
