"""Approvals that a version, with these domains, goes online, or that another one comes back."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

from airflow.sdk import Context

from airflow_wxa.acts.act import Appid
from airflow_wxa.acts.release import Release
from airflow_wxa.acts.rollback import read_plan
from airflow_wxa.api import values
from airflow_wxa.api.code import AdoptedVersion
from airflow_wxa.api.endpoints import BEIJING
from airflow_wxa.hooks.recorder import current_task
from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.links import WxaTrialQrcodeLink
from airflow_wxa.operators.approval import WxaApprovalOperator, as_code, as_diff, as_table, as_text
from airflow_wxa.steps import RollbackPlan, plan_rollback
from airflow_wxa.steps.account import read_name
from airflow_wxa.steps.offline import OFFLINE, WEBVIEW
from airflow_wxa.steps.release import before_release
from airflow_wxa.store import Entry
from airflow_wxa.store.questions import Fact, Question, told
from airflow_wxa.texts.setting import phrase
from airflow_wxa.trial_link import api_base_url, trial_link

_DOMAINS_SHOWN: Final = 40


class WxaApproveReleaseOperator(
    WxaApprovalOperator, act=Release, without=("approval_task_id", "on_lost_domains", "wxa_conn_id")
):
    """Ask a person whether to release, with everything that is needed to decide.

    The question shows the business domains before and after, the version, the one online now, the result of the audit,
    and a link to the trial version's QR code, as WeChat and the ledger tell them. The decision names version,
    fingerprint (of an adopted version: its description), audit sheet, domains, and the state online and configured;
    :class:`WxaReleaseOperator` with ``approval_task_id`` publishes nothing else.

    :param user_desc: the change (templated).
    """

    user_desc: Annotated[str | None, values.text] = None
    asks = "release"
    operator_extra_links = (*WxaApprovalOperator.operator_extra_links, WxaTrialQrcodeLink())

    def facts(self, context: Context) -> Mapping[str, Fact]:
        act = Release.built(self, approval_task_id=None, on_lost_domains="stop")
        version, named, hook = act.version, act.named, WxaHook(self.wxa_conn_id)
        now = hook.run(before_release(version, act.wanted))
        component_appid = hook.read().component_appid
        done = open_ledger().of_run(component_appid, self.appid, current_task())
        ti = context["ti"]
        return {
            **told("run", named=True, **named),
            **told("WeChat: getversioninfo, setwebviewdomain", named=True, **now.named),
            **told(
                "WeChat: get_effective_webviewdomain, get_effective_domain",
                named=True,
                **{OFFLINE: now.offline.to_json()},
            ),
            **told("WeChat: setwebviewdomain", individual=now.is_individual),
            **told("WeChat: get_latest_auditstatus", sheet=now.sheet),
            **told("WeChat: api_get_authorizer_info, getaccountbasicinfo", name=hook.run(read_name(self.appid))),
            **told("ledger", before=_domains_before(done), superseded=_superseded(done)),
            **told(
                "run",
                appid=self.appid,
                template_id=None if isinstance(version, AdoptedVersion) else version.template_id,
                what_changed=self.user_desc or version.user_version,
                triggered_by=getattr(context["dag_run"], "triggering_user_name", None) or "",
                trial=trial_link(api_base_url(), self.appid, dag_id=ti.dag_id, run_id=ti.run_id),
            ),
        }

    @staticmethod
    def words(question: Question) -> tuple[str, str]:
        superseded, sheet = question["superseded"], question["sheet"] or {}
        is_its = not question["auditid"] or sheet.get("auditid") in ("", question["auditid"])
        number = as_code(question["auditid"] or sheet.get("auditid") or phrase("not_known"))
        status = sheet.get("status", phrase("not_known")) if is_its else phrase("not_the_latest")
        rows = {
            phrase("row_mini_program"): f"{as_text(question['name'])} {as_code(question['appid'])}".lstrip(),
            phrase("row_version"): _origin(question),
            phrase("row_what_changed"): as_text(question["what_changed"]),
            phrase("row_online_now"): _online(question["online"]),
            phrase("row_takes_the_place_of"): ", ".join(map(as_code, superseded)),
            phrase("row_audit"): phrase("audit_of_sheet", status=as_text(status), number=number),
            phrase("row_the_reviewer_said"): as_text(sheet.get("reason", "") if is_its else ""),
            phrase("row_try_it"): phrase("trial_qr_code", question=question["trial"]),
            phrase("row_triggered_by"): as_code(question["triggered_by"])
            if question["triggered_by"]
            else phrase("nobody_by_name"),
        }
        subject = phrase("ask_release", user_version=question["user_version"], appid=question["appid"])
        return subject, "\n\n".join([goes_offline_in_words(question[OFFLINE]), as_table(rows), _domain_diff(question)])


def goes_offline_in_words(offline: Mapping[str, Mapping[str, Sequence[str] | None]]) -> str:
    """Return what the release takes away, which stands first."""
    lost, unknown = offline["lost"], offline["lost"].get(WEBVIEW, ()) is None
    known = {kind: domains for kind, domains in lost.items() if domains}
    said = [phrase("goes_offline", known=_kinds(known))] if known else []
    said += [phrase("not_known_what_goes_offline")] if unknown else []
    for title, found in ((phrase("as_asked"), offline["asked"]), (phrase("not_proven"), offline["not_proven"])):
        said += [f"{title}: {_kinds(found)}"] if found else []
    return "; ".join(said) or phrase("goes_offline_nothing")


def _kinds(kinds: Mapping[str, Sequence[str] | None]) -> str:
    return "; ".join(
        ("" if kind == WEBVIEW else f"{kind} ") + ", ".join(map(as_code, domains or ()))
        for kind, domains in kinds.items()
    )


def _domains_before(done: Sequence[Entry]) -> dict[str, Any]:
    """Return what this run's first write of the domains had read: ``{}``: it wrote none."""
    writes = (row for row in done if row.endpoint.startswith("setwebviewdomain") and row.result != "refused")
    if (first := next(writes, None)) is None:
        return {}
    return {"list": first.before.get(WEBVIEW) if isinstance(first.before, dict) else first.before}


def _superseded(done: Sequence[Entry]) -> list[str]:
    """Return the versions that this run's commit and submission take the place of."""
    said = [row.after.get("superseded") for row in done if row.endpoint in {"commit", "submit_audit"} and row.after]
    return list(dict.fromkeys(each for each in said if each))


def _origin(question: Question) -> str:
    version = as_code(question["user_version"])
    if question["template_id"] is None:
        return phrase("uploaded_by_another_tool", version=version, question=as_text(question["user_desc"]))
    return phrase("from_template", version=version, template=as_code(question["template_id"]))


def _online(online: Mapping[str, Any] | str | None) -> str:
    if online is None:
        return phrase("first_release")
    if isinstance(online, str):
        return online
    name = as_code(online["version"]) if online["version"] else phrase("unnamed_version")
    if not online["time"]:
        return name
    since = dt.datetime.fromtimestamp(online["time"], BEIJING)
    return phrase("online_since", name=name, since=f"{since:%Y-%m-%d %H:%M}")


def _domain_diff(question: Question) -> str:
    head = phrase("heading_business_domains")
    if question["individual"]:
        return phrase("no_domains_individual", head=head)
    after = question["configured"]
    if after is None:
        return phrase("domains_unknown_now", head=head)
    before = question["before"].get("list", after)
    known = after if before is None else before
    lines, added, removed = as_diff(known, after)
    rest = len(lines) - _DOMAINS_SHOWN
    said = lines[:_DOMAINS_SHOWN] + ([phrase("and_more", rest=rest)] if rest > 0 else [])
    counts = phrase("counts_before_after", before="?" if before is None else len(before), after=len(after))
    changed = (
        phrase("not_known_what_changed")
        if before is None
        else phrase("counts_added_removed", added=added, removed=removed)
    )
    return "\n".join([f"{head}{counts}: {changed}.", "", "```diff", *said, "```"])


class WxaApproveRollbackOperator(WxaApprovalOperator):
    """Ask a person whether a version may come back, in place of the one online, for everyone and at once.

    The decision names the version online, the entry of WeChat's history (``app_version``, name, description), and the
    domains that go offline: :class:`WxaRollbackOperator` brings back no other one.

    :param appid: the Mini Program (templated).
    :param plan: return value of :class:`WxaListVersionsOperator`: it tells which version is meant (templated).
    """

    appid: Appid
    plan: Annotated[Mapping[str, Any], read_plan]
    asks = "rollback"

    def facts(self, context: Context) -> Mapping[str, Fact]:
        """Read both versions at WeChat; of the plan only the version's number is taken."""
        asked = RollbackPlan.from_json(self.plan)
        plan = WxaHook(self.wxa_conn_id).run(plan_rollback(self.appid, asked.target.app_version))
        shown = plan.to_json()
        lists = {name: shown[name] for name in ("effective", "own")}
        return {
            **told("WeChat: getversioninfo, revertcoderelease", named=True, **plan.named),
            **told("WeChat: revertcoderelease", others=shown["others"]),
            **told("WeChat: get_effective_webviewdomain, setwebviewdomain", **lists),
            **told("WeChat: get_effective_webviewdomain, get_effective_domain", named=True, offline=shown["offline"]),
            **told("run", appid=self.appid),
        }

    @staticmethod
    def words(question: Question) -> tuple[str, str]:
        online, target = question["online"], question["target"]
        name = target["user_version"] or target["app_version"]
        parts = [goes_offline_in_words(question[OFFLINE]), _versions(question, online, target), _domains(question)]
        parts.append(phrase("cannot_be_undone", name=as_code(name)))
        return phrase("ask_rollback", appid=question["appid"], name=name), "\n\n".join(parts)


def _versions(question: Question, online: Mapping[str, Any], target: Mapping[str, Any]) -> str:
    goes = _version(online["version"], online["description"])
    since = f"{dt.datetime.fromtimestamp(online['time'], BEIJING):%Y-%m-%d %H:%M}"
    rows = {
        phrase("row_mini_program"): as_code(question["appid"]),
        phrase("row_goes"): phrase("online_since", name=goes, since=since) if online["time"] else goes,
        phrase("row_comes_back"): f"{_version(target['user_version'], target['user_desc'])}, "
        f"app_version {as_code(target['app_version'])}",
        phrase("row_could_come_back"): ", ".join(
            f"{_version(each['user_version'], '')} (app_version {as_code(each['app_version'])})"
            for each in question["others"]
        )
        or phrase("nothing_else"),
    }
    return as_table(rows)


def _version(name: str, description: str) -> str:
    return as_code(name or phrase("unnamed_version")) + (f", {as_code(description)}" if description else "")


def _domains(question: Question) -> str:
    effective, own = question["effective"], question["own"]
    pending = sorted(set(own or ()) - set(effective or ()))
    now = phrase("effective_now", effective=_list(effective))
    later = phrase("configured_for_later", pending=_list(None if own is None else pending))
    return "\n".join([phrase("heading_domains"), "", phrase("rollback_and_domains"), "", now, later])


def _list(origins: Sequence[str] | None) -> str:
    return phrase("not_known") if origins is None else ", ".join(map(as_code, origins)) or phrase("none")
