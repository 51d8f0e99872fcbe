"""How the state of a world becomes JSON values, and is read from them."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import ConfigDict, PlainSerializer, TypeAdapter, ValidationError

T = TypeVar("T", bound=int | str)
Json = dict[str, Any]

StateT = TypeVar("StateT")

#: For every class of the state: an unknown name is refused.
STRICT = ConfigDict(extra="forbid")
SortedSet = Annotated[set[T], PlainSerializer(sorted)]


def read(adapter: TypeAdapter[StateT], data: Any) -> StateT:
    """Build a state from JSON values.

    :raises ValueError: every name that is no field, field that is missing and value that is none, by its place; the
        values themselves are not shown, one may be a token.
    """
    try:
        return adapter.validate_python(data)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        told = [f"{'.'.join(map(str, each['loc'])) or 'state'}: {each['msg']}" for each in problems]
    raise ValueError("; ".join(told))
