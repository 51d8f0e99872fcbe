"""The question that a person answers before something goes ahead, and the decision that is read from the ledger.

What was decided is read where nobody but this package writes. An XCom and the state of a task can be set by whoever may
edit a run, so they decide nothing.
"""

from __future__ import annotations

import datetime as dt
import logging
import re
import unicodedata
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Param
from airflow.sdk.exceptions import AirflowSkipException

from airflow_wxa.api import values
from airflow_wxa.api.budget import BEIJING
from airflow_wxa.errors import WxaError, WxaStateError, shown
from airflow_wxa.hooks.recorder import current_task
from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.release.dag import TemplatedFields, failing_at_once

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from airflow_wxa.api.values import Reader

_HOW_TO: Final = "airflow-wxa docs approve"
_ASKED: Final = "asked"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Subject:
    """What a person is asked about.

    :param question: one line.
    :param about: what the decision names, as JSON: whoever carries it out has to carry out exactly this.
    :param markdown: everything that is needed to decide.
    """

    question: str
    about: Mapping[str, Any]
    markdown: str


class WxaApprovalOperator(TemplatedFields, ApprovalOperator):
    """Ask a person, under Required Actions, and keep the decision in the ledger.

    Approve goes on; Reject skips the tasks directly behind. Returns ``{"outcome": "approved|rejected", "appid", …,
    "by", "at", "why"}`` with what the subject names; the task that carries it out reads the same from the ledger
    (:func:`require_approval`). An approval that cannot be noted does not count; asking again voids an earlier one. Not
    inside a mapped task group: a rejection skips nothing there (apache/airflow#67265).

    :param approvers: ids of the users who may answer; empty: whoever may edit the run (templated).
    :param approver_must_differ: an approval by whoever triggered the run fails (templated).
    :param approval_timeout_hours: how long to wait; ``None``: for ever. What ran out fails without retry, and Clear
        asks again (templated).
    :param wxa_conn_id: the Connection (templated).
    """

    reads: ClassVar[Mapping[str, Reader]] = {
        "approvers": values.texts,
        "approver_must_differ": values.flag,
        "approval_timeout_hours": values.optional(values.hours),
        "wxa_conn_id": values.named,
    }
    #: The Mini Program that it is about; the platform where a subclass sets none.
    appid: str = ""
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
        approvers: Sequence[str] = (),
        approver_must_differ: bool = False,
        approval_timeout_hours: float | None = None,
        wxa_conn_id: str = WxaHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        kwargs["params"] = {"comment": Param(None, **self.COMMENT)}  # Airflow has put the DAG's there: not asked here
        super().__init__(subject="Approve?", **kwargs)
        self.approvers = approvers
        self.approver_must_differ = approver_must_differ
        self.approval_timeout_hours = approval_timeout_hours
        self.wxa_conn_id = wxa_conn_id

    @abstractmethod
    def ask_about(self, context: Context) -> Subject:
        """Return what is asked; called when the question is put."""

    def execute(self, context: Context) -> Any:
        """Note that it is asked, and wait for the answer without taking a worker."""
        self.read_fields()
        approvers = list(dict.fromkeys(self.approvers))
        with failing_at_once():
            if self.approver_must_differ and approvers and set(approvers) == {_triggered_by(context)}:
                raise WxaError(
                    f"{self.task_id} not asked: nobody could approve it",
                    values={"approvers": ", ".join(approvers)},
                    why="approver_must_differ is set: whoever triggers a run does not approve it.",
                    next_step="trigger the run with approvers that name somebody else, or let one of them trigger it",
                    source=_HOW_TO,
                )
            subject = self.ask_about(context)
            self._note({"outcome": _ASKED, **subject.about})
        self.subject, self.body = subject.question, subject.markdown
        self.assigned_users = [{"id": each, "name": each} for each in approvers] or None
        if self.approval_timeout_hours is not None:
            self.response_timeout = dt.timedelta(hours=self.approval_timeout_hours)
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Note the decision on what was asked, then go on or skip."""
        self.read_fields()
        if "error" in event:
            self._expire(event)
        # A rejection raises as soon as it has skipped, and a returned value is lost then: push first.
        # But note first: an approval that could not be noted must not be found there.
        decision = self._noted(context, self._decision(context, event))
        context["ti"].xcom_push(key="return_value", value=decision)
        if decision["outcome"] == "refused":
            with failing_at_once():
                raise self._refusal(decision["by"])
        # REST lets an answer pass that chooses nothing: it approves nothing.
        chosen = self.APPROVE if decision["outcome"] == "approved" else self.REJECT
        super().execute_complete(context, event | {"chosen_options": [chosen]})
        return decision

    def validate_params_input(self, params_input: Mapping[str, Any]) -> None:
        """Take whatever comes: REST checks no comment, and a wrong one must not cost the answer."""

    def _decision(self, context: Context, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return what was decided; ``refused``: an approval of somebody who may not approve."""
        user = event.get("responded_by_user") or {}
        person = {str(user[key]) for key in ("id", "name") if user.get(key)}
        outcome = "approved" if event["chosen_options"] == [self.APPROVE] else "rejected"
        is_trigger = self.approver_must_differ and _triggered_by(context) in person
        is_named = not self.approvers or str(user.get("id")) in set(self.approvers)
        if outcome == "approved" and (is_trigger or not is_named):
            outcome = "refused"
        return {
            "outcome": outcome,
            "appid": self.appid,
            "by": str(user.get("name") or user.get("id") or ""),
            "at": event["responded_at"].isoformat(),
            "why": _comment(event.get("params_input")),
        }

    def _noted(self, context: Context, decision: dict[str, Any]) -> dict[str, Any]:
        """Note the decision in the ledger; without that an approval does not count, a rejection may do without."""
        at = dt.datetime.fromisoformat(decision["at"]).astimezone(BEIJING)
        who, why = decision["by"] or "nobody in time", f": {decision['why']}" if decision["why"] else ""
        self.log.info("%s by %s at %s (UTC+8)%s", decision["outcome"], who, f"{at:%Y-%m-%d %H:%M}", why)
        try:
            decision |= self._asked_about(context)
            self._note(decision)
        except WxaError as error:
            if decision["outcome"] == "approved":
                raise
            self.log.warning("the decision is not in the ledger: %s", error)
        return decision

    def _asked_about(self, context: Context) -> Mapping[str, Any]:
        """Return what was asked about: as it was shown, whatever this task would show by now."""
        task = current_task()
        asked = open_ledger().decision(
            self._component_appid(), self.appid, task, task.task_id, map_index=task.map_index
        )
        if asked is None:  # it was put by a version of this package that did not note it
            return self.ask_about(context).about
        return {name: value for name, value in asked.items() if name != "outcome"}

    def _expire(self, event: dict[str, Any]) -> None:
        if event["error_type"] != "timeout":
            self.process_trigger_event_error(event)
        with failing_at_once():
            self._note({"outcome": "expired", "appid": self.appid})
            raise WxaError(
                f"{self.task_id}: nobody answered in time",
                values={"approval_timeout_hours": self.approval_timeout_hours},
                why="The wait for an answer was bounded; nothing was carried out.",
                next_step="clear this task: it asks again",
                source=_HOW_TO,
                appid=self.appid,
            )

    def _refusal(self, by: str) -> WxaError:
        return WxaError(
            f"approval refused: {by} may not approve this",
            values={"approvers": ", ".join(self.approvers) or "whoever may edit the run"},
            why="approver_must_differ is set and they triggered this run, or approvers does not name them.",
            next_step="clear this task and let somebody else approve",
            source=_HOW_TO,
            appid=self.appid,
        )

    def _note(self, said: Mapping[str, Any]) -> None:
        open_ledger().decided(self._component_appid(), self.appid, current_task(), said)

    def _component_appid(self) -> str:
        return WxaHook(self.wxa_conn_id).read().component_appid


def require_approval(approval_task_id: str, *, appid: str, about: Mapping[str, Any], wxa_conn_id: str) -> None:
    """Return if a person approved exactly this, by the latest decision of a task of this run in the ledger.

    An attempt that is refused is noted in the ledger as well.

    :param approval_task_id: a :class:`WxaApprovalOperator` of this run.
    :param about: what is to be carried out, by the names of :attr:`Subject.about`.
    :raises AirflowSkipException: it was rejected.
    :raises WxaStateError: nobody was asked, nobody has answered, or something else was approved.
    """
    task = current_task()
    decision = open_ledger().decision(WxaHook(wxa_conn_id).read().component_appid, appid, task, approval_task_id) or {}
    outcome = decision.get("outcome", "never asked")
    differs = [name for name, value in about.items() if decision.get(name) != value]
    if outcome == "approved" and not differs:
        return
    error = WxaStateError(
        f"{task.task_id} not carried out: "
        + ("something else was approved" if outcome == "approved" else "nobody has approved it"),
        values={approval_task_id: outcome}
        | {name: f"{about[name]!r}, approved was {decision.get(name)!r}" for name in differs if outcome == "approved"},
        why="The latest decision in the ledger counts. A task that is marked success, or an XCom that somebody wrote, "
        "approves nothing.",
        next_step=f"clear {approval_task_id} and let somebody approve; "
        "where a task before it read what is asked about, clear that one with the tasks behind it",
        source=_HOW_TO,
        appid=appid,
    )
    note_refusal(error, appid=appid, wxa_conn_id=wxa_conn_id)
    if outcome == "rejected":
        raise AirflowSkipException(f"{approval_task_id}: rejected by {decision.get('by')}: {decision.get('why')}")
    raise error


def is_approval_wanted(context: Context) -> bool:
    """Tell whether this run needs an approval; a key of its conf that the DAG does not declare decides nothing."""
    return not ("approval" in context["dag"].params and context["params"]["approval"] is False)


def note_refusal(error: WxaError, *, appid: str, wxa_conn_id: str) -> None:
    """Note in the ledger that something was not sent for want of a right to it; the refusal holds without the note."""
    said = {"outcome": "stopped", "what": error.what, "next_step": error.next_step}
    try:
        component_appid = WxaHook(wxa_conn_id).read().component_appid
        open_ledger().decided(component_appid, appid, current_task(), said, refused=str(error))
    except WxaError as not_noted:
        log.warning("the refusal is not in the ledger: %s", not_noted)


def as_code(text: object) -> str:
    """Return a text as code in a cell of a Markdown table, whatever it holds."""
    line = _one_line(text)
    # A backslash before a pipe cannot be said in a code span of a table, nor can a backtick.
    return as_text(line) if set(line) & set("`|\\") else f"`{line}`"


def as_text(text: object) -> str:
    """Return a text in a cell of a Markdown table, its own Markdown and HTML taken literally."""
    return re.sub(r"[!-/:-@\[-`{-~]", lambda mark: f"&#{ord(mark[0])};", _one_line(text))


def _one_line(text: object) -> str:
    """Return a text in one line, with characters named that cannot be seen or that turn the direction of others."""
    line = " ".join(str(text).split())
    return shown(
        "".join(f"⟨U+{ord(each):04X}⟩" if unicodedata.category(each) in {"Cc", "Cf", "Cs"} else each for each in line)
    )


def _triggered_by(context: Context) -> str:
    return getattr(context["dag_run"], "triggering_user_name", None) or ""


def _comment(params_input: Any) -> str:
    """Return the comment as a text that can be shown and stored, whatever was sent for it."""
    said = params_input.get("comment") if isinstance(params_input, dict) else None
    if said is None:
        return ""
    text = "".join(each for each in str(said) if each.isprintable() or each in "\n\t")
    return shown(text.strip())
