"""The one question of a release that a person answers: whether this version, with these domains, goes online."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Param
from airflow.sdk.configuration import conf

from airflow_wxa.errors import WxaError, shown
from airflow_wxa.hooks.recorder import current_task
from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.release.dag import failing_at_once
from airflow_wxa.trial_link import trial_link

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

__all__ = ["WxaApproveReleaseOperator"]

_DOMAINS_SHOWN: Final = 40
_HOW_TO: Final = "airflow-wxa docs approve"


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided.

    :param outcome: ``refused``: an approval that does not count, from whoever triggered the run.
    :param by: the person's name; ``""`` when a time-out decided.
    :param at: ISO 8601, UTC.
    :param why: the comment, shortened; nobody checks it.
    """

    outcome: Literal["approved", "rejected", "refused"]
    appid: str
    user_version: str
    by: str
    at: str
    why: str


class WxaApproveReleaseOperator(ApprovalOperator):
    """Ask a person whether to release, under Required Actions, with everything that is needed to decide.

    The question shows the business domains before and after, the version, what it takes the place of, the result of
    the audit, and a link to the trial version's QR code. Approve goes on; Reject skips the tasks directly behind.
    Returns ``{"outcome": "approved|rejected", "appid", "user_version", "by", "at", "why"}``, which is also noted in
    the ledger; an approval that cannot be noted does not count. Not inside a mapped task group: a rejection skips
    nothing there (apache/airflow#67265).

    :param appid: the Mini Program (templated).
    :param template_id: number or digits (templated).
    :param user_version: what would go online (templated).
    :param outcomes: what the tasks before returned, under the keys ``domains``, ``commit``, ``submit`` and ``audit``;
        what is missing is shown as not known (templated).
    :param approvers: ids of the users who may answer; empty: whoever may edit the run (templated).
    :param approver_must_differ: an approval by whoever triggered the run fails (templated).
    :param wxa_conn_id: the Connection (templated).
    """

    template_fields: Sequence[str] = (
        "appid",
        "template_id",
        "user_version",
        "outcomes",
        "approvers",
        "approver_must_differ",
        "wxa_conn_id",
    )
    COMMENT: ClassVar[Mapping[str, Any]] = {
        # A text alone would be a required field, and an empty required field disables both buttons.
        "type": ["null", "string"],
        "format": "multiline",
        "title": "Comment",
        "description": "Why; kept with the decision. May stay empty.",
    }

    def __init__(
        self,
        *,
        appid: str,
        template_id: int | str,
        user_version: str,
        outcomes: Mapping[str, Mapping[str, Any] | None] | None = None,
        approvers: Sequence[str] = (),
        approver_must_differ: bool = False,
        wxa_conn_id: str = WxaHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        kwargs["params"] = {"comment": Param(None, **self.COMMENT)}  # Airflow has put the DAG's there: not asked here
        super().__init__(subject="Release?", **kwargs)
        self.appid = appid
        self.template_id = template_id
        self.user_version = user_version
        self.outcomes = outcomes
        self.approvers = approvers
        self.approver_must_differ = approver_must_differ
        self.wxa_conn_id = wxa_conn_id

    def execute(self, context: Context) -> Any:
        """Ask, and wait for the answer without taking a worker."""
        approvers = list(dict.fromkeys(self.approvers or ()))
        if self.approver_must_differ and approvers and set(approvers) == {_triggered_by(context)}:
            with failing_at_once():
                raise self._refusal(
                    "release not asked about: nobody could approve it",
                    "trigger the run with approvers that name somebody else, or let one of them trigger it",
                )
        self.subject = f"Release {self.user_version} of {self.appid}?"
        outcomes = self.outcomes or {}
        self.body = "\n\n".join([self._facts(outcomes, _triggered_by(context)), _domain_diff(outcomes.get("domains"))])
        self.assigned_users = [{"id": each, "name": each} for each in approvers] or None
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Note the decision, then go on or skip."""
        if "error" in event:
            self.process_trigger_event_error(event)
        decision = self._decision(context, event)
        # A rejection raises as soon as it has skipped, and a returned value is lost then: push first.
        # But note first: an approval that could not be noted must not be found there.
        self._note(decision)
        context["ti"].xcom_push(key="return_value", value=asdict(decision))
        if decision.outcome == "refused":
            with failing_at_once():
                raise self._refusal(
                    f"approval refused: {decision.by} triggered this run",
                    "clear this task and let somebody else approve",
                )
        # REST lets an answer pass that chooses nothing: it approves nothing.
        chosen = self.APPROVE if decision.outcome == "approved" else self.REJECT
        super().execute_complete(context, event | {"chosen_options": [chosen]})
        return asdict(decision)

    def validate_params_input(self, params_input: Mapping[str, Any]) -> None:
        """Take whatever comes: REST checks no comment, and a wrong one must not cost the answer."""

    def _decision(self, context: Context, event: Mapping[str, Any]) -> Decision:
        user = event.get("responded_by_user") or {}
        outcome: Literal["approved", "rejected", "refused"]
        outcome = "approved" if event["chosen_options"] == [self.APPROVE] else "rejected"
        person = {user.get("id"), user.get("name")}
        if outcome == "approved" and self.approver_must_differ and _triggered_by(context) in person:
            outcome = "refused"
        return Decision(
            outcome,
            self.appid,
            self.user_version,
            by=str(user.get("name") or user.get("id") or ""),
            at=event["responded_at"].isoformat(),
            why=_comment(event.get("params_input")),
        )

    def _note(self, decision: Decision) -> None:
        """Note the decision in the ledger; without that an approval does not count, all else may do without."""
        self.log.info("%s by %s at %s", decision.outcome, decision.by or "nobody in time", decision.at)
        try:
            component_appid = WxaHook(self.wxa_conn_id).read().component_appid
            open_ledger().decided(component_appid, self.appid, current_task(), asdict(decision))
        except WxaError as error:
            if decision.outcome == "approved":
                raise
            self.log.warning("the decision is not in the ledger: %s", error)

    def _refusal(self, what: str, next_step: str) -> WxaError:
        return WxaError(
            what,
            values={"user_version": self.user_version},
            why="approver_must_differ is set: whoever triggers a run does not approve its release.",
            next_step=next_step,
            source=_HOW_TO,
            appid=self.appid,
        )

    def _facts(self, outcomes: Mapping[str, Mapping[str, Any] | None], triggered_by: str) -> str:
        """Return the table above the domains."""
        commit, submit, audit = (outcomes.get(name) or {} for name in ("commit", "submit", "audit"))
        superseded = [
            _code(each) for each in dict.fromkeys([commit.get("superseded"), submit.get("superseded")]) if each
        ]
        link = trial_link(str(conf.get("api", "base_url", fallback="") or ""), self.wxa_conn_id, self.appid)
        rows = {
            "Mini Program": _code(self.appid),
            "version": f"{_code(self.user_version)} from template {_code(self.template_id)}",
            "takes the place of": ", ".join(superseded) or "nothing that waited",
            "audit": f"{_plain(audit.get('outcome', 'not known'))}, sheet {_code(submit.get('auditid', 'not known'))}",
            "try it": f"[QR code of the trial version]({link}), for testers and admins of the Mini Program",
            "triggered by": _code(triggered_by) if triggered_by else "nobody by name",
        }
        if reason := audit.get("reason"):
            rows["the reviewer said"] = _plain(reason)
        return "\n".join(["| | |", "| --- | --- |", *(f"| {name} | {text} |" for name, text in rows.items())])


def _triggered_by(context: Context) -> str:
    return getattr(context["dag_run"], "triggering_user_name", None) or ""


def _comment(params_input: Any) -> str:
    """Return the comment as a text that can be shown and stored, whatever was sent for it."""
    said = params_input.get("comment") if isinstance(params_input, dict) else None
    if said is None:
        return ""
    text = "".join(each for each in str(said) if each.isprintable() or each in "\n\t")
    return shown(text.strip())


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
    lines = [(" " if each in (before or after) else "+", each) for each in after]
    lines += [("-", each) for each in before or () if each not in after]
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


def _code(text: object) -> str:
    """Return a text as code in a cell of a Markdown table, whatever it holds."""
    return f"`{shown(_fenced(text)).replace('|', chr(92) + '|')}`"


def _plain(text: object) -> str:
    """Return a text in a cell of a Markdown table, its own Markdown and HTML taken literally."""
    return re.sub(r"([^\w\s])", r"\\\1", shown(" ".join(str(text).split())), flags=re.ASCII)
