"""The side that must act on an outcome: by the outcome, or by the class of its errcode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from airflow_wxa.api.errcodes import errcodes

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Sides that may have to act; a release waits longest for the first.
WHO: Final = ("release_manager", "merchant", "platform_team", "wechat", "nobody")

#: Class of an errcode, as the table has it → the side that acts.
_BY_CLASS: Final[Mapping[str, str]] = {
    "token": "platform_team",
    "quota": "platform_team",
    "platform_setup": "platform_team",
    "permission": "merchant",
    "unsupported_account": "merchant",
    "transient": "wechat",
}
#: Outcome → the side that acts, whatever the errcode.
_BY_OUTCOME: Final[Mapping[str, str]] = {
    "submitted": "wechat",
    "adopted": "wechat",
    "auditing": "wechat",
    "delayed": "wechat",
    "scanning": "wechat",
    "pending": "wechat",
    "platform_list_empty": "platform_team",
    "individual": "merchant",
    "asked": "release_manager",
    "expired": "release_manager",
    "audit_rejected": "release_manager",
    "withdrawn": "release_manager",
    "already_withdrawn": "release_manager",
    "refused": "release_manager",
    "not_reached": "release_manager",
    "no_quota": "platform_team",
}
_STOPPED: Final = frozenset({"stopped", "blocked", "failed"})


def who_acts(outcome: str, errcode: int) -> str:
    """Return the side that must act on an outcome, one of :data:`WHO`."""
    if outcome in _BY_OUTCOME:
        return _BY_OUTCOME[outcome]
    if outcome not in _STOPPED:
        return "nobody"
    row = errcodes().get(errcode)
    return _BY_CLASS.get(row.class_ if row and errcode else "", "release_manager")
