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
from dataclasses import dataclass
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
from tests.benchmarks.figures import FERNET_KEY, PLATFORM, spent
from tests.benchmarks.fleet_server import REQUESTS, WANTED
from tests.fleet.fleets import appid

KEY = RunKey("wxa_fleet_release", "measured")
AT_ONCE = 16
SHARD = 200
PLAN_REQUESTS: Final = (
    ("/wxa/getversioninfo", {}),
    ("/wxa/get_latest_auditstatus", None),
    ("/wxa/setwebviewdomain", {"action": "get"}),
)
RELEASE = {"template_id": 47, "user_version": "1.4.0", "domain_action": "set", "webviewdomain": WANTED}


def token(number: int) -> str:
    return f"token-of-{appid(number)}-{'x' * 120}"


@dataclass(frozen=True, slots=True)
class Work:
    """A fleet of so many Mini Programs, the server that stands for WeChat, and the store."""

    count: int
    url: str
    store_url: str

    def fill(self, *, cold: bool = False) -> Fleets:
        """Let the store know a run and, unless it is cold, a token of each Mini Program."""
        fleets, store = Fleets(self.store_url), Store(self.store_url, [FERNET_KEY])
        apps = [NewApp(appid(number), "rest", number // SHARD, {}) for number in range(self.count)]
        fleets.load(KEY, PLATFORM, {"release": RELEASE, "pace": {"concurrency": AT_ONCE}}, "measured", apps)
        renewals = {app.appid: Secret(f"refreshtoken@@@{app.appid}") for app in apps}
        store.put_renewals(PLATFORM, {"": Secret("ticket")} | renewals)
        if not cold:
            grant = Grant(Secret("platform-token"), 7200, Secret("ticket"))
            store.put_authorisation(PLATFORM, Authorisation("", grant, ()))
            secrets = {app.appid: Secret(token(number)) for number, app in enumerate(apps)}
            rows = [
                {"at": at, "locked": store._vault.lock(secret, PLATFORM, at, "access_token")}
                for at, secret in secrets.items()
            ]
            own = (credential.c.component_appid == PLATFORM) & (credential.c.appid == bindparam("at"))
            fresh = {"access_expires_at": time.time() + 7200, "access_lifetime": 7200.0}
            with store._database.writing() as connection:
                connection.execute(
                    update(credential).where(own).values(access_token=bindparam("locked"), **fresh), rows
                )
        return fleets

    def client(self, results: LateResults | None = None) -> AsyncWxaClient:
        store, egress = Store(self.store_url, [FERNET_KEY]), Egress(self.url)
        credentials = PlatformCredentials(PLATFORM, Secret("appsecret"), store, egress)
        return AsyncWxaClient(egress, FixedTokens({}, "", credentials), results)

    async def shard(self, number: int) -> None:
        fleets = Fleets(self.store_url)
        run, carrier = fleets.run(KEY), f"rest/{number}"
        assert run is not None
        task = TaskRef(KEY.dag_id, KEY.run_id, "configure_domains")
        results = LateResults(Recorder(lambda: Ledger(self.store_url), PLATFORM, task))
        apps = list(fleets.apps(KEY, fleet_app.c.carrier == carrier))
        async with self.client(results) as client:
            of_run = (fleets, run, client, "configure_domains", "configure_domains", carrier)
            await Shard(*of_run, scan_seconds=60.0, results=results).work(apps)


Way = Callable[[Work], Callable[[], object]]


# Ours: rows, tokens and ledger in the store -----------------------------------------------------------------------


def ours(work: Work) -> Callable[[], object]:
    numbers = work.fill().shards(KEY, "rest")
    return lambda: [asyncio.run(work.shard(number)) for number in numbers]


def plan(work: Work) -> Callable[[], None]:
    fleets = work.fill()
    run = fleets.run(KEY)
    assert run is not None

    def save(plans: Mapping[int, Any]) -> None:
        fleets.change(KEY, {at: each.values for at, each in plans.items()})

    async def planned() -> None:
        asked = ((app.position, spec_of(run, app)) for app in fleets.apps(KEY))
        async with work.client() as client:
            await plan_all(asked, client, Pace(run.manifest, fleets, run), save)

    return lambda: asyncio.run(planned())


def cold(work: Work) -> Callable[[], None]:
    work.fill(cold=True)

    async def fetched() -> None:
        async with work.client() as client:
            for first in range(0, work.count, SHARD):  # as shards do, one after the other
                await client.preload([appid(number) for number in range(first, min(first + SHARD, work.count))])

    return lambda: asyncio.run(fetched())


# The others -------------------------------------------------------------------------------------------------------


def bare(requests: Sequence[tuple[str, dict[str, Any] | None]]) -> Way:
    """Return a way that gathers bare httpx calls; one without a body is a GET."""

    async def gathered(work: Work) -> None:
        turn = asyncio.Semaphore(AT_ONCE)
        limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
        async with httpx.AsyncClient(limits=limits) as http:

            async def one(number: int) -> None:
                query = {"access_token": token(number)}
                async with turn:
                    for path, body in requests:
                        method = "GET" if body is None else "POST"
                        (await http.request(method, f"{work.url}{path}", params=query, json=body)).json()

            await asyncio.gather(*(one(number) for number in range(work.count)))

    return lambda work: lambda: asyncio.run(gathered(work))


def wechatpy_threads(work: Work) -> Callable[[], None]:
    def one(number: int) -> None:
        client = WeChatClient("appid", "secret", access_token=token(number))
        client.API_BASE_URL = f"{work.url}/"
        client.session.set("appid_access_token", token(number), 7200)
        client.expires_at = int(time.time()) + 7200
        for path, body in REQUESTS:
            client.post(path.lstrip("/"), data=body)

    def threaded() -> None:
        with ThreadPoolExecutor(AT_ONCE) as threads:
            list(threads.map(one, range(work.count)))

    return threaded


WAYS: dict[str, Way] = {
    "ours": ours,
    "fill": lambda work: work.fill,
    "shard": lambda work: lambda: asyncio.run(work.shard(0)),  # of a fleet that another process has put into the store
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
    work = WAYS[way](Work(int(count), url, store_url))
    cpu, seconds = spent(work)
    said = {"seconds": seconds, "cpu": cpu, "peak_mib": peak_mib()}
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    os.environ.pop("HTTP_PROXY", None)
    main(*sys.argv[1:])
