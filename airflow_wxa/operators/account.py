"""Operators for a merchant's account: what it lacks for a release, its privacy guide, its privacy interfaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_wxa.api import values
from airflow_wxa.operators.mini_program import MiniProgramOperator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_wxa.api.values import Reader
    from airflow_wxa.hooks.wxa import WxaHook


class WxaCheckAccountOperator(MiniProgramOperator):
    """Look at what a release needs of a merchant's account, before anything is spent; fails with one list to do.

    Name, avatar, introduction and category (86002, 85008 else), real-name verification, cancelled, banned or frozen
    accounts, permission sets 18 and 30, and the privacy guide. Returns ``{"outcome": "ready", "appid", "not_read"}``:
    what could not be read stops nothing. Needs permission set 30, and for name, avatar, introduction, state and sets a
    platform token.

    :param guide_is_given: the run writes the privacy guide itself, so it is not looked at (templated).

    Source: https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/basic-info-management/api_getaccountbasicinfo
    """

    reads: ClassVar[Mapping[str, Reader]] = {**MiniProgramOperator.reads, "guide_is_given": values.flag}

    def __init__(self, *, appid: str, guide_is_given: bool = False, **kwargs: Any) -> None:
        super().__init__(appid=appid, **kwargs)
        self.guide_is_given = guide_is_given

    def do(self, hook: WxaHook) -> dict[str, Any]:
        """Look; see the class for what is returned."""
        return hook.check_account(self.appid, guide_is_given=self.guide_is_given)


class WxaGetPrivacySettingOperator(MiniProgramOperator):
    """Read the privacy guide (用户隐私保护指引); returns WeChat's fields.

    ``privacy_list`` holds what the committed code collects, ``setting_list`` what the guide says of it.

    :param privacy_ver: 2, the one that the next release takes live, or 1, the live one (templated).
    """

    reads: ClassVar[Mapping[str, Reader]] = {**MiniProgramOperator.reads, "privacy_ver": values.whole}

    def __init__(self, *, appid: str, privacy_ver: int = 2, **kwargs: Any) -> None:
        super().__init__(appid=appid, **kwargs)
        self.privacy_ver = privacy_ver

    def do(self, hook: WxaHook) -> dict[str, Any]:
        """Read it; see the class for what is returned."""
        return hook.privacy_setting(self.appid, self.privacy_ver)


class WxaSetPrivacySettingOperator(MiniProgramOperator):
    """Write the privacy guide (用户隐私保护指引), unless it is so already; after the commit, before the submission.

    Returns ``{"outcome": "written|unchanged", "appid", "privacy_ver"}``. With ``privacy_ver`` 2 it goes live with
    the release. What the committed code collects and ``setting_list`` says nothing of fails by its key.

    :param privacy_setting: the body of ``setprivacysetting``: ``owner_setting``, ``setting_list``, ``privacy_ver``
        (templated).

    Source: https://developers.weixin.qq.com/doc/oplatform/Third-party_Platforms/2.0/api/privacy_config/set_privacy_setting.html
    """

    reads: ClassVar[Mapping[str, Reader]] = {**MiniProgramOperator.reads, "privacy_setting": values.json_object}

    def __init__(self, *, appid: str, privacy_setting: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(appid=appid, **kwargs)
        self.privacy_setting = privacy_setting

    def do(self, hook: WxaHook) -> dict[str, Any]:
        """Write it; see the class for what is returned."""
        return hook.set_privacy_setting(self.appid, self.privacy_setting)


class WxaApplyPrivacyInterfaceOperator(MiniProgramOperator):
    """Apply for a privacy interface that the account has no right to: what cures 61040's ``without_auth_list``.

    Returns ``{"outcome": "applied|under_review", "appid", "api_name", "audit_id"}``; WeChat decides later.

    :param api_name: such as ``wx.getLocation`` (templated).
    :param content: what it is needed for, for the reviewer (templated).
    :param url_list: links for the reviewer (templated).
    :param pic_list: media ids of pictures for the reviewer (templated).
    :param video_list: media ids of videos for the reviewer (templated).
    """

    reads: ClassVar[Mapping[str, Reader]] = {
        **MiniProgramOperator.reads,
        "api_name": values.named,
        "content": values.named,
        "url_list": values.texts,
        "pic_list": values.texts,
        "video_list": values.texts,
    }

    def __init__(
        self,
        *,
        appid: str,
        api_name: str,
        content: str,
        url_list: Sequence[str] = (),
        pic_list: Sequence[str] = (),
        video_list: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(appid=appid, **kwargs)
        self.api_name = api_name
        self.content = content
        self.url_list = url_list
        self.pic_list = pic_list
        self.video_list = video_list

    def do(self, hook: WxaHook) -> dict[str, Any]:
        """Apply; see the class for what is returned."""
        lists = {name: each for name in ("url_list", "pic_list", "video_list") if (each := getattr(self, name))}
        return hook.apply_privacy_interface(self.appid, self.api_name, self.content, **lists)
