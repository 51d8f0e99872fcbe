"""Faults that a test puts in: a call that goes wrong before its work is done, or after."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from airflow_wxa.sandbox.errors import SYSTEM_ERROR

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
ANY_PATH = "*"


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One fault to come.

    :param path: ``/wxa/commit``, or ``*`` for any call.
    :param appid: only for this account's token; None for anyone's.
    :param times: how many matching calls it meets.
    :param errcode: what the two errcode kinds answer; None is -1.
    :param seconds: how long ``slow`` keeps the answer back.
    :raises ValueError: a kind that is none, or a number that makes no sense.
    """

    path: str
    kind: FaultKind
    appid: str | None = None
    times: int = 1
    errcode: int | None = None
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in get_args(FaultKind):
            raise ValueError(f"kind {self.kind!r} is none of {', '.join(get_args(FaultKind))}")
        if self.times < 1 or self.seconds < 0:
            raise ValueError(f"times {self.times} must be at least 1, seconds {self.seconds} at least 0")

    @property
    def answered_errcode(self) -> int:
        """The errcode that the two errcode kinds answer."""
        return SYSTEM_ERROR if self.errcode is None else self.errcode

    def meets(self, path: str, appid: str | None) -> bool:
        """Tell whether a call is one of those it waits for."""
        return self.path in (path, ANY_PATH) and self.appid in (None, appid)


@dataclass(slots=True)
class FaultQueue:
    """The faults to come, in the order they were added; the first that fits is taken."""

    waiting: list[Fault] = field(default_factory=list)

    def add(self, fault: Fault) -> None:
        """Put a fault in, as often as it says."""
        self.waiting.extend([fault] * fault.times)

    def take(self, path: str, appid: str | None) -> Fault | None:
        """Return the fault for a call and forget it; None when the call is answered honestly."""
        for index, fault in enumerate(self.waiting):
            if fault.meets(path, appid):
                return self.waiting.pop(index)
        return None
