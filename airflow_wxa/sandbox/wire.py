"""A world as JSON values, and back."""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_wxa.sandbox.platforms import Platform, Template
from airflow_wxa.sandbox.state import AuditPlan, AuditSheet, MiniProgram, Stage
from airflow_wxa.sandbox.tokens import Issued

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]
T = TypeVar("T")

NO_JSON = ("clock", "generate")
"""Fields of a world that are functions."""


def plain(value: Any, *, tokens: bool) -> Any:
    """Return a value as JSON values.

    :param tokens: include what is marked as secret.
    """
    # The plainest values come first: a world of ten thousand Mini Programs holds some half a million of them.
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, dict):
        return {name: plain(item, tokens=tokens) for name, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, (list, tuple)):
        return [plain(item, tokens=tokens) for item in value]
    kind: Any = type(value)
    shown = _shown_fields(kind, tokens=tokens)
    return {name: plain(getattr(value, name), tokens=tokens) for name in shown}


@cache
def _shown_fields(cls: Any, *, tokens: bool) -> tuple[str, ...]:
    return tuple(
        each.name
        for each in fields(cls)
        if each.init and each.name not in NO_JSON and (tokens or not each.metadata.get("secret"))
    )


def build(cls: type[T], data: Any, nested: dict[str, Callable[[Any], Any]]) -> T:
    """Build a dataclass from JSON values.

    :param nested: field to what reads its value; the others are taken as they are.
    :raises ValueError: a name that is no field, or a field that is missing.
    """
    if not isinstance(data, dict):
        raise ValueError(f"{cls.__name__} wants an object, got {type(data).__name__}")  # noqa: TRY004
    functions = [name for name in NO_JSON if name in data]
    if functions:
        raise ValueError(f"{cls.__name__}: {functions[0]} is no JSON value")
    try:
        return cls(**{name: nested.get(name, _own)(value) for name, value in data.items()})
    except TypeError as error:
        raise ValueError(f"{cls.__name__}: {error}") from error


def _own(value: Any) -> Any:
    """Return a value that may be changed: the JSON is a reset's seed, and stays what it was."""
    return value.copy() if isinstance(value, (list, dict)) else value


def templates(items: list[Json]) -> list[Template]:
    """Read a template library."""
    return [build(Template, item, {}) for item in items]


def platforms(items: list[Json]) -> list[Platform]:
    """Read platforms."""
    return [build(Platform, item, _PLATFORM) for item in items]


def mini_programs(items: list[Json]) -> list[MiniProgram]:
    """Read Mini Programs."""
    return [build(MiniProgram, item, _MINI_PROGRAM) for item in items]


def _issued(items: list[Json]) -> list[Issued]:
    return [build(Issued, item, {}) for item in items]


def _plan(data: Json) -> AuditPlan:
    return build(AuditPlan, data, {})


def _sheets(items: list[Json]) -> list[AuditSheet]:
    return [build(AuditSheet, item, {"plan": _plan, "stage": Stage}) for item in items]


_PLATFORM: dict[str, Callable[[Any], Any]] = {
    "unverifiable": set,
    "confirm_file": tuple,
    "templates": templates,
    "issued": _issued,
}
_MINI_PROGRAM: dict[str, Callable[[Any], Any]] = {
    "granted_sets": set,
    "audit": _plan,
    "sheets": _sheets,
    "issued": _issued,
}
