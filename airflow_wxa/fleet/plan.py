"""The plan: each Mini Program's step and its reason, by a few reads; and the sums."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections import deque
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Literal

from airflow_wxa.api.webview_domain import remaining
from airflow_wxa.errors import WxaApiError, WxaError, WxaStateError
from airflow_wxa.fleet.pace import HeldError, StoppedError
from airflow_wxa.fleet.stages import ending
from airflow_wxa.steps import NOTHING_ACCEPTED, RollbackPlan, check_account, plan_rollback, recall
from airflow_wxa.steps.domains import read_own_domains
from airflow_wxa.steps.offline import WEBVIEW
from airflow_wxa.steps.online import going_offline, in_words, read_online
from airflow_wxa.steps.remote_state import foreign_open_sheet, no_withdrawal_left, read_latest_sheet, read_versions
from airflow_wxa.steps.rollback import is_back
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from airflow_wxa.api.audit import AuditSheet
    from airflow_wxa.api.code import VersionInfo
    from airflow_wxa.client import AsyncWxaClient
    from airflow_wxa.fleet.pace import Pace
    from airflow_wxa.release import ReleaseSpec
    from airflow_wxa.steps import AcceptedWrites, Step
    from airflow_wxa.steps.offline import Offline
    from airflow_wxa.store.fleets import FleetApp

_PLATFORM_LIST_EMPTY: Final = 89020
_INDIVIDUAL: Final = 89231
#: About how many calls each takes.
CALLS: Final = {
    "configure": 6,
    "commit": 6,
    "submit": 5,
    "adopt": 1,
    "withdraw": 4,
    "wait": 3,
    "release": 14,
    "rollback": 9,
    "nothing": 4,
    "blocked": 0,
}
CALL_SECONDS: Final = 0.1  # of WeChat, about
_AT_ONCE: Final = 200
_RETRY_SECONDS: Final = (1.0, 5.0, 20.0)
_LONG_WAY: Final = ("configure", "commit", "submit", "wait", "release")
_UNUSUAL: Final = frozenset({"adopt", "nothing", "blocked", "withdraw"})


@dataclass(frozen=True, slots=True)
class AppPlan:
    """The plan for one Mini Program.

    :param steps: of ``configure``, ``commit``, ``submit``, ``wait``, ``adopt``, ``release``; or ``nothing``, or
        ``blocked``.
    :param why: in a sentence.
    :param before: its own business domains now; ``None``: not known.
    :param add: domains it does not have and will; ``remove`` those it will not have any more.
    :param individual: 89231 was answered.
    :param blocked: columns of its row when it cannot go on.
    :param offline: domains that its release takes away, as an approval names them.
    :param is_asked: somebody approves the plan, and with it what goes offline.
    :param after: its own domains behind configure_domains, if that adds all of the platform's.
    :param rollback: the :class:`~airflow_wxa.steps.RollbackPlan` as JSON, if a version is to come back.
    """

    steps: tuple[str, ...]
    why: str
    before: tuple[str, ...] | None = None
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    individual: bool = False
    blocked: dict[str, Any] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    offline: dict[str, Any] = field(default_factory=dict)
    is_asked: bool = False
    rollback: dict[str, Any] = field(default_factory=dict)

    @property
    def lost(self) -> dict[str, list[str]]:
        """Domains that its release takes away, by kind, as far as that is known."""
        return {kind: domains for kind, domains in self.offline.get("lost", {}).items() if domains}

    def taking_over(self, run_id: str) -> AppPlan:
        """Return the plan with the run that has the Mini Program under way; one that cannot go on stays there."""
        if "release" not in self.steps:
            return self
        return replace(self, why=Text("takes_over", why=self.why, run_id=run_id))

    @classmethod
    def from_json(cls, plan: Mapping[str, Any]) -> AppPlan:
        """Read what :attr:`values` wrote as ``plan``."""
        values: dict[str, Any] = {name: tuple(each) if isinstance(each, list) else each for name, each in plan.items()}
        return cls(**values)

    @property
    def values(self) -> dict[str, Any]:
        """Columns of the Mini Program's row."""
        plan = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
        del plan["blocked"], plan["individual"], plan["after"]
        if not self.rollback:
            del plan["rollback"]
        grant = "waiting" if "submit" in self.steps else ""
        return {"plan": plan, "audit_grant": grant, "individual": int(self.individual), **self.blocked}


def plan_app(spec: ReleaseSpec, *, is_asked: bool = False) -> Step[AppPlan]:
    """Read what WeChat has of a Mini Program, and say what is to be done.

    :param is_asked: somebody approves the plan.
    :raises WxaError: it could not be read, and may be later.
    """
    try:
        info = yield from read_versions(spec.version.appid)
        sheet = yield from read_latest_sheet(spec.version.appid)
        own, individual = yield from _own_domains(spec)
    except WxaError as error:
        if error.retryable:
            raise
        return AppPlan(("blocked",), error.what, blocked=ending(error))
    if individual is not None and spec.params["on_individual"] == "stop":
        return AppPlan(("blocked",), individual.what, blocked=ending(individual))
    is_open = sheet is not None and sheet.status.is_open
    accepted = (yield from recall(spec.version.appid, own_sheets=True)) if is_open else NOTHING_ACCEPTED
    steps, why = _code_steps(spec, info, sheet, accepted)
    if steps == ("blocked",) and sheet is not None:
        if sheet.auditid in accepted.own_sheets:
            used_up = no_withdrawal_left(spec.version.appid, sheet)
            return AppPlan(steps, used_up.what, blocked=ending(used_up))
        return AppPlan(steps, why, blocked=ending(foreign_open_sheet("plan_release", spec.version, sheet)))
    plan = _with_domains(spec, steps, why, own, individual=individual is not None)
    if plan.individual or "release" not in plan.steps:
        return plan
    offline = yield from _offline(spec, plan, own)
    return replace(plan, offline=offline.to_json(), is_asked=is_asked)


def plan_app_rollback(
    spec: ReleaseSpec,
    on_lost_domains: Literal["ask", "release", "stop"],
    app_version: str = "",
    before: Mapping[str, Any] | None = None,
) -> Step[AppPlan]:
    """Read which version is online and which would come back.

    :param spec: of the release to undo; without ``user_version`` whatever is online goes.
    :param before: ``rollback`` of an earlier try's plan, which stands where that version is back already.
    :raises WxaError: it could not be read, and may be later.
    """
    try:
        back = yield from _planned_back(spec.version.appid, on_lost_domains, app_version, before)
        if spec.version.user_version and not spec.version.is_online(back.online):
            raise WxaStateError(
                Text("released_version_is_not_online"),
                values={"online": back.online.version or "not named", "of the run": spec.version.user_version},
                appid=spec.version.appid,
            )
    except WxaError as error:
        if error.retryable:
            raise
        return AppPlan(("blocked",), error.what, blocked=ending(error))
    why = Text(
        "version_goes_another_comes_back",
        online=back.online.version or Text("the_version_online"),
        user_version=back.target.user_version,
    )
    asked = on_lost_domains == "ask"
    return AppPlan(("rollback",), why, offline=dict(back.offline), is_asked=asked, rollback=back.to_json())


def _planned_back(
    appid: str, on_lost_domains: Literal["ask", "release", "stop"], app_version: str, before: Mapping[str, Any] | None
) -> Step[RollbackPlan]:
    if before is not None:
        planned = RollbackPlan.from_json(before)
        if is_back(planned, (yield from read_versions(appid)).online):
            return planned
    return (yield from plan_rollback(appid, app_version, on_lost_domains=on_lost_domains))


def _offline(spec: ReleaseSpec, plan: AppPlan, own: frozenset[str] | None) -> Step[Offline]:
    """Return what the release takes away, when the domains are configured as planned."""
    accepted = yield from recall(spec.version.appid, past=True)
    put_on, off = frozenset(plan.add), frozenset(plan.remove)
    asked_off = ((accepted.past.asked_off.get(WEBVIEW) or frozenset()) | off) - put_on
    past = replace(accepted.past, asked_off={**accepted.past.asked_off, WEBVIEW: asked_off})
    changed = {"direct" if spec.is_direct else "api": {WEBVIEW: None if own is None else (own | put_on) - off}}
    online = yield from read_online(spec.version.appid)
    offline, _ = yield from going_offline(spec.version.appid, online, past, changed=changed)
    return offline


def _own_domains(spec: ReleaseSpec) -> Step[tuple[frozenset[str] | None, WxaApiError | None]]:
    """Return the own list if it can be read, and the error of an individual's Mini Program if it is one."""
    try:
        return (yield from read_own_domains(spec.version.appid, direct=spec.is_direct)), None
    except WxaApiError as error:
        if error.errcode == _PLATFORM_LIST_EMPTY:
            return None, None
        if error.errcode == _INDIVIDUAL:
            return None, error
        raise


def _code_steps(
    spec: ReleaseSpec, info: VersionInfo, sheet: AuditSheet | None, accepted: AcceptedWrites
) -> tuple[tuple[str, ...], str]:
    version = spec.version
    if version.is_online(info.online):
        return ("nothing",), Text("this_version_is_online")
    if sheet is not None and sheet.is_live and version.is_sheet(sheet):
        if sheet.status.is_open:
            return ("adopt", "wait", "release"), Text("sheet_of_this_version_is_in_audit", auditid=sheet.auditid)
        return ("adopt", "release"), Text("sheet_of_this_version_is_approved", auditid=sheet.auditid)
    if sheet is not None and sheet.status.is_open:
        if sheet.auditid in accepted.own_sheets and accepted.withdrawals:
            why = Text("supersedes_a_version", user_version=sheet.user_version, auditid=sheet.auditid)
            return ("withdraw", "commit", "submit", "wait", "release"), why
        if not spec.params["withdraw_foreign_audit"]:
            return ("blocked",), Text("another_version_is_in_audit", user_version=sheet.user_version)
        return ("commit", "submit", "wait", "release"), Text("withdraws_a_version", user_version=sheet.user_version)
    if version.is_trial(info.trial):
        return ("submit", "wait", "release"), Text("this_version_is_on_trial")
    trial = info.trial.version if info.trial is not None else "none"
    return ("commit", "submit", "wait", "release"), Text("trial_version_is", trial=trial)


def _with_domains(
    spec: ReleaseSpec, steps: tuple[str, ...], why: str, own: frozenset[str] | None, *, individual: bool
) -> AppPlan:
    before = None if own is None else tuple(sorted(own))
    if individual:
        return AppPlan(steps, f"{why}; an individual's: without business domains", individual=True)
    if spec.action == "get":
        return AppPlan(steps, why, before)
    wanted = {domain.origin for domain in spec.wanted}
    have = own or frozenset()
    add = wanted - have if spec.action in {"add", "set"} else frozenset()
    remove = {"set": have - wanted, "delete": have & wanted}.get(spec.action or "", frozenset())
    is_done = own is not None and spec.action is not None and not remaining(spec.action, spec.wanted, own)
    if not is_done:
        steps = ("configure", *(step for step in steps if step != "nothing"))
        steps = steps if steps != ("configure",) else ("configure", "release")
    return AppPlan(steps, why, before, tuple(sorted(add)), tuple(sorted(remove)))


async def plan_all(
    apps: Iterable[tuple[int, ReleaseSpec]],
    client: AsyncWxaClient,
    pace: Pace,
    save: Callable[[Mapping[int, AppPlan]], None],
    *,
    preflight: Preflight | None = None,
    plan: Callable[[int, ReleaseSpec], Step[AppPlan]] | None = None,
    unread: tuple[str, ...] = _LONG_WAY,
    is_asked: bool = False,
) -> None:
    """Plan many Mini Programs, so many at a time as the pace says, and save the plans by the hundred.

    :param apps: position and entry; read as they are needed, in a thread.
    :param save: takes plans by position; may block.
    :param preflight: also looks at the accounts of those that submit.
    :param plan: of one; ``None``: of its release.
    :param unread: the step for one that could not be read.
    :raises StoppedError: the run was stopped.
    """
    source, turn, looks = iter(apps), asyncio.Lock(), preflight or Preflight(is_asked=False)
    planned: dict[int, AppPlan] = {}

    async def worker() -> None:
        while not pace.is_stopped:
            async with turn:
                if not todo:
                    todo.extend(await asyncio.to_thread(lambda: list(islice(source, _AT_ONCE))))
                    if not todo:
                        return
                    appids = [spec.version.appid for _, spec in todo]
                    await client.preload(appids)
                    await asyncio.to_thread(looks.recall, appids)
                position, spec = todo.popleft()
            step = partial(plan, position, spec) if plan else partial(plan_app, spec, is_asked=is_asked)
            planned[position] = await looks.looked_at(spec, await _planned(step, client, pace, unread), client, pace)
            if len(planned) >= _AT_ONCE:
                await saved()

    async def saved() -> None:
        plans = dict(planned)
        planned.clear()
        await asyncio.to_thread(looks.save)
        await asyncio.to_thread(save, plans)

    todo: deque[tuple[int, ReleaseSpec]] = deque()
    async with pace.watching(), asyncio.TaskGroup() as group:
        for _ in range(pace.concurrency):
            group.create_task(worker())
    await saved()
    if pace.is_stopped:
        raise StoppedError


@dataclass(slots=True)
class Preflight:
    """The look at accounts before anything is spent on them: frozen, not filed, no category, no privacy guide.

    Each look does its best: one that WeChat refuses stops nothing. An account with nothing to do is not looked at again
    for a day.

    :param known: returns, by appid, the accounts that were looked at within a day.
    :param keep: keeps accounts by appid, ``{"account": {"to_do", "to_know", "not_read"}}``.
    """

    known: Callable[[Sequence[str]], Mapping[str, Mapping[str, Any]]] = lambda _: {}
    keep: Callable[[Mapping[str, Mapping[str, Any]]], None] = lambda _: None
    is_asked: bool = True
    _known: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _new: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def recall(self, appids: Sequence[str]) -> None:
        """Read what is known of accounts."""
        self._known.update(self.known(appids))

    def save(self) -> None:
        """Keep what was found."""
        new, self._new = self._new, {}
        if new:
            self.keep({appid: {"account": account} for appid, account in new.items()})

    async def looked_at(self, spec: ReleaseSpec, plan: AppPlan, client: AsyncWxaClient, pace: Pace) -> AppPlan:
        """Return the plan of one that submits blocked where the owner has something to do, any other as it is."""
        if not self.is_asked or "submit" not in plan.steps:
            return plan
        appid = spec.version.appid
        account = self._known.pop(appid, None)
        if account is None or account.get("to_do"):
            try:
                account = self._new[appid] = await client.run(pace.paced(_account(spec)))
            except (HeldError, WxaError):  # it may be looked at another day, and is planned all the same
                return plan
        if todo := account.get("to_do"):
            next_step = Text("fleet_owner_has_something_to_do")
            why = "; ".join(todo)
            blocked = {"outcome": "blocked", "errcode": None, "what": why, "next_step": next_step}
            return replace(plan, steps=("blocked",), why=why, blocked=blocked)
        return replace(plan, why="; ".join([plan.why, *account.get("to_know", ())]))


def _account(spec: ReleaseSpec) -> Step[dict[str, list[str]]]:
    try:
        is_given = bool(spec.params["privacy_setting"])
        ready = yield from check_account(spec.version.appid, guide_is_given=is_given, only_blocking=True)
    except WxaStateError as error:
        return {"to_do": [line.strip(" -") for line in error.why.splitlines()]}
    return {"to_know": list(ready.to_know), "not_read": list(ready.not_read)}


async def _planned(
    step: Callable[[], Step[AppPlan]], client: AsyncWxaClient, pace: Pace, unread: tuple[str, ...]
) -> AppPlan:
    """Plan one Mini Program; one that cannot be read after some tries is planned as ``unread``, and why is said."""
    for pause in (*_RETRY_SECONDS, None):
        try:
            return await client.run(pace.paced(step()))
        except HeldError as held:
            await asyncio.sleep(max(0.0, held.until - time.time()))
        except WxaError as error:
            if pause is None:
                return _not_read(unread, error)
            await asyncio.sleep(pause)
    return _not_read(unread)


def _not_read(steps: tuple[str, ...], error: WxaError | None = None) -> AppPlan:
    what = Text("could_not_be_read", what=error.what if error else Text("wechat_takes_no_more_calls"))
    blocked = {"outcome": "failed", "what": what, "next_step": Text("clear_plan_rollback")}
    return AppPlan(steps, what, blocked=blocked if "blocked" in steps else {})


def plan_digest(manifest: str, apps: Iterable[FleetApp]) -> str:
    """Return a text that tells a plan from any other one.

    :param manifest: its digest; values that all share stand in no Mini Program's row.
    """
    whole = hashlib.sha256(manifest.encode())
    for app in apps:
        plan = app.plan and {name: value for name, value in app.plan.items() if name != "after"}
        whole.update(json.dumps([app.appid, app.given, plan, app.outcome], sort_keys=True).encode())
    return whole.hexdigest()


@dataclass(slots=True)
class Totals:
    """Sums of a plan.

    :param steps: how many Mini Programs by step.
    :param unusual: the first of those that are not released the long way, with why.
    :param offline: how many lose domains, and the first of them with which.
    """

    apps: int = 0
    steps: dict[str, int] = field(default_factory=dict)
    calls: int = 0
    domains_added: int = 0
    domains_removed: int = 0
    unusual: list[tuple[str, str]] = field(default_factory=list)
    losing: int = 0
    not_known: int = 0
    offline: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def of(cls, plans: Iterable[tuple[str, AppPlan]], most_unusual: int = 20) -> Totals:
        """Count plans by appid."""
        totals = cls()
        for appid, plan in plans:
            totals.apps += 1
            for step in plan.steps:
                totals.steps[step] = totals.steps.get(step, 0) + 1
                totals.calls += CALLS[step]
            totals.domains_added += bool(plan.add)
            totals.domains_removed += bool(plan.remove)
            totals.losing += bool(plan.lost)
            totals.not_known += WEBVIEW in plan.offline.get("lost", {}) and WEBVIEW not in plan.lost
            if plan.lost and len(totals.offline) < most_unusual:
                totals.offline.append((appid, in_words(plan.lost)))
            if _UNUSUAL & set(plan.steps) and len(totals.unusual) < most_unusual:
                totals.unusual.append((appid, plan.why))
        return totals

    @property
    def needed(self) -> int:
        """Submissions of the platform's monthly audit quota."""
        return self.steps.get("submit", 0)

    def without_quota(self, rest: int, reserve: int) -> int:
        """Return how many get no submission this month.

        :param rest: submissions that the platform has left.
        :param reserve: how many of these are kept back.
        """
        return max(0, self.needed - max(0, rest - reserve))

    def months(self, rest: int, limit: int, reserve: int) -> int | None:
        """Return over how many months the submissions spread, this one included; ``None``: the pace is not known.

        :param limit: submissions that the platform has each month.
        """
        later, a_month = self.without_quota(rest, reserve), limit - reserve
        if later and a_month <= 0:
            return None
        return 1 + -(-later // a_month) if later else 1

    def minutes(self, concurrency: int) -> float:
        """Return about how long the calls take, so many at a time; reviews take days besides."""
        return self.calls * CALL_SECONDS / concurrency / 60

    def __str__(self) -> Text:
        steps = [Text("step_and_count", step=Text("step", step), count=count) for step, count in self.steps.items()]
        counts = {"added": self.domains_added, "removed": self.domains_removed, "losing": self.losing}
        needs = {"not_known": self.not_known, "needed": self.needed, "calls": self.calls}
        return Text("totals_of_a_plan", apps=self.apps, steps=Text("list", each=steps, between=", "), **counts, **needs)
