"""Answers as WeChat really writes them: looser than its pages say, read by the types that a schema names.

Absent, ``null`` and, in place of a list, ``{}`` say nothing. Digits as text are numbers where a number is meant,
and numbers are text where text is meant. A value that cannot be understood is left out, as if WeChat had not said it;
then the schema's ``required`` decides whether a step can do without.
"""

from __future__ import annotations

import json
import re
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")
_AROUND: Final = "\ufeff \t\r\n\x00"  # a C string's end among them
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")
#: Fields in which WeChat names what it did not take, also beside errcode 0.
_NOT_TAKEN: Final = re.compile(r"invalid_\w+|no_icp_domain")
_DIGITS: Final = re.compile(r"\s*([+-]?[0-9]{1,18})(?:\.0*)?\s*", re.ASCII)


class _Float(float):
    """A float that keeps how it was written: the version 1.40 is not 1.4."""

    text: str

    def __new__(cls, text: str) -> Self:
        number = super().__new__(cls, text)
        number.text = text
        return number


def parsed(content: bytes) -> Any:
    """Return what JSON says, read as clients in the wild do.

    Control characters inside texts and at either end, a byte order mark and duplicate keys (the last counts) are no
    failure; bytes that are no UTF-8, and halves of surrogate pairs, become �. NUL goes: no database takes either.

    :raises ValueError: no JSON. So does RecursionError.
    """
    text = content.decode("utf-8-sig", "replace").strip(_AROUND)
    answer = json.loads(text, strict=False, parse_float=_Float)
    return _storable(answer) if "\\u" in text or "\0" in text else answer


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return _LONE_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", value.replace("\0", ""))
    if isinstance(value, list):
        return [_storable(entry) for entry in value]
    if isinstance(value, dict):
        return {_storable(name): _storable(entry) for name, entry in value.items()}
    return value


def fields_understood(
    fields: Mapping[str, Any], schema: Mapping[str, Any], clean: Callable[[str], str] = str
) -> dict[str, Any]:
    """Return the fields that say something: those that ``schema`` names as its types, the others as they are.

    :param clean: takes out of a text what must not be repeated.
    """
    named = schema.get("properties", {})
    read = {name: understood(value, named.get(name, {}), clean) for name, value in fields.items()}
    return {name: value for name, value in read.items() if value is not None}


def as_told(cls: type[T], entry: Mapping[str, Any]) -> T:
    """Return a dataclass whose fields have WeChat's names; a field that WeChat leaves out has its default."""
    names = {each.name for each in fields(cls)}  # type: ignore[arg-type]
    return cls(**{name: value for name, value in entry.items() if name in names})


def not_taken(answer: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return what WeChat says that it did not take, by the field that says so; fields without any are left out.

    :param answer: read by this schema.
    """
    named = {name: answer.get(name) for name in schema.get("properties", ()) if _NOT_TAKEN.fullmatch(name)}
    values = {name: said.split(";") if isinstance(said, str) else list(said or ()) for name, said in named.items()}
    texts = {name: [text for each in said if (text := str(each).strip())] for name, said in values.items()}
    return {name: said for name, said in texts.items() if said}


def understood(value: Any, schema: Mapping[str, Any], clean: Callable[[str], str] = str) -> Any:
    """Return ``value`` as the type that ``schema`` names; ``None``: not said, or not understood.

    :param schema: JSON Schema; of its words ``type``, ``properties``, ``items``, ``required`` and ``minLength`` count.
        Of several types the first counts that the value can be.
    """
    kinds = schema.get("type")
    if kinds is None or value is None:
        return value
    for kind in [kinds] if isinstance(kinds, str) else kinds:
        read = _read_as(kind, value, schema, clean)
        if read is not None:
            return read
    return None


def integer_in(value: Any) -> int | None:
    """Return the whole number that ``value`` is, also as digits; ``None`` when it is none."""
    if isinstance(value, str):
        digits = _DIGITS.fullmatch(value)
        return int(digits[1]) if digits else None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _read_as(kind: str, value: Any, schema: Mapping[str, Any], clean: Callable[[str], str]) -> Any:
    if kind == "integer":
        return integer_in(value)
    if kind == "string":
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = value.text if isinstance(value, _Float) else str(value)
        return clean(value) if isinstance(value, str) and len(value) >= schema.get("minLength", 0) else None
    if kind == "array" and isinstance(value, list):
        entries = (understood(entry, schema.get("items", {}), clean) for entry in value)
        return [entry for entry in entries if entry is not None]
    if kind == "object" and isinstance(value, dict):
        said = fields_understood(value, schema, clean)
        return said if said.keys() >= set(schema.get("required", ())) else None
    return None
