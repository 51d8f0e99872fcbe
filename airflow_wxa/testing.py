"""Test a DAG in an eighth of a second: :func:`walk` carries it out in this process, without database or scheduler.

Pytest finds the fixtures of :mod:`airflow_wxa.pytest_plugin` by itself, ``wxa_default`` among them: an emulated WeChat
behind the Connection ``wxa_default``. ``pytest_plugins = ["airflow_wxa.testing"]`` brings them in as well.
"""
# ruff: noqa: SLF001  (a mapped task tells its length to nobody else)

import asyncio
import json
import signal
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, aclosing, contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, partial
from graphlib import TopologicalSorter
from itertools import count
from math import prod
from typing import Any, Final, cast
from unittest.mock import patch
from uuid import UUID, uuid4

from airflow.sdk import DAG, Context, TaskInstanceState
from airflow.sdk._shared.module_loading import import_string
from airflow.sdk.api.datamodels._generated import DagRun, TIRunContext
from airflow.sdk.exceptions import ErrorType
from airflow.sdk.execution_time import comms, task_runner
from airflow.sdk.execution_time.supervisor import set_supervisor_comms
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance, finalize, log, run
from airflow.sdk.serde import deserialize, serialize
from jsonschema import Draft7Validator, Draft202012Validator
from pydantic import TypeAdapter

from airflow_wxa.errors import WxaSpecError
from airflow_wxa.pytest_plugin import wxa_connection, wxa_default, wxa_sandbox, wxa_world
from airflow_wxa.texts import Text

__all__ = ["Walk", "walk", "wxa_connection", "wxa_default", "wxa_sandbox", "wxa_world"]

_numbers = count(1)
_FAILED: Final = {"failed", "upstream_failed"}
_LINK: Final = "_link_"


def _failed(seen: set[str]) -> str:
    return "upstream_failed" if _FAILED & seen else ""


#: Trigger rule → the state that a task takes in place of a start, by the states before it; ``""``: it is started.
_INSTEAD: Final[Mapping[str, Callable[[set[str]], str]]] = {
    "all_success": lambda seen: _failed(seen) or ("skipped" if "skipped" in seen else ""),
    "none_failed": _failed,
    "none_failed_min_one_success": lambda seen: _failed(seen) or ("" if "success" in seen else "skipped"),
    "one_success": lambda seen: "" if "success" in seen else _failed(seen) or "skipped",
    "one_failed": lambda seen: "" if _failed(seen) else "skipped",
    "all_done_min_one_success": lambda seen: (
        "skipped" if "skipped" in seen else "" if "success" in seen else _failed(seen)
    ),
    "all_done": lambda _seen: "",
    "always": lambda _seen: "",
}


@dataclass(kw_only=True)
class Walk:
    """The end of a run.

    :param state: of the run: ``success`` or ``failed``.
    :param states: task id → state; of a mapped task, the states by map index joined by commas.
    :param xcoms: task id → return value, ``None`` without one; of a mapped task a list.
    :param errors: task id → the error that failed it for good.
    :param tries: task id → number of tries; 0: it was not started.
    :param questions: task id → the question to a person: ``subject``, ``body``, ``options``, ``assigned_users``.
    :param links: task id → name of an extra link → its address; of a mapped task those of its last instance.
    """

    state: str = "running"
    states: dict[str, str] = field(default_factory=dict)
    xcoms: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, BaseException] = field(default_factory=dict)
    tries: dict[str, int] = field(default_factory=dict)
    questions: dict[str, Any] = field(default_factory=dict)
    links: dict[str, dict[str, str]] = field(default_factory=dict)


def walk(
    dag: DAG,
    conf: Mapping[str, Any] | None = None,
    *,
    answers: str | Mapping[str, str] = "Approve",
    answered_by: str = "release-manager",
    triggered_by: str = "test",
    mark_success: Collection[str] = (),
) -> Walk:
    """Carry a DAG out, each task after those before it, and return the end of the run.

    Tasks run by Airflow's own task runner, as on a worker: templates, ``pre_execute``, callbacks, retries and
    reschedules (without the wait), XComs as JSON, branches and other skips, mapped tasks and mapped task groups.
    Triggers run in line. Requests to the supervisor are answered here, so neither a metadata database nor a scheduler
    is needed; Connections and Variables come from the environment. Not here, but in ``DAG.test``, which takes several
    times as long: setup and teardown, mapped tasks inside mapped task groups, other DAGs, callbacks of the DAG itself.

    :param conf: param → value, as given when a run is triggered; the DAG itself keeps its defaults.
    :param answers: the option that a person chooses, or task id → option, for an instance of a mapped task
        ``"task_id[map_index]"``; without an answer its time runs out.
    :param answered_by: id of the person who chooses.
    :param triggered_by: id of the user who triggers the run.
    :param mark_success: ids of tasks that somebody marks as success in place of running them.
    :raises ParamValidationError: ``conf`` is refused, as when a run is triggered.
    :raises WxaSpecError: the DAG needs something that a walk does not have.
    """
    with worked_out_once(), ExitStack() as left:
        left.callback(signal.signal, signal.SIGTERM, signal.getsignal(signal.SIGTERM))  # Airflow sets one of its own
        run = _Run(dag, dict(conf or {}), answers, answered_by, triggered_by)
        holders: list[Any] = [dag, *dag.tasks]
        for param in [each.params.get_param(name) for each in holders for name in each.params]:
            left.enter_context(patch.object(param, "value", param.value))  # a run's conf would stay behind in them
        run.go_on(mark_success)
        return run.ended()


@contextmanager
def worked_out_once() -> Iterator[None]:
    """Remember meanwhile what Airflow works out anew for each task and each param, which is half of a walk.

    That is whether the schema of a param is valid, and how a JSON value is validated to which a field was rendered.
    """
    with ExitStack() as patched:
        patched.enter_context(patch.object(task_runner, "TypeAdapter", _type_adapter))
        for draft in (Draft7Validator, Draft202012Validator):
            check = partial(_check_schema, draft.__name__, draft.check_schema)
            patched.enter_context(patch.object(draft, "check_schema", check))
        yield


_type_adapter: Final = cache(TypeAdapter)
_valid: Final = set[tuple[str, str]]()


def _check_schema(draft: str, check: Callable[..., None], schema: Mapping[str, Any], **options: Any) -> None:
    if (key := (draft, json.dumps(schema, sort_keys=True))) not in _valid:
        check(schema, **options)
        _valid.add(key)


@dataclass
class _Run:
    """A run, and the supervisor that answers its tasks."""

    dag: DAG
    conf: dict[str, Any]
    answers: str | Mapping[str, str]
    answered_by: str
    triggered_by: str
    walk: Walk = field(default_factory=Walk)
    states: dict[tuple[str, int], str] = field(default_factory=dict)
    xcoms: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)
    kept: dict[tuple[UUID, str], Any] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    tried: dict[str, int] = field(default_factory=dict)
    task_id: str = ""
    instances: int = 0

    def __post_init__(self) -> None:
        params = deepcopy(self.dag.params)
        params.update(self.conf)
        params.validate()
        dates = ("logical_date", "data_interval_start", "data_interval_end", "run_after", "start_date")
        told: dict[str, Any] = {"dag_id": self.dag.dag_id, "run_id": f"walk__{next(_numbers)}", "run_type": "manual"}
        told |= {"state": "running", "conf": self.conf, "triggering_user_name": self.triggered_by}
        told |= {"end_date": None, "consumed_asset_events": [], "partition_key": None}
        self.run = DagRun.model_validate(told | dict.fromkeys(dates, datetime.now(UTC)))

    def go_on(self, marked: Collection[str] = ()) -> None:
        """Bring every task to its end that has not ended."""
        before = {task.task_id: task.upstream_task_ids for task in self.dag.tasks}
        for task_id in TopologicalSorter(before).static_order():
            if not self.indexes(task_id):
                self._carry(self.dag.task_dict[task_id], is_marked=task_id in marked)

    def ended(self) -> Walk:
        """Return the end of the run; its last tasks decide."""
        for task_id in self.dag.task_dict:
            mine = self.indexes(task_id)
            self.walk.tries.setdefault(task_id, 0)
            self.walk.states[task_id] = ",".join(self.states[task_id, index] for index in mine)
            returned = [deserialize(self.xcoms.get((task_id, index), {}).get("return_value")) for index in mine]
            self.walk.xcoms[task_id] = returned[0] if mine == [-1] else returned
            kept = self.xcoms.get((task_id, mine[-1]), {}).items() if mine else ()
            self.walk.links[task_id] = {key.removeprefix(_LINK): url for key, url in kept if key.startswith(_LINK)}
        last = {self.states[task.task_id, index] for task in self.dag.leaves for index in self.indexes(task.task_id)}
        self.walk.state = "failed" if last & _FAILED else "success"
        return self.walk

    def indexes(self, task_id: str) -> list[int]:
        """Return the map indexes of a task's instances."""
        return sorted(index for each, index in self.states if each == task_id)

    def _carry(self, task: Any, *, is_marked: bool) -> None:
        """Run each instance of a task, or give it the state that it takes instead."""
        group = task.get_closest_mapped_task_group()
        before: list[Any] = [self.dag.task_dict[each] for each in task.upstream_task_ids]
        beside = {each.task_id for each in before if group and each.get_closest_mapped_task_group() is group}
        is_expanded = any((each, -1) not in self.states for each in beside)
        state = "skipped" if task.task_id in self.skipped else "" if is_expanded else self._instead(task, beside, -1)
        mapped = [group._expand_input] if group else []
        mapped += [task._get_specified_expand_input()] if task.is_mapped else []
        sources = {
            self.states.get((source.task_id, -1), "success") for each in mapped for source, _ in each.iter_references()
        }
        state = state or _failed(sources) or ("skipped" if "skipped" in sources else "")
        if len(mapped) > 1:
            raise _not_known(f"{task.task_id} is mapped inside a mapped task group")
        if mapped and not state:
            length = self._length(task, mapped[0].value)
            self.instances, state = length or 0, {None: "upstream_failed", 0: "skipped"}.get(length, "")
        for index in range(self.instances) if mapped and not state else [-1]:
            instead = state or (self._instead(task, beside, index) if group else "")
            self.states[task.task_id, index] = instead or ("success" if is_marked else self._run(task, index))

    def states_of(self, task_ids: Collection[str]) -> dict[str, str]:
        """Return the states of tasks; a mapped one's instances are told apart by their index."""
        found = [(each, index) for each in task_ids for index in self.indexes(each)]
        return {each if index < 0 else f"{each}_{index}": self.states[each, index] for each, index in found}

    def _instead(self, task: Any, beside: set[str], index: int) -> str:
        """Return the state that an instance takes in place of a start; ``""``: it is started.

        :param beside: the tasks before it in its mapped task group; one instance of each counts.
        """
        seen = {self.states[each, index] for each in beside}
        seen |= {self.states[each, at] for each in task.upstream_task_ids - beside for at in self.indexes(each)}
        if task.trigger_rule not in _INSTEAD:
            raise _not_known(f"{task.task_id} has the trigger rule {task.trigger_rule.value}")
        return _INSTEAD[task.trigger_rule](seen) if seen else ""

    def _length(self, task: Any, value: Any) -> int | None:
        """Return the number of instances of a mapped task; ``None``: the XCom to map over is missing."""
        with self._supervised(task, -1, uuid4(), 1, {}) as (_, context):
            given = value.values() if isinstance(value, dict) else [value]
            try:
                lists = [each.resolve(context) if hasattr(each, "resolve") else each for each in given]
            except ValueError:  # an XCom of several that are put together is missing
                return None
            return None if any(each is None for each in lists) else prod(map(len, lists))

    @contextmanager
    def _supervised(
        self, task: Any, index: int, ti_id: UUID, number: int, resumed: Mapping[str, Any]
    ) -> Iterator[tuple[Any, Context]]:
        """Give a task instance and its context, and answer its requests."""
        left = number - self.tried.get(task.task_id, 0) <= task.retries
        server = {"dag_run": self.run, "max_tries": task.retries, "should_retry": left, **resumed}
        told = {"id": ti_id, "dag_version_id": ti_id, "task": task, "task_id": task.task_id, "map_index": index}
        told |= {"dag_id": self.dag.dag_id, "run_id": self.run.run_id, "try_number": number, "max_tries": task.retries}
        told |= {"start_date": datetime.now(UTC), "state": TaskInstanceState.RUNNING}
        told["_ti_context_from_server"] = TIRunContext.model_validate(server)
        ti = RuntimeTaskInstance.model_construct(None, **told)
        self.task_id = task.task_id
        with set_supervisor_comms(self):
            yield ti, ti.get_template_context()

    def _run(self, task: Any, index: int, attempt: tuple[UUID, int, dict[str, Any]] | None = None) -> str:
        """Run an instance until it has ended, and return its state."""
        self.began = datetime.now(UTC)
        ti_id, number, resumed = attempt or (uuid4(), self.tried.get(task.task_id, 0) + 1, dict[str, Any]())
        while True:
            if not resumed:
                self.xcoms.pop((task.task_id, index), None)
            with self._supervised(task, index, ti_id, number, resumed) as (ti, context):
                state, said, error = run(ti, context, log)
                context["exception"] = error
                finalize(ti, state, context, log, error)
                self.walk.tries[task.task_id] = number
                if state == "failed" and error is not None:
                    self.walk.errors[task.task_id] = error
                if state in {"success", "failed", "skipped"}:
                    return str(state.value)
                number += state == "up_for_retry"
                resumed = {} if state == "up_for_retry" else self._resumed(ti, said, resumed)

    def _resumed(self, ti: Any, said: Any, before: Mapping[str, Any]) -> dict[str, Any]:
        """Return what an instance that waited goes on with."""
        if hasattr(said, "reschedule_date"):
            return {"task_reschedule_count": before.get("task_reschedule_count", 0) + 1}
        is_question = getattr(said, "classpath", ".HITLTrigger").endswith(".HITLTrigger")
        try:
            event = self.answer(ti, said) if is_question else asyncio.run(_first_event(said))
        except Exception as error:  # noqa: BLE001  (whatever breaks a trigger fails the task that waits)
            why = "Trigger timeout" if isinstance(error, TimeoutError) else "Trigger failure"
            return {"next_method": "__fail__", "next_kwargs": {"error": why, "traceback": [repr(error)]}}
        return {"next_method": said.next_method, "next_kwargs": {**(said.next_kwargs or {}), "event": serialize(event)}}

    def answer(self, ti: Any, _said: Any) -> dict[str, Any]:
        """Return the event of a person's answer, or of the time for it being over."""
        chosen = self.answers
        if not isinstance(chosen, str):
            chosen = chosen.get(f"{ti.task_id}[{ti.map_index}]", chosen.get(ti.task_id, ""))
        if not chosen:
            return {"error": "no answer in time", "error_type": "timeout"}
        answer = {"chosen_options": [chosen], "params_input": {}, "responded_at": datetime.now(UTC), "timedout": False}
        return answer | {"responded_by_user": {"id": self.answered_by, "name": self.answered_by}}

    def send(self, msg: Any) -> Any:
        """Answer a request of a task."""
        name = type(msg).__name__
        if name not in _ANSWERS:
            raise _not_known(f"{self.task_id} asks for {name}")
        return _ANSWERS[name](self, msg)

    async def asend(self, msg: Any) -> Any:
        """Answer a request of a trigger."""
        return self.send(msg)

    def pushed(self, msg: Any) -> list[Any]:
        """Return the XComs of all instances of a task."""
        found = [self.xcoms[each] for each in sorted(self.xcoms) if each[0] == msg.task_id]
        return [each[msg.key] for each in found if msg.key in each]

    def ask(self, msg: Any) -> Any:
        """Keep a question, and return it as it is shown."""
        self.walk.questions[self.task_id] = msg
        return comms.HITLDetailRequestResult(**msg.model_dump(exclude={"type"}))


def _of(msg: Any) -> tuple[str, int]:
    return msg.task_id, -1 if msg.map_index is None else msg.map_index


def _not_known(what: str) -> WxaSpecError:
    return WxaSpecError(Text("walk_cannot_go_on"), [what])


async def _first_event(deferred: Any) -> Any:
    """Return the payload of a trigger's first event; the trigger is made from its serialised form, as usual."""
    kwargs, timeout = cast("dict[str, Any]", deserialize(deferred.trigger_kwargs)), deferred.trigger_timeout
    async with aclosing(import_string(deferred.classpath)(**kwargs).run()) as events:
        return (await asyncio.wait_for(anext(events), timeout.total_seconds() if timeout else None)).payload


#: Requests that only tell something.
_TOLD: Final = (
    *("SetRenderedFields", "SetRenderedMapIndex", "MaskSecret", "SucceedTask", "TaskState", "RetryTask"),
    *("RescheduleTask", "DeferTask", "AwaitInputTask"),
)
#: Request → its answer.
_ANSWERS: Final[Mapping[str, Callable[[_Run, Any], Any]]] = {
    **dict.fromkeys(_TOLD, lambda _run, _msg: comms.OKResponse(ok=True)),
    # Connections and Variables of the environment were looked for before.
    "GetConnection": lambda _run, _msg: comms.ErrorResponse(error=ErrorType.CONNECTION_NOT_FOUND),
    "GetVariable": lambda _run, _msg: comms.ErrorResponse(error=ErrorType.VARIABLE_NOT_FOUND),
    "SetXCom": lambda run, msg: run.xcoms.setdefault(_of(msg), {}).update({msg.key: json.loads(json.dumps(msg.value))}),
    "GetXCom": lambda run, msg: comms.XComResult(key=msg.key, value=run.xcoms.get(_of(msg), {}).get(msg.key)),
    "GetXComCount": lambda run, msg: comms.XComCountResponse(len=len(run.pushed(msg))),
    "GetXComSequenceItem": lambda run, msg: comms.XComSequenceIndexResult(root=run.pushed(msg)[msg.offset]),
    "GetXComSequenceSlice": lambda run, msg: comms.XComSequenceSliceResult(
        root=run.pushed(msg)[msg.start : msg.stop : msg.step]
    ),
    "SkipDownstreamTasks": lambda run, msg: run.skipped.update(
        (each if isinstance(each, str) else each[0], run.task_id)
        for each in msg.tasks
        if isinstance(each, str) or each[1] == -1
    ),
    "GetTaskStateStore": lambda run, msg: run.kept.get((msg.ti_id, msg.key)),
    "SetTaskStateStore": lambda run, msg: run.kept.update(
        {(msg.ti_id, msg.key): comms.TaskStateStoreResult(value=msg.value)}
    ),
    "GetTaskRescheduleStartDate": lambda run, _msg: comms.TaskRescheduleStartDate(start_date=run.began),
    "GetTaskStates": lambda run, msg: comms.TaskStatesResult(task_states={run.run.run_id: run.states_of(msg.task_ids)}),
    "GetTICount": lambda run, _msg: comms.TICount(count=run.instances),
    "ValidateInletsAndOutlets": lambda _run, _msg: comms.InactiveAssetsResult(inactive_assets=[]),
    "CreateHITLDetailPayload": lambda run, msg: run.ask(msg),
}
