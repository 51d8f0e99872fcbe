"""The catalogue: one row for each file in ``schemas/``.

Adding an endpoint is adding ``schemas/<name>.json`` (``endpoint``: the fields of :class:`Endpoint` and a ``note`` why;
``answer``, and ``body`` for a POST, as JSON Schema), and the answer of the emulated WeChat as a function of this name
in ``airflow_wxa/sandbox/handlers/``. The tests of the catalogue say what is missing.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from airflow_wxa.errors import WxaQuotaError
from airflow_wxa.texts import Text

BEIJING: Final = dt.timezone(dt.timedelta(hours=8))  # WeChat's days and months begin at its midnight


@dataclass(frozen=True, slots=True)
class Budget:
    """A count of an account that several endpoints may share.

    :param name: the counted act.
    :param a_month: how often.
    """

    name: str
    a_month: int


def month_began(now: dt.datetime) -> dt.datetime:
    """Return when WeChat's month began that ``now`` is in."""
    return now.astimezone(BEIJING).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def month_turns(now: dt.datetime) -> dt.datetime:
    """Return when WeChat's next month begins."""
    return month_began(month_began(now) + dt.timedelta(days=32))


def budget_used_up(endpoint: Endpoint, appid: str | None, left: int, needed: int = 1) -> WxaQuotaError:
    """Return the error for calls that a budget does not hold any more; nothing was sent.

    :param left: how many there are this month.
    :param needed: how many it would take.
    """
    budget = endpoint.budget
    assert budget is not None  # noqa: S101  (only such an endpoint spends one)
    counts = {"left": left, "a_month": budget.a_month, "needed": needed}
    return WxaQuotaError(
        Text("monthly_budget_is_used_up", endpoint=endpoint.name, budget=budget.name, **counts),
        errcode=0,
        values={"left this month": left, "of": budget.a_month},
        **endpoint.named(appid),
    )


class TokenKind(Enum):
    """Whose token an endpoint wants."""

    MERCHANT = "authorizer_access_token"
    PLATFORM = "component_access_token"
    EITHER = "authorizer_access_token, or component_access_token for the platform itself"
    NONE = "no token: the body proves who asks"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint of WeChat's API, as data.

    :param name: the end of WeChat's path, e.g. ``setwebviewdomain``; also the name of its schema file, with ``_``
        for ``/``.
    :param method: WeChat refuses the other one: 43001 wants GET, 43002 wants POST.
    :param path: below the host.
    :param token: whose token goes into the query.
    :param writes: whether it changes anything at WeChat.
    :param safe_to_repeat: whether sending it twice does no more than sending it once.
    :param source: page that describes it.
    :param query_name: under which the token travels; both are in use for the token family, older pages and most
        clients have ``component_access_token``.
    :param binary: whether success is an image instead of JSON.
    :param fenced: whether WeChat lets it be done twice without telling, so that only the newest attempt may send it.
    :param budget: the one it spends, if WeChat counts it by the month; the ledger keeps to it.
    :param plain: whether it is a write that needs no look before it: ``WxaHook.call`` sends it then.
    :param holds_secrets: whether body or answer hold tokens or secrets: no text shows any of them then.
    """

    name: str
    method: Literal["GET", "POST"]
    path: str
    token: TokenKind
    writes: bool
    safe_to_repeat: bool
    source: str
    query_name: str = "access_token"
    binary: bool = False
    fenced: bool = False
    budget: Budget | None = None
    plain: bool = False
    holds_secrets: bool = False

    def named(self, appid: str | None = None, step: str = "") -> dict[str, Any]:
        """Return the keywords of an error about its origin: source, endpoint, appid.

        :param step: in place of the endpoint's name.
        """
        return {"source": self.source, "endpoint": step or self.name, "appid": appid}


@cache
def files() -> dict[str, dict[str, Any]]:
    """Return what stands in ``schemas/``, by the endpoint's name: ``endpoint``, ``answer``, and ``body`` of a POST."""
    read = [json.loads(file.read_bytes()) for file in sorted(Path(__file__).with_name("schemas").glob("*.json"))]
    return {each["endpoint"]["name"]: each for each in read}


def _row(said: dict[str, Any]) -> Endpoint:
    values = {name: value for name, value in said.items() if name != "note"}
    if "budget" in values:
        values["budget"] = Budget(**values["budget"])
    return Endpoint(**values | {"token": TokenKind[said["token"].upper()]})


CATALOGUE: Final[dict[str, Endpoint]] = {name: _row(each["endpoint"]) for name, each in files().items()}
