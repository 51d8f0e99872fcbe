"""Call counters that are used up (45009): ask a person whether to spend one of ten resets a month, and reset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_wxa.api import values
from airflow_wxa.api.appid import THE_PLATFORM
from airflow_wxa.api.call import Call
from airflow_wxa.api.endpoints import CATALOGUE
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.operators.approval import WxaApprovalOperator, as_code
from airflow_wxa.operators.call import answer_to, done_before
from airflow_wxa.operators.mini_program import MiniProgramFields
from airflow_wxa.release.dag import failing_at_once
from airflow_wxa.steps import Approved, approved, changes_left
from airflow_wxa.store.questions import Fact, Question, told

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context

    from airflow_wxa.api.values import Reader
    from airflow_wxa.steps import Step


_ROW = CATALOGUE["clear_quota"]


class WxaApproveClearQuotaOperator(WxaApprovalOperator):
    """Ask a person whether to spend one of the account's ten resets a month; shows how many are left by the ledger.

    :param appid: the Mini Program whose counters are meant; the word ``platform``: the platform's own (templated).
    """

    reads: ClassVar[Mapping[str, Reader]] = {"appid": values.account, **WxaApprovalOperator.reads}
    asks = "clear_quota"

    def __init__(self, *, appid: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.appid = appid

    def read_fields(self) -> None:
        """Read them, and note under the platform what is about its own counters: the word is no Mini Program."""
        super().read_fields()
        self.whose, self.appid = self.appid, _noted(self.appid)

    def facts(self, context: Context) -> Mapping[str, Fact]:
        """Return whose counters begin anew, and how many resets the ledger has left."""
        left = WxaHook(self.wxa_conn_id).changes_left(self.appid, _ROW.name)
        return told("run", named=True, reset=self.whose) | told("ledger", named=True, left=left)

    @staticmethod
    def words(question: Question) -> tuple[str, str]:
        """Return whose counters begin anew, and what that costs."""
        whose, left = question["reset"], question["left"]
        assert _ROW.budget is not None  # noqa: S101  (it has one)
        lines = [
            f"All of the day's call counters of {as_code(whose)} begin anew (`/cgi-bin/clear_quota`).",
            (
                f"**{left} of {_ROW.budget.a_month} resets are left this month**, as the ledger counts those that were "
                "sent from here; this takes one. Resets of other tools count, too, and WeChat does not tell them."
            ),
        ]
        return f"Reset the call counters of {whose}?", "\n\n".join(lines)


class WxaClearQuotaOperator(MiniProgramFields):
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

    reads: ClassVar[Mapping[str, Reader]] = {**MiniProgramFields.reads, "appid": values.account}

    def __init__(self, *, appid: str, approval_task_id: str | None = None, **kwargs: Any) -> None:
        super().__init__(appid=appid, **kwargs)
        self.approval_task_id = approval_task_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Send it once; see the class for what is returned."""
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
