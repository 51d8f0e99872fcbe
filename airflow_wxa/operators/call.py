"""A call to an endpoint without an operator; and the call counters that are used up (45009)."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from airflow.sdk import BaseOperator, Context

from airflow_wxa.acts.act import JsonObject, Name
from airflow_wxa.api import values
from airflow_wxa.api.call import Call
from airflow_wxa.api.endpoints import CATALOGUE
from airflow_wxa.api.values import THE_PLATFORM
from airflow_wxa.errors import WxaError, WxaStateError
from airflow_wxa.hooks.recorder import current_task
from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.operators.approval import WxaApprovalOperator, as_code
from airflow_wxa.operators.declared import Declared
from airflow_wxa.release.dag import failing_at_once
from airflow_wxa.steps import Approved, Step, approved, changes_left
from airflow_wxa.steps.plain import unlisted_call, without_tokens
from airflow_wxa.store.questions import Fact, Question, told
from airflow_wxa.texts import Text
from airflow_wxa.texts.setting import phrase

#: An appid, or the word for the platform.
Account: TypeAlias = Annotated[str, values.account]


class WxaCallOperator(Declared, BaseOperator):
    """Send one call to an endpoint that has no operator of its own; returns WeChat's answer.

    Token, ledger, errors and redaction are those of every other call. A POST counts as a write: it is noted in the
    ledger before it is sent, and never sent again by itself, neither after a lost answer nor by a retry: once one was
    accepted, a retry or a task that is cleared sends none and returns errcode 0 alone. Endpoints about tokens, and
    writes that have an operator, are refused.

    :param method: ``"GET"`` or ``"POST"`` (templated).
    :param path: such as ``/wxa/a_new_one`` (templated).
    :param body: the JSON object of a POST, the query of a GET (templated).
    :param appid: the Mini Program whose token is used, or ``None``: the platform's token. A template says that with
        the word ``platform``: one that renders to nothing is refused (templated).
    :param wxa_conn_id: the Connection (templated).
    """

    method: Annotated[str, values.choice("GET", "POST")]
    path: Name
    body: JsonObject | None = None
    appid: Annotated[str | None, values.account]
    wxa_conn_id: Name = WxaHook.default_conn_name

    def __post_init__(self) -> None:
        if self.appid is None:
            self.appid = values.PLATFORM

    def execute(self, context: Context) -> dict[str, Any]:
        self.read_fields()
        with failing_at_once():
            call = unlisted_call(
                self.method, self.path, self.body or {}, None if self.appid == values.PLATFORM else self.appid
            )
            if call.writes and done_before(call):
                self.log.warning("%s not sent again: an earlier try of this task was accepted", call.endpoint.name)
                return {"errcode": 0, "errmsg": "not sent again: an earlier try of this task was accepted"}
            try:
                answer: dict[str, Any] = WxaHook(self.wxa_conn_id).run(answer_to(call))
            except WxaError as error:
                error.retryable = error.retryable and not call.writes
                raise
        return answer


def answer_to(call: Call) -> Step[dict[str, Any]]:
    """Send it, and return WeChat's answer without what may be a token."""
    answer: dict[str, Any] = without_tokens(dict((yield call).answer))
    return answer


def done_before(call: Call) -> bool:
    """Tell whether this task of this run has done it already.

    :raises WxaStateError: an earlier try may have done it: its answer was lost.
    """
    task = current_task()
    if not task.run_id:
        return False
    mine = [
        entry
        for entry in open_ledger().entries(run_id=task.run_id, most=None)
        if (entry.task.dag_id, entry.task.task_id, entry.task.map_index, entry.endpoint)
        == (task.dag_id, task.task_id, task.map_index, call.endpoint.name)
    ]
    if lost := next((entry for entry in mine if entry.result == "unknown"), None):
        raise WxaStateError(
            Text("earlier_try_is_unknown", endpoint=call.endpoint.name),
            values={"ledger": lost.id},
            endpoint=call.endpoint.name,
            appid=call.appid,
        )
    return any(entry.result == "ok" for entry in mine)


_ROW = CATALOGUE["clear_quota"]


class WxaApproveClearQuotaOperator(WxaApprovalOperator):
    """Ask a person whether to spend one of the account's ten resets a month; shows how many are left by the ledger.

    The decision names the counters and how many resets are left.

    :param appid: the Mini Program whose counters are meant; the word ``platform``: the platform's own (templated).
    """

    appid: Account
    asks = "clear_quota"

    def read_fields(self) -> None:
        """Read them, and note under the platform what is about its own counters: the word is no Mini Program."""
        super().read_fields()
        self.whose, self.appid = self.appid, _noted(self.appid)

    def facts(self, context: Context) -> Mapping[str, Fact]:
        left = WxaHook(self.wxa_conn_id).changes_left(self.appid, _ROW.name)
        return told("run", named=True, reset=self.whose) | told("ledger", named=True, left=left)

    @staticmethod
    def words(question: Question) -> tuple[str, str]:
        whose, left = question["reset"], question["left"]
        assert _ROW.budget is not None  # noqa: S101  (it has one)
        lines = [
            phrase("counters_begin_anew", whose=as_code(whose)),
            phrase("resets_are_left", left=left, a_month=_ROW.budget.a_month),
        ]
        return phrase("ask_reset", whose=whose), "\n\n".join(lines)


class WxaClearQuotaOperator(Declared, BaseOperator):
    """Let the day's call counters begin anew: ten times a month for each account, and once for a task of a run.

    The ledger counts the resets, lost answers too, and none is sent beyond the tenth. A retry, or a task that is
    cleared, sends none once one was accepted, and stops where an earlier try's answer was lost. Returns ``{"outcome":
    "cleared|already_cleared", "appid", "left"}``.

    :param appid: the Mini Program; the word ``platform``: the platform's own counters (templated).
    :param approval_task_id: a :class:`WxaApproveClearQuotaOperator` of this run, without whose approval nothing is
        sent. ``None``: nobody is asked.
    :param wxa_conn_id: the Connection; for the platform it names ``component_appid`` (templated).

    Source: https://developers.weixin.qq.com/doc/oplatform/Third-party_Platforms/2.0/api/openApi/clear_quota.html
    """

    appid: Account
    approval_task_id: str | None = None
    wxa_conn_id: Name = WxaHook.default_conn_name

    def execute(self, context: Context) -> dict[str, Any]:
        self.read_fields()
        hook, appid = WxaHook(self.wxa_conn_id), _noted(self.appid)
        with failing_at_once():
            call = Call.to(_ROW.name, appid or None, {"appid": appid or hook.read().component_appid})
            was_done = hook.run(_cleared(call, self.appid, self.approval_task_id))
            left = hook.changes_left(appid, _ROW.name)
        return {"outcome": "already_cleared" if was_done else "cleared", "appid": self.appid, "left": left}


def _cleared(call: Call, whose: str, approval_task_id: str | None) -> Step[bool]:
    """Send the call unless an earlier try of this task was accepted; tells whether one was."""
    left = yield from changes_left(_ROW.name, call.appid)  # before the ledger is read
    was_done = done_before(call)
    if not was_done:
        if approval_task_id is not None:
            yield from approved(Approved(approval_task_id, _noted(whose), {"reset": whose, "left": left}))
        yield from answer_to(call)
    return was_done


def _noted(appid: str) -> str:
    return THE_PLATFORM if appid == values.PLATFORM else appid
