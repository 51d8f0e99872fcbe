"""What the store keeps of a platform and its merchants, and who may change it when."""

import time

import pytest
from sqlalchemy import func, select, update

from airflow_wxa.api.authorisation import Authorisation
from airflow_wxa.api.redaction import Secret
from airflow_wxa.store import Store
from airflow_wxa.store.tables import credential, database_now
from tests.store.conftest import APPID, OTHER_PLATFORM, PLATFORM, SECOND, THIRD, grant, row, text


@pytest.fixture(autouse=True)
def imported(store: Store) -> None:
    store.put_renewals(PLATFORM, {APPID: Secret("refresh"), SECOND: Secret("second")})


# What is kept ----------------------------------------------------------------------------------------------------


def test_an_imported_merchant_has_a_refresh_token_and_no_access_token(store: Store) -> None:
    seen = row(store)
    assert (text(seen.renewal), seen.access_token, seen.seconds_left, seen.state) == ("refresh", None, 0, "authorised")
    assert seen.renewal_age == pytest.approx(0, abs=5)
    for appid in (APPID, THIRD):  # a row without a token is made once
        store.ensure(PLATFORM, appid)
    assert [text(row(store, appid).renewal) for appid in (APPID, THIRD)] == ["refresh", None]
    assert store.platform(PLATFORM) is None
    store.put_renewals(PLATFORM, {"": Secret("ticket")})
    assert list(store.merchants(PLATFORM)) == [APPID, SECOND, THIRD]
    assert store.merchant(PLATFORM, "wx0000000000000009") is None


def test_a_grant_is_kept_with_its_life_and_ends_the_lease_on_its_row(store: Store) -> None:
    seen = row(store)
    assert store.take_lease(seen, "me", 30)
    assert store.store_grant(seen, grant("access", 7200, "rotated"))
    assert not store.store_grant(seen, grant("overtaken"))
    after = row(store)
    assert (text(after.access_token), text(after.renewal), after.lifetime) == ("access", "rotated", 7200)
    assert 7190 < after.seconds_left <= 7200
    assert not after.is_leased
    assert not store.take_lease(seen, "me", 30)  # the row has changed since it was seen
    assert store.store_grant(after, grant("next"))  # without a refresh token: the stored one stays
    assert (text(row(store).access_token), text(row(store).renewal)) == ("next", "rotated")


def test_notes_and_imports_keep_an_access_token_a_mark_neither_token_nor_lease_and_an_authorisation_replaces_all(
    store: Store,
) -> None:
    store.store_grant(row(store), grant())
    store.note(PLATFORM, APPID, granted=[18], user_name="gh_1")
    store.note(PLATFORM, APPID)
    store.put_renewals(PLATFORM, {APPID: Secret("imported")})
    seen = row(store)
    assert (text(seen.access_token), text(seen.renewal)) == ("access", "imported")
    assert (seen.granted, seen.user_name) == ((18,), "gh_1")
    store.take_lease(seen, "me", 30)
    assert store.mark(PLATFORM, APPID, "withdrawn")
    seen = row(store)
    assert (seen.state, seen.access_token, seen.renewal, seen.renewal_age) == ("withdrawn", None, None, None)
    assert not seen.is_leased
    store.put_authorisation(PLATFORM, Authorisation(APPID, grant("new", 7200, "new refresh"), (18, 30)))
    seen = row(store)
    assert (text(seen.access_token), text(seen.renewal), seen.state) == ("new", "new refresh", "authorised")
    assert seen.granted == (18, 30)


def test_platforms_in_one_store_never_mix(store: Store) -> None:
    store.put_renewals(OTHER_PLATFORM, {APPID: Secret("theirs"), "": Secret("their ticket")})
    store.put_renewals(PLATFORM, {"": Secret("our ticket")})
    assert store.take_lease(row(store), "me", 30)
    assert store.take_lease(row(store, platform=OTHER_PLATFORM), "you", 30)
    store.store_grant(row(store), grant("ours"))
    store.mark(OTHER_PLATFORM, APPID, "withdrawn")
    assert text(row(store).access_token) == "ours"
    assert list(store.merchants(OTHER_PLATFORM)) == [APPID]
    assert [text(row(store, "", each).renewal) for each in (PLATFORM, OTHER_PLATFORM)] == ["our ticket", "their ticket"]


# Leases ----------------------------------------------------------------------------------------------------------


def test_a_lease_is_given_once_and_given_back_by_its_owner_only_and_lasts_ten_minutes_at_most(store: Store) -> None:
    seen = row(store)
    assert store.take_lease(seen, "me", 30)
    assert not store.take_lease(seen, "you", 30)
    store.drop_lease(seen, "you")
    assert row(store).is_leased
    store.drop_lease(seen, "me")
    assert store.take_lease(seen, "you", 1e9)
    assert store._database.value(select(func.max(credential.c.lease_until) - database_now())) <= 600
    # The clock was set back since:
    store._database.write(update(credential).values(lease_until=credential.c.lease_until + 86400))
    assert not row(store).is_leased
    assert store.take_lease(row(store), "me", 30)


def test_a_lease_runs_out_unless_its_owner_extends_it(store: Store) -> None:
    mine, yours = row(store), row(store, SECOND)
    for _ in range(2):
        assert store.take_lease(mine, "me", 0.05)
    assert store.take_lease(yours, "you", 0.05)
    assert store.take_lease(yours, "you", 30)
    time.sleep(0.06)
    assert (row(store).is_leased, row(store, SECOND).is_leased) == (False, True)
    assert store.take_lease(mine, "you", 30)
    assert not store.take_lease(yours, "me", 30)


# Generations -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arrives", ["authorisation", "import", "withdrawal"])
def test_what_arrives_during_a_refresh_is_not_overwritten_by_it(store: Store, arrives: str) -> None:
    seen = row(store)
    store.take_lease(seen, "me", 30)
    if arrives == "authorisation":
        store.put_authorisation(PLATFORM, Authorisation(APPID, grant("new", 7200, "new refresh"), ()))
    elif arrives == "import":
        store.put_renewals(PLATFORM, {APPID: Secret("new refresh")})
    else:
        store.mark(PLATFORM, APPID, "withdrawn")
    assert not store.store_grant(seen, grant("old", 7200, "old refresh"))
    assert not store.mark(PLATFORM, APPID, "refused", generation=seen.generation)  # nor is a verdict on the older row
    expected = (None, "withdrawn") if arrives == "withdrawal" else ("new refresh", "authorised")
    assert (text(row(store).renewal), row(store).state) == expected


def test_a_refused_token_is_dropped_only_while_it_is_the_current_one(store: Store) -> None:
    store.store_grant(row(store), grant("first"))
    seen = row(store)
    store.store_grant(seen, grant("second"))
    assert not store.drop_access_token(seen)
    refreshing = row(store)
    assert text(refreshing.access_token) == "second"
    store.take_lease(refreshing, "me", 30)
    assert store.drop_access_token(row(store))
    assert (row(store).access_token, text(row(store).renewal)) == (None, "refresh")
    assert store.store_grant(refreshing, grant("third", 7200, "rotated"))  # a refresh under way may store what it got
    assert text(row(store).renewal) == "rotated"


def test_a_healed_refresh_token_is_stored_in_the_row_that_was_seen_and_an_adopted_one_if_new(store: Store) -> None:
    seen = row(store)
    healed = store.store_renewal(seen, Secret("listed"))
    assert healed is not None
    assert (text(healed.renewal), healed.generation) == ("listed", seen.generation + 1)
    assert store.store_renewal(seen, Secret("late")) is None
    assert store.adopt_renewals(PLATFORM, {APPID: Secret("adopted"), THIRD: Secret("third")}) == 1
    assert [text(row(store, appid).renewal) for appid in (APPID, THIRD)] == ["listed", "third"]


# Scale and clocks ------------------------------------------------------------------------------------------------


def test_an_import_of_many_is_stored_whole_or_not_at_all(store: Store) -> None:
    many = 7000  # with their columns more values than a statement of SQLite takes
    store.put_renewals(PLATFORM, {f"wx{number:016x}": Secret("refresh") for number in range(10, 10 + many)})
    assert store._database.value(select(func.count()).select_from(credential)) == many + 2
    half: dict[str, Secret] = {SECOND: Secret("new"), THIRD: None}  # type: ignore[dict-item]
    with pytest.raises(AttributeError):
        store.put_renewals(PLATFORM, half)
    assert text(row(store, SECOND).renewal) == "second"


def test_a_life_is_counted_by_the_clock_of_the_database(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.store_grant(row(store), grant(seconds=7200))
    for skew in (-3600, 3600):
        now = time.time() + skew
        monkeypatch.setattr(time, "time", lambda now=now: now)
        assert 7190 < row(store).seconds_left <= 7200
        monkeypatch.undo()
    store._database.write(update(credential).values(access_expires_at=credential.c.access_expires_at - 9000))
    assert row(store).seconds_left < 0
