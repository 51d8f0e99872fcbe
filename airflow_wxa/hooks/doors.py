"""A hook's methods that do an act: their arguments, types and documentation are the act's."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol

from airflow_wxa.release.dag import failing_at_once

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_wxa.acts import Act

P = ParamSpec("P")


class Doer(Protocol):
    """The hook."""

    def do(self, act: Act) -> dict[str, Any]:
        """Do it, and return its outcome."""
        ...


def door(act: Callable[P, Act]) -> Callable[Concatenate[Doer, P], dict[str, Any]]:
    """Return a method of the hook that does an act; its arguments are the act's fields."""

    def do(hook: Doer, /, *args: P.args, **kwargs: P.kwargs) -> dict[str, Any]:
        with failing_at_once():
            asked = act(*args, **kwargs)
        return hook.do(asked)

    of_act = inspect.signature(act).parameters.values()
    hook = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    do.__doc__ = act.__doc__
    do.__signature__ = inspect.Signature([hook, *of_act], return_annotation=dict[str, Any])  # type: ignore[attr-defined]
    vars(do)["act"] = act
    return do
