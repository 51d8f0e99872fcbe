"""One task of a shard of a fleet."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk import BaseOperator
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowSkipException

from airflow_wxa.api.endpoints import month_began, month_turns
from airflow_wxa.client import AsyncWxaClient
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.fleet.rows import LateResults
from airflow_wxa.fleet.shard import Shard, Wake
from airflow_wxa.fleet.stages import BEFORE_SUBMISSION, CARRY_OVER, STAGES
from airflow_wxa.hooks.recorder import Recorder, current_task
from airflow_wxa.hooks.store import open_fleets, open_ledger
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.operators.approve_plan import grant_quota, require_approved_plan
from airflow_wxa.operators.fleet_run import fleet_run
from airflow_wxa.release.dag import failing_at_once
from airflow_wxa.store.tables import fleet_app
from airflow_wxa.texts import Text
from airflow_wxa.triggers.fleet import WxaFleetTrigger
from airflow_wxa.triggers.polling import LONGEST_PAUSE, unusable_connection

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from airflow_wxa.hooks.connection import WxaConnection
    from airflow_wxa.store.fleets import FleetApp, FleetRun, Fleets


_WITHOUT_QUOTA: Final = (fleet_app.c.audit_grant == "waiting") & (fleet_app.c.outcome == "no_quota")
_TURN_SECONDS: Final = 3600.0  # between looks on the first day of a month


def looks_again(now: dt.datetime) -> float:
    """Return when the month's quota is looked at again, epoch seconds: at the turn, and often on the first day."""
    if now - month_began(now) < dt.timedelta(days=1):
        return now.timestamp() + _TURN_SECONDS
    return month_turns(now).timestamp()


class WxaFleetShardOperator(BaseOperator):
    """Do with the Mini Programs of one shard what this task is for, concurrently; wait for all of them together.

    One Mini Program that fails does not fail the task; what became of each stands in the store
    (``airflow wxa fleet status RUN_ID``). Returns how many there are by outcome.

    :param shard: ``{"wave": …, "number": …}``.
    :param stage: ``configure_domains``, ``commit_code``, ``submit_audit``, or ``release_`` and a wave; ``None``: as the
        task is called, whatever group it stands in.
    :param wxa_conn_id: the Connection (templated).
    """

    template_fields: Sequence[str] = ("wxa_conn_id",)

    def __init__(
        self,
        *,
        shard: Mapping[str, Any],
        stage: str | None = None,
        wxa_conn_id: str = WxaHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.shard = shard
        self.stage = self.task_id.rpartition(".")[2] if stage is None else stage
        if self.stage not in STAGES:
            raise WxaSpecError(
                Text("fleet_stage_is_missing"),
                [Text("stage_is_unknown", stage=repr(self.stage), stages=", ".join(STAGES))],
            )
        self.wxa_conn_id = wxa_conn_id

    @property
    def _carrier(self) -> str:
        return f"{self.shard['wave']}/{self.shard['number']}"

    def execute(self, context: Context) -> dict[str, int]:
        """Take up what has not ended, and what ended badly at this task."""
        with failing_at_once():
            fleets, run = open_fleets(), fleet_run(context)
            require_approved_plan(context, run)
            if self.stage == CARRY_OVER and not run.manifest.get("carry_over"):
                raise AirflowSkipException("the manifest does not ask for it: carry_over")
            needs_grant = BEFORE_SUBMISSION if STAGES[self.stage].submits else ()
            fleets.reopen(run.key, self._mine, self.task_id, needs_grant=needs_grant)
            if not STAGES[self.stage].by_wave:
                fleets.pass_on(run.key, {}, self._carrier)  # what reopened may have a grant again
        return self._worked(context)

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> dict[str, int]:
        """Go on after a wait."""
        with failing_at_once():
            if event.get("status") == "unusable":
                raise unusable_connection(self.wxa_conn_id, str(event.get("cause", "")))
            require_approved_plan(context, fleet_run(context))
        # WeChat told the worker what it refuses the triggerer: the worker looks, but not in a circle without pause.
        return self._worked(context, is_refused=event.get("status") == "refused")

    @property
    def _mine(self) -> Any:
        if STAGES[self.stage].by_wave:
            return (fleet_app.c.wave == self.shard["wave"]) & (fleet_app.c.shard == self.shard["number"])
        return fleet_app.c.carrier == self._carrier

    def _worked(self, context: Context, *, is_refused: bool = False) -> dict[str, int]:
        with failing_at_once():
            fleets, run, hook = open_fleets(), fleet_run(context), WxaHook(self.wxa_conn_id)
            if self.stage == CARRY_OVER:
                grant_quota(hook, fleets, run, self._carrier)
            apps = list(fleets.apps(run.key, self._mine, fleet_app.c.outcome.is_(None)))
            wake = asyncio.run(self._driven(fleets, run, apps, hook.read()))
            if self.stage == CARRY_OVER and run.stopped_by is None and any(fleets.apps(run.key, _WITHOUT_QUOTA)):
                turn = looks_again(dt.datetime.now(dt.UTC))
                wake = Wake(min(wake.at, turn), wake.sheets) if wake else Wake(turn)
        if wake is not None:
            seconds = conf.getfloat("wxa", "audit_poll_seconds", fallback=60.0)
            trigger = self._trigger(run, wake, max(seconds, LONGEST_PAUSE) if is_refused else seconds)
            self.defer(trigger=trigger, method_name="execute_complete")
        outcomes: Counter[str] = Counter(app.outcome or "goes on" for app in fleets.apps(run.key, self._mine))
        return dict(outcomes)

    async def _driven(
        self, fleets: Fleets, run: FleetRun, apps: Sequence[FleetApp], read: WxaConnection
    ) -> Wake | None:
        scan_seconds = conf.getfloat("wxa", "privacy_poll_seconds", fallback=60.0)
        results = LateResults(Recorder(open_ledger, read.component_appid, current_task(self.wxa_conn_id)))
        async with AsyncWxaClient(read.egress, read.tokens, results) as client:
            shard = Shard(
                fleets,
                run,
                client,
                self.stage,
                self.task_id,
                self._carrier,
                scan_seconds=scan_seconds,
                results=results,
            )
            return await shard.work(apps)

    def _trigger(self, run: FleetRun, wake: Wake, poll_seconds: float) -> WxaFleetTrigger:
        return WxaFleetTrigger(
            dag_id=run.dag_id,
            run_id=run.run_id,
            wxa_conn_id=self.wxa_conn_id,
            poll_seconds=poll_seconds,
            end_time=wake.at,
            sheets=wake.sheets,
        )
