"""One call to whatever endpoint nobody has written an operator for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_wxa.api import values
from airflow_wxa.api.unlisted import unlisted_call, without_tokens
from airflow_wxa.errors import WxaError, WxaStateError
from airflow_wxa.hooks.recorder import current_task
from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.operators.mini_program import MiniProgramFields
from airflow_wxa.release.dag import failing_at_once

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context

    from airflow_wxa.api.call import Call
    from airflow_wxa.api.values import Reader
    from airflow_wxa.steps import Step


class WxaCallOperator(MiniProgramFields):
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
    """

    reads: ClassVar[Mapping[str, Reader]] = {
        **MiniProgramFields.reads,
        "appid": values.account,
        "method": values.choice("GET", "POST"),
        "path": values.named,
        "body": values.optional(values.json_object),
    }

    def __init__(
        self,
        *,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        appid: str | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(appid=values.PLATFORM if appid is None else appid, **kwargs)
        self.method = method
        self.path = path
        self.body = body

    def execute(self, context: Context) -> dict[str, Any]:
        """Send it; see the class for what is returned."""
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
            f"{call.endpoint.name} not sent again: what an earlier try of this task came to is not known",
            values={"ledger": lost.id},
            why="The answer was lost, so WeChat may have done it, and nothing here can read whether it did.",
            next_step="look at WeChat whether it was done; if it was not, trigger a new run",
            endpoint=call.endpoint.name,
            appid=call.appid,
        )
    return any(entry.result == "ok" for entry in mine)
