"""An act: one thing that is done to a Mini Program or to the platform, declared once for all its doors.

Operator, hook method and fleet stage build it and hand it to one driver; an act that was built can be carried out.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from inspect import get_annotations
from types import UnionType
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias, Union, get_args, get_origin

from airflow_wxa import texts
from airflow_wxa.api import values
from airflow_wxa.api.values import Reader
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.steps import Step

Appid: TypeAlias = Annotated[str, values.appid]
Digits: TypeAlias = Annotated[str, values.digits]
Flag: TypeAlias = Annotated[bool, values.flag]
#: An id that is a number to some and a text to others.
IntOrDigits: TypeAlias = Annotated[int | str, values.digits]
JsonList: TypeAlias = Annotated[Sequence[Mapping[str, Any]], values.json_list]
JsonObject: TypeAlias = Annotated[Mapping[str, Any], values.json_object]
#: A text that is not empty; :data:`Text` may be.
Name: TypeAlias = Annotated[str, values.named]
Text: TypeAlias = Annotated[str, values.text]
Texts: TypeAlias = Annotated[Sequence[str], values.texts]
Whole: TypeAlias = Annotated[int, values.whole]


def reader_of(hint: Any) -> Reader | None:
    """Return the reader of a field that has this type; ``None``: it is not templated."""
    if get_origin(hint) is Annotated:
        reader: Reader = hint.__metadata__[0]
        return reader
    if get_origin(hint) is Literal:
        return values.choice(*get_args(hint))
    if get_origin(hint) in {Union, UnionType} and len(get_args(hint)) == 2:  # noqa: PLR2004  (a type, or None)
        read = next(filter(None, map(reader_of, get_args(hint))), None)
        return read and values.optional(read)
    return None


@dataclass(frozen=True)
class Act(ABC):
    """One thing to do: its fields, their readers, its step.

    A subclass is a frozen dataclass, and its docstring the reference of every door.

    :raises WxaSpecError: fields that cannot be what they were given as; every one is named with its value.
    """

    #: Templated field → its reader.
    reads: ClassVar[Mapping[str, Reader]] = {}
    #: Argument of its operator that names the Connection.
    connection: ClassVar[str] = "wxa_conn_id"
    #: Endpoints that it may write to, by name.
    writes: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        hints = [field for each in reversed(cls.__mro__) for field in get_annotations(each).items()]
        cls.reads = {name: read for name, hint in hints if (read := reader_of(hint)) is not None}

    def __post_init__(self) -> None:
        if problems := values.read_attributes(self, self.reads, object.__setattr__):
            raise WxaSpecError(texts.Text("act_is_not_possible", act=type(self).__name__), problems)

    @classmethod
    def built(cls, source: Any, **more: Any) -> Self:
        """Return the act with the attributes of an object that have the names of its fields.

        :param more: fields that the object has not, or has otherwise.
        """
        return cls(**{each.name: getattr(source, each.name) for each in fields(cls) if each.name not in more} | more)

    @classmethod
    def asked(cls, params: Mapping[str, Any], **more: Any) -> Self:
        """Return the act that the params of a release ask for: each param that is a field of it, by its name.

        :param more: fields that are no params, or have another value.
        """
        given = {each.name: params[each.name] for each in fields(cls) if each.name in params}
        return cls(**given | more)

    @abstractmethod
    def step(self) -> Step[Any]:
        """Return the step that does it."""


@dataclass(frozen=True)
class OfMiniProgram(Act):
    """An act about one Mini Program.

    :param appid: the Mini Program.
    """

    appid: Appid


@dataclass(frozen=True)
class OfPlatform(Act):
    """An act about the platform itself: its operator is told a ``platform_conn_id``, with a platform token."""

    connection: ClassVar[str] = "platform_conn_id"
