"""The vocabulary of an act's fields: a caller gives the type, the reader makes it of a rendered template.

A field without reader is not templated. Words (``Literal``) need none said: each is read as one of its words.
"""

from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

from airflow_wxa.api import values
from airflow_wxa.api.values import Reader

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
    if get_origin(hint) in {Union, UnionType} and NoneType in get_args(hint):
        (inner,) = (each for each in get_args(hint) if each is not NoneType)
        read = reader_of(inner)
        return read and values.optional(read)
    return None
