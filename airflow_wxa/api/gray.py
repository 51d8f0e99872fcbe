"""The staged release (灰度发布): the approved version for a part of the users, which only rises; WeChat has no pause.

Source: https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/code-management/api_grayrelease
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from airflow_wxa.api.answers import integer_in
from airflow_wxa.api.call import Call

if TYPE_CHECKING:
    from airflow_wxa.api.call import Reply


_TRUE: Final = (True, "true", "1")


class GrayStatus(IntEnum):
    """WeChat's numbers; no call of its pages pauses a plan."""

    INITIAL = 0
    RUNNING = 1
    PAUSED = 2
    FINISHED = 3
    DELETED = 4


@dataclass(frozen=True, slots=True)
class GrayPlan:
    """Share of users that see the approved version, as far as WeChat says.

    :param status: ``None``: there is no plan, or it has a number that no page names.
    :param gray_percentage: of the users, 0 to 100.
    :param create_timestamp: epoch seconds.
    """

    status: GrayStatus | None = None
    gray_percentage: int = 0
    support_debuger_first: bool = False
    support_experiencer_first: bool = False
    create_timestamp: int = 0

    @property
    def is_running(self) -> bool:
        """Tell whether some users see it: while so, WeChat refuses a rollback (87011)."""
        return self.status in (GrayStatus.RUNNING, GrayStatus.PAUSED)


def grayrelease(
    appid: str, gray_percentage: int, *, support_debuger_first: bool = False, support_experiencer_first: bool = False
) -> Call:
    """Show the approved version to this part of the users; with 0 one of the two flags is needed.

    ``debuger`` is WeChat's spelling.
    """
    return Call.to(
        "grayrelease",
        appid,
        {
            "gray_percentage": gray_percentage,
            "support_debuger_first": support_debuger_first,
            "support_experiencer_first": support_experiencer_first,
        },
    )


def getgrayreleaseplan(appid: str) -> Call:
    """Read who sees it: ``gray_release_plan``."""
    return Call.to("getgrayreleaseplan", appid)


def revertgrayrelease(appid: str) -> Call:
    """Cancel the plan: everybody sees what is online again."""
    return Call.to("revertgrayrelease", appid)


def read_gray_plan(reply: Reply) -> GrayPlan:
    """Read the reply of :func:`getgrayreleaseplan`."""
    told = reply.answer.get("gray_release_plan") or {}
    number = integer_in(told.get("status"))
    return GrayPlan(
        status=GrayStatus(number) if number in set(GrayStatus) else None,
        gray_percentage=told.get("gray_percentage") or 0,
        support_debuger_first=told.get("support_debuger_first") in _TRUE,
        support_experiencer_first=told.get("support_experiencer_first") in _TRUE,
        create_timestamp=told.get("create_timestamp") or 0,
    )
