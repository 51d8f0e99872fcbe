"""Rolling back (版本回退): the earlier online versions that WeChat still keeps, and the way back to one of them.

Source: https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/code-management/api_revertcoderelease
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from airflow_wxa.api.call import Call
from airflow_wxa.api.endpoints import CATALOGUE

if TYPE_CHECKING:
    from airflow_wxa.api.call import Reply
    from airflow_wxa.api.code import OnlineVersion

_ENDPOINT: Final = CATALOGUE["revertcoderelease"]


@dataclass(frozen=True, slots=True)
class EarlierVersion:
    """A version that was online before, and can be again.

    :param app_version: WeChat's number of it, as digits; it rises with each release.
    :param commit_time: epoch seconds; 0 when WeChat left it out.
    """

    app_version: str
    user_version: str
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
    versions = [
        EarlierVersion(
            str(each["app_version"]),
            each.get("user_version", ""),
            each.get("user_desc", ""),
            each.get("commit_time", 0),
        )
        for each in listed
    ]
    return tuple(sorted(versions, key=lambda each: int(each.app_version), reverse=True))
