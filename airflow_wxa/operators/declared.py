"""Bases of operators: declared arguments, an act that is done, and no place in a mapped task group."""

import inspect
from collections.abc import Collection, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from typing import Any, ClassVar, Never

from airflow.sdk import BaseOperator, Context

from airflow_wxa.acts.act import Act, Name, reader_of
from airflow_wxa.acts.release import Release
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.hooks.outlets import RELEASES
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.release.dag import TemplatedFields, failing_at_once
from airflow_wxa.texts import Text


class Declared(TemplatedFields):
    """An operator whose arguments are declared as an act's fields are: each an annotation in the class, or of its act.

    A type of :mod:`airflow_wxa.acts.act` has a reader: such an argument is templated, one of another type is not. An
    annotation that is kept as text (``from __future__ import annotations``) declares nothing. ``__post_init__`` of the
    class looks at what was given.
    """

    act: ClassVar[type[Act]]

    def __init_subclass__(cls, *, act: type[Act] | None = None, without: Collection[str] = (), **kwargs: Any) -> None:
        """Make constructor, readers and docstring.

        :param act: whose fields are arguments too, and its Connection.
        :param without: those of the act that are none.
        """
        declared: dict[str, tuple[Any, Any]] = {}
        if act is not None:
            cls.act, cls.__doc__ = act, cls.__doc__ or act.__doc__
            declared = {each.name: (each.type, _default(each)) for each in fields(act)}
            declared[act.connection] = (Name, WxaHook.default_conn_name)
            declared = {name: each for name, each in declared.items() if name not in without}
        ours = cls.__module__.startswith("airflow_wxa.")  # an annotation in a user's subclass is no more than that
        declared |= {
            name: (hint, vars(cls).get(name, inspect.Parameter.empty))
            for name, hint in (inspect.get_annotations(cls) if ours else {}).items()
            if not isinstance(hint, str) and getattr(hint, "__origin__", None) is not ClassVar
        }
        inherited = {name: read for each in reversed(cls.__mro__) for name, read in vars(each).get("reads", {}).items()}
        own = {name: read for name, (hint, _) in declared.items() if (read := reader_of(hint))}
        cls.reads = inherited | own
        if declared and "__init__" not in vars(cls):
            _construct(cls, declared)  # before Airflow's metaclass wraps it
        super().__init_subclass__(**kwargs)


class ActOperator(Declared, BaseOperator):
    """An operator that does an act: ``class WxaReleaseOperator(ActOperator, act=Release)`` has its fields as arguments.

    Arguments, readers, ``template_fields`` and docstring are the act's; the Connection is an argument besides. Each key
    of the act's return value is an XCom, too.

    :param wxa_conn_id: the Connection (templated).
    :param platform_conn_id: a Connection with a platform token (templated).
    """

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("multiple_outputs", True)
        super().__init__(**kwargs)
        if issubclass(self.act, Release):
            vars(self)["outlets"] = [*self.outlets, RELEASES]  # an attribute set is noted as an argument that was given

    def execute(self, context: Context) -> dict[str, Any]:
        return self.hook.do(self.built())

    @property
    def hook(self) -> WxaHook:
        """The hook of its Connection."""
        return WxaHook(getattr(self, self.act.connection))

    def built(self) -> Any:
        """Return the act, once the fields are read."""
        self.read_fields()
        with failing_at_once():
            return self.act.built(self)


def _construct(cls: type[Any], declared: Mapping[str, tuple[Any, Any]]) -> None:
    """Give a class its constructor: Airflow reads its signature, as ``help`` does."""

    def __init__(self: Any, **kwargs: Any) -> None:  # noqa: N807  (it becomes one)
        given = {name: kwargs.pop(name, default) for name, (_, default) in declared.items()}
        super(cls, self).__init__(**kwargs)
        for name, value in given.items():
            setattr(self, name, value)
        if "__post_init__" in vars(cls):
            cls.__post_init__(self)

    own = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hint)
        for name, (hint, default) in declared.items()
    ]
    __init__.__annotations__ = {each.name: each.annotation for each in own}
    __init__.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD),
            *sorted(own, key=lambda each: each.default is not inspect.Parameter.empty),
            inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD),
        ]
    )
    cls.__init__ = __init__


def _default(field: Field[Any]) -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return inspect.Parameter.empty if field.default is MISSING else field.default


class Routing(Declared):
    """A mixin, beside ``BranchMixIn``: refused at parse where Airflow would run every road for every map index."""

    inherits_from_skipmixin = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        operator: Any = self
        if operator.get_closest_mapped_task_group() is not None:
            raise _cannot_be_mapped(type(self).__name__, Text("task_is_mapped", "in_group", task_id=operator.task_id))

    def follow(self, context: Context, road: str | Sequence[str], outcome: dict[str, Any]) -> dict[str, Any]:
        """Go on with a task or several, and return the outcome."""
        # do_branch raises as soon as it skips something, and a returned value is lost then: push first.
        context["ti"].xcom_push(key="return_value", value=outcome)
        operator: Any = self
        operator.do_branch(context, road)
        return outcome

    @classmethod
    def partial(cls, **kwargs: Any) -> Never:
        """Refuse to be mapped.

        :raises WxaSpecError: always.
        """
        raise _cannot_be_mapped(cls.__name__, Text("task_is_mapped", "itself", task_id=kwargs.get("task_id")))


def _cannot_be_mapped(name: str, problem: str) -> WxaSpecError:
    return WxaSpecError(Text("operator_cannot_be_mapped", operator=name), [problem])
