"""Templated fields that a function fills in: Jinja would make a text of a list, a number or an object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import Context

__all__ = ["param", "rendered"]


def rendered(read: Callable[[Context], Any]) -> Any:
    """Render a templated field by a function of the context, with the type that it returns."""

    def value(context: Context, **_: object) -> Any:
        return read(context)

    return value


def param(name: str) -> Any:
    """Render a templated field as the value of a param."""
    return rendered(lambda context: context["params"][name])
