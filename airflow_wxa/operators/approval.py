"""The question that a person answers before something goes ahead; :mod:`airflow_wxa.hooks.approvals` reads answers."""

import datetime as dt
import json
import re
import unicodedata
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any, ClassVar

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Context

from airflow_wxa.acts.act import Flag, Name, Texts
from airflow_wxa.api import values
from airflow_wxa.api.endpoints import BEIJING
from airflow_wxa.errors import WxaError, WxaStateError, shown
from airflow_wxa.hooks.approvals import HOW_TO
from airflow_wxa.hooks.recorder import current_task
from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.operators import human_input
from airflow_wxa.operators.declared import Declared
from airflow_wxa.release.dag import failing_at_once, form_param
from airflow_wxa.store.questions import Fact, Question, told
from airflow_wxa.texts import Text
from airflow_wxa.texts.setting import phrase


class _Asking(ApprovalOperator):
    def __init__(self, *, response_timeout: dt.timedelta | None = None, **kwargs: Any) -> None:
        # A text alone would be a required field, and an empty required field disables both buttons.
        comment = form_param(Text("param_comment", "title"), default=None, type=["null", "string"], format="multiline")
        kwargs["params"] = {"comment": comment}  # Airflow has put the DAG's there: not asked here
        # Without one Airflow would let an execution_timeout, of default_args for instance, end the wait for the answer.
        super().__init__(subject="Approve?", response_timeout=response_timeout or dt.timedelta.max, **kwargs)
        self.response_timeout = response_timeout


class WxaApprovalOperator(Declared, _Asking):
    """Ask a person, under Required Actions, and keep the question and the decision in the ledger.

    The question is facts, each with its source; its text is a function of them alone and ends with their digest, which
    the decision names. Airflow shows the first question of a task that is cleared: the same one may be asked again,
    another one fails at once. Approve goes on; Reject skips the tasks directly behind. Returns ``{"outcome":
    "approved|rejected", "appid", …, "by", "at", "why", "question"}`` with the facts that the task which carries it out
    proves again. An approval that cannot be noted does not count; asking again voids an earlier one. Inside a mapped
    task group a rejection skips nothing by itself (apache/airflow#67265): a task with ``approval_task_id`` does, by the
    ledger.

    :param approvers: ids of the users who may answer; empty: all who may edit the run (templated).
    :param approver_must_differ: an approval by the user who triggered the run fails (templated).
    :param approval_timeout_hours: how long to wait; ``None``: for ever. A wait that ran out fails without retry, and
        Clear asks again while the facts are the same (templated).
    :param wxa_conn_id: the Connection (templated).
    :param response_timeout: the same as a ``timedelta``, which ``approval_timeout_hours`` supersedes. An
        ``execution_timeout`` does not bound the wait.
    """

    approvers: Texts = ()
    approver_must_differ: Flag = False
    approval_timeout_hours: Annotated[float, values.hours] | None = None
    wxa_conn_id: Name = WxaHook.default_conn_name

    #: The Mini Program that it is about; the platform where a subclass sets none.
    appid = ""
    #: What would be done, in a word for the ledger.
    asks: ClassVar[str]

    @abstractmethod
    def facts(self, context: Context) -> Mapping[str, Fact]:
        """Read the facts at their source: WeChat, the ledger, the run's params."""

    @staticmethod
    def words(question: Question) -> tuple[str, str]:
        """Return the question in one line, and everything that is needed to decide as Markdown; here, all facts.

        A function of the question alone, without clock or configuration: the same facts are the same text.
        """
        facts = {name: fact.value for name, fact in question.facts.items()}
        whose = facts.get("appid") or phrase("the_platform")
        rows = {as_code(name): _as_value(value) for name, value in facts.items()}
        return phrase("ask_about", asks=question.asks, whose=whose), as_table(rows)

    def execute(self, context: Context) -> Any:
        """Note that it is asked, and wait for the answer without taking a worker."""
        self.read_fields()
        approvers = list(dict.fromkeys(self.approvers))
        with failing_at_once():
            if self.approver_must_differ and approvers and set(approvers) == {_triggered_by(context)}:
                raise WxaError(
                    Text("nobody_could_approve", task_id=self.task_id),
                    values={"approvers": ", ".join(approvers)},
                    source=HOW_TO,
                )
            facts = dict(self.facts(context))
            if self.approver_must_differ:  # the board offers no approval to the user who triggered the run
                facts |= told("params", approver_must_differ=True)
            component_appid, task = self._component_appid(), current_task()
            question = open_ledger().asked(component_appid, self.appid, task, partial(Question, self.asks, facts))
        self.subject, body = self.words(question)
        self.body = f"{body}\n\n{question.line}"
        self.assigned_users = [{"id": each, "name": each} for each in approvers] or None
        if self.approval_timeout_hours is not None:
            self.response_timeout = dt.timedelta(hours=self.approval_timeout_hours)
        kept = human_input.put(self, context["ti"].id)
        if not human_input.is_shown(question.line, self.options, approvers, kept):
            with failing_at_once():
                raise self._not_shown(question)
        human_input.wait(self, context)

    def _not_shown(self, question: Question) -> WxaStateError:
        """Return the refusal of a question that nobody would see, and note it."""
        error = WxaStateError(
            Text("question_has_changed"),
            values={"asked": question.line, "approvers": ", ".join(self.approvers) or "whoever may edit the run"},
            source=HOW_TO,
            appid=self.appid,
        )
        WxaHook(self.wxa_conn_id).note_refusal(error, self.appid)
        return error

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        self.read_fields()
        if "error" in event:
            self._expire(event)
        # A rejection raises as soon as it has skipped, and a returned value is lost then: push first.
        # But note first: an approval that could not be noted must not be found there.
        with failing_at_once():
            decision = self._noted(self._decision(context, event))
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

    def _noted(self, decision: dict[str, Any]) -> dict[str, Any]:
        """Note the decision in the ledger; without that an approval does not count, a rejection may do without."""
        at = dt.datetime.fromisoformat(decision["at"]).astimezone(BEIJING)
        who, why = decision["by"] or "nobody in time", f": {decision['why']}" if decision["why"] else ""
        self.log.info("%s by %s at %s (UTC+8)%s", decision["outcome"], who, f"{at:%Y-%m-%d %H:%M}", why)
        try:
            decision |= self._asked_about()
            self._note(decision)
        except WxaError as error:
            if decision["outcome"] == "approved":
                raise
            self.log.warning("the decision is not in the ledger: %s", error)
        return decision

    def _asked_about(self) -> Mapping[str, Any]:
        """Return the facts as they were shown; refuse if this run has asked nothing, or another try since."""
        asked = open_ledger().question(self._component_appid(), self.appid, current_task())
        if asked is None:
            raise WxaStateError(Text("answer_is_to_no_question", task_id=self.task_id), source=HOW_TO, appid=self.appid)
        return asked

    def _expire(self, event: dict[str, Any]) -> None:
        if event["error_type"] != "timeout":
            self.process_trigger_event_error(event)
        with failing_at_once():
            self._note({"outcome": "expired", "appid": self.appid})
            raise WxaError(
                Text("nobody_answered", task_id=self.task_id),
                values={"approval_timeout_hours": self.approval_timeout_hours},
                source=HOW_TO,
                appid=self.appid,
            )

    def _refusal(self, by: str) -> WxaError:
        return WxaError(
            Text("approver_is_refused", by=by),
            values={"approvers": ", ".join(self.approvers) or "whoever may edit the run"},
            source=HOW_TO,
            appid=self.appid,
        )

    def _note(self, said: Mapping[str, Any]) -> None:
        open_ledger().decided(self._component_appid(), self.appid, current_task(), said)

    def _component_appid(self) -> str:
        return WxaHook(self.wxa_conn_id).read().component_appid


def kinds() -> list[type[WxaApprovalOperator]]:
    """Return all kinds of approval that have been imported."""
    found = WxaApprovalOperator.__subclasses__()
    for kind in found:
        found += kind.__subclasses__()
    return found


def kind_of(asks: str) -> type[WxaApprovalOperator]:
    """Return the kind of approval that asks this; the base where none does."""
    return next((kind for kind in kinds() if vars(kind).get("asks") == asks), WxaApprovalOperator)


def as_table(rows: Mapping[str, str]) -> str:
    """Return a Markdown table of two columns; rows without a text are left out."""
    return "\n".join(["| | |", "| --- | --- |", *(f"| {name} | {text} |" for name, text in rows.items() if text)])


def as_diff(before: Sequence[str], after: Sequence[str]) -> tuple[list[str], int, int]:
    """Return a list before and after as lines of a diff, changes first, and how many were added and removed."""
    lines = [(" " if each in before else "+", each) for each in after]
    lines += [("-", each) for each in before if each not in after]
    lines.sort(key=lambda line: (line[0] == " ", line[1]))
    added, removed = (sum(mark == sign for mark, _ in lines) for sign in "+-")
    return [f"{mark} {_fenced(each)}" for mark, each in lines], added, removed


def as_code(text: object) -> str:
    """Return any text as code in a cell of a Markdown table."""
    line = _one_line(text)
    # A backslash before a pipe cannot be said in a code span of a table, nor can a backtick.
    return as_text(line) if set(line) & set("`|\\") else f"`{line}`"


def as_text(text: object) -> str:
    """Return a text in a cell of a Markdown table, its own Markdown and HTML taken literally."""
    return re.sub(r"[!-/:-@\[-`{-~]", lambda mark: f"&#{ord(mark[0])};", _one_line(text))


def _as_value(value: Any) -> str:
    """Return the value of a fact in a cell of a Markdown table."""
    if value in (None, "", [], {}):
        return phrase("none")
    return as_code(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _fenced(text: str) -> str:
    """Return a text as one line of a code block that it cannot end."""
    return " ".join(text.split()).replace("`", "'")


def _one_line(text: object) -> str:
    """Return a text in one line, with characters named that cannot be seen or that turn the direction of others."""
    line = " ".join(str(text).split())
    return shown(
        "".join(f"⟨U+{ord(each):04X}⟩" if unicodedata.category(each) in {"Cc", "Cf", "Cs"} else each for each in line)
    )


def _triggered_by(context: Context) -> str:
    return getattr(context["dag_run"], "triggering_user_name", None) or ""


def _comment(params_input: Any) -> str:
    said = params_input.get("comment") if isinstance(params_input, dict) else None
    if said is None:
        return ""
    text = "".join(each for each in str(said) if each.isprintable() or each in "\n\t")
    return shown(text.strip())
