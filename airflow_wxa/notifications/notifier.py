"""Compose what people wait for, and let one of Airflow's notifiers say it."""

from __future__ import annotations

from collections import Counter
from copy import copy
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import quote

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import BaseNotifier

from airflow_wxa.errors import WxaError
from airflow_wxa.hooks.store import open_fleets
from airflow_wxa.links import WxaMiniProgramLink
from airflow_wxa.store.fleets import RunKey
from airflow_wxa.trial_link import api_base_url

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from airflow.sdk import Context

Event = Literal["approval_wanted", "audit_ended", "run_stopped", "gate_closed", "wave_ended"]
#: What is told → its title in English and Chinese.
EVENTS: Final[Mapping[Event, tuple[str, str]]] = {
    "approval_wanted": ("Approval wanted", "等待审批"),
    "audit_ended": ("Audit ended", "审核结束"),
    "run_stopped": ("Run stopped", "运行已停止"),
    "gate_closed": ("Fleet stopped behind a wave", "批量发布在本批之后停止"),
    "wave_ended": ("Wave done", "本批已完成"),
}
_AUDIT_ENDS: Final = {"approved": "审核通过", "rejected": "审核不通过", "withdrawn": "审核已撤回"}
#: Task behind a wave of a fleet → the wave; the last one is the gate of none.
_BEHIND: Final = {"canary_gate": "canary", "early_gate": "early", "fleet_result": "rest"}
_MOST: Final = 1500  # characters of a text: WeCom's robot takes 2,048 bytes, the others more


class WxaNotifier(BaseNotifier):
    """Say what people wait for, in English and Chinese, through one of Airflow's notifiers; say nothing else.

    It goes wherever Airflow takes a callback, and tells by the context what there is to say: as ``notifiers`` of an
    approval that a person is wanted, as ``on_success_callback`` that an audit or a fleet's wave has ended, as
    ``on_failure_callback`` that a run stopped. A mapped task says nothing: a fleet's gates speak for its shards.

    ::

        slack = SlackWebhookNotifier(slack_webhook_conn_id="slack", text="{{ wxa_title }}: {{ wxa_text }}")
        tell = WxaNotifier(slack)
        default_args = {"notifiers": [tell], "on_success_callback": tell, "on_failure_callback": tell}

    :param through: a notifier whose templated fields name ``wxa_title``, ``wxa_text`` and ``wxa_event``, or a function
        of the context, in which they stand. What they hold is never rendered again.
    :param language: ``"en"``, ``"zh"`` or ``"both"``.
    :param events: those to tell, of :data:`EVENTS`; default: all.
    :raises ValueError: another language or event.
    """

    def __init__(
        self,
        through: BaseNotifier | Callable[[Context], object],
        *,
        language: Literal["en", "zh", "both"] = "both",
        events: Collection[Event] = tuple(EVENTS),
    ) -> None:
        super().__init__()
        if language not in {"en", "zh", "both"}:
            raise ValueError(f"language = {language!r}: must be 'en', 'zh' or 'both'")
        if unknown := [each for each in events if each not in EVENTS]:
            raise ValueError(f"events = {unknown}: must be of {', '.join(EVENTS)}")
        self.through = through
        self.language = language
        self.events = events

    def notify(self, context: Context) -> None:
        """Say what there is to say; what goes wrong costs neither the task nor its state."""
        event = event_of(context)
        if event is None or event not in self.events:
            return
        more = {"wxa_event": event, "wxa_title": self._title(event, context), "wxa_text": self._text(event, context)}
        through = copy(self.through)  # a notifier renders its own fields in place: the next event has another text
        try:
            through({**context, **more})  # type: ignore[typeddict-item]
        except Exception as error:  # noqa: BLE001  (each notifier has errors of its own, whose text may hold its URL)
            self.log.warning("nobody was told of %s: %s", event, type(error).__name__)

    def _title(self, event: Event, context: Context) -> str:
        run = context["dag_run"]
        return f"{self._said(*EVENTS[event])}: {run.dag_id} {run.run_id}"

    def _text(self, event: Event, context: Context) -> str:
        lines = [self._about(event, context), *_addresses(context)]
        return "\n".join(line for line in lines if line)

    def _about(self, event: Event, context: Context) -> str:
        if event == "approval_wanted":
            return _cut(str(getattr(context["task"], "subject", "")))
        if event == "audit_ended":
            status = _returned(context)
            end = self._said(f"audit {status['outcome']}", _AUDIT_ENDS[status["outcome"]])
            return _cut("\n".join(filter(None, [f"{status['appid']}: {end}", str(status.get("reason") or "")])))
        told = _cut(str(context.get("exception") or context.get("reason") or ""))
        return "\n".join(filter(None, [told, _counts(context) if _wave(context) else ""]))

    def _said(self, english: str, chinese: str) -> str:
        return {"en": english, "zh": chinese, "both": f"{english} {chinese}"}[self.language]


def event_of(context: Context) -> Event | None:
    """Return what the context is about; ``None``: nothing that anybody waits for."""
    ti, task = context.get("ti"), context.get("task")
    if ti is None or task is None:  # of a whole run
        return "run_stopped" if str(context["dag_run"].state) == "failed" else None
    if getattr(ti, "map_index", -1) not in {None, -1}:
        return None
    if _returned(context).get("auditid") and _returned(context).get("outcome") in _AUDIT_ENDS and not _is_asked(task):
        return "audit_ended"
    if context.get("exception") is not None:
        return "gate_closed" if _wave(context) not in {"", "rest"} else "run_stopped"
    if _is_asked(task):
        return "approval_wanted" if ti.xcom_pull(task_ids=task.task_id, key="return_value") is None else None
    return "wave_ended" if _wave(context) else None


def _is_asked(task: Any) -> bool:
    return isinstance(task, HITLOperator)


def _returned(context: Context) -> Mapping[str, Any]:
    """Return what an audit's task says of its sheet, also when it failed behind that."""
    task = context["task"]
    if not hasattr(task, "auditid") or not hasattr(task, "poke"):
        return {}
    returned = context["ti"].xcom_pull(task_ids=task.task_id, key="return_value")
    return returned if isinstance(returned, dict) else {}


def _wave(context: Context) -> str:
    """Return the wave that the task looks back on; ``""``: on none."""
    return _BEHIND.get(str(getattr(context.get("task"), "task_id", "")), "")


def _counts(context: Context) -> str:
    """Return how many Mini Programs of the wave came to what."""
    run, counted = context["dag_run"], Counter[str]()
    try:
        for wave, _, outcome, _, count in open_fleets().counts(RunKey(run.dag_id, run.run_id)):
            if wave == _wave(context):
                counted[outcome or "goes on"] += count
    except WxaError:
        return ""
    return f"{_wave(context)}: " + ", ".join(f"{count} {outcome}" for outcome, count in counted.most_common())


def _addresses(context: Context) -> list[str]:
    """Return the run's page, and the Mini Program's on the board."""
    base_url, run, task = api_base_url(), context["dag_run"], context.get("task")
    if not base_url:
        return []
    page = f"{base_url}/dags/{quote(run.dag_id, safe='')}/runs/{quote(run.run_id, safe='')}"
    board = WxaMiniProgramLink().get_link(task, ti_key=context["ti"]) if task is not None else ""  # type: ignore[arg-type]
    return [page, board]


def _cut(text: str) -> str:
    return text if len(text) <= _MOST else f"{text[:_MOST]}…"
