"""One way of doing a fleet's work, in a process of its own; prints seconds, CPU seconds and memory as JSON.

    python -m tests.benchmarks.fleet_work WAY COUNT URL STORE

Each way sends :data:`~tests.benchmarks.fleet_server.REQUESTS` for so many Mini Programs.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import httpx
from sqlalchemy import bindparam, update
from wechatpy import WeChatClient

from airflow_wxa.access import FixedTokens, PlatformCredentials
from airflow_wxa.api.authorisation import Authorisation, Grant
from airflow_wxa.api.redaction import Secret
from airflow_wxa.client import AsyncWxaClient, Egress
from airflow_wxa.fleet.pace import Pace
from airflow_wxa.fleet.plan import plan_all
from airflow_wxa.fleet.rows import LateResults
from airflow_wxa.fleet.shard import Shard, spec_of
from airflow_wxa.hooks.recorder import Recorder
from airflow_wxa.store import Ledger, Store, TaskRef
from airflow_wxa.store.fleets import Fleets, NewApp, RunKey
from airflow_wxa.store.tables import credential, fleet_app
from tests.benchmarks.figures import FERNET_KEY
from tests.benchmarks.fleet_server import REQUESTS, WANTED

Way = Callable[[int, str, str], Callable[[], None]]

PLATFORM = "wx00000000000000c1"
KEY = RunKey("wxa_fleet_release", "measured")
AT_ONCE = 16
SHARD = 200
PLAN_REQUESTS: Final = (
    ("/wxa/getversioninfo", {}),
    ("/wxa/get_latest_auditstatus", None),
    ("/wxa/setwebviewdomain", {"action": "get"}),
)
RELEASE = {"template_id": 47, "user_version": "1.4.0", "domain_action": "set", "webviewdomain": WANTED}


def appid(number: int) -> str:
    return f"wx{number:016x}"


def token(number: int) -> str:
    return f"token-of-{appid(number)}-{'x' * 120}"


# Ours: rows, tokens and ledger in the store -----------------------------------------------------------------------


def filled(store_url: str, count: int, *, cold: bool = False) -> tuple[Fleets, Store]:
    """Return a store that knows a run and, unless it is cold, a token of each Mini Program."""
    fleets, store = Fleets(store_url), Store(store_url, [FERNET_KEY])
    apps = [NewApp(appid(number), "rest", number // SHARD, {}) for number in range(count)]
    fleets.load(KEY, PLATFORM, {"release": RELEASE, "pace": {"concurrency": AT_ONCE}}, "measured", apps)
    store.put_renewals(
        PLATFORM, {"": Secret("ticket")} | {app.appid: Secret(f"refreshtoken@@@{app.appid}") for app in apps}
    )
    if not cold:
        grant = Grant(Secret("platform-token"), 7200, Secret("ticket"))
        store.put_authorisation(PLATFORM, Authorisation("", grant, ()))
        rows = [
            {
                "at": appid(number),
                "locked": store._vault.lock(Secret(token(number)), PLATFORM, appid(number), "access_token"),
            }
            for number in range(count)
        ]
        statement = (
            update(credential)
            .where(credential.c.component_appid == PLATFORM, credential.c.appid == bindparam("at"))
            .values(access_token=bindparam("locked"), access_expires_at=time.time() + 7200, access_lifetime=7200.0)
        )
        with store._database.writing() as connection:
            connection.execute(statement, rows)
    return fleets, store


def ours(count: int, url: str, store_url: str) -> Callable[[], None]:
    filled(store_url, count)
    numbers = Fleets(store_url).shards(KEY, "rest")

    def work() -> None:
        for number in numbers:
            asyncio.run(_shard(number, url, store_url))

    return work


def fill(count: int, url: str, store_url: str) -> Callable[[], None]:
    def work() -> None:
        filled(store_url, count)

    return work


def one_shard(count: int, url: str, store_url: str) -> Callable[[], None]:
    """Return one shard's work, of a fleet that another process has put into the store."""
    return lambda: asyncio.run(_shard(0, url, store_url))


async def _shard(number: int, url: str, store_url: str) -> None:
    fleets, store, egress = Fleets(store_url), Store(store_url, [FERNET_KEY]), Egress(url)
    run = fleets.run(KEY)
    assert run is not None
    task = TaskRef("wxa_fleet_release", "measured", "configure_domains")
    results = LateResults(Recorder(lambda: Ledger(store_url), PLATFORM, task))
    apps = list(fleets.apps(KEY, fleet_app.c.carrier == f"rest/{number}"))
    tokens = FixedTokens({}, "", PlatformCredentials(PLATFORM, Secret("appsecret"), store, egress))
    async with AsyncWxaClient(egress, tokens, results) as client:
        carried = Shard(
            fleets,
            run,
            client,
            "configure_domains",
            "configure_domains",
            f"rest/{number}",
            scan_seconds=60.0,
            results=results,
        )
        await carried.work(apps)


def plan(count: int, url: str, store_url: str) -> Callable[[], None]:
    fleets, store = filled(store_url, count)
    run = fleets.run(KEY)
    assert run is not None
    egress = Egress(url)

    def save(plans: Mapping[int, Any]) -> None:
        fleets.change(KEY, {at: each.values for at, each in plans.items()})

    async def planned() -> None:
        tokens = FixedTokens({}, "", PlatformCredentials(PLATFORM, Secret("appsecret"), store, egress))
        asked = ((app.position, spec_of(run, app)) for app in fleets.apps(KEY))
        async with AsyncWxaClient(egress, tokens) as client:
            await plan_all(asked, client, Pace(run.manifest, fleets, run), save)

    return lambda: asyncio.run(planned())


def cold(count: int, url: str, store_url: str) -> Callable[[], None]:
    _, store = filled(store_url, count, cold=True)
    egress = Egress(url)

    async def fetched() -> None:
        tokens = FixedTokens({}, "", PlatformCredentials(PLATFORM, Secret("appsecret"), store, egress))
        async with AsyncWxaClient(egress, tokens) as client:
            for first in range(0, count, SHARD):  # as shards do, one after the other
                await client.preload([appid(number) for number in range(first, min(first + SHARD, count))])

    return lambda: asyncio.run(fetched())


# The others -------------------------------------------------------------------------------------------------------


def bare(requests: Sequence[tuple[str, dict[str, Any] | None]]) -> Way:
    """Return a way that gathers bare httpx calls; one without a body is a GET."""

    def way(count: int, url: str, store_url: str) -> Callable[[], None]:
        async def gathered() -> None:
            turn = asyncio.Semaphore(AT_ONCE)
            limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
            async with httpx.AsyncClient(limits=limits) as http:

                async def one(number: int) -> None:
                    query = {"access_token": token(number)}
                    async with turn:
                        for path, body in requests:
                            method = "GET" if body is None else "POST"
                            (await http.request(method, f"{url}{path}", params=query, json=body)).json()

                await asyncio.gather(*(one(number) for number in range(count)))

        return lambda: asyncio.run(gathered())

    return way


def wechatpy_threads(count: int, url: str, store_url: str) -> Callable[[], None]:
    def one(number: int) -> None:
        client = WeChatClient("appid", "secret", access_token=token(number))
        client.API_BASE_URL = f"{url}/"
        client.session.set("appid_access_token", token(number), 7200)
        client.expires_at = int(time.time()) + 7200
        for path, body in REQUESTS:
            client.post(path.lstrip("/"), data=body)

    def work() -> None:
        with ThreadPoolExecutor(AT_ONCE) as threads:
            list(threads.map(one, range(count)))

    return work


WAYS: dict[str, Way] = {
    "ours": ours,
    "fill": fill,
    "shard": one_shard,
    "httpx": bare(REQUESTS),
    "wechatpy": wechatpy_threads,
    "plan": plan,
    "bare plan": bare(PLAN_REQUESTS),
    "cold": cold,
}


def peak_mib() -> float:
    """Return the most memory that this program has had; ``ru_maxrss`` counts whoever started it as well."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def main(way: str, count: str, url: str, store_url: str) -> None:
    work = WAYS[way](int(count), url, store_url)
    before = peak_mib()
    cpu, began = time.process_time(), time.perf_counter()
    work()
    said = {
        "seconds": time.perf_counter() - began,
        "cpu": time.process_time() - cpu,
        "peak_mib": peak_mib(),
        "before_mib": before,
    }
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    os.environ.pop("HTTP_PROXY", None)
    main(*sys.argv[1:])
