"""A fleet carried through its tasks without Airflow: what the DAG's tasks do, one after the other."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from airflow_wxa.access import FixedTokens
from airflow_wxa.client import AsyncWxaClient, Egress
from airflow_wxa.fleet import stages
from airflow_wxa.fleet.manifest import read_manifest
from airflow_wxa.fleet.pace import Pace
from airflow_wxa.fleet.plan import AppPlan, plan_all
from airflow_wxa.fleet.rows import LateResults
from airflow_wxa.fleet.shard import Shard, Wake, spec_of
from airflow_wxa.fleet.waves import places, read_waves
from airflow_wxa.hooks.recorder import Recorder
from airflow_wxa.sandbox.server import RunningSandbox
from airflow_wxa.sandbox.testing import COMPONENT_APPID as PLATFORM
from airflow_wxa.store import Ledger, TaskRef
from airflow_wxa.store.fleets import FleetApp, FleetRun, Fleets, NewApp, RunKey
from tests.fleet.fleets import accepted, manifest
from tests.fleet.test_manifest import Files

#: Takes a world, or the number of Mini Programs in one, and changes of the manifest.
Drives = Callable[..., "Drive"]

STAGES = ("configure_domains", "domain_gate", "commit_code", "submit_audit")
WAVES = ("canary", "early", "rest")


@dataclass
class Drive:
    """One run.

    :param url: of the emulated WeChat, which is ``wechat`` where it runs in this process.
    :param tokens: appid → token.
    """

    store_url: str
    url: str
    tokens: Mapping[str, str]
    key: RunKey = field(default_factory=lambda: RunKey("wxa_fleet_release", "run"))
    platform_token: str = ""
    fleets: Fleets = field(init=False)
    wechat: RunningSandbox = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.fleets = Fleets(self.store_url)

    @classmethod
    def on(cls, wechat: RunningSandbox, store_url: str, run_id: str = "run") -> Self:
        tokens = {each.appid: each.fixed_token for each in wechat.world.mini_programs}
        made = cls(store_url, wechat.url, tokens, RunKey("wxa_fleet_release", run_id))
        made.wechat = wechat
        return made

    def another(self, run_id: str, **changes: Any) -> Self:
        """Return another run of the same fleet, with changes of the manifest."""
        made = self.on(self.wechat, self.store_url, run_id)
        made.load(manifest(list(self.tokens), **changes))
        return made

    @property
    def run(self) -> FleetRun:
        run = self.fleets.run(self.key)
        assert run is not None
        return run

    def client(self, results: LateResults | None = None) -> AsyncWxaClient:
        return AsyncWxaClient(Egress(self.url), FixedTokens(self.tokens, self.platform_token), results)

    def ledger(self) -> Ledger:
        return Ledger(self.store_url)

    def recorder(self, task_id: str) -> Recorder:
        task, supersedes = TaskRef(self.key.dag_id, self.key.run_id, task_id), bool(self.run.manifest.get("supersede"))
        return Recorder(self.ledger, PLATFORM, task, supersedes=supersedes)

    def load(self, text: str, shard_size: int = 200, sources: Files | None = None) -> None:
        read = read_manifest("fleet", sources or Files(fleet=text))  # a form takes a megabyte, a file takes more
        where = places(read_waves(read.common.get("waves") or {}), len(read.apps), shard_size)
        apps = [NewApp(app.appid, *place, app.given) for app, place in zip(read.apps, where, strict=True)]
        self.fleets.load(self.key, PLATFORM, read.common, read.digest, apps)

    def plan(self, *which: Any, is_asked: bool = False) -> None:
        async def planned() -> None:
            def save(plans: Mapping[int, AppPlan]) -> None:
                changes = {at: {"stage": "plan_release", **plan.values} for at, plan in plans.items()}
                self.fleets.change(self.key, changes)

            asked = ((app.position, spec_of(self.run, app)) for app in self.fleets.apps(self.key, *which))
            async with self.client(LateResults(self.recorder("plan_release"))) as client:
                pace = Pace(self.run.manifest, self.fleets, self.run)
                await plan_all(asked, client, pace, save, is_asked=is_asked)

        asyncio.run(planned())

    def gate(self, usable: int = 10**6) -> None:
        self.fleets.open_quota(self.key, self.run.component_appid, usable, 0)

    def stage(self, task_id: str) -> list[Wake | None]:
        """Run one task of every shard, all at once; or the gate before the code."""
        if task_id == "domain_gate":
            self.gate()
            return []

        async def all_of_them() -> list[Wake | None]:
            return await asyncio.gather(*(self._shard(task_id, each) for each in self.shards(task_id)))

        return asyncio.run(all_of_them())

    def shards(self, task_id: str) -> list[tuple[str, int]]:
        if task_id == stages.CARRY_OVER:
            return [(task_id, 0)]
        waves = [stages.STAGES[task_id].wave] if stages.STAGES[task_id].wave else WAVES
        return [(name, number) for name in waves for number in self.fleets.shards(self.key, name)]

    async def _shard(self, task_id: str, shard: tuple[str, int]) -> Wake | None:
        (wave, number), of_task = shard, stages.STAGES[task_id]
        needs_grant = stages.BEFORE_SUBMISSION if of_task.submits else ()
        self.fleets.reopen(self.key, of_task.mine(*shard), task_id, needs_grant=needs_grant)
        apps = list(self.fleets.apps(self.key, of_task.due(*shard)))
        results = LateResults(self.recorder(task_id))
        async with self.client(results) as client:
            named = (task_id, task_id, f"{wave}/{number}")
            carried = Shard(self.fleets, self.run, client, *named, scan_seconds=0.01, results=results)
            return await carried.work(apps)

    def submitted(self, usable: int = 10**6) -> None:
        self.plan()
        for each in STAGES:
            self.gate(usable) if each == "domain_gate" else self.stage(each)

    def released(self, *waves: str) -> None:
        """Release waves, whose audits have ended or end while they are asked about."""
        for wave in waves or WAVES:
            for _ in range(20):
                if not any(self.stage(f"release_{wave}")):
                    break

    def carried(self, usable: int = 10**6) -> Counter[str | None]:
        """Carry the fleet to its end, and return the number of Mini Programs by outcome."""
        self.submitted(usable)
        self.released()
        return self.outcomes

    def accepted(self, endpoint: str) -> list[str]:
        return accepted(self.wechat, endpoint)

    @property
    def outcomes(self) -> Counter[str | None]:
        return Counter(app.outcome for app in self.apps().values())

    def apps(self) -> dict[str, FleetApp]:
        return {app.appid: app for app in self.fleets.apps(self.key)}
