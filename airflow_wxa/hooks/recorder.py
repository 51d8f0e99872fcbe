"""Keep the ledger while a step runs: each write before and after, the outcome at the end."""

import datetime as dt
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from airflow.sdk import Context

from airflow_wxa.api.audit import withdrawals_left
from airflow_wxa.api.call import Call, Reply
from airflow_wxa.api.endpoints import CATALOGUE
from airflow_wxa.api.values import THE_PLATFORM
from airflow_wxa.client.telemetry import count
from airflow_wxa.errors import WxaApiError, WxaAuditRejected, WxaError, WxaSpecError
from airflow_wxa.hooks.accepted import accepted_writes, noted_writes
from airflow_wxa.hooks.approvals import is_approval_wanted, refusal
from airflow_wxa.steps import AcceptedWrites, Approved, Left, Recall
from airflow_wxa.store import Ledger, Result, TaskRef
from airflow_wxa.texts import Text
from airflow_wxa.texts.setting import as_set

log = logging.getLogger(__name__)

_joined: Final[set[str]] = set()  # ids of task instances


#: Outcome's class → the endpoints whose lost answers it tells about: once ours is submitted, nothing of somebody
#: else's is in audit any more, so that a lost withdrawal is found out as well.
ENDPOINTS: Final[Mapping[str, tuple[str, ...]]] = {
    "DomainOutcome": ("setwebviewdomain",),
    "DirectDomainOutcome": ("setwebviewdomain_directly",),
    "PlatformOutcome": ("modify_wxa_jump_domain",),
    "PlatformServerOutcome": ("modify_wxa_server_domain",),
    "TemplateOutcome": ("addtotemplate",),
    "CommitOutcome": ("commit",),
    "SubmitOutcome": ("undocodeaudit", "submit_audit"),
    "PrivacySettingOutcome": ("setprivacysetting",),
    "ReleaseOutcome": ("release",),
    "RollbackOutcome": ("revertcoderelease",),
    "GrayOutcome": ("grayrelease", "revertgrayrelease"),
    "WithdrawOutcome": ("undocodeaudit",),
    "TrialQrcodeOutcome": ("get_qrcode",),  # no write either: whoever may see the run may look at the picture
    "AccountOutcome": ("getaccountbasicinfo",),  # no write: the board shows it
    "AuditOutcome": ("get_auditstatus",),  # no write: where the review stands is kept as the run's latest outcome
}


class Recorder:
    """An :class:`~airflow_wxa.client.Observer` that writes the ledger of a task's steps.

    :param open_ledger: opens it; called only when there is something to write.
    :param component_appid: the platform.
    :param task: on whose behalf.
    :param supersedes: the run withdraws sheets of earlier runs of its DAG.
    """

    def __init__(
        self, open_ledger: Callable[[], Ledger], component_appid: str, task: TaskRef, *, supersedes: bool = False
    ) -> None:
        self._supersedes = supersedes
        self._open_ledger = open_ledger
        self.component_appid = component_appid
        self._task = task
        #: By appid and endpoint: a shard's serves many Mini Programs.
        self._fences: dict[tuple[str, str], str] = {}

    def before(self, calls: Sequence[Call]) -> list[int]:
        """Note the intents.

        :raises WxaTransportError: the store does not answer; the calls are not sent.
        :raises WxaStateError: a newer attempt of the same call is under way; the calls are not sent.
        """
        return self._open_ledger().intend(self.component_appid, calls, self._task, self._fences)

    def after(self, answers: Sequence[tuple[int, Reply | WxaError]]) -> list[None]:
        """Note what WeChat did or refused; nothing was sent: forget it; a lost answer leaves its row unknown."""
        said = {noted: answer.errcode if isinstance(answer, Reply) else answer for noted, answer in answers}
        answered = {noted: each for noted, each in said.items() if isinstance(each, int | WxaApiError)}
        unsent = [noted for noted, each in said.items() if isinstance(each, WxaSpecError)]
        auditids = {
            noted: str(answer.answer.get("auditid", "")) for noted, answer in answers if isinstance(answer, Reply)
        }
        if answered:
            self._keep(lambda ledger: ledger.answered(answered, auditids))
        if unsent:
            self._keep(lambda ledger: ledger.forget(unsent))
        return [None] * len(answers)

    def ended(self, steps: Sequence[tuple[Call | None, Any]]) -> list[None]:
        """Note what the steps came to, or why they stopped for good; rows of lost answers stay unknown then."""
        ended = len(steps)
        if not self._task.run_id:  # a trigger's looks, thousands of them, are no run's outcome
            steps = [(wrote, end) for wrote, end in steps if type(end).__name__ != "AuditOutcome"]
        of_steps = [_results(wrote, end) for wrote, end in steps]
        for told in filter(None, of_steps):  # of one step, whose outcome stands beside each of its writes
            count("wxa.outcomes", outcome=str(told[0].said["outcome"]))
        results = [result for told in of_steps for result in told]
        if results:
            self._keep(lambda ledger: ledger.settle(self.component_appid, self._task, results))
        return [None] * ended

    def recall(self, questions: Sequence[Recall]) -> list[AcceptedWrites]:
        """Return the writes of the task's run that WeChat accepted lately, for each question."""
        return accepted_writes(
            self._open_ledger, self.component_appid, self._task, questions, supersedes=self._supersedes
        )

    def noted(self, appids: Collection[str]) -> Callable[[Recall], AcceptedWrites]:
        """Read what the ledger knows of Mini Programs at once, and return a function that answers :meth:`recall`.

        :raises WxaTransportError: the store does not answer.
        """
        return noted_writes(self._open_ledger(), self.component_appid, self._task, appids, appids)

    def left(self, questions: Sequence[Left]) -> list[int]:
        """Take the fences of calls that WeChat does not guard, and return how often each call may still be sent.

        :raises WxaTransportError: the store does not answer.
        """
        return [self._left(each) for each in questions]

    def _left(self, asked: Left) -> int:
        endpoint, ledger = CATALOGUE[asked.endpoint], self._open_ledger()
        call = (self.component_appid, asked.appid, asked.endpoint)
        if endpoint.fenced:  # before it is counted: so two attempts do not count the same budget
            self._fences[asked.appid, asked.endpoint] = ledger.take_fence(*call)
        if asked.endpoint == "undocodeaudit":  # counted by the day as well
            return withdrawals_left(*ledger.spent(*call, dt.datetime.now(dt.UTC)))
        return 1 if endpoint.budget is None else ledger.left(self.component_appid, asked.appid, endpoint)

    def approved(self, questions: Sequence[Approved]) -> list[Mapping[str, Any] | None]:
        """Return for each question the decision by which a person has approved exactly this.

        ``None``: this run needs no approval.

        :raises AirflowSkipException: it was rejected.
        :raises WxaStateError: nobody was asked, nobody has answered, or something else was approved.
        :raises WxaTransportError: the store does not answer.
        """
        if not is_approval_wanted(running_context()):
            return [None] * len(questions)
        return [self.proven(asked) for asked in questions]

    def proven(self, asked: Approved) -> Mapping[str, Any]:
        """Return the decision by which a person has approved exactly this; the run's params decide nothing.

        :raises AirflowSkipException: as :meth:`approved` raises.
        """
        by = (self.component_appid, asked.appid, self._task, asked.approval_task_id)
        decision = self._open_ledger().decision(*by) or {}
        if error := refusal(self._task.task_id, asked, decision):
            self.note_refusal(error, asked.appid)
            if decision.get("outcome") == "rejected":
                from airflow.sdk.exceptions import AirflowSkipException  # noqa: PLC0415  (as above)

                who, why = decision.get("by"), decision.get("why")
                raise AirflowSkipException(
                    as_set(Text("rejected_by", approval_task_id=asked.approval_task_id, who=who, why=why))
                )
            raise error
        return decision

    def note_refusal(self, error: WxaError, appid: str) -> None:
        """Note that something was not sent for want of a right to it; the refusal holds without the note."""
        said = {"outcome": "stopped", "what": error.what, "next_step": error.next_step}
        refused = str(error)
        self._keep(lambda ledger: ledger.decided(self.component_appid, appid, self._task, said, refused=refused))

    def _keep(self, write: Callable[[Ledger], object]) -> None:
        """Write after the fact: the work is done, so a store that fails now is only told about."""
        try:
            write(self._open_ledger())
        except WxaError as error:
            log.warning("not noted in the ledger, the next run finds out: %s", error)
        except Exception as error:  # noqa: BLE001  (a driver's own error can show what was to be written)
            log.warning("not noted in the ledger, the next run finds out: %s", type(error).__name__)


def _results(wrote: Call | None, end: Any) -> list[Result]:
    if not isinstance(end, WxaError):
        resolves = getattr(end, "after", ()) is not None  # a list that WeChat did not tell finds nothing out
        endpoints = ENDPOINTS.get(type(end).__name__, (end.endpoint,) if hasattr(end, "endpoint") else ())
        return [Result(getattr(end, "appid", ""), endpoint, end.to_json(), resolves) for endpoint in endpoints]
    appid = wrote.appid if wrote else end.appid
    if end.retryable or (wrote is None and not appid):
        return []
    said = {
        "outcome": "stopped",
        "what": end.what,
        "next_step": end.next_step,
        "errcode": getattr(end, "errcode", None),
    }
    if isinstance(end, WxaAuditRejected):  # a fleet's: a single release keeps the review's own outcome
        said |= {"reason": end.reason, "auditid": end.values.get("auditid", "")}
    if end.endpoint == "check_account":
        said["account"] = {"to_do": [line.strip(" -") for line in end.why.splitlines()]}
    endpoint = wrote.endpoint.name if wrote else ""  # what stopped at a read wrote nothing, and is stuck all the same
    return [Result(appid or THE_PLATFORM, endpoint, said, resolves=False)]


def join_run(open_ledger: Callable[[], Ledger]) -> None:
    """Let the running task join its run, once in a process; if the store does not answer, its first write does."""
    task = current_task()
    if not task.run_id or task.ti_id in _joined:
        return
    try:
        open_ledger().join(task)
    except WxaError as error:
        log.info("the task has not joined its run yet: %s", error.what)
    else:
        _joined.add(task.ti_id)


def running_context() -> Context | None:
    """Return the context of the running task; ``None``: outside of a task."""
    from airflow.sdk import get_current_context  # noqa: PLC0415  (the rest keeps a ledger without Airflow)

    try:
        return get_current_context()
    except (RuntimeError, LookupError):
        return None


def current_task(wxa_conn_id: str = "") -> TaskRef:
    """Return the running task, for the ledger; outside a task nobody.

    :param wxa_conn_id: the Connection that it works with.
    """
    context = running_context()
    if context is None:
        return TaskRef()
    ti, run = context["ti"], context["dag_run"]
    return TaskRef(
        dag_id=ti.dag_id,
        run_id=ti.run_id,
        task_id=ti.task_id,
        map_index=ti.map_index if ti.map_index is not None else -1,
        try_number=ti.try_number,
        triggered_by=getattr(run, "triggering_user_name", None) or "",
        ti_id=str(getattr(ti, "id", "")),
        run_after=run_after.timestamp() if (run_after := getattr(run, "run_after", None)) is not None else None,
        wxa_conn_id=wxa_conn_id,
    )
