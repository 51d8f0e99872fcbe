"""The side that must act on an outcome: by the outcome, or by the class of its errcode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from airflow_wxa.api.errcodes import errcodes

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Sides that may have to act; a release waits longest for the first.
WHO: Final = ("release_manager", "merchant", "platform_team", "wechat", "nobody")

#: Side → the outcomes on which it acts, whatever the errcode.
_BY_OUTCOME: Final[Mapping[str, frozenset[str]]] = {
    "wechat": frozenset({"submitted", "adopted", "auditing", "delayed", "scanning", "pending"}),
    "platform_team": frozenset({"platform_list_empty", "no_quota"}),
    "merchant": frozenset({"individual"}),
    "release_manager": frozenset(
        {"asked", "expired", "audit_rejected", "withdrawn", "already_withdrawn", "refused", "not_reached"}
    ),
}
#: Side → the classes of errcodes, as the table has them, for which it acts where something stopped.
_BY_CLASS: Final[Mapping[str, frozenset[str]]] = {
    "platform_team": frozenset({"token", "quota", "platform_setup"}),
    "merchant": frozenset({"permission", "unsupported_account"}),
    "wechat": frozenset({"transient"}),
}
_STOPPED: Final = frozenset({"stopped", "blocked", "failed"})


def who_acts(outcome: str, errcode: int) -> str:
    """Return the side that must act on an outcome, one of :data:`WHO`."""
    if outcome not in _STOPPED:
        return _side(_BY_OUTCOME, outcome) or "nobody"
    row = errcodes().get(errcode)
    return _side(_BY_CLASS, row.class_ if row and errcode else "") or "release_manager"


def _side(sides: Mapping[str, frozenset[str]], said: str) -> str:
    return next((side for side, known in sides.items() if said in known), "")
