r"""The privacy guide (用户隐私保护指引) of a Mini Program, and privacy interfaces that it applies for.

Texts go out as raw UTF-8: ``\u`` escapes are shown as such to users.

Source: https://developers.weixin.qq.com/doc/oplatform/Third-party_Platforms/2.0/api/privacy_config/set_privacy_setting.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from airflow_wxa.api.call import Call

if TYPE_CHECKING:
    from collections.abc import Mapping

#: ``privacy_ver`` of the guide that the next release takes live; 1 is the live one.
DEVELOPMENT: Final = 2
#: Of these one is needed in ``owner_setting``.
CONTACTS: Final = ("contact_email", "contact_phone", "contact_qq", "contact_weixin")


def getprivacysetting(appid: str, privacy_ver: int = DEVELOPMENT) -> Call:
    """Read a privacy guide.

    :return: a call whose reply holds ``code_exist``, ``privacy_list`` (keys that the code collects), ``setting_list``
        and ``owner_setting``.
    """
    return Call.to("getprivacysetting", appid, {"privacy_ver": privacy_ver})


def setprivacysetting(appid: str, privacy_setting: Mapping[str, Any]) -> Call:
    """Write a privacy guide; ``privacy_ver`` 2 goes live with the next release, 1 edits contacts of the live one.

    :param privacy_setting: the body, by WeChat's names.
    """
    return Call.to("setprivacysetting", appid, dict(privacy_setting))


def apply_privacy_interface(appid: str, application: Mapping[str, Any]) -> Call:
    """Apply for a privacy interface that the account has no right to (``without_auth_list``).

    :param application: ``api_name``, ``content``, and ``url_list``, ``pic_list``, ``video_list``.
    :return: a call whose reply holds ``audit_id``; 61031 says that it is under review already.
    """
    return Call.to("apply_privacy_interface", appid, dict(application))


def keys_without_text(answer: Mapping[str, Any]) -> list[str]:
    """Return the keys that the committed code collects and the guide says nothing of."""
    told = {each.get("privacy_key") for each in answer.get("setting_list", ()) if each.get("privacy_text")}
    return [key for key in answer.get("privacy_list", ()) if key not in told]
