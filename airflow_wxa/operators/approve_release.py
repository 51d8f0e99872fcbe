"""The approval of a release: whether this version, with these domains, goes online."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, ClassVar, Final

from airflow_wxa.api import values
from airflow_wxa.api.authorisation import api_get_authorizer_info, getaccountbasicinfo
from airflow_wxa.api.budget import BEIJING
from airflow_wxa.api.code import AdoptedVersion, CodeVersion
from airflow_wxa.api.webview_domain import parse_origins
from airflow_wxa.errors import WxaError, WxaSpecError
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.links import WxaTrialQrcodeLink, api_base_url
from airflow_wxa.operators.approval import Subject, WxaApprovalOperator, as_code, as_text
from airflow_wxa.steps.remote_state import read_versions
from airflow_wxa.trial_link import trial_link

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow.sdk import Context

    from airflow_wxa.api.values import Reader
    from airflow_wxa.api.webview_domain import WebviewDomain
    from airflow_wxa.steps import Step

_DOMAINS_SHOWN: Final = 40


class WxaApproveReleaseOperator(WxaApprovalOperator):
    """Ask a person whether to release, with everything that is needed to decide.

    The question shows the business domains before and after, the version, what is online now, the result of the audit,
    and a link to the trial version's QR code. The decision names version, fingerprint (of an adopted version: its
    description), audit sheet and domains, and :class:`WxaReleaseOperator` with ``approval_task_id`` publishes nothing
    else.

    :param appid: the Mini Program (templated).
    :param template_id: number or digits (templated).
    :param user_version: what would go online (templated).
    :param ext_json: as for :class:`WxaCommitOperator` (templated).
    :param adopt_trial: in place of ``template_id`` and ``ext_json``: ``{"user_version", "user_desc"}`` of a trial
        version that another tool uploaded; ``auditid`` is needed then (templated).
    :param user_desc: what changed (templated).
    :param auditid: of the sheet that would be published (templated).
    :param webviewdomain: origins that must be effective afterwards (templated).
    :param outcomes: what the tasks before returned, under the keys ``domains``, ``commit``, ``submit`` and ``audit``;
        what is missing is shown as not known (templated).
    """

    reads: ClassVar[Mapping[str, Reader]] = {
        "appid": values.appid,
        "template_id": values.digits,
        "user_version": values.optional(values.named),
        "ext_json": values.optional(values.json_object),
        "adopt_trial": values.optional(values.json_object),
        "user_desc": values.text,
        "auditid": values.digits,
        "webviewdomain": values.texts,
        "outcomes": values.optional(values.json_object),
        **WxaApprovalOperator.reads,
    }
    operator_extra_links = (*WxaApprovalOperator.operator_extra_links, WxaTrialQrcodeLink())

    def __init__(
        self,
        *,
        appid: str,
        template_id: int | str | None = None,
        user_version: str | None = None,
        ext_json: Mapping[str, Any] | None = None,
        adopt_trial: Mapping[str, Any] | None = None,
        user_desc: str | None = None,
        auditid: str = "",
        webviewdomain: Sequence[str] = (),
        outcomes: Mapping[str, Mapping[str, Any] | None] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.appid = appid
        self.template_id = template_id
        self.user_version = user_version
        self.ext_json = ext_json
        self.adopt_trial = adopt_trial
        self.user_desc = user_desc
        self.auditid = auditid
        self.webviewdomain = webviewdomain
        self.outcomes = outcomes

    def ask_about(self, context: Context) -> Subject:
        """Return the version, its sheet and its domains, with what WeChat says about the Mini Program now."""
        version = CodeVersion.of(self.appid, self.template_id, self.user_version, self.ext_json, self.adopt_trial)
        check_auditid(version, self.auditid)
        outcomes = self.outcomes or {}
        return Subject(
            f"Release {version.user_version} of {self.appid}?",
            release_named(version, self.auditid, parse_origins(self.webviewdomain)),
            "\n\n".join([self._facts(version, outcomes, context), _domain_diff(outcomes.get("domains"))]),
        )

    def _facts(self, version: CodeVersion, outcomes: Mapping[str, Mapping[str, Any] | None], context: Context) -> str:
        """Return the table above the domains."""
        commit, submit, audit = (outcomes.get(name) or {} for name in ("commit", "submit", "audit"))
        superseded = dict.fromkeys([commit.get("superseded"), submit.get("superseded")])
        ti = context["ti"]
        link = trial_link(api_base_url(), self.wxa_conn_id, self.appid, dag_id=ti.dag_id, run_id=ti.run_id)
        triggered_by = getattr(context["dag_run"], "triggering_user_name", None)
        rows = {
            "Mini Program": f"{self._name()} {as_code(self.appid)}".lstrip(),
            "version": _origin(version),
            "what changed": as_text(self.user_desc or version.user_version),
            "online now": self._best_effort(_online(self.appid)) or "not known",
            "takes the place of": ", ".join(as_code(each) for each in superseded if each),
            "audit": f"{as_text(audit.get('outcome', 'not known'))}, sheet {as_code(self.auditid or 'not known')}",
            "the reviewer said": as_text(audit.get("reason") or ""),
            "try it": f"[QR code of the trial version]({link}), for testers and admins of the Mini Program",
            "triggered by": as_code(triggered_by) if triggered_by else "nobody by name",
        }
        return "\n".join(["| | |", "| --- | --- |", *(f"| {name} | {text} |" for name, text in rows.items() if text)])

    def _name(self) -> str:
        """Return the name that people know the Mini Program by; not every platform may ask for it both ways."""
        component_appid = WxaHook(self.wxa_conn_id).read().component_appid
        asked = self._best_effort(_nickname_by_platform(component_appid, self.appid)) if component_appid else ""
        return asked or self._best_effort(_nickname(self.appid))

    def _best_effort(self, step: Step[str]) -> str:
        """Return what WeChat says; what it does not say must not stop the question."""
        try:
            return WxaHook(self.wxa_conn_id).run(step)
        except WxaError as error:
            self.log.info("not shown in the question: %s", error.what)
            return ""


def release_named(version: CodeVersion, auditid: str, wanted: Iterable[WebviewDomain]) -> dict[str, Any]:
    """Return what an approval of a release names, and what its release must then be."""
    adopted = version if isinstance(version, AdoptedVersion) else None
    return {
        "user_version": version.user_version,
        **({"user_desc": adopted.user_desc} if adopted else {"fingerprint": version.fingerprint}),
        "auditid": auditid,
        "domains": [domain.origin for domain in wanted],
    }


def check_auditid(version: CodeVersion, auditid: str) -> None:
    """Return if what is known is enough to tell the sheet of this version from an older one.

    :raises WxaSpecError: an adopted version without auditid.
    """
    if isinstance(version, AdoptedVersion) and not auditid:
        raise WxaSpecError(
            "release not sent: nothing tells which audit sheet is of the adopted version",
            ["auditid = '': must be that of the submission"],
            why="An adopted version carries no fingerprint: an older sheet may bear the same version and description.",
            next_step='pass the auditid on: auditid=submit.output["auditid"] of the WxaSubmitAuditOperator',
            source="airflow-wxa docs own-uploads",
            appid=version.appid,
        )


def _origin(version: CodeVersion) -> str:
    if isinstance(version, AdoptedVersion):
        return f"{as_code(version.user_version)}, uploaded by another tool as: {as_text(version.user_desc)}"
    return f"{as_code(version.user_version)} from template {as_code(version.template_id)}"


def _nickname_by_platform(component_appid: str, appid: str) -> Step[str]:
    answer = (yield api_get_authorizer_info(component_appid, appid)).answer
    return as_text(answer["authorizer_info"].get("nick_name") or "")


def _nickname(appid: str) -> Step[str]:
    return as_text((yield getaccountbasicinfo(appid)).answer.get("nickname") or "")


def _online(appid: str) -> Step[str]:
    online = (yield from read_versions(appid)).online
    if online is None:
        return "nothing: this would be the first release"
    name = as_code(online.version) if online.version else "a version that WeChat does not name"
    if not online.time:
        return name
    since = dt.datetime.fromtimestamp(online.time, BEIJING)
    return f"{name} since {since:%Y-%m-%d %H:%M} (UTC+8)"


def _domain_diff(domains: Mapping[str, Any] | None) -> str:
    """Return the business domains before and after as a diff."""
    head = "### Business domains (业务域名)\n\n"
    if not domains:
        return f"{head}Not known: no task of this run configured them."
    if domains.get("outcome") == "individual":
        return f"{head}None: an individual owns this Mini Program, it cannot have any (89231)."
    before, after = domains.get("before"), domains.get("after")
    if after is None:
        return f"{head}WeChat did not say what they are now; release looks again before it publishes."
    known = after if before is None else before
    lines = [(" " if each in known else "+", each) for each in after]
    lines += [("-", each) for each in known if each not in after]
    lines.sort(key=lambda line: (line[0] == " ", line[1]))  # what changed comes first
    rest = len(lines) - _DOMAINS_SHOWN
    said = [f"{mark} {_fenced(each)}" for mark, each in lines[:_DOMAINS_SHOWN]]
    said += [f"  … and {rest} more"] if rest > 0 else []
    counts = f"{'?' if before is None else len(before)} before, {len(after)} after"
    added, removed = (sum(mark == sign for mark, _ in lines) for sign in "+-")
    changed = "not known what changed" if before is None else f"{added} added, {removed} removed"
    return "\n".join([f"{head}{counts}: {changed}.", "", "```diff", *said, "```"])


def _fenced(text: object) -> str:
    """Return a text as one line of a code block that it cannot end."""
    return " ".join(str(text).split()).replace("`", "'")
