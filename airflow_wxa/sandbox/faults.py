"""Faults that a test puts in: a call that goes wrong before its work is done, or after."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

from airflow_wxa.sandbox.errors import Errcode

if TYPE_CHECKING:
    from collections.abc import Collection

FaultKind = Literal[
    "errcode_before",  # the errcode is answered, no work is done
    "errcode_after",  # the work is done, the errcode is answered all the same
    "drop_before",  # the connection breaks, no work is done
    "drop_after",  # the work is done, then the connection breaks
    "html_502",  # a gateway's HTML page under HTTP 502, no work is done
    "truncated",  # the work is done, the JSON stops in the middle
    "empty",  # the work is done, HTTP 200 has no body
    "slow",  # the work is done, the answer comes after `seconds`
]
BEFORE_THE_WORK: tuple[FaultKind, ...] = ("errcode_before", "drop_before", "html_502")
REST = "*"


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One fault to come.

    ``Fault(path="/wxa/*", kind="errcode_before", errcode=40001, times=None)`` is a WeChat that takes no merchant token
    any more, however often it is refreshed.

    :raises ValueError: a kind that is none, or a number that makes no sense.
    """

    path: str  #: ``/wxa/commit``; ``/wxa/*`` for all that begin so, ``*`` for any call
    kind: FaultKind
    appid: str | None = None  #: only for this account's token, or for a platform's call about it; None for anyone's
    times: int | None = 1  #: how many matching calls it meets; None for all to come
    errcode: int | None = None  #: answer of the two errcode kinds; None is -1
    seconds: float = 0.0  #: how long ``slow`` keeps the answer back

    def __post_init__(self) -> None:
        if self.kind not in get_args(FaultKind):
            raise ValueError(f"kind {self.kind!r} is none of {', '.join(get_args(FaultKind))}")
        if (self.times is not None and self.times < 1) or self.seconds < 0:
            raise ValueError(f"times {self.times} must be at least 1, seconds {self.seconds} at least 0")

    @property
    def answered_errcode(self) -> int:
        """The errcode that the two errcode kinds answer."""
        return Errcode.SYSTEM_ERROR if self.errcode is None else self.errcode

    def meets(self, path: str, appids: Collection[str | None]) -> bool:
        """Tell whether a call is one of those it waits for."""
        fits = path.startswith(self.path.removesuffix(REST)) if self.path.endswith(REST) else path == self.path
        return fits and (self.appid is None or self.appid in appids)


@dataclass(slots=True)
class Waiting:
    """A fault to come; ``left`` calls, None for all."""

    fault: Fault
    left: int | None


@dataclass(slots=True)
class FaultQueue:
    """The faults to come, in the order they were added; the first that fits is taken."""

    waiting: list[Waiting] = field(default_factory=list)

    def add(self, fault: Fault) -> None:
        """Put a fault in, as often as it says."""
        self.waiting.append(Waiting(fault, fault.times))

    def take(self, path: str, appids: Collection[str | None]) -> Fault | None:
        """Return the fault for a call by or about these accounts and count it; None when it is answered honestly."""
        for index, each in enumerate(self.waiting):
            if each.fault.meets(path, appids):
                if each.left is not None:
                    each.left -= 1
                if each.left == 0:
                    del self.waiting[index]
                return each.fault
        return None
