"""What a token look-up costs among ten thousand merchants: remembered, from the store, and by the batch."""

import statistics
import time
from collections.abc import Callable

import pytest
from sqlalchemy import event

from airflow_wxa.access import PlatformCredentials
from airflow_wxa.api.authorisation import Authorisation, Grant
from airflow_wxa.api.redaction import Secret
from airflow_wxa.client import Egress
from airflow_wxa.store import Store
from tests.benchmarks.figures import FERNET_KEY
from tests.store.databases import store_url  # noqa: F401  a fixture

PLATFORM = "wx00000000000000c1"
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


def microseconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return (time.perf_counter() - begin) * 1e6


@pytest.mark.benchmark
def test_a_token_is_found_quickly_among_ten_thousand_merchants(store: Store) -> None:
    known = APPIDS[:: len(APPIDS) // 1000]

    def credentials() -> PlatformCredentials:
        return PlatformCredentials(PLATFORM, Secret("appsecret"), store, Egress("http://127.0.0.1:1"))

    tokens = credentials()
    from_store = [microseconds(lambda appid=appid: tokens.token(appid)) for appid in known]
    warm = [microseconds(lambda appid=appid: tokens.token(appid)) for appid in known for _ in range(10)]

    queries: list[str] = []
    event.listen(store._database.engine, "before_cursor_execute", lambda *told: queries.append(told[2]))
    batches = [known[first : first + BATCH] for first in range(0, len(known), BATCH)]
    preloaded = credentials()
    by_batch = [microseconds(lambda batch=batch: preloaded.preload(batch)) / BATCH for batch in batches]
    for appid in known:
        preloaded.token(appid)
    assert len(queries) == len(batches)
    print(
        f"\n10,000 merchants, {store._database.engine.dialect.name}; median of a look-up:"
        f" remembered {statistics.median(warm):.1f} µs,"
        f" from the store {statistics.median(from_store) / 1000:.2f} ms,"
        f" preloaded by {BATCH} {statistics.median(by_batch):.0f} µs"
        f"; {len(queries)} queries for {len(batches)} batches"
    )
    assert statistics.median(warm) < 20
    assert statistics.median(from_store) < 2000
