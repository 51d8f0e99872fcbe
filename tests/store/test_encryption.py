"""Secrets rest encrypted, and keys can be replaced while everybody goes on working."""

import threading
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import select, update

from airflow_wxa.api.authorisation import Authorisation
from airflow_wxa.api.redaction import Secret
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.store import Store
from airflow_wxa.store.engine import open_engine
from airflow_wxa.store.tables import credential
from tests.canaries import spellings
from tests.store.conftest import APPID, PLATFORM, SECOND, grant, row

CANARIES = {name: f"canary+{name}/ö=&%" for name in ("access", "refresh", "ticket", "healed")}
OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))


def filled(url: str, keys: list[str]) -> Store:
    store = Store(url, keys)
    given = grant(CANARIES["access"], refresh=CANARIES["refresh"])
    store.put_authorisation(PLATFORM, Authorisation(APPID, given, (18,)))
    store.put_renewals(PLATFORM, {"": Secret(CANARIES["ticket"]), SECOND: Secret("x")})
    assert store.store_renewal(row(store, SECOND), Secret(CANARIES["healed"])) is not None
    return store


def at_rest(url: str) -> list[str]:
    with open_engine(url).connect() as connection:
        rows = connection.execute(select(credential.c.access_token, credential.c.renewal)).all()
    return [value for row in rows for value in row if value is not None]


def test_neither_the_files_nor_a_value_in_the_database_tell_a_secret(store_url: str, tmp_path: Path) -> None:
    filled(store_url, [OLD])
    with open_engine(store_url).connect() as connection:
        contents = [repr(connection.execute(select(credential)).all()).encode()]
    contents += [file.read_bytes() for file in tmp_path.iterdir()]
    assert len(contents) == (4 if store_url.startswith("sqlite") else 1)  # the database, its log and their index
    assert not [form for secret in CANARIES.values() for form in spellings(secret) for each in contents if form in each]


def test_after_rotation_the_old_key_can_be_removed_and_is_named_as_the_reason_where_it_is_left(store_url: str) -> None:
    store = filled(store_url, [OLD])
    refreshing = row(store)
    store.take_lease(refreshing, "me", 30)
    both = Store(store_url, [NEW, OLD])
    assert row(both).renewal == Secret(CANARIES["refresh"])  # the old key reads before anything is rotated
    assert both.rotate_keys() == 3
    seen = Store(store_url, [NEW]).merchants(PLATFORM, ["", APPID, SECOND])
    secrets = [seen[APPID].access_token, *(each.renewal for each in seen.values())]
    assert {secret.reveal() for secret in secrets if secret is not None} == set(CANARIES.values())
    before = at_rest(store_url)
    for work in (lambda: store.merchant(PLATFORM, APPID), store.rotate_keys):  # of a process with the old key alone
        with pytest.raises(WxaSpecError, match=r"another key[\s\S]*encryption_keys[\s\S]*rotate-keys") as error:
            work()
        assert OLD not in str(error.value)
    assert at_rest(store_url) == before
    assert store.store_grant(refreshing, grant("next"))  # no generation changed: a refresh goes on


def test_rotation_overwrites_no_token_that_is_stored_meanwhile(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = filled(store_url, [OLD])
    rotating = Store(store_url, [NEW, OLD])
    seen = row(store)
    stored: list[bool] = []
    newer = grant("next", refresh="rotated")
    refresher = threading.Thread(target=lambda: stored.append(store.store_grant(seen, newer)))
    lock = rotating._vault.lock

    def lock_slowly(secret: Secret, *place: str) -> str:
        if refresher.ident is None:  # all rows have been read: now somebody stores a newer token
            refresher.start()
            refresher.join(0.3)
        return lock(secret, *place)

    monkeypatch.setattr(rotating._vault, "lock", lock_slowly)
    rotating.rotate_keys()
    refresher.join()
    assert stored == [True]
    assert row(rotating).renewal == Secret("rotated")


def test_ciphertext_that_was_copied_to_another_row_or_column_is_refused(store_url: str) -> None:
    store = filled(store_url, [OLD])
    theirs = select(credential.c.renewal).where(credential.c.appid == SECOND).scalar_subquery()
    for values in ({"renewal": theirs}, {"access_token": credential.c.renewal}):
        store._database.write(update(credential).where(credential.c.appid == APPID).values(**values))
        with pytest.raises(WxaSpecError, match=rf"another place[\s\S]*{APPID} {next(iter(values))}: holds"):
            store.merchant(PLATFORM, APPID)


def test_what_an_older_version_wrote_is_read_and_bound_by_a_rotation_and_it_reads_this_one(store_url: str) -> None:
    store = filled(store_url, [OLD])
    assert {Fernet(OLD).decrypt(value.encode()).decode() for value in at_rest(store_url)} >= set(CANARIES.values())
    unbound = Fernet(OLD).encrypt(b"written before there were places").decode()
    store._database.write(update(credential).where(credential.c.appid == APPID).values(renewal=unbound))
    assert row(store).renewal == Secret("written before there were places")
    store.rotate_keys()
    bound = at_rest(store_url)
    assert unbound not in bound
    with pytest.raises(WxaSpecError, match="another place"):
        store._vault.unlock(bound[0], "elsewhere")
    assert len({store._vault.lock(Secret("same"), "place") for _ in range(2)}) == 2  # it rests differently each time


@pytest.mark.parametrize("keys", [[], ["short"], [OLD, "ключ"], [OLD[:-4]]])
def test_keys_that_are_none_are_refused_without_being_shown(keys: list[str], tmp_path: Path) -> None:
    with pytest.raises(WxaSpecError, match="encryption keys are refused") as error:
        Store(f"sqlite:///{tmp_path / 'wxa.db'}", keys)
    assert not [key for key in keys if key in str(error.value)]
    assert not list(tmp_path.iterdir())
