"""What a rule is, and what it finds."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from airflow_wxa.cli.doctor.patient import Patient
    from airflow_wxa.errors import WxaError

__all__ = ["Finding", "Level", "Look", "NotLookedAtError", "Rule", "Seen", "rule"]


class Level(Enum):
    """How bad it is."""

    ERROR = "error"  # something fails now, or is in the open
    WARNING = "warning"  # it works, and somebody should know


@dataclass(frozen=True, slots=True)
class Seen:
    """What a rule saw.

    :param what: what is wrong, in a sentence.
    :param which: the values: host, appid, errcode.
    :param fix: what to do.
    """

    what: str
    which: str
    fix: str

    @classmethod
    def in_error(cls, error: WxaError) -> Seen:
        """Return an error as its own text puts it."""
        values = {"appid": error.appid} if error.appid else {}
        which = ", ".join(f"{name} {value}" for name, value in (values | error.values).items())
        problems = "; ".join(getattr(error, "problems", ()))
        return cls(f"{error.what}: {problems}" if problems else error.what, which, error.next_step)


@dataclass(frozen=True, slots=True)
class Finding:
    """What is reported.

    :param rule: key of the rule.
    """

    rule: str
    level: Level
    what: str
    which: str
    fix: str


class NotLookedAtError(Exception):
    """A rule cannot look: what it needs is not there, or is broken, which another rule reports.

    :param reason: the rest of "not looked at: …".
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


Look: TypeAlias = Callable[["Patient"], Iterable[Seen]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that is looked at.

    :param key: what machines match on.
    :param name: what people read.
    :param description: what it looks at, and why.
    :param look: yields what is wrong; raises :class:`NotLookedAtError` when it cannot tell.
    """

    key: str
    name: str
    description: str
    level: Level
    look: Look


def rule(name: str, level: Level = Level.ERROR) -> Callable[[Look], Rule]:
    """Make a rule of a function: its name is the key, its docstring the description."""

    def made(look: Look) -> Rule:
        return Rule(look.__name__, name, inspect.getdoc(look) or "", level, look)

    return made
