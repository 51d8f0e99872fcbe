"""What a token look-up costs among ten thousand merchants: remembered, from the store, and by the batch."""

import statistics
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from sqlalchemy import event

from airflow_wxa.access import PlatformCredentials
from airflow_wxa.api.authorisation import Authorisation, Grant
from airflow_wxa.api.redaction import Secret
from airflow_wxa.client import Egress
from airflow_wxa.store import Store
from tests.benchmarks.figures import FERNET_KEY, PLATFORM, spent
from tests.store.databases import store_url  # noqa: F401  a fixture

APPIDS = [f"wx{number:016x}" for number in range(10_000)]
BATCH = 100


@pytest.fixture
def store(store_url: str) -> Store:  # noqa: F811
    store = Store(store_url, [FERNET_KEY])
    store.put_renewals(PLATFORM, {appid: Secret(f"refreshtoken@@@{appid}") for appid in APPIDS})
    for appid in APPIDS[:: len(APPIDS) // 1000]:
        grant = Grant(Secret(f"{appid} token {'x' * 100}"), 7200, Secret(f"refreshtoken@@@{appid}"))
        store.put_authorisation(PLATFORM, Authorisation(appid, grant, (18,)))
    return store


def median(work: Callable[[Any], object], asked: Iterable[Any]) -> float:
    """Return how many microseconds a look-up takes."""
    return statistics.median(spent(lambda each=each: work(each))[1] for each in asked) * 1e6


@pytest.mark.benchmark
def test_a_token_is_found_quickly_among_ten_thousand_merchants(store: Store) -> None:
    known = APPIDS[:: len(APPIDS) // 1000]

    def credentials() -> PlatformCredentials:
        return PlatformCredentials(PLATFORM, Secret("appsecret"), store, Egress("http://127.0.0.1:1"))

    tokens = credentials()
    from_store, warm = median(tokens.token, known), median(tokens.token, known * 10)
    queries: list[str] = []
    event.listen(store._database.engine, "before_cursor_execute", lambda *told: queries.append(told[2]))
    batches = [known[first : first + BATCH] for first in range(0, len(known), BATCH)]
    preloaded = credentials()
    by_batch = median(preloaded.preload, batches) / BATCH
    for appid in known:
        preloaded.token(appid)
    assert len(queries) == len(batches)
    print(
        f"\n10,000 merchants, {store._database.engine.dialect.name}; median of a look-up:"
        f" remembered {warm:.1f} µs, from the store {from_store / 1000:.2f} ms, preloaded by {BATCH} {by_batch:.0f} µs"
        f"; {len(queries)} queries for {len(batches)} batches"
    )
    assert warm < 20
    assert from_store < 2000
