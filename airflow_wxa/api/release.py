"""The staged release (灰度发布) and the way back (版本回退).

A staged release shows the approved version to a part of the users, which only rises; WeChat has no pause. A rollback
brings back one of the earlier online versions that WeChat still keeps.

Source: https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/code-management/api_grayrelease
Source: https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/code-management/api_revertcoderelease
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from airflow_wxa.api.answers import as_told, integer_in
from airflow_wxa.api.call import Call, Reply, of_merchant
from airflow_wxa.api.endpoints import CATALOGUE

if TYPE_CHECKING:
    from airflow_wxa.api.code import OnlineVersion


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
    first = {"support_debuger_first": support_debuger_first, "support_experiencer_first": support_experiencer_first}
    return Call.to("grayrelease", appid, {"gray_percentage": gray_percentage, **first})


#: Read the plan: ``gray_release_plan``.
getgrayreleaseplan: Final = of_merchant("getgrayreleaseplan")
#: Cancel the plan: everybody sees what is online again.
revertgrayrelease: Final = of_merchant("revertgrayrelease")


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


_ENDPOINT: Final = CATALOGUE["revertcoderelease"]


@dataclass(frozen=True, slots=True)
class EarlierVersion:
    """A version that was online before, and can be again.

    :param app_version: WeChat's number of it, as digits; it rises with each release.
    :param commit_time: epoch seconds; 0 when WeChat left it out.
    """

    app_version: str
    user_version: str = ""
    user_desc: str = ""
    commit_time: int = 0

    def is_online(self, online: OnlineVersion | None) -> bool:
        """Tell whether an online version is this one, as far as WeChat says: both texts are left out at times."""
        return (
            online is not None
            and online.version.strip() in ("", self.user_version.strip())
            and (online.description == self.user_desc or "" in (online.description, self.user_desc))
        )


def get_history_version(appid: str) -> Call:
    """List the versions that can be rolled back to; at most five, none after a rollback."""
    return Call(_ENDPOINT, appid, query={"action": "get_history_version"})


def revertcoderelease(appid: str, app_version: str) -> Call:
    """Roll back to this version, at once and for everyone.

    WeChat goes one step back when no version is named: it is always named here, so that a second call cannot move
    again.
    """
    return Call(_ENDPOINT, appid, query={"app_version": app_version})


def read_earlier_versions(reply: Reply) -> tuple[EarlierVersion, ...]:
    """Read the reply of :func:`get_history_version`, the newest first."""
    listed = [each for each in reply.answer.get("version_list", ()) if "app_version" in each]
    listed.sort(key=lambda each: each["app_version"], reverse=True)
    return tuple(as_told(EarlierVersion, {**each, "app_version": str(each["app_version"])}) for each in listed)
