"""Arguments that a DAG file hands to a factory: each is honoured, or refused by name when the file is parsed."""

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any, Final

from airflow.sdk import DAG, BaseOperator, Param
from airflow.sdk.definitions.mappedoperator import MappedOperator

from airflow_wxa.errors import problem_at
from airflow_wxa.release.dag import TemplatedFields, valued_params
from airflow_wxa.texts import Text

Task = BaseOperator | MappedOperator
Values = Mapping[str, Any]
Overrides = Mapping[str, Mapping[str, Any]]

_UNSET: Final = object()
#: Argument that cannot be given → why, as a part of the text ``not_given``.
_REFUSED: Final[Mapping[str, str]] = {
    **dict.fromkeys(("dag", "default_args", "task_group", "task_id", "trigger_rule"), "roads"),
    **dict.fromkeys(("never_fail", "soft_fail"), "wait"),
    **dict.fromkeys(
        ("assigned_users", "body", "defaults", "multiple", "options", "response_timeout", "subject"), "approval"
    ),
    **dict.fromkeys(("sla", "sla_miss_callback"), "sla"),
    "do_xcom_push": "xcom",
    "multiple_outputs": "outputs",
    "params": "params",
    "pre_execute": "pre_execute",
}
#: Values of those that change nothing.
_AS_IT_IS: Final[Mapping[str, bool]] = {"do_xcom_push": True, "never_fail": False, "soft_fail": False}


class Given:
    """Everything that a DAG file hands over.

    :param fixed: param → the value that it has in every run: it is not in the form, and a run that is triggered with
        another value is refused.
    :param defaults: param → another default; the field stays. A plain value in ``params`` means the same.
    :param overrides: task id → argument → value, for arguments that the DAG does not set itself.
    :param dag_kwargs: other arguments of ``DAG``; ``default_args`` and ``params`` are added to those of the factory.
    """

    def __init__(
        self, fixed: Values | None, defaults: Values | None, overrides: Overrides | None, dag_kwargs: Values
    ) -> None:
        self._fixed, self._defaults, self._overrides = fixed or {}, dict(defaults or {}), overrides or {}
        self.dag_kwargs = {name: each for name, each in dag_kwargs.items() if name not in {"default_args", "params"}}
        self.default_args = dict(dag_kwargs.get("default_args") or {})
        self._params = {**(self.default_args.pop("params", None) or {}), **(dag_kwargs.get("params") or {})}

    def params(self, own: Mapping[str, Param]) -> tuple[dict[str, Any], list[str]]:
        """Return the params of the DAG, and a line for each entry that it cannot honour.

        :param own: the params of the form.
        """
        added: dict[str, Any] = {}
        problems: list[str] = []
        for name, value in self._params.items():
            if name not in own:
                added[name] = value
            elif name in self._defaults or (isinstance(value, Param) and (value.schema or value.description)):
                problems.append(problem_at(f"params {name}", Text("not_given", "field")))
            else:
                self._defaults[name] = value.value if isinstance(value, Param) else value
        params, wrong = valued_params(own, self._fixed, self._defaults)
        known = inspect.signature(DAG).parameters.keys() | {"fixed", "overrides"}
        problems += wrong
        for name in self.dag_kwargs.keys() - (known - _REFUSED.keys()):
            part = _REFUSED.get(name)
            problems.append(problem_at(name, Text("not_given", part) if part else _no("no_dag_argument", name, known)))
        problems += [problem_at(f"default_args {name}", why) for name, why in _refused(self.default_args)]
        return added | params, problems

    def apply(self, dag: DAG, params: Collection[str]) -> Iterator[str]:
        """Give tasks the arguments of ``overrides``; yield a line for each entry that they do not take."""
        tasks = [task for task in dag.tasks if _is_ours(task)]
        for name, value in self.default_args.items():
            takers = [task for task in tasks if name in _arguments(_class_of(task))]
            if name in params:
                yield problem_at(f"default_args {name}", Text("not_given", "param"))
            elif not takers:
                yield problem_at(f"default_args {name}", _no("no_task_argument", name, _arguments(BaseOperator)))
            elif set_there := [task.task_id for task in takers if not _follows(task, name, value)]:
                yield problem_at(f"default_args {name}", Text("argument_is_set_by", tasks=", ".join(set_there)))
        for task_id, arguments in self._overrides.items():
            if task_id not in dag.task_dict:
                yield problem_at(f"overrides {task_id}", _no("no_task_of_dag", task_id, dag.task_ids))
                continue
            task = dag.get_task(task_id)
            wrong = [*_not_taken(task, arguments, dag.default_args)]
            try:
                if not wrong:
                    _override(task, arguments)
            except (TypeError, ValueError) as error:
                wrong = [str(error)]
            yield from (problem_at(f"overrides {task_id}", each) for each in wrong)


def _not_taken(task: Task, arguments: Mapping[str, Any], default_args: Mapping[str, Any]) -> Iterator[str]:
    yield from (problem_at(name, why) for name, why in _refused(arguments))
    known = _arguments(_class_of(task))
    for name in arguments.keys() - _REFUSED.keys():
        if name not in known:
            yield problem_at(name, _no("no_argument_of_it", name, known))
        elif name in getattr(task, "built_with", ()) or not _follows(task, name, default_args.get(name, _UNSET)):
            yield problem_at(name, Text("not_given", "set"))


def _override(task: Any, arguments: Mapping[str, Any]) -> None:
    """Give a task arguments as its constructor would have taken them."""
    if isinstance(task, MappedOperator):
        task.partial_kwargs.update({name: _kept(name, value) for name, value in arguments.items()})
        return
    cls, first = _class_of(task), {"task_id": task.task_id}
    if cls is not BaseOperator:
        first |= {name: value for name, value in task.built_with.items() if name not in _REFUSED}
    plain, other = vars(cls(**first)), vars(cls(**first | dict(arguments)))
    for name, value in other.items():
        if not name.startswith("_BaseOperator__") and value != plain.get(name, _UNSET):
            setattr(task, name, value)


def _refused(arguments: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        (name, Text("not_given", _REFUSED[name]))
        for name in arguments.keys() & _REFUSED.keys()
        if arguments[name] != _AS_IT_IS.get(name, _UNSET)
    ]


def _no(key: str, name: str, known: Collection[str]) -> Text:
    close = get_close_matches(name, sorted(known), n=1, cutoff=0.8)
    return Text("but_close", problem=Text(key), close=close[0]) if close else Text(key)


def _class_of(task: Task) -> type[BaseOperator]:
    """Return the class whose arguments a task takes; of a TaskFlow task those that all have."""
    if isinstance(task, MappedOperator):
        return task.operator_class
    return type(task) if isinstance(task, TemplatedFields) else BaseOperator


@cache
def _arguments(cls: type[BaseOperator]) -> frozenset[str]:
    inits = [vars(each)["__init__"] for each in cls.__mro__[:-1] if "__init__" in vars(each)]
    return frozenset(name for each in inits for name in _parameters(each)) - {"self", "args", "kwargs"}


@cache
def _parameters(function: Callable[..., Any]) -> frozenset[str]:
    return frozenset(inspect.signature(function).parameters)


def _is_ours(task: Task) -> bool:
    """Tell whether this package built a task; a team's own tasks in the DAG set what they like."""
    builder = getattr(task, "python_callable", None) or _class_of(task)
    return builder.__module__.startswith("airflow_wxa.")


def _follows(task: Task, name: str, value: Any) -> bool:
    """Tell whether a task has an argument as ``default_args`` has it; ``_UNSET``: as Airflow has it."""
    if isinstance(task, MappedOperator):
        built = task.partial_kwargs
        return name not in built or built[name] in (value, _kept(name, value), _kept(name))
    if isinstance(task, TemplatedFields) and value is _UNSET:
        return True
    # Airflow's note, by which it unmaps tasks.
    return bool(vars(task)["_BaseOperator__init_kwargs"].get(name, value) == value)


def _kept(name: str, *value: Any) -> Any:
    """Return an argument as an operator keeps it, for instance seconds as a ``timedelta``; without one its default."""
    if name not in _arguments(BaseOperator) or value == (_UNSET,):
        return value[0] if value else _UNSET
    probe = BaseOperator(task_id="probe", **({name: value[0]} if value else {}))
    return vars(probe).get(name, value[0] if value else _UNSET)
