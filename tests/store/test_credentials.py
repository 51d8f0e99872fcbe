"""What the store keeps of a platform and its merchants, and who may change it when."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select, update

from airflow_wxa.api.authorisation import Authorisation, Grant
from airflow_wxa.api.redaction import Secret
from airflow_wxa.store.tables import credential, database_now

if TYPE_CHECKING:
    from airflow_wxa.store import Credential, Store

PLATFORM = "wx00000000000000c1"
OTHER_PLATFORM = "wx00000000000000c2"
APPID = "wx0000000000000001"
SECOND = "wx0000000000000002"


def row(store: Store, appid: str = APPID, platform: str = PLATFORM) -> Credential:
    seen = store.merchant(platform, appid)
    assert seen is not None
    return seen


def grant(token: str = "access", seconds: float = 7200, refresh: str | None = None) -> Grant:  # noqa: S107  made up
    return Grant(Secret(token), seconds, Secret(refresh) if refresh is not None else None)


def text(secret: Secret | None) -> str | None:
    return secret.reveal() if secret is not None else None


@pytest.fixture(autouse=True)
def imported(store: Store) -> None:
    store.put_renewals(PLATFORM, {APPID: Secret("refresh"), SECOND: Secret("second")})


# What is kept ----------------------------------------------------------------------------------------------------


def test_an_unknown_merchant_has_no_row(store: Store) -> None:
    assert store.merchant(PLATFORM, "wx0000000000000009") is None
    assert store.platform(PLATFORM) is None


def test_an_imported_merchant_has_a_refresh_token_and_no_access_token(store: Store) -> None:
    seen = row(store)
    assert (text(seen.renewal), seen.access_token, seen.seconds_left, seen.state) == ("refresh", None, 0, "authorised")
    assert seen.renewal_age == pytest.approx(0, abs=5)


def test_a_grant_is_kept_with_its_life_and_its_new_refresh_token(store: Store) -> None:
    assert store.store_grant(row(store), grant("access", 7200, "rotated"))
    seen = row(store)
    assert (text(seen.access_token), text(seen.renewal), seen.lifetime) == ("access", "rotated", 7200)
    assert 7190 < seen.seconds_left <= 7200


def test_a_grant_without_a_refresh_token_keeps_the_stored_one(store: Store) -> None:
    assert store.store_grant(row(store), grant())
    assert text(row(store).renewal) == "refresh"


def test_an_authorisation_replaces_whatever_was_there(store: Store) -> None:
    store.mark(PLATFORM, APPID, "withdrawn")
    store.put_authorisation(PLATFORM, Authorisation(APPID, grant("new", 7200, "new refresh"), (18, 30)))
    seen = row(store)
    assert (text(seen.access_token), text(seen.renewal), seen.state) == ("new", "new refresh", "authorised")
    assert seen.granted == (18, 30)


def test_what_is_noted_changes_no_token(store: Store) -> None:
    store.store_grant(row(store), grant())
    store.note(PLATFORM, APPID, granted=[18], user_name="gh_1")
    store.note(PLATFORM, APPID)
    seen = row(store)
    assert (text(seen.access_token), seen.granted, seen.user_name) == ("access", (18,), "gh_1")


def test_all_merchants_are_listed_without_the_platform_itself(store: Store) -> None:
    store.put_renewals(PLATFORM, {"": Secret("ticket")})
    assert list(store.merchants(PLATFORM)) == [APPID, SECOND]


def test_a_marked_merchant_keeps_no_token(store: Store) -> None:
    store.store_grant(row(store), grant())
    assert store.mark(PLATFORM, APPID, "withdrawn")
    seen = row(store)
    assert (seen.state, seen.access_token, seen.renewal, seen.renewal_age) == ("withdrawn", None, None, None)


# Several platforms -----------------------------------------------------------------------------------------------


def test_platforms_in_one_store_never_mix(store: Store) -> None:
    store.put_renewals(OTHER_PLATFORM, {APPID: Secret("theirs"), "": Secret("their ticket")})
    store.put_renewals(PLATFORM, {"": Secret("our ticket")})
    store.store_grant(row(store), grant("ours"))
    store.mark(OTHER_PLATFORM, APPID, "withdrawn")
    assert text(row(store).access_token) == "ours"
    assert list(store.merchants(OTHER_PLATFORM)) == [APPID]
    assert [text(row(store, "", each).renewal) for each in (PLATFORM, OTHER_PLATFORM)] == ["our ticket", "their ticket"]


def test_a_lease_on_one_platform_leaves_the_other_free(store: Store) -> None:
    store.put_renewals(OTHER_PLATFORM, {APPID: Secret("theirs")})
    assert store.take_lease(row(store), "me", 30)
    assert store.take_lease(row(store, platform=OTHER_PLATFORM), "you", 30)


# Leases ----------------------------------------------------------------------------------------------------------


def test_a_lease_is_given_once(store: Store) -> None:
    seen = row(store)
    assert store.take_lease(seen, "me", 30)
    assert not store.take_lease(seen, "you", 30)
    assert row(store).is_leased


def test_whoever_holds_a_lease_may_extend_it(store: Store) -> None:
    seen = row(store)
    assert store.take_lease(seen, "me", 0.05)
    assert store.take_lease(seen, "me", 30)
    time.sleep(0.06)
    assert not store.take_lease(seen, "you", 30)


def test_a_lease_runs_out(store: Store) -> None:
    seen = row(store)
    store.take_lease(seen, "me", 0.05)
    time.sleep(0.06)
    assert not row(store).is_leased
    assert store.take_lease(seen, "you", 30)


def test_a_lease_lasts_ten_minutes_at_most(store: Store) -> None:
    store.take_lease(row(store), "me", 1e9)
    with store._database.reading() as connection:
        left = connection.execute(select(func.max(credential.c.lease_until) - database_now())).scalar_one()
    assert left <= 600


def test_a_lease_from_before_the_clock_was_set_back_holds_nobody_up(store: Store) -> None:
    store.take_lease(row(store), "me", 30)
    with store._database.writing() as connection:
        connection.execute(credential.update().values(lease_until=credential.c.lease_until + 86400))
    assert not row(store).is_leased
    assert store.take_lease(row(store), "you", 30)


def test_a_lease_is_given_back_by_its_owner_only(store: Store) -> None:
    seen = row(store)
    store.take_lease(seen, "me", 30)
    store.drop_lease(seen, "you")
    assert row(store).is_leased
    store.drop_lease(seen, "me")
    assert store.take_lease(seen, "you", 30)


def test_no_lease_is_given_on_a_row_that_has_changed(store: Store) -> None:
    seen = row(store)
    store.store_grant(seen, grant())
    assert not store.take_lease(seen, "me", 30)


def test_a_stored_grant_ends_the_lease(store: Store) -> None:
    seen = row(store)
    store.take_lease(seen, "me", 30)
    store.store_grant(seen, grant())
    assert not row(store).is_leased


# Generations -----------------------------------------------------------------------------------------------------


def test_a_grant_that_was_overtaken_is_not_stored(store: Store) -> None:
    seen = row(store)
    assert store.store_grant(seen, grant("first"))
    assert not store.store_grant(seen, grant("second"))
    assert text(row(store).access_token) == "first"


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
    assert text(row(store).renewal) == (None if arrives == "withdrawal" else "new refresh")


def test_a_refused_token_is_dropped_only_while_it_is_the_current_one(store: Store) -> None:
    store.store_grant(row(store), grant("first"))
    seen = row(store)
    store.store_grant(seen, grant("second"))
    assert not store.drop_access_token(seen)
    assert text(row(store).access_token) == "second"


def test_dropping_a_refused_token_keeps_the_refresh_token(store: Store) -> None:
    store.store_grant(row(store), grant("first"))
    assert store.drop_access_token(row(store))
    assert (row(store).access_token, text(row(store).renewal)) == (None, "refresh")


def test_a_refresh_under_way_may_store_what_it_got_although_the_old_token_was_dropped(store: Store) -> None:
    store.store_grant(row(store), grant("first"))
    refreshing = row(store)
    store.take_lease(refreshing, "me", 30)
    store.drop_access_token(row(store))
    assert store.store_grant(refreshing, grant("second", 7200, "rotated"))
    assert text(row(store).renewal) == "rotated"


def test_a_verdict_on_a_row_that_has_changed_is_not_noted(store: Store) -> None:
    seen = row(store)
    store.put_authorisation(PLATFORM, Authorisation(APPID, grant("new", 7200, "new refresh"), ()))
    assert not store.mark(PLATFORM, APPID, "refused", generation=seen.generation)
    assert (row(store).state, text(row(store).renewal)) == ("authorised", "new refresh")


def test_a_verdict_ends_the_lease(store: Store) -> None:
    store.take_lease(row(store), "me", 30)
    store.mark(PLATFORM, APPID, "refused")
    assert not row(store).is_leased


def test_a_healed_refresh_token_is_stored_unless_the_row_has_changed(store: Store) -> None:
    seen = row(store)
    healed = store.store_renewal(seen, Secret("listed"))
    assert healed is not None
    assert (text(healed.renewal), healed.generation) == ("listed", seen.generation + 1)
    assert store.store_renewal(seen, Secret("late")) is None
    assert text(row(store).renewal) == "listed"


def test_adopted_refresh_tokens_replace_none_that_is_known(store: Store) -> None:
    assert store.adopt_renewals(PLATFORM, {APPID: Secret("listed"), "wx0000000000000003": Secret("third")}) == 1
    assert text(row(store).renewal) == "refresh"
    assert text(row(store, "wx0000000000000003").renewal) == "third"


def test_an_import_keeps_access_tokens(store: Store) -> None:
    store.store_grant(row(store), grant())
    store.put_renewals(PLATFORM, {APPID: Secret("imported")})
    assert (text(row(store).access_token), text(row(store).renewal)) == ("access", "imported")


def test_a_row_without_a_token_is_made_once(store: Store) -> None:
    store.ensure(PLATFORM, "wx0000000000000003")
    store.ensure(PLATFORM, APPID)
    assert row(store, "wx0000000000000003").renewal is None
    assert text(row(store).renewal) == "refresh"


# Scale and clocks ------------------------------------------------------------------------------------------------


def test_ten_thousand_merchants_are_imported_in_one_go(store: Store) -> None:
    merchants = {f"wx{number:016x}": Secret(f"refresh {number}") for number in range(10, 10_010)}
    begin = time.perf_counter()
    store.put_renewals(PLATFORM, merchants)
    print(f"\n10,000 refresh tokens imported in {time.perf_counter() - begin:.1f} s")
    assert len(store.merchants(PLATFORM)) == 10_002


def test_an_import_is_stored_whole_or_not_at_all(store: Store) -> None:
    half: dict[str, Secret] = {SECOND: Secret("new"), "wx0000000000000003": None}  # type: ignore[dict-item]
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


def test_a_token_whose_time_is_over_has_no_seconds_left(store: Store) -> None:
    store.store_grant(row(store), grant(seconds=7200))
    with store._database.writing() as connection:
        connection.execute(update(credential).values(access_expires_at=credential.c.access_expires_at - 9000))
    assert row(store).seconds_left < 0
