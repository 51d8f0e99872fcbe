"""A fleet carried through its tasks without Airflow: what the DAG's tasks do, one after the other."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from airflow_wxa.access import FixedTokens
from airflow_wxa.client import AsyncWxaClient, Egress
from airflow_wxa.fleet import stages
from airflow_wxa.fleet.manifest import read_manifest
from airflow_wxa.fleet.pace import Pace
from airflow_wxa.fleet.plan import plan_all
from airflow_wxa.fleet.rows import LateResults
from airflow_wxa.fleet.shard import Shard, spec_of
from airflow_wxa.fleet.waves import places, read_waves
from airflow_wxa.hooks.recorder import Recorder
from airflow_wxa.store import Ledger, TaskRef
from airflow_wxa.store.fleets import Fleets, NewApp, RunKey
from tests.fleet.test_manifest import Files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_wxa.fleet.plan import AppPlan
    from airflow_wxa.fleet.shard import Wake
    from airflow_wxa.store.fleets import FleetApp, FleetRun

PLATFORM: Final = "wx00000000000000c1"
STAGES = ("configure_domains", "commit_code", "submit_audit")
WAVES = ("canary", "early", "rest")


@dataclass
class Drive:
    """One run.

    :param url: of the emulated WeChat.
    :param tokens: appid → token.
    """

    store_url: str
    url: str
    tokens: Mapping[str, str]
    key: RunKey = field(default_factory=lambda: RunKey("wxa_fleet_release", "run"))
    platform_token: str = ""
    fleets: Fleets = field(init=False)

    def __post_init__(self) -> None:
        self.fleets = Fleets(self.store_url)

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

    def load(self, manifest: str, shard_size: int = 200) -> None:
        read = read_manifest("fleet", Files(fleet=manifest))  # a form takes a megabyte, a file takes more
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

    def stage(self, task_id: str, *, parallel: bool = False) -> list[Wake | None]:
        """Run one task of every shard, one after the other or at once."""

        async def all_of_them() -> list[Wake | None]:
            if parallel:
                return list(await asyncio.gather(*(self._shard(task_id, each) for each in self.shards(task_id))))
            return [await self._shard(task_id, each) for each in self.shards(task_id)]

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
            carried = Shard(
                self.fleets,
                self.run,
                client,
                task_id,
                task_id,
                f"{wave}/{number}",
                scan_seconds=0.01,
                results=results,
            )
            return await carried.work(apps)

    def submitted(self, usable: int = 10**6, *, parallel: bool = False) -> None:
        """Carry the fleet to its audits."""
        self.plan()
        self.stage("configure_domains", parallel=parallel)
        self.gate(usable)
        self.stage("commit_code", parallel=parallel)
        self.stage("submit_audit", parallel=parallel)

    def released(self, *waves: str) -> None:
        """Release waves, whose audits have ended or end while they are asked about."""
        for wave in waves or WAVES:
            for _ in range(20):
                if not any(self.stage(f"release_{wave}")):
                    break

    def apps(self) -> dict[str, FleetApp]:
        return {app.appid: app for app in self.fleets.apps(self.key)}
