"""Keep the ledger while a step runs: each write before and after, the outcome at the end."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_wxa.errors import WxaApiError, WxaError, WxaSpecError, WxaStateError
from airflow_wxa.store import TaskRef

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_wxa.api.call import Call, Reply
    from airflow_wxa.store import Ledger

__all__ = ["Recorder", "current_task"]

log = logging.getLogger(__name__)


class Recorder:
    """An :class:`~airflow_wxa.client.observer.Observer` that writes the ledger of one step.

    :param open_ledger: opens it; called only when there is something to write.
    :param component_appid: the platform.
    :param task: on whose behalf.
    :param fence: the attempt that :meth:`Ledger.take_fence` gave before the step's first look; without one, no call
        that WeChat does not guard is sent.
    """

    #: Outcome's class → the endpoints whose lost answers it tells about: once ours is submitted, nothing of somebody
    #: else's is in audit any more, so that a lost withdrawal is found out as well.
    ENDPOINTS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "DomainOutcome": ("setwebviewdomain",),
        "PlatformOutcome": ("modify_wxa_jump_domain",),
        "CommitOutcome": ("commit",),
        "SubmitOutcome": ("undocodeaudit", "submit_audit"),
        "ReleaseOutcome": ("release",),
        "AuditOutcome": ("get_auditstatus",),  # no write: where the review stands is kept as the run's latest outcome
    }

    def __init__(self, open_ledger: Callable[[], Ledger], component_appid: str, task: TaskRef, fence: str = "") -> None:
        self._open_ledger = open_ledger
        self._component_appid = component_appid
        self._task = task
        self._fence = fence
        self._wrote: tuple[str, str] | None = None  # appid and endpoint of the latest write

    def before(self, call: Call) -> int:
        """Note the intent.

        :raises WxaTransportError: the store does not answer; the call is not sent.
        :raises WxaStateError: a newer attempt of the same call is under way; the call is not sent.
        """
        ledger = self._open_ledger()
        if call.endpoint.fenced:
            self._pass_fence(ledger, call)
        self._wrote = (call.appid or "", call.endpoint.name)
        return ledger.intend(self._component_appid, call, self._task)

    def answered(self, noted: int, reply: Reply) -> None:
        """Note that WeChat did it."""
        self._keep(lambda ledger: ledger.answered(noted, errcode=reply.errcode))

    def refused(self, noted: int, error: WxaError) -> None:
        """Note that WeChat refused, or that nothing was sent; a lost answer leaves the row as it is: unknown."""
        if isinstance(error, WxaSpecError):
            self._keep(lambda ledger: ledger.forget(noted))
        elif isinstance(error, WxaApiError):
            self._keep(lambda ledger: ledger.answered(noted, error))

    def settled(self, outcome: Any) -> None:
        """Note what the step came to."""
        resolves = getattr(outcome, "after", ()) is not None  # a list that WeChat did not tell finds nothing out
        for endpoint in self.ENDPOINTS.get(type(outcome).__name__, ()):
            self._settle(getattr(outcome, "appid", ""), endpoint, outcome.to_json(), resolves=resolves)

    def failed(self, error: WxaError) -> None:
        """Note why the step stopped; ledger rows of lost answers stay unknown."""
        if self._wrote is None or error.retryable:
            return
        appid, endpoint = self._wrote
        said = {"outcome": "stopped", "what": error.what, "next_step": error.next_step}
        self._settle(appid, endpoint, said | {"errcode": getattr(error, "errcode", None)}, resolves=False)

    def _settle(self, appid: str, endpoint: str, said: Mapping[str, Any], *, resolves: bool) -> None:
        self._keep(
            lambda ledger: ledger.settle(self._component_appid, appid, endpoint, self._task, said, resolves=resolves)
        )

    def _pass_fence(self, ledger: Ledger, call: Call) -> None:
        if not ledger.pass_fence(self._fence, self._component_appid, call.appid or "", call.endpoint.name):
            raise WxaStateError(
                f"{call.endpoint.name} not sent: a newer attempt of the same task is under way",
                why="WeChat does not guard this call, so only the newest attempt may send it, and only once.",
                next_step="leave it to the newer attempt; look at this task's other tries",
                source=call.endpoint.source,
                endpoint=call.endpoint.name,
                appid=call.appid,
            )

    def _keep(self, write: Callable[[Ledger], object]) -> None:
        """Write after the fact: the work is done, so a store that fails now is only told about."""
        try:
            write(self._open_ledger())
        except WxaError as error:
            log.warning("not noted in the ledger, the next run finds out: %s", error)


def current_task() -> TaskRef:
    """Return the running task, for the ledger; outside a task nobody."""
    from airflow.sdk import get_current_context  # noqa: PLC0415  (the rest keeps a ledger without Airflow)

    try:
        context = get_current_context()
    except (RuntimeError, LookupError):
        return TaskRef()
    ti, run = context["ti"], context["dag_run"]
    return TaskRef(
        dag_id=ti.dag_id,
        run_id=ti.run_id,
        task_id=ti.task_id,
        map_index=ti.map_index if ti.map_index is not None else -1,
        try_number=ti.try_number,
        triggered_by=getattr(run, "triggering_user_name", None) or "",
    )
