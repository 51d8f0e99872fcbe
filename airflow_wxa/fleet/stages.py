"""Stages of a fleet, for one Mini Program: the acts of a single release, put together.

Steps hold no clock and do no I/O; :mod:`airflow_wxa.fleet.shard` carries them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from airflow_wxa.acts.account import SetPrivacySetting
from airflow_wxa.acts.code import AuditStatus, Commit, SubmitAudit
from airflow_wxa.acts.domains import ModifyServerDomain, SetWebviewDomain
from airflow_wxa.acts.plain import SpeedUpAudit
from airflow_wxa.acts.release import Release
from airflow_wxa.api.audit import queryquota
from airflow_wxa.errors import WxaAuditRejected, WxaError, WxaQuotaError
from airflow_wxa.fleet.pace import CALLS_OF_THE_DAY
from airflow_wxa.fleet.waves import WAVES
from airflow_wxa.steps import (
    RollbackPlan,
    audit_error,
    privacy_scan,
    prove_server_domains,
    recall,
    roll_back,
    submit_version,
    verify_rollback,
)
from airflow_wxa.store.fleets import AUDIT_QUOTA_USED_UP
from airflow_wxa.store.tables import fleet_app
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from airflow_wxa.release import ReleaseSpec
    from airflow_wxa.steps import Step
    from airflow_wxa.steps.offline import Kinds
    from airflow_wxa.store.fleets import FleetApp, Word

log = logging.getLogger(__name__)

MAX_QUOTA: Final = 10**9  # submissions; more than any month has


#: Takes a Mini Program and what is asked for.
StageStep: TypeAlias = Callable[["FleetApp", "ReleaseSpec"], "Step[Progress]"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a step came.

    :param outcomes: of the single release's steps.
    :param values: columns of the Mini Program's row that change.
    :param scans: its code is being scanned: look again soon.
    :param in_audit: its review has not ended.
    :param then: the next step, which must see this step's writes.
    """

    outcomes: tuple[Any, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    scans: bool = False
    in_audit: bool = False
    then: StageStep | None = None


def configure(app: FleetApp, spec: ReleaseSpec) -> Step[Progress]:
    """Bring server and business domains to the wanted state; a list that is in it already is not written.

    :raises WxaError: 89231 if ``on_individual`` is ``stop``, 89020, and any error of the step.
    """
    servers: tuple[Any, ...] = ()
    if (asked := spec.server_domains) is not None:
        action, lists = asked
        act = ModifyServerDomain.asked(spec.params, action=action, server_domains=lists)
        servers = ((yield from act.step()),)
    if app.individual and spec.params["on_individual"] != "stop":
        return Progress(servers)
    domains = SetWebviewDomain.asked(spec.params, action=spec.action)
    outcome = yield from domains.losing(may_be_lost(app, spec), skip_equal=True)
    if outcome.outcome == "individual" and spec.params["on_individual"] != "stop":
        return Progress((*servers, outcome), {"individual": 1})
    if not outcome.is_done:
        raise outcome.as_error()
    planned = (app.plan or {}).get("before")
    changed = planned is not None and outcome.before is not None and list(outcome.before) != planned
    values = _planned_again(Text("domains_had_changed")) if changed else {}
    if spec.action is None and app.plan is not None:  # all of the platform's: which these are is known only now
        values["plan"] = {**app.plan, "after": list(outcome.after or ())}
    return Progress((*servers, outcome), values)


def commit(app: FleetApp, spec: ReleaseSpec) -> Step[Progress]:
    """Upload the code of a Mini Program that may submit; one that needs no submission is left as it is."""
    if app.audit_grant != "held":
        return Progress()
    outcome = yield from Commit.asked(spec.params).step()
    was_planned = "commit" in (app.plan or {}).get("steps", ())
    changed = was_planned and outcome.outcome == "unchanged" and not (yield from _is_own(app, spec, "commit"))
    return Progress((outcome,), _planned_again(Text("code_was_committed_meanwhile")) if changed else {})


def submit(app: FleetApp, spec: ReleaseSpec) -> Step[Progress]:
    """Submit the version once its scan has ended, or adopt its sheet.

    :raises WxaQuotaError: 85085 without a grant, when there is no sheet to adopt; nothing is submitted then.
    """
    is_granted = app.audit_grant == "held"
    if not is_granted and "adopt" not in (app.plan or {}).get("steps", ()):  # it is online
        return Progress()
    asked = SubmitAudit.asked(spec.params)
    if is_granted:
        scan = yield from privacy_scan(app.appid, privacy_api_not_use=asked.privacy_api_not_use)
        if scan.outcome == "scanning":
            return Progress(scans=True)
        if spec.params["privacy_setting"]:
            yield from SetPrivacySetting.asked(spec.params).step()
    reserve = None if is_granted else MAX_QUOTA  # without a grant a sheet is adopted, and nothing submitted
    how = replace(asked.submission, quota_reserve=reserve, noted_auditid=app.auditid)
    outcome = yield from submit_version(asked.version, how)
    values: dict[str, Any] = {"auditid": outcome.auditid, "audit_grant": "spent" if is_granted else ""}
    is_news = is_granted and outcome.outcome == "adopted" and not app.auditid
    if is_news and not (yield from _is_own(app, spec, "submit_audit")):
        values |= _planned_again(Text("sheet_was_there"))
    return Progress((outcome,), values)


def speed_up(app: FleetApp, spec: ReleaseSpec) -> Step[Progress]:  # noqa: ARG001  (as the others take)
    """Ask for an expedited review (加急审核) while the platform has one left; a refusal costs nothing."""
    try:
        if (yield queryquota(app.appid)).answer.get("speedup_rest", 0) > 0:
            yield from SpeedUpAudit(app.appid, app.auditid).step()
    except WxaError as error:
        log.warning("%s: its review is not expedited: %s", app.appid, error.what)
    return Progress()


def look(app: FleetApp, spec: ReleaseSpec) -> Step[Progress]:  # noqa: ARG001  (as the others take)
    """Look where the review stands.

    :raises WxaAuditRejected: it ended so.
    :raises WxaStateError: the sheet was withdrawn.
    """
    if not app.auditid:  # online already
        return Progress()
    outcome = yield from AuditStatus(app.appid, app.auditid).step()
    if error := audit_error(outcome):
        raise error
    return Progress(in_audit=outcome.outcome != "approved")


def publish(app: FleetApp, spec: ReleaseSpec) -> Step[Progress]:
    """Release the approved version, then prove that it and its domains are online."""
    release = Release.asked(spec.params, webviewdomain=_effective(app, spec), auditid=app.auditid)
    outcome = yield from release.losing(may_be_lost(app, spec), prove=True)
    steps = (app.plan or {}).get("steps", ())
    was_online = outcome.outcome == "already_released" and "nothing" not in steps
    changed = was_online and not (yield from _is_own(app, spec, "release"))
    values = _planned_again(Text("it_was_online")) if changed else {}
    if spec.effective_server_domains:
        return Progress((outcome,), values, then=_prove_server_domains)
    return Progress((outcome,), {**values, "outcome": "released"})


def _prove_server_domains(app: FleetApp, spec: ReleaseSpec) -> Step[Progress]:
    yield from prove_server_domains(app.appid, spec.effective_server_domains)
    return Progress(values={"outcome": "released"})


def go_back(app: FleetApp, spec: ReleaseSpec) -> Step[Progress]:  # noqa: ARG001  (as the others take)
    """Bring the planned version back, once, and prove it."""
    plan = RollbackPlan.from_json((app.plan or {})["rollback"])
    outcome = yield from roll_back(plan)
    yield from verify_rollback(plan)
    return Progress((outcome,), {"outcome": "rolled_back"})


def may_be_lost(app: FleetApp, spec: ReleaseSpec) -> Kinds | None:
    """Return the domains that may go offline, by kind: by the approved plan; without a question, by the manifest."""
    plan = app.plan or {}
    if plan.get("is_asked", False):
        lost = (plan.get("offline") or {}).get("lost", {})
        return {kind: frozenset(domains) for kind, domains in lost.items() if domains}
    return {} if spec.params["on_lost_domains"] == "stop" else None


def _effective(app: FleetApp, spec: ReleaseSpec) -> list[str]:
    effective = spec.effective((app.plan or {}).get("after"), individual=bool(app.individual))
    return [domain.origin for domain in effective]


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of a fleet: one task's work on each Mini Program of a shard.

    :param place: in the order of stages.
    :param steps: its work.
    :param makes_up: its work before that, on one whose domains are configured and that came no further.
    :param submits: whether it needs the grant of a submission: one that ended badly there waits for a grant anew.
    :param gates: waves whose gates have opened before.
    :param wave: its own shards do it; ``""``: each shard does, with the Mini Programs that it carries.
    :param behind: Mini Programs of this outcome are taken up, too; an error there takes nothing back.
    """

    place: int
    steps: tuple[StageStep, ...]
    makes_up: tuple[StageStep, ...] = ()
    submits: bool = False
    gates: tuple[str, ...] = ()
    wave: str = ""
    behind: Word | None = None

    def mine(self, wave: str, number: int) -> ColumnElement[bool]:
        """Pick the rows of the shard that a task of this stage is for."""
        if self.wave:
            return (fleet_app.c.wave == wave) & (fleet_app.c.shard == number)
        return fleet_app.c.carrier == f"{wave}/{number}"

    def due(self, wave: str, number: int) -> ColumnElement[bool]:
        """Pick those among them that the task works on."""
        has_not_ended = fleet_app.c.outcome.is_(None)
        due = has_not_ended | (fleet_app.c.outcome == self.behind) if self.behind else has_not_ended
        return self.mine(wave, number) & due


CARRY_OVER: Final = "carry_over"
#: By name, in their order. A Mini Program's row says which it has come to, and no stage skips one before it.
STAGES: Final[Mapping[str, Stage]] = {
    "configure_domains": Stage(0, (configure,)),
    "commit_code": Stage(1, (commit,), submits=True),
    # A grant that was passed on comes here for one whose code nobody committed.
    "submit_audit": Stage(2, (submit,), makes_up=(commit,), submits=True),
    "commit_rest": Stage(1, (commit,), submits=True, gates=WAVES[:1]),
    "submit_rest": Stage(2, (submit,), makes_up=(commit,), submits=True, gates=WAVES[:1]),
    **{f"release_{wave}": Stage(3, (look, publish), gates=WAVES[:at], wave=wave) for at, wave in enumerate(WAVES)},
    # In a month after that of the others: all that is left to do with a Mini Program, from its code on.
    CARRY_OVER: Stage(4, (look, publish), makes_up=(commit, submit), submits=True, gates=WAVES[:-1]),
    "rollback_canary": Stage(0, (go_back,), wave=WAVES[0]),
    "rollback_rest": Stage(0, (go_back,), gates=WAVES[:1], wave=WAVES[-1]),
}
#: Where one begins that has no grant; all of those before its submission.
FIRST, *_ = STAGES
BEFORE_SUBMISSION: Final = tuple(name for name, each in STAGES.items() if {configure, commit} >= set(each.steps))


def steps_for(stage: str, done: str) -> tuple[StageStep, ...]:
    """Return what a stage does with a Mini Program; nothing where an earlier task of it was lost: the gate says so.

    :param done: the stage that it has come to; ``""``: none.
    """
    asked = STAGES[stage]
    if asked.place <= (STAGES[done].place if done else -1) + 1:
        return asked.steps
    return (*asked.makes_up, *asked.steps) if done and asked.makes_up else ()


def ending(error: WxaError) -> dict[str, Any]:
    """Return what an error makes of a Mini Program when nothing is tried again."""
    errcode = getattr(error, "errcode", None) or None
    word: Word = "failed" if error.retryable or errcode == CALLS_OF_THE_DAY else "blocked"
    if isinstance(error, WxaAuditRejected):
        word = "rejected"
    elif isinstance(error, WxaQuotaError) and errcode == AUDIT_QUOTA_USED_UP:
        word = "no_quota"
    values = [f"{name} {value}" for name, value in error.values.items() if name not in {"errcode", "rid"}]
    what = Text("what_with_values", what=error.what, values=values) if values else error.what
    if isinstance(error, WxaAuditRejected) and error.reason:  # the only thing that says what to fix
        what = Text("what_with_a_reason", what=what, reason=" ".join(error.reason.split()))
    return {"outcome": word, "errcode": errcode, "what": what, "next_step": error.next_step}


def _is_own(app: FleetApp, spec: ReleaseSpec, endpoint: str) -> Step[bool]:
    """Tell whether what is there already, and was not sent by this step, may be the work of an earlier try."""
    return bool(app.tries) or endpoint in (yield from recall(app.appid, spec.version.fingerprint)).before


def _planned_again(why: Text) -> dict[str, Any]:
    return {"what": Text("planned_again", why=why)}
