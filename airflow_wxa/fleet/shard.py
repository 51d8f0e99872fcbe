"""One shard of a fleet: its Mini Programs, driven concurrently through one task.

A pass tries each Mini Program that has not ended, once. One that fails costs nobody else. Each step stands at WeChat at
once, and in the store soon after: a shard that dies is run again and goes on.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import deque
from dataclasses import KW_ONLY, dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from airflow_wxa.api.code import CodeVersion
from airflow_wxa.api.endpoints import CATALOGUE
from airflow_wxa.api.errcodes import PRIVACY_CHECK_RUNNING, error_for
from airflow_wxa.client.telemetry import timing
from airflow_wxa.errors import WxaAuditRejected, WxaError, WxaStateError
from airflow_wxa.fleet import stages
from airflow_wxa.fleet.pace import HeldError, Pace, StoppedError
from airflow_wxa.fleet.rows import Rows
from airflow_wxa.fleet.stages import FIRST, STAGES, ending, steps_for
from airflow_wxa.fleet.waves import STRAGGLERS, WAVES, wave_of
from airflow_wxa.fleet.window import audit_hours, deadline, opens_at
from airflow_wxa.release import ReleaseSpec
from airflow_wxa.steps import LAG_SECONDS
from airflow_wxa.store.tables import fleet_app
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from sqlalchemy import ColumnElement

    from airflow_wxa.client import AsyncWxaClient
    from airflow_wxa.fleet.rows import LateResults
    from airflow_wxa.fleet.stages import Progress, StageStep
    from airflow_wxa.store.fleets import FleetApp, FleetRun, Fleets

log = logging.getLogger(__name__)

#: Seconds before the second, third, … try of a Mini Program that failed and may be tried again.
RETRY_SECONDS: Final = (2.0, 15.0, 60.0)
_SLEPT_OUT: Final = 20.0  # seconds: a longer wait is deferred
_SCAN_GIVEN_UP: Final = 3600.0  # seconds


@dataclass(frozen=True, slots=True)
class Wake:
    """Event that a shard waits for when its task defers.

    :param at: epoch seconds when it goes on whatever happened.
    :param sheets: of those in audit, as :class:`~airflow_wxa.triggers.WxaAuditTrigger` takes them.
    """

    at: float
    sheets: tuple[Mapping[str, Any], ...] = ()


def spec_of(run: FleetRun, app: FleetApp) -> ReleaseSpec:
    """Return what a Mini Program's release is asked to do; a rollback by a list undoes whatever is online.

    :raises WxaSpecError: it cannot be right; the manifest was checked when it was loaded.
    """
    if not run.manifest["release"]:
        return ReleaseSpec(CodeVersion(app.appid, "", ""), "get", (), (), {})
    return ReleaseSpec.from_params({**run.manifest["release"], **app.given, "appid": app.appid})


@dataclass(eq=False)
class Shard:
    """One task of a shard.

    :param stage: its purpose, see :data:`~airflow_wxa.fleet.stages.STAGES`.
    :param task_id: of the task, under any name.
    :param carrier: ``wave/number``.
    :param scan_seconds: between two looks at a privacy scan.
    :param results: observer of the client.
    """

    fleets: Fleets
    run: FleetRun
    client: AsyncWxaClient
    stage: str
    task_id: str
    carrier: str
    _: KW_ONLY
    scan_seconds: float
    results: LateResults

    def __post_init__(self) -> None:
        # A release, or a rollback, asks for itself: another attempt may have sent it seconds ago, and WeChat lags.
        self._reads_ahead = not STAGES[self.stage].wave and self.stage != stages.CARRY_OVER
        self._pace = Pace(self.run.manifest, self.fleets, self.run, *([self.results.known] * self._reads_ahead))
        self._appids = self._pace.appids = set[str]()
        self._rows = Rows(self.fleets, self.run.key, self.results)
        self._todo: deque[FleetApp] = deque()
        self._later: list[FleetApp] = []
        self._in_audit: list[FleetApp] = []
        self._elsewhere: dict[int, str] = {}  # position → earlier run of this DAG that has it under way
        self._beyond_told = 1  # submissions to try beyond what queryquota told
        self._expedited = self._first_of(self.run.manifest.get("expedite") or {})

    async def work(self, apps: Iterable[FleetApp]) -> Wake | None:
        """Bring Mini Programs on as far as they come; ``None``: this task is done with all of them."""
        due = time.time() + _SLEPT_OUT
        now: list[FleetApp] = []
        for app in apps:
            (self._later if (app.again_at or 0.0) > due else now).append(app)
        self._appids.update(app.appid for app in self._later)
        # The run's only shard that carries over leaves the quota to no earlier run; others look at their own.
        is_only = self.stage == stages.CARRY_OVER
        await self._take_up(now, *([] if is_only else [fleet_app.c.carrier == self.carrier]))
        if self._elsewhere and is_only:
            await asyncio.to_thread(self._take_over_waiting)
        appids = [app.appid for app in now]
        await self.client.preload(appids)
        if self._reads_ahead:
            await asyncio.to_thread(self.results.preload, appids)
        async with self._pace.watching(), self._rows.saving():
            while self._todo and not self._pace.is_stopped:
                async with asyncio.TaskGroup() as group:
                    for _ in range(min(self._pace.concurrency, len(self._todo))):
                        group.create_task(self._worker())
                await self._slept_out()
                if not self._todo:
                    await self._go_beyond()
            await self._leave_stragglers()
        return None if self._pace.is_stopped else self._wake()

    async def _take_up(self, apps: Collection[FleetApp], *which: ColumnElement[bool]) -> None:
        """Let Mini Programs be worked on.

        :param which: rows of the run among which those are looked for that an earlier run has under way.
        """
        self._appids.update(app.appid for app in apps)
        if self.run.manifest.get("supersede") and STAGES[self.stage].submits:
            self._elsewhere |= await asyncio.to_thread(self.fleets.under_way, self.run.key, *which)
        self._todo.extend(apps)

    def _take_over_waiting(self) -> None:
        """Leave the next month's quota to no earlier run that has a Mini Program without any, as this one has it."""
        waiting = fleet_app.c.outcome == "no_quota"
        for app in self.fleets.apps(self.run.key, waiting):
            if app.position in self._elsewhere:
                self.fleets.take_over(self.run.key, app.appid, waiting)

    async def _worker(self) -> None:
        while self._todo and not self._pace.is_stopped:
            app = self._todo.popleft()
            if steps := steps_for(self.stage, app.done):
                await self._bring_on(app, deque(steps))

    async def _slept_out(self) -> None:
        """Take up again what is due soon, when it is due."""
        due = [app for app in self._later if (app.again_at or 0.0) < time.time() + _SLEPT_OUT]
        if due:
            await asyncio.sleep(max(0.0, min(app.again_at or 0.0 for app in due) - time.time()))
            self._later = [app for app in self._later if app not in due]
            self._todo.extend(due)

    async def _go_beyond(self) -> None:
        """Submit beyond what ``queryquota`` told, without a reserve: the first, then all others."""
        stage = STAGES[self.stage]
        if stages.submit not in (*stage.makes_up, *stage.steps) or self.run.manifest.get("audit_quota_reserve"):
            return
        await self._rows.save()
        most, self._beyond_told = self._beyond_told, stages.MAX_QUOTA
        more = await asyncio.to_thread(self.fleets.grant_beyond, self.run.key, self.carrier, most)
        await self._take_up(more, fleet_app.c.carrier == self.carrier)

    def _wake(self) -> Wake | None:
        if not self._later and not self._in_audit:
            return None
        deadlines = [self._deadline(app) for app in self._in_audit]
        at = min([*(app.again_at or 0.0 for app in self._later), *deadlines])
        sheets = [
            {"appid": app.appid, "auditid": app.auditid, "seen_by": (app.submitted_at or 0.0) + LAG_SECONDS}
            for app in self._in_audit
        ]
        return Wake(at, tuple(sheets))

    def _first_of(self, expedite: Mapping[str, Any]) -> frozenset[int]:
        """Return the positions of the Mini Programs whose reviews are to be expedited: the first of a wave."""
        if not expedite:
            return frozenset()
        wave = self.fleets.apps(self.run.key, fleet_app.c.wave == expedite["wave"])
        return frozenset(app.position for app in islice(wave, expedite["most"]))

    async def _leave_stragglers(self) -> None:
        """Leave Mini Programs still in review to the last wave, when this one has released as much as it must."""
        asked = STAGES[self.stage].wave
        percent = wave_of(self.run.manifest, asked).released_percent if asked else None
        if not self._in_audit or percent is None:
            return
        await self._rows.save()
        if await asyncio.to_thread(self.fleets.released_percent, self.run.key, asked) >= percent:
            log.info("%s has released enough: %d in review are left to the last wave", asked, len(self._in_audit))
            for app in self._in_audit:
                self._noted(app, {"wave": WAVES[-1], "shard": STRAGGLERS})
            self._in_audit.clear()

    # One Mini Program --------------------------------------------------------------------------------------------

    async def _bring_on(self, app: FleetApp, steps: deque[StageStep]) -> None:
        """Run the steps that this task has for a Mini Program, and note how far they came."""
        spec = spec_of(self.run, app)
        if app.position in self._elsewhere and "release" in (app.plan or {}).get("steps", ()):
            await asyncio.to_thread(self.fleets.take_over, self.run.key, app.appid)
        try:
            while steps:
                step = steps.popleft()
                progress = await self.client.run(self._pace.paced(step(app, spec)))
                app = self._noted(app, progress.values)
                steps.extend(self._following(app, step, progress))
                if progress.scans:
                    await self._wait_for_scan(app)
                    return
                if progress.in_audit:
                    await self._wait_for_audit(app)
                    return
                if step is stages.look and not self._may_release(app):
                    return
        except StoppedError:
            return
        except HeldError as held:
            self._try_later(app, held.until)
        except WxaError as error:
            await self._failed(app, error)
        else:
            self._noted(app, {"done": self.stage, "stage": self.task_id, "tries": 0, "again_at": None})

    def _following(self, app: FleetApp, step: StageStep, progress: Progress) -> Iterator[StageStep]:
        """Yield what a step leads to."""
        has_submitted = step is stages.submit and app.audit_grant == "spent"
        if has_submitted and app.done != self.stage and app.position in self._expedited:  # also after a kill
            yield stages.speed_up
        if progress.then is not None:
            yield progress.then

    def _noted(self, app: FleetApp, values: Mapping[str, Any]) -> FleetApp:
        changes = dict(values)
        if changes.get("auditid") and not app.auditid:
            changes["submitted_at"] = time.time()
        if changes.get("outcome") == "released" != app.outcome:  # a stage behind it notes it again
            changes["released_at"] = time.time()
        if "what" in changes and app.what:
            changes["what"] = Text("list", each=[app.what, changes["what"]])
        self._rows.change(app.position, changes)
        return replace(app, **changes)

    def _try_later(self, app: FleetApp, at: float, **values: Any) -> None:
        self._later.append(self._noted(app, {"again_at": at, "stage": self.task_id, **values}))

    async def _wait_for_scan(self, app: FleetApp) -> None:
        now = time.time()
        since = app.submitted_at or now
        if now < since + _SCAN_GIVEN_UP:
            self._try_later(app, now + self.scan_seconds, submitted_at=since)
            return
        what = Text("privacy_scan_takes_too_long", scan_given_up=f"{_SCAN_GIVEN_UP / 60:g}")
        endpoint = CATALOGUE["get_code_privacy_info"]
        await self._ended(app, error_for(PRIVACY_CHECK_RUNNING, endpoint=endpoint, appid=app.appid, what=what))

    async def _wait_for_audit(self, app: FleetApp) -> None:
        if time.time() < self._deadline(app):
            self._in_audit.append(self._noted(app, {"again_at": None}) if app.again_at else app)
            return
        what = Text("review_takes_too_long", hours=f"{audit_hours(self.run.manifest):g}")
        next_step = Text("rerun_adopts_the_sheet")
        self._noted(app, {"outcome": "pending", "stage": self.task_id, "what": what, "next_step": next_step})

    def _deadline(self, app: FleetApp) -> float:
        return deadline(self.run.manifest, app.submitted_at or time.time())

    def _may_release(self, app: FleetApp) -> bool:
        """Tell whether an approved version may be released now; else it waits for the window.

        :raises WxaStateError: the days of the window are over.
        """
        _time_audit(app, "approved")
        now = time.time()
        opens = opens_at(self.run.manifest, now)
        if opens == math.inf:
            raise WxaStateError(
                Text("calendar_is_over"), appid=app.appid, next_step=Text("rerun_with_another_calendar")
            )
        if opens > now:
            self._try_later(app, opens)
        return opens <= now

    async def _failed(self, app: FleetApp, error: WxaError) -> None:
        if error.retryable and app.tries < len(RETRY_SECONDS):
            log.info("%s: %s; tried again", app.appid, error.what)
            self._try_later(app, time.time() + RETRY_SECONDS[app.tries], tries=app.tries + 1)
        else:
            await self._ended(app, error)

    async def _ended(self, app: FleetApp, error: WxaError) -> None:
        if app.outcome is not None:  # a stage behind the outcome takes nothing back
            log.warning("%s stays %s: %s", app.appid, app.outcome, error.what)
            return
        values = {**ending(error), "stage": self.task_id}
        if error.endpoint == "get_auditstatus" and not getattr(error, "errcode", 0):
            _time_audit(app, "rejected" if isinstance(error, WxaAuditRejected) else "withdrawn")
        if not app.auditid:  # who takes it up again waits for its scan anew
            values["submitted_at"] = None
        log.warning("%s %s: %s", app.appid, values["outcome"], error.what)
        if app.audit_grant == "held" and values["outcome"] == "no_quota":
            await self._rows.save()
            await asyncio.to_thread(self.fleets.use_up, self.run.key, {app.position: values})
        elif app.audit_grant == "held" and not _may_have_submitted(error):
            await self._pass_on(app, values)
        elif values["outcome"] == "no_quota" and app.audit_grant == "":
            # Its plan saw a sheet of this version that is gone by now.
            await self._pass_on(app, {**values, "audit_grant": "waiting", "done": FIRST})
        else:
            self._noted(app, values)

    async def _pass_on(self, app: FleetApp, values: Mapping[str, Any]) -> None:
        """End a Mini Program, and go on with those that its part of the audit quota goes to."""
        await self._rows.save()
        taken = await asyncio.to_thread(self.fleets.pass_on, self.run.key, {app.position: values}, self.carrier)
        for each in taken:
            log.info("%s: its submission goes to %s", app.appid, each.appid)
        await self._take_up(taken, fleet_app.c.position.in_([each.position for each in taken]))


def _time_audit(app: FleetApp, outcome: str) -> None:
    """Take how long a review took; one that is looked at again, behind a closed window or a busy WeChat, was taken."""
    if app.submitted_at and app.again_at is None:
        timing("wxa.audit_wait", max(time.time() - app.submitted_at, 0.0), outcome=outcome)


def _may_have_submitted(error: WxaError) -> bool:
    """Tell whether a submission of the quota may be spent although the step did not see it."""
    return error.retryable and error.endpoint == "submit_audit"
