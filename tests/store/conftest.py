import pytest
from cryptography.fernet import Fernet

from airflow_wxa.api.authorisation import Grant
from airflow_wxa.api.redaction import Secret
from airflow_wxa.store import Credential, Ledger, Store
from tests.store.databases import store_url  # noqa: F401  a fixture

KEY = Fernet.generate_key().decode()
PLATFORM, OTHER_PLATFORM = "wx00000000000000c1", "wx00000000000000c2"
APPID, SECOND, THIRD = (f"wx{number:016x}" for number in (1, 2, 3))


def row(store: Store, appid: str = APPID, platform: str = PLATFORM) -> Credential:
    seen = store.merchant(platform, appid)
    assert seen is not None
    return seen


def text(secret: Secret | None) -> str | None:
    return secret.reveal() if secret is not None else None


def grant(token: str = "access", seconds: float = 7200, refresh: str | None = None) -> Grant:  # noqa: S107  made up
    return Grant(Secret(token), seconds, Secret(refresh) if refresh is not None else None)


@pytest.fixture
def store(store_url: str) -> Store:  # noqa: F811  the fixture above
    return Store(store_url, [KEY])


@pytest.fixture
def ledger(store_url: str) -> Ledger:  # noqa: F811  the fixture above
    return Ledger(store_url)
