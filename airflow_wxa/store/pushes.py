"""Pushes as the store takes and gives them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_wxa.api.redaction import Secret


@dataclass(frozen=True, slots=True)
class NewPush:
    """A push that came.

    :param kind: InfoType or Event.
    :param account: appid or ``gh_…`` id that it is about; ``""``: the platform itself.
    :param create_time: when WeChat made it, epoch seconds.
    :param told: fields that may be kept; never a secret.
    :param ticket: becomes the platform's newest.
    :param withdrawn: the merchant ``account`` withdrew.
    """

    component_appid: str
    kind: str
    account: str
    create_time: int
    told: Mapping[str, str] = field(default_factory=dict)
    ticket: Secret | None = None
    withdrawn: bool = False


@dataclass(frozen=True, slots=True)
class LoggedPush:
    """Row of the push log.

    :param kind: InfoType or Event.
    :param account: appid or ``gh_…`` id that it is about.
    :param create_time: when WeChat made it, epoch seconds.
    :param age: seconds since it came.
    :param told: fields of an audit event: hints, never the truth.
    """

    kind: str
    account: str
    create_time: int
    age: float
    told: Mapping[str, str]
