"""The approval of a fleet's plan: whether this is done with these Mini Programs."""

import datetime as dt
import json
import logging
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict
from typing import Any, Final

from airflow.sdk import Context
from sqlalchemy import ColumnElement

from airflow_wxa.api.audit import queryquota
from airflow_wxa.api.endpoints import CATALOGUE, month_began
from airflow_wxa.api.values import THE_PLATFORM
from airflow_wxa.errors import WxaError, WxaStateError, WxaTransportError, shown
from airflow_wxa.fleet.pace import Pace
from airflow_wxa.fleet.plan import AppPlan, Totals
from airflow_wxa.fleet.stages import MAX_QUOTA
from airflow_wxa.fleet.waves import WAVES, wave_counts, wave_of
from airflow_wxa.hooks.approvals import is_approval_wanted
from airflow_wxa.hooks.recorder import Recorder, current_task
from airflow_wxa.hooks.store import open_fleets, open_ledger
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.operators.approval import WxaApprovalOperator, as_code, as_table, as_text
from airflow_wxa.operators.fleet_run import fleet_run
from airflow_wxa.release.dag import beside
from airflow_wxa.steps import Approved, approved
from airflow_wxa.store.fleets import ROLLBACK, FleetRun, Fleets
from airflow_wxa.store.questions import Fact, Question, told
from airflow_wxa.store.tables import fleet_app
from airflow_wxa.texts import Text
from airflow_wxa.texts.setting import as_set, phrase

log = logging.getLogger(__name__)

_TASK_ID: Final = "approve_plan"
_ASKED_FOR_QUOTA: Final = 5
_SHOWN_VERSIONS: Final = 20


class WxaApprovePlanOperator(WxaApprovalOperator):
    """Ask a person whether to carry out the plan of a fleet, with its totals and the unusual ones.

    The decision names the plan, and no task of the run writes anything for another one.
    """

    asks = "plan"

    def facts(self, context: Context) -> Mapping[str, Fact]:
        fleets, run = open_fleets(), fleet_run(context)
        given = Counter[str]()
        totals = Totals.of(_plans(fleets, run, given))
        return {
            **told("ledger", named=True, plan=run.plan_digest),
            **told(
                "ledger",
                run_id=run.run_id,
                release=run.manifest["release"],
                given=dict(given),
                totals=asdict(totals),
                reserve=run.manifest.get("audit_quota_reserve", 0),
                concurrency=Pace(run.manifest).concurrency,
                waves={name: count.total for name, count in wave_counts(fleets.counts(run.key)).items()},
            ),
            **told("WeChat: queryquota", rest=_rest_or_none(WxaHook(self.wxa_conn_id), fleets, run)),
        }

    @staticmethod
    def words(question: Question) -> tuple[str, str]:
        totals = Totals(**question["totals"])
        return (
            phrase("ask_plan", user_version=question["release"].get("user_version", ""), apps=totals.apps),
            "\n\n".join([_goes_offline(totals), _facts(question, totals), _unusual(totals)]),
        )


class WxaApproveFleetRollbackOperator(WxaApprovePlanOperator):
    """Ask a person whether to roll a fleet back, with the versions and the domains that go offline.

    The decision names the plan, and no task of the run writes anything for another one.
    """

    asks = "fleet_rollback"

    def facts(self, context: Context) -> Mapping[str, Fact]:
        fleets, run = open_fleets(), fleet_run(context)
        plans = [(app.appid, AppPlan.from_json(app.plan)) for app in fleets.apps(run.key) if app.plan]
        versions = Counter(plan.why for _, plan in plans if plan.rollback)
        waves = {name: count.total for name, count in wave_counts(fleets.counts(run.key)).items()}
        return {
            **told("ledger", named=True, plan=run.plan_digest),
            **told("ledger", undone=run.manifest[ROLLBACK].get("run_id", ""), waves=waves),
            **told("WeChat: getversioninfo, revertcoderelease", versions=dict(versions.most_common(_SHOWN_VERSIONS))),
            **told("WeChat: get_effective_webviewdomain, get_effective_domain", totals=asdict(Totals.of(plans))),
        }

    @staticmethod
    def words(question: Question) -> tuple[str, str]:
        totals, waves, undone = Totals(**question["totals"]), question["waves"], question["undone"]
        versions = (f"{as_text(each)}: {count}" for each, count in question["versions"].items())
        rows = {
            phrase("row_undone"): as_code(undone) if undone else phrase("undone_none"),
            phrase("row_versions"): ", ".join(versions) or "-",
            phrase("row_cannot_go_back"): f"{totals.steps.get('blocked', 0)}",
            phrase("row_waves"): ", ".join(f"{name} {count}" for name, count in waves.items() if count),
            phrase("row_for_good"): phrase("rollback_is_for_good"),
        }
        return (
            phrase("ask_fleet_rollback", count=totals.steps.get("rollback", 0), apps=totals.apps),
            "\n\n".join([_goes_offline(totals), as_table(rows), _unusual(totals)]),
        )


class WxaApproveWaveOperator(WxaApprovalOperator):
    """Ask a person whether to release a wave of a fleet, with the figures so far.

    The decision names plan and wave; every later gate and release reads it in the ledger.

    :param wave: ``canary``, ``early`` or ``rest``.
    """

    wave: str
    asks = "wave"

    def facts(self, context: Context) -> Mapping[str, Fact]:
        fleets, run = open_fleets(), fleet_run(context)
        before = WAVES[: WAVES.index(self.wave)]
        require_open(context, run, approved=before, opened=before)
        figures: dict[str, dict[str, int]] = {name: {} for name in WAVES}
        for wave, _, outcome, _, count in fleets.counts(run.key):
            figures[wave][outcome or "goes on"] = figures[wave].get(outcome or "goes on", 0) + count
        return {
            **told("ledger", named=True, plan=run.plan_digest, wave=self.wave),
            **told("ledger", run_id=run.run_id, release=run.manifest["release"], figures=figures),
        }

    @staticmethod
    def words(question: Question) -> tuple[str, str]:
        wave, figures = question["wave"], question["figures"]
        counted = {
            name: ", ".join(f"{each} {count}" for each, count in sorted(figures[name].items())) for name in WAVES
        }
        nobody = phrase("no_mini_program")
        rows = {f"**{name}**" if name == wave else name: counted[name] or nobody for name in WAVES}
        rows[phrase("row_all")] = as_code(f"airflow wxa fleet status {question['run_id']} --output json")
        goes_on = figures[wave].get("goes on", 0)
        version = question["release"].get("user_version", "")
        return phrase("ask_wave", version=version, goes_on=goes_on, wave=wave), as_table(rows)


def require_open(context: Context, run: FleetRun, *, approved: Collection[str], opened: Collection[str] = ()) -> None:
    """Return if plan and waves are approved, as far as that was asked for, and gates have opened, by the ledger.

    :param approved: waves whose approval counts.
    :param opened: waves whose gate counts.
    :raises AirflowSkipException: one was rejected.
    :raises WxaStateError: nobody has answered, something else was approved, or a gate has not opened.
    """
    require_approved_plan(context, run)
    recorder = Recorder(open_ledger, run.component_appid, current_task())
    for name in approved:
        if wave_of(run.manifest, name).approval:
            asked = Approved(beside(context, f"approve_{name}"), THE_PLATFORM, {"plan": run.plan_digest, "wave": name})
            recorder.proven(asked)
    for name in opened:
        gate = beside(context, f"{name}_gate")
        if gate in context["dag"].task_dict and gate_decision(context, run, name).get("outcome") != "opened":
            raise WxaStateError(Text("gate_has_not_opened", task_id=context["ti"].task_id, gate=gate))


def gate_decision(context: Context, run: FleetRun, wave: str) -> Mapping[str, Any]:
    """Return the latest row of a wave's gate in the ledger of this run."""
    gate = beside(context, f"{wave}_gate")
    return open_ledger().decision(run.component_appid, THE_PLATFORM, current_task(), gate) or {}


def require_approved_plan(context: Context, run: FleetRun) -> None:
    """Return if this run asks for no approval, or its plan as it is was approved, by the ledger.

    :raises AirflowSkipException: it was rejected.
    :raises WxaStateError: nobody has answered, or another plan was approved.
    """
    if is_approval_wanted(context):
        asked = Approved(beside(context, _TASK_ID), THE_PLATFORM, {"plan": run.plan_digest})
        WxaHook(context["params"]["wxa_conn_id"]).run(approved(asked))


def audit_quota(hook: WxaHook, fleets: Fleets, run: FleetRun) -> int:
    """Return what the platform has left of the month's submissions; any healthy merchant's token will do.

    A number in the manifest takes the place of ``queryquota``'s, which was seen too low.

    :raises WxaError: none of the first Mini Programs can tell.
    """
    if (given := run.manifest.get("audit_quota")) is not None:
        return int(given) - fleets.submitted_since(run.key, month_began(dt.datetime.now(dt.UTC)).timestamp())
    refused: WxaError | None = None
    # Mini Programs that ended without quota are tried again.
    healthy = fleets.apps(run.key, fleet_app.c.outcome.is_(None) | (fleet_app.c.outcome == "no_quota"))
    for _, app in zip(range(_ASKED_FOR_QUOTA), healthy, strict=False):
        try:
            with hook.get_conn() as client:
                answer = client.send(queryquota(app.appid)).answer
            if "rest" in answer:
                quota = {"quota": {"rest": answer["rest"], "limit": answer.get("limit", "unknown")}}
                open_ledger().know(run.component_appid, current_task(), {THE_PLATFORM: quota})
                return int(answer["rest"])
            refused = WxaTransportError(
                Text("audit_quota_is_unknown"),
                **CATALOGUE["queryquota"].named(app.appid),
            )
        except WxaError as error:
            refused = error
    if refused is not None:
        raise refused
    return 0  # nobody is left who could submit


def grant_quota(
    hook: WxaHook, fleets: Fleets, run: FleetRun, carrier: str | None = None, *which: ColumnElement[bool]
) -> int:
    """Grant what is left this month in the manifest's order, and return how many Mini Programs have to do without.

    ``queryquota`` was seen to tell too little: without a reserve WeChat's 85085 decides, and the first Mini Program
    beyond what is told tries (see :class:`~airflow_wxa.fleet.shard.Shard`).

    :param carrier: carries those that are granted; ``None``: their own shards do.
    :param which: only to these; default: to all that wait.
    :raises WxaError: WeChat does not say, and there is a reserve, which nobody else keeps.
    """
    reserve, held = int(run.manifest.get("audit_quota_reserve", 0)), fleets.held_elsewhere(run.key, run.component_appid)
    try:
        left = audit_quota(hook, fleets, run)
        log.info("%d submissions are left this month, of which %d are kept back", left, reserve)
        usable = left - reserve if reserve else max(left, held + 1)
    except WxaError as error:
        if reserve:
            raise
        log.warning("the audit quota was not read, each submits until WeChat answers 85085: %s", error.what)
        usable = MAX_QUOTA
    return fleets.open_quota(run.key, run.component_appid, usable, held, carrier, *which)


def _rest_or_none(hook: WxaHook, fleets: Fleets, run: FleetRun) -> int | None:
    try:
        return audit_quota(hook, fleets, run)
    except WxaError:
        return None


def _plans(fleets: Fleets, run: FleetRun, given: Counter[str]) -> Iterator[tuple[str, AppPlan]]:
    """Yield the plans by appid, and count which fields Mini Programs have of their own."""
    for app in fleets.apps(run.key):
        if app.plan:
            given.update(app.given.keys())
            yield app.appid, AppPlan.from_json(app.plan)


def _asked(release: Mapping[str, Any], given: Mapping[str, int], field: str, default: str) -> str:
    """Return what the manifest asks of a field for all, and how many Mini Programs have a value of their own."""
    common = as_code(shown(json.dumps(release[field], ensure_ascii=False))) if field in release else default
    return phrase("own_values", common=common, count=given[field]) if given.get(field) else common


def _facts(question: Question, totals: Totals) -> str:
    release, given = question["release"], question["given"]
    rest, reserve = question["rest"], question["reserve"]
    quota = phrase("wechat_did_not_say") if rest is None else phrase("quota_left", rest=rest, reserve=reserve)
    without = 0 if rest is None or not reserve else totals.without_quota(rest, reserve)
    quota = phrase("quota_is_short", quota=quota, without=without) if without else quota
    minutes, each = totals.minutes(question["concurrency"]), phrase("each_its_own")
    rows = {
        phrase("row_version"): phrase(
            "from_template",
            version=as_code(release.get("user_version", each)),
            template=as_code(release.get("template_id", each)),
        ),
        phrase("row_what_changed"): as_text(release.get("user_desc") or "-"),
        phrase("row_mini_programs"): f"{totals.apps}: "
        + ", ".join(f"{name} {question['waves'][name]}" for name in WAVES),
        phrase("row_what_is_done"): ", ".join(f"{step} {count}" for step, count in totals.steps.items()),
        "domain_action": _asked(release, given, "domain_action", "`add`"),
        "domain_mode": _asked(release, given, "domain_mode", "`platform`"),
        "webviewdomain": _asked(release, given, "webviewdomain", phrase("none")),
        phrase("row_domains"): phrase("domains_of_plan", added=totals.domains_added, removed=totals.domains_removed),
        "server_domains": _asked(release, given, "server_domains", phrase("untouched")),
        phrase("row_submissions"): phrase("submissions_needed", needed=totals.needed, quota=quota),
        phrase("row_calls"): phrase("calls_needed", calls=totals.calls, minutes=f"{minutes:.0f}"),
        phrase("row_all"): as_code(f"airflow wxa fleet status {question['run_id']} --output json"),
    }
    return as_table(rows)


def _goes_offline(totals: Totals) -> str:
    """Return what the plan takes offline, which stands first: approved, so much may go and no more."""
    unknown = phrase("not_known_of", count=totals.not_known) if totals.not_known else ""
    if not totals.losing:
        return phrase("goes_offline_nothing") + unknown
    lines = [f"- {as_code(appid)}: {as_text(domains)}" for appid, domains in totals.offline]
    more = phrase("all_with", command=as_code("airflow wxa fleet plan MANIFEST --all"))
    lines += [more] if totals.losing > len(lines) else []
    return f"{phrase('fleet_goes_offline', count=totals.losing)}{unknown}\n\n" + "\n".join(lines)


def _unusual(totals: Totals) -> str:
    if not totals.unusual:
        return phrase("nothing_unusual")
    lines = [f"| {as_code(appid)} | {as_text(as_set(why))} |" for appid, why in totals.unusual]
    return "\n".join([phrase("heading_unusual"), "", phrase("heading_why"), "| --- | --- |", *lines])
