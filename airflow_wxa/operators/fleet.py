"""One task of a shard of a fleet, and the gate behind a wave."""

import asyncio
import datetime as dt
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from airflow.sdk import BaseOperator, Context
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowFailException

from airflow_wxa.acts.act import Name
from airflow_wxa.api.endpoints import month_began, month_turns
from airflow_wxa.api.values import THE_PLATFORM
from airflow_wxa.client import AsyncWxaClient
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.fleet.rows import LateResults
from airflow_wxa.fleet.shard import Shard, Wake
from airflow_wxa.fleet.stages import BEFORE_SUBMISSION, CARRY_OVER, STAGES
from airflow_wxa.fleet.waves import WAVES, gate_problem, submits_ahead, wave_counts, wave_of
from airflow_wxa.hooks.connection import WxaConnection
from airflow_wxa.hooks.recorder import Recorder, current_task
from airflow_wxa.hooks.store import open_fleets, open_ledger
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.operators.approve_plan import gate_decision, grant_quota, require_open
from airflow_wxa.operators.declared import Declared
from airflow_wxa.operators.fleet_run import fleet_run, shards_of
from airflow_wxa.release.dag import failing_at_once
from airflow_wxa.store.fleets import FleetApp, FleetRun, Fleets
from airflow_wxa.store.questions import Question, told
from airflow_wxa.store.tables import fleet_app
from airflow_wxa.texts import Text
from airflow_wxa.texts.setting import as_set
from airflow_wxa.triggers.fleet import WxaFleetTrigger
from airflow_wxa.triggers.polling import LONGEST_PAUSE, unusable_connection

_WITHOUT_QUOTA: Final = (fleet_app.c.audit_grant == "waiting") & (fleet_app.c.outcome == "no_quota")
_TURN_SECONDS: Final = 3600.0  # between looks on the first day of a month


def looks_again(now: dt.datetime) -> float:
    """Return when the month's quota is looked at again, epoch seconds: at the turn, and often on the first day."""
    if now - month_began(now) < dt.timedelta(days=1):
        return now.timestamp() + _TURN_SECONDS
    return month_turns(now).timestamp()


class WxaFleetShardOperator(Declared, BaseOperator):
    """Do with the Mini Programs of one shard what this task is for, concurrently; wait for all of them together.

    One Mini Program that fails does not fail the task; the outcome of each stands in the store (``airflow wxa fleet
    status RUN_ID``). Returns how many there are by outcome.

    :param shard: ``{"wave": …, "number": …}``.
    :param stage: ``configure_domains``, ``commit_code``, ``submit_audit``, or ``release_`` and a wave; empty: as the
        task is called, in any group.
    :param wxa_conn_id: the Connection (templated).
    """

    shard: Mapping[str, Any]
    stage: str = ""
    wxa_conn_id: Name = WxaHook.default_conn_name
    operator_extra_links = ()

    def __post_init__(self) -> None:
        self.stage = self.stage or self.task_id.rpartition(".")[2]
        if self.stage not in STAGES:
            raise WxaSpecError(
                Text("fleet_stage_is_missing"),
                [Text("stage_is_unknown", stage=repr(self.stage), stages=", ".join(STAGES))],
            )

    @property
    def _carrier(self) -> str:
        return f"{self.shard['wave']}/{self.shard['number']}"

    def execute(self, context: Context) -> dict[str, int]:
        """Take up Mini Programs that have not ended, or ended badly at this task."""
        stage = STAGES[self.stage]
        with failing_at_once():
            fleets, run = open_fleets(), fleet_run(context)
            self._require_open(context, run)
            fleets.reopen(run.key, self._mine, self.task_id, needs_grant=BEFORE_SUBMISSION if stage.submits else ())
            if not (stage.wave or stage.behind):
                fleets.pass_on(run.key, {}, self._carrier)  # what reopened may have a grant again
        return self._worked(context)

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> dict[str, int]:
        with failing_at_once():
            if event.get("status") == "unusable":
                raise unusable_connection(self.wxa_conn_id, str(event.get("cause", "")))
            self._require_open(context, fleet_run(context))
        # WeChat told the worker what it refuses the triggerer: the worker looks, but not in a circle without pause.
        return self._worked(context, is_refused=event.get("status") == "refused")

    def _require_open(self, context: Context, run: FleetRun) -> None:
        gates, wave = STAGES[self.stage].gates, STAGES[self.stage].wave
        approved = WAVES if self.stage == CARRY_OVER else (*gates, *filter(None, [wave]))
        require_open(context, run, approved=approved, opened=gates)

    @property
    def _mine(self) -> Any:
        return STAGES[self.stage].mine(**self.shard)

    def _worked(self, context: Context, *, is_refused: bool = False) -> dict[str, int]:
        with failing_at_once():
            fleets, run, hook = open_fleets(), fleet_run(context), WxaHook(self.wxa_conn_id)
            if self.stage == CARRY_OVER:
                grant_quota(hook, fleets, run, self._carrier)
            apps = list(fleets.apps(run.key, STAGES[self.stage].due(**self.shard)))
            wake = asyncio.run(self._driven(fleets, run, apps, hook.read()))
            if self.stage == CARRY_OVER and run.stopped_by is None and any(fleets.apps(run.key, _WITHOUT_QUOTA)):
                turn = looks_again(dt.datetime.now(dt.UTC))
                wake = Wake(min(wake.at, turn), wake.sheets) if wake else Wake(turn)
        if wake is not None:
            seconds = conf.getfloat("wxa", "audit_poll_seconds", fallback=60.0)
            seconds, wave = max(seconds, LONGEST_PAUSE) if is_refused else seconds, STAGES[self.stage].wave
            enough = wave_of(run.manifest, wave).released_percent if wave and wake.sheets else None
            trigger = _trigger(run, self.wxa_conn_id, wake, seconds, wave=wave, released_percent=enough)
            self.defer(trigger=trigger, method_name="execute_complete")
        outcomes: Counter[str] = Counter(app.outcome or "goes on" for app in fleets.apps(run.key, self._mine))
        return dict(outcomes)

    async def _driven(
        self, fleets: Fleets, run: FleetRun, apps: Sequence[FleetApp], read: WxaConnection
    ) -> Wake | None:
        scan_seconds = conf.getfloat("wxa", "privacy_poll_seconds", fallback=60.0)
        task, supersedes = current_task(self.wxa_conn_id), bool(run.manifest.get("supersede"))
        results = LateResults(Recorder(open_ledger, read.component_appid, task, supersedes=supersedes))
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


def _trigger(run: FleetRun, wxa_conn_id: str, wake: Wake, poll_seconds: float, **until: Any) -> WxaFleetTrigger:
    return WxaFleetTrigger(
        dag_id=run.dag_id,
        run_id=run.run_id,
        wxa_conn_id=wxa_conn_id,
        poll_seconds=poll_seconds,
        end_time=wake.at,
        sheets=wake.sheets,
        **until,
    )


class WxaWaveGateOperator(Declared, BaseOperator):
    """Stop here when too much of a wave failed, or the run was stopped; else return the next wave's shards.

    It waits, without a worker, until the wave has soaked. That it opened stands in the ledger, which the tasks behind
    read: marked success, it opens nothing. One that closed is a question there, and opens once a person has approved
    these very figures. The canary's gate grants the others that are submitted behind it the quota that is left.

    Shards are returned rather than looked up behind it: a task is mapped over the output of the gate before it, so that
    a wave which may not begin has no shards.

    :param wave: behind which it stands.
    :param following: the wave that it lets begin; default: the next.
    :param own_checks: ids of a team's tasks between wave and gate: all of them must have succeeded.
    :param wxa_conn_id: the Connection (templated).
    """

    wave: str
    following: str = ""
    own_checks: Sequence[str] = ()
    wxa_conn_id: Name = WxaHook.default_conn_name
    operator_extra_links = ()

    def execute(self, context: Context) -> list[dict[str, Any]]:
        with failing_at_once():
            fleets, run = open_fleets(), fleet_run(context)
            at = WAVES.index(self.wave)
            require_open(context, run, approved=WAVES[: at + 1], opened=WAVES[:at])
            self._refuse_unchecked(context)
            opened = {"outcome": "opened", **self._figures(fleets, run)}
            if problem := gate_problem(fleets, run, self.wave):
                opened |= self._approved(context, run, problem)
            soaked = fleets.last_release(run.key, self.wave) + 60 * wave_of(run.manifest, self.wave).soak_minutes
        if soaked > time.time():
            self.log.info("%s soaks until %s", self.wave, time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(soaked)))
            trigger = _trigger(run, self.wxa_conn_id, Wake(soaked), LONGEST_PAUSE)
            self.defer(trigger=trigger, method_name="execute_complete")
        with failing_at_once():
            if self.wave == WAVES[0] and not submits_ahead(run.manifest):
                grant_quota(WxaHook(self.wxa_conn_id), fleets, run)
            open_ledger().decided(run.component_appid, THE_PLATFORM, current_task(), opened)
        return shards_of(fleets, run, self.following or WAVES[WAVES.index(self.wave) + 1])

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Look again after a wait: the run may have been stopped."""
        return self.execute(context)

    def _refuse_unchecked(self, context: Context) -> None:
        """Stop here unless each task of the team's has succeeded; a skipped one lets this task run."""
        if not self.own_checks:
            return
        ti = context["ti"]
        found = ti.get_task_states(dag_id=ti.dag_id, task_ids=list(self.own_checks), run_ids=[ti.run_id])
        states = found.get(ti.run_id, {})
        if bad := [f"{task_id} {state}" for task_id, state in states.items() if state != "success"]:
            raise AirflowFailException(as_set(Text("check_says_no", wave=self.wave, bad=", ".join(bad))))

    def _figures(self, fleets: Fleets, run: FleetRun) -> dict[str, Any]:
        """Return the figures that a person who opens a closed gate says yes to."""
        count = wave_counts(fleets.counts(run.key))[self.wave]
        limit = wave_of(run.manifest, self.wave).max_failed_percent
        named = {name: getattr(count, name) for name in ("total", "released", "failed", "unended")}
        return {"wave": self.wave, **named, "max_failed_percent": limit}

    def _approved(self, context: Context, run: FleetRun, problem: str) -> dict[str, Any]:
        """Return the person who opens this gate, and the reason.

        :raises AirflowFailException: nobody has; the ledger asks.
        """
        figures = self._figures(open_fleets(), run)
        decision = gate_decision(context, run, self.wave)
        is_about = all(decision.get(name) == value for name, value in figures.items())
        if decision.get("by") and is_about and run.stopped_by is None and not figures["unended"]:
            return {name: decision[name] for name in ("by", "why", "question")}
        params = {name: context["params"][name] for name in ("approvers", "approver_must_differ")}
        facts = {
            **told("ledger", named=True, **figures),
            **told("ledger", run_id=run.run_id, problem=problem),
            **told("params", **params),
        }
        question = partial(Question, "gate", facts)
        open_ledger().asked(run.component_appid, THE_PLATFORM, current_task(), question)
        raise AirflowFailException(as_set(problem))
