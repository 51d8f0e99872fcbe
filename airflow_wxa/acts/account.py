"""Acts on a merchant's account: whether it is ready for a release, its privacy guide, its privacy interfaces."""

from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from airflow_wxa import steps
from airflow_wxa.acts.act import Flag, JsonObject, Name, OfMiniProgram, Texts, Whole


@dataclass(frozen=True)
class CheckAccount(OfMiniProgram):
    """Look at what a release needs of a merchant's account, before anything is spent; fails with one list to do.

    Name, avatar, introduction and category (86002, 85008 else), real-name verification, cancelled, banned or frozen
    accounts, permission sets 18 and 30, filing (备案) and the privacy guide. Returns ``{"outcome": "ready", "appid",
    "not_read", "to_know"}``: a failed look stops nothing, and neither do violations of the last 90 days and a filing
    under review. Needs permission set 30, for violations 76, and for name, avatar, introduction, state and sets a
    platform token.

    :param guide_is_given: the run writes the privacy guide itself, so it is not looked at.

    Source: https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/basic-info-management/api_getaccountbasicinfo
    """

    guide_is_given: Flag = field(default=False, kw_only=True)

    def step(self) -> steps.Step[steps.AccountOutcome]:
        return steps.check_account(self.appid, guide_is_given=self.guide_is_given)


@dataclass(frozen=True)
class GetPrivacySetting(OfMiniProgram):
    """Read the privacy guide (用户隐私保护指引); returns WeChat's fields.

    ``privacy_list`` holds what the committed code collects, ``setting_list`` what the guide says of it.

    :param privacy_ver: 2, the one that the next release takes live, or 1, the live one.
    """

    privacy_ver: Whole = 2

    def step(self) -> steps.Step[dict[str, Any]]:
        return steps.read_privacy_setting(self.appid, self.privacy_ver)


@dataclass(frozen=True)
class SetPrivacySetting(OfMiniProgram):
    """Write the privacy guide (用户隐私保护指引), unless it is so already; after the commit, before the submission.

    Returns ``{"outcome": "written|unchanged", "appid", "privacy_ver"}``. With ``privacy_ver`` 2 it goes live with the
    release. A key that the committed code collects and that is missing in ``setting_list`` fails.

    :param privacy_setting: the body of ``setprivacysetting``: ``owner_setting``, ``setting_list``, ``privacy_ver``.

    Source: https://developers.weixin.qq.com/doc/oplatform/Third-party_Platforms/2.0/api/privacy_config/set_privacy_setting.html
    """

    privacy_setting: JsonObject
    writes = ("setprivacysetting",)

    def step(self) -> steps.Step[steps.PrivacySettingOutcome]:
        return steps.set_privacy_setting(self.appid, self.privacy_setting)


@dataclass(frozen=True)
class ApplyPrivacyInterface(OfMiniProgram):
    """Apply for a privacy interface that the account has no right to: the cure of 61040's ``without_auth_list``.

    Returns ``{"outcome": "applied|under_review", "appid", "api_name", "audit_id"}``; WeChat decides later.

    :param api_name: such as ``wx.getLocation``.
    :param content: its purpose, for the reviewer.
    :param url_list: links for the reviewer.
    :param pic_list: media ids of pictures for the reviewer.
    :param video_list: media ids of videos for the reviewer.
    """

    api_name: Name
    content: Name
    _: KW_ONLY
    url_list: Texts = ()
    pic_list: Texts = ()
    video_list: Texts = ()
    writes = ("apply_privacy_interface",)

    def step(self) -> steps.Step[dict[str, Any]]:
        lists = {"url_list": self.url_list, "pic_list": self.pic_list, "video_list": self.video_list}
        given = {name: list(each) for name, each in lists.items() if each}
        return steps.apply_for_privacy_interface(
            self.appid, {"api_name": self.api_name, "content": self.content, **given}
        )
