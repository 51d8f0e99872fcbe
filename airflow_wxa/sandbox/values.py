"""Parts of a world's state: plain objects as WeChat shows them, its calendar, to and from JSON values."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, TypeVar

from pydantic import ConfigDict, PlainSerializer, TypeAdapter, ValidationError
from typing_extensions import TypedDict  # pydantic wants it before Python 3.12

T = TypeVar("T", bound=int | str)
StateT = TypeVar("StateT")
Json = dict[str, Any]

#: For every class of the state: an unknown name is refused.
STRICT = ConfigDict(extra="forbid")
SortedSet = Annotated[set[T], PlainSerializer(sorted)]
BEIJING = dt.timezone(dt.timedelta(hours=8))


class ExpInfo(TypedDict):
    """The trial version, as getversioninfo shows it; ``exp_time`` in epoch seconds."""

    exp_time: int
    exp_version: str
    exp_desc: str


class ReleaseInfo(TypedDict):
    """The online version, as getversioninfo shows it; ``release_time`` in epoch seconds."""

    release_time: int
    release_version: str
    release_desc: str


class OnlineVersion(TypedDict):
    """An earlier online version, as revertcoderelease lists it; ``commit_time`` in epoch seconds."""

    app_version: int
    user_version: str
    user_desc: str
    commit_time: int


class GrayPlan(TypedDict):
    """A staged release, as getgrayreleaseplan shows it.

    ``status`` is 0 without one, 1 running, 3 finished, 4 cancelled; ``create_timestamp`` in epoch seconds.
    """

    status: int
    create_timestamp: int
    gray_percentage: int
    support_debuger_first: bool
    support_experiencer_first: bool


class Category(TypedDict):
    """One line of get_category."""

    first_class: str
    second_class: str
    first_id: int
    second_id: int


class IllegalRecord(TypedDict):
    """One violation of getillegalrecords; ``illegal_content`` was seen missing."""

    illegal_record_id: str
    create_time: int
    illegal_reason: str
    rule_url: str
    rule_name: str


def no_gray_plan() -> GrayPlan:
    """Return what is shown where no staged release was ever started."""
    return {
        "status": 0,
        "create_timestamp": 0,
        "gray_percentage": 0,
        "support_debuger_first": False,
        "support_experiencer_first": False,
    }


def spent(times: list[float], now: float, *, by: str = "month") -> int:
    """Return how many of these times lie in the day or month of ``now``, by Beijing's calendar."""
    since = dt.datetime.fromtimestamp(now, BEIJING).replace(hour=0, minute=0, second=0, microsecond=0)
    since = since.replace(day=1) if by == "month" else since
    return sum(at >= since.timestamp() for at in times)


def default_categories() -> list[Category]:
    """Return the one category that a merchant has."""
    return [{"first_class": "工具", "second_class": "备忘录", "first_id": 1, "second_id": 2}]


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
