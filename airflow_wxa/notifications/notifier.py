"""Compose what people wait for, and let one of Airflow's notifiers say it."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from inspect import iscoroutinefunction
from pathlib import Path
from pkgutil import resolve_name
from tempfile import gettempdir
from typing import Any, Final, Literal, cast, get_args
from urllib.parse import quote

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import BaseNotifier, Context, TaskInstanceState

from airflow_wxa.api.values import APPID
from airflow_wxa.errors import WxaError
from airflow_wxa.hooks.store import open_fleets
from airflow_wxa.links import mini_program_page
from airflow_wxa.store.fleets import RunKey
from airflow_wxa.texts import Text, in_language, languages
from airflow_wxa.texts.setting import language
from airflow_wxa.trial_link import api_base_url

log = logging.getLogger(__name__)

Event = Literal["approval_wanted", "audit_ended", "run_stopped", "deadline_missed", "gate_closed", "wave_ended"]
#: Each has a text of its name: ``event_<name>``.
EVENTS: Final[tuple[Event, ...]] = get_args(Event)
#: Event → key of the next step, where no error of ours says it.
_NEXT: Final[Mapping[str, str]] = {
    "approval_wanted": "answer_the_question",
    "run_stopped": "mend_and_clear",
    "gate_closed": "mend_and_clear",
    "deadline_missed": "see_which_task",
}
_AUDIT_ENDS: Final = ("approved", "rejected", "withdrawn")
#: Task behind a wave of a fleet → the wave; the last one is the gate of none.
_BEHIND: Final = {"canary_gate": "canary", "early_gate": "early", "fleet_result": "rest"}
#: Killed worker's task instance → its object of the request that tells of it; ``None``: another process had that.
_REQUESTS: Final[dict[str, object]] = {}
_MOST: Final = 1500  # characters of a text: WeCom's robot takes 2,048 bytes, the others more


class WxaNotifier(BaseNotifier):
    """Say what people wait for, through one of Airflow's notifiers; say nothing else.

    It goes wherever Airflow takes a callback, and tells by the context what there is to say: as ``notifiers`` of an
    approval that a person is wanted, as ``on_success_callback`` that an audit or a fleet's wave has ended, as
    ``on_failure_callback`` of a task or a DAG that a run stopped, also when a worker was killed; as a deadline's
    callback that a run is late. A mapped task is named in the title; a fleet's shards say nothing: its gates do. A
    context that it does not understand is a warning in the log.

    ::

        slack = SlackWebhookNotifier(slack_webhook_conn_id="slack", text="{{ wxa_title }}: {{ wxa_text }}")
        tell = WxaNotifier(slack)
        default_args = {"notifiers": [tell], "on_success_callback": tell, "on_failure_callback": tell}
        late = AsyncCallback(WxaNotifier, {"through": "our_notifiers.slack"})

    :param through: a notifier whose templated fields name ``wxa_title``, ``wxa_text`` and ``wxa_event``, or a function
        of the context, in which they stand; or where to import one, as a deadline needs it. Texts inside the three are
        never rendered again.
    :param language: one of :func:`airflow_wxa.texts.languages`, or ``"both"``: English and Chinese; default: that of
        ``[wxa] language``; English there means both.
    :param events: those to tell, of :data:`EVENTS`; default: all.
    :param context: given by a deadline.
    :raises ValueError: another language or event, or an async function, which a worker would never await.
    :raises ImportError: nothing can be imported from ``through``.
    """

    def __init__(
        self,
        through: BaseNotifier | Callable[[Context], object] | str,
        *,
        language: str | None = None,
        events: Collection[Event] = EVENTS,
        context: Context | None = None,
    ) -> None:
        super().__init__(context)
        if language not in {None, *languages(), "both"}:
            raise ValueError(f"language = {language!r}: must be of {', '.join(languages())}, or 'both'")
        if unknown := [each for each in events if each not in EVENTS]:
            raise ValueError(f"events = {unknown}: must be of {', '.join(EVENTS)}")
        self.through = resolve_name(through) if isinstance(through, str) else through
        if iscoroutinefunction(self.through):
            raise ValueError(f"through = {self.through!r}: an async function; give a notifier with async_notify")
        self.language = language
        self.events = events

    def notify(self, context: Context) -> None:
        """Send the notification; a failure costs neither the task nor its state."""
        with self._warned(context):
            if told := self._told(context):
                # A notifier renders its own fields in place: the next event has another text.
                copy(self.through)(told)

    async def async_notify(self, context: Context) -> None:
        """Say it in a triggerer, which calls so for a deadline: by ``async_notify`` of the notifier that has one."""
        with self._warned(context):
            through = copy(self.through)
            if not (told := await asyncio.to_thread(self._told, context)):
                return
            if isinstance(through, BaseNotifier) and type(through).async_notify is not BaseNotifier.async_notify:
                through.context = told
                await through
            else:
                await asyncio.to_thread(through, told)

    @contextmanager
    def _warned(self, context: Context) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001  (each notifier has errors of its own, whose text may hold its URL)
            log.warning("nobody was told: %s, of a context with %s", type(error).__name__, ", ".join(context))

    def _told(self, context: Context) -> Context | None:
        event = event_of(context)
        if event is None or event not in self.events or (_is_killed(context) and _is_again(context["ti"])):
            return None
        run = _run(context)
        title = f"{self._said('event_' + event)}: {run.dag_id} {run.run_id}{_mapped(context)}"
        more = {"wxa_event": event, "wxa_title": title, "wxa_text": self._text(event, context)}
        return cast("Context", {**context, **more})

    def _text(self, event: Event, context: Context) -> str:
        appid, about = _appid(context), self._about(event, context)
        error = context.get("exception")
        by_ours = isinstance(error, WxaError) or (error is not None and _wave(context))
        following = "" if by_ours or event not in _NEXT else self._said(_NEXT[event])
        lines = [appid if appid not in about else "", about, following, *_addresses(context, appid)]
        return "\n".join(line for line in lines if line)

    def _about(self, event: Event, context: Context) -> str:
        if event == "approval_wanted":
            return _cut(str(getattr(context["task"], "subject", "")))
        if event == "audit_ended":
            status = _returned(context)
            end = self._said(f"audit_{status['outcome']}")
            return _cut("\n".join(filter(None, [f"{status['appid']}: {end}", str(status.get("reason") or "")])))
        if event == "deadline_missed":
            at = context["deadline"]["deadline_time"]  # type: ignore[typeddict-item]
            return self._said("not_done_at", at=at)
        error, told = context.get("exception"), str(context.get("reason") or "")
        if error is not None:
            told = _cut(str(error) or type(error).__name__)
        elif not told and event != "wave_ended":
            name = context["ti"].task_id
            told = self._said("worker_ended_silently", name=name)
        return "\n".join(filter(None, [told, _counts(context) if _wave(context) else ""]))

    def _said(self, key: str, **values: object) -> str:
        named = self.language or language()
        read = ("en", "zh") if named == "both" or (not self.language and named == "en") else (named,)
        return " ".join(in_language(Text(key, **values), each) for each in read)


def event_of(context: Context) -> Event | None:
    """Return what the context is about; ``None``: nothing that anybody waits for.

    :raises KeyError: it is the context of no task, DAG or deadline.
    """
    if "deadline" in context:
        return "deadline_missed"
    if "reason" in context:  # of a DAG; beside it stands the task that ended last, whatever became of it
        return None if context["reason"] == "success" else "run_stopped"
    ti, task = context["ti"], context["task"]
    if getattr(task, "task_type", "") == "WxaFleetShardOperator":
        return None
    is_killed, returned = _is_killed(context), _returned(context)
    if not is_killed and returned.get("auditid") and returned.get("outcome") in _AUDIT_ENDS:
        return "audit_ended"
    if is_killed or context.get("exception") is not None:
        return "gate_closed" if _wave(context) not in {"", "rest"} else "run_stopped"
    if isinstance(task, HITLOperator):
        return "approval_wanted" if ti.xcom_pull(task_ids=task.task_id, key="return_value") is None else None
    return "wave_ended" if _wave(context) else None


def _is_killed(context: Context) -> bool:
    """Tell whether the DAG processor speaks of a killed worker's task: it knows no exception, and no state."""
    is_silent = "reason" not in context and context.get("exception") is None
    return is_silent and getattr(context.get("ti"), "state", "") in (None, TaskInstanceState.FAILED)


def _is_again(ti: Any) -> bool:
    """Tell whether an earlier request spoke of this killed worker: for a missing heartbeat Airflow makes two."""
    # In this process, or in another one of this machine: https://github.com/apache/airflow/pull/68008
    key = str(ti.id)
    if key not in _REQUESTS:
        try:
            Path(gettempdir(), f"wxa-told-{key}").touch(exist_ok=False)
        except OSError as error:  # rather told twice than never
            _REQUESTS[key] = None if isinstance(error, FileExistsError) else ti
        else:
            _REQUESTS[key] = ti
    return _REQUESTS[key] is not ti


def _run(context: Context) -> RunKey:
    """Return the run's names: all that a DAG's callback has of it, if no task instance is left."""
    run: Any = context.get("dag_run")
    if isinstance(run, dict):  # of a deadline: as the REST API shows it
        return RunKey(run["dag_id"], run["dag_run_id"])
    return RunKey(run.dag_id if run else context["dag"].dag_id, run.run_id if run else context["run_id"])


def _mapped(context: Context) -> str:
    """Return the name of a mapped task, with its index; ``""``: it is not mapped, or the context is a DAG's."""
    ti: Any = context.get("ti")
    index = getattr(ti, "map_index", None)
    if index in {None, -1} or "reason" in context:
        return ""
    return f" {ti.task_id}[{getattr(ti, 'rendered_map_index', None) or index}]"


def _appid(context: Context) -> str:
    """Return the appid of the task, or of the run's params; ``""``: it is about none, or about many."""
    run: Any = context.get("dag_run")
    conf = run.get("conf") if isinstance(run, dict) else getattr(run, "conf", None)
    asked: dict[str, Any] = {**(conf or {}), **(context.get("params") or {})}
    # Outside of a worker a task's fields are templates still.
    named = (getattr(context.get("task"), "appid", ""), asked.get("appid"))
    return next((each for each in named if isinstance(each, str) and APPID.fullmatch(each)), "")


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
    counted = Counter[str]()
    try:
        for wave, _, outcome, _, count in open_fleets().counts(_run(context)):
            if wave == _wave(context):
                counted[outcome or "goes on"] += count
    except WxaError:
        return ""
    said = ", ".join(f"{count} {outcome}" for outcome, count in counted.most_common())
    return f"{_wave(context)}: {said}" if said else ""


def _addresses(context: Context, appid: str) -> list[str]:
    base_url, run = api_base_url(), _run(context)
    if not base_url:
        return []
    page = f"{base_url}/dags/{quote(run.dag_id, safe='')}/runs/{quote(run.run_id, safe='')}"
    return [page, mini_program_page(appid) if appid else ""]


def _cut(text: str) -> str:
    return text if len(text) <= _MOST else f"{text[:_MOST]}…"
