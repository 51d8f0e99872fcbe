"""Bases of operators that do an act, or make calls for one Mini Program or for the platform."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, ClassVar, Final, Never

from airflow.sdk import BaseOperator

from airflow_wxa.acts.release import Release
from airflow_wxa.api import values
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.hooks.outlets import RELEASES
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.release.dag import TemplatedFields, failing_at_once
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from dataclasses import Field

    from airflow.sdk import Context

    from airflow_wxa.acts.act import Act
    from airflow_wxa.api.values import Reader


_KEYWORD: Final = inspect.Parameter.KEYWORD_ONLY


class NotMapped:
    """A mixin of operators that route: refused at parse where Airflow would run every road for every map index."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        operator: Any = self
        if operator.get_closest_mapped_task_group() is not None:
            raise _cannot_be_mapped(type(self).__name__, f"task {operator.task_id} stands in a mapped task group")

    @classmethod
    def partial(cls, **kwargs: Any) -> Never:
        """Refuse to be mapped.

        :raises WxaSpecError: always.
        """
        raise _cannot_be_mapped(cls.__name__, f"task {kwargs.get('task_id')} is mapped itself")


def _cannot_be_mapped(name: str, problem: str) -> WxaSpecError:
    return WxaSpecError(Text("operator_cannot_be_mapped", operator=name), [problem])


class ActOperator(TemplatedFields, BaseOperator):
    """An operator that does an act: ``class WxaReleaseOperator(ActOperator, act=Release)`` has its fields as arguments.

    Arguments, readers, ``template_fields`` and docstring are the act's; the Connection is an argument besides. Each key
    of the act's return value is an XCom, too.

    :param wxa_conn_id: the Connection (templated).
    :param platform_conn_id: a Connection with a platform token (templated).
    """

    act: ClassVar[type[Act]]

    def __init_subclass__(cls, *, act: type[Act] | None = None, **kwargs: Any) -> None:
        if act is not None:
            cls.act = act
            cls.reads = {**act.reads, act.connection: values.named}
            cls.__doc__ = cls.__doc__ or act.__doc__
            connection = inspect.Parameter(act.connection, _KEYWORD, default=WxaHook.default_conn_name, annotation=str)
            # Before Airflow's metaclass wraps it.
            cls.__init__ = init_of(act, ActOperator, connection)  # type: ignore[method-assign]
        super().__init_subclass__(**kwargs)

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


def init_of(
    act: type[Act], base: type[BaseOperator], *more: inspect.Parameter, without: Collection[str] = ()
) -> Callable[..., None]:
    """Return a constructor with the fields of an act as arguments: Airflow reads its signature, as ``help`` does.

    :param base: class whose constructor takes the other arguments.
    :param more: further arguments that become attributes.
    :param without: fields that are no arguments.
    """
    own = [
        inspect.Parameter(each.name, _KEYWORD, default=_default(each), annotation=each.type)
        for each in fields(act)
        if each.name not in without
    ]
    own += more

    def __init__(self: Any, **kwargs: Any) -> None:  # noqa: N807  (it becomes one)
        given = {each.name: kwargs.pop(each.name, each.default) for each in own}
        base.__init__(self, **kwargs)
        for name, value in given.items():
            setattr(self, name, value)

    __init__.__annotations__ = {each.name: each.annotation for each in own}
    __init__.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD),
            *sorted(own, key=lambda each: each.default is not inspect.Parameter.empty),
            inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD),
        ]
    )
    return __init__


def _default(field: Field[Any]) -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return inspect.Parameter.empty if field.default is MISSING else field.default


class MiniProgramFields(TemplatedFields, BaseOperator):
    """Base of operators about one Mini Program.

    :param appid: the Mini Program (templated).
    :param wxa_conn_id: the Connection (templated).
    """

    reads: ClassVar[Mapping[str, Reader]] = {"appid": values.appid, "wxa_conn_id": values.named}

    def __init__(self, *, appid: str, wxa_conn_id: str = WxaHook.default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.appid = appid
        self.wxa_conn_id = wxa_conn_id
