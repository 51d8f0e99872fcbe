"""Operators for a merchant's account: what it lacks for a release, its privacy guide, its privacy interfaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator

from airflow_wxa.api import values
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.release.dag import TemplatedFields

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from airflow_wxa.api.values import Reader


class WxaCheckAccountOperator(TemplatedFields, BaseOperator):
    """Look at what a release needs of a merchant's account, before anything is spent; fails with one list to do.

    Name, avatar, introduction and category (86002, 85008 else), real-name verification, cancelled, banned or frozen
    accounts, permission sets 18 and 30, and the privacy guide. Returns ``{"outcome": "ready", "appid", "not_read"}``:
    what could not be read stops nothing. Needs permission set 30, and for name, avatar, introduction, state and sets a
    platform token.

    :param appid: the Mini Program (templated).
    :param guide_is_given: the run writes the privacy guide itself, so it is not looked at (templated).
    :param wxa_conn_id: the Connection (templated).

    Source: https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/basic-info-management/api_getaccountbasicinfo
    """

    reads: ClassVar[Mapping[str, Reader]] = {
        "appid": values.appid,
        "guide_is_given": values.flag,
        "wxa_conn_id": values.named,
    }

    def __init__(
        self,
        *,
        appid: str,
        guide_is_given: bool = False,
        wxa_conn_id: str = WxaHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.appid = appid
        self.guide_is_given = guide_is_given
        self.wxa_conn_id = wxa_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Look; see the class for what is returned."""
        self.read_fields()
        return WxaHook(self.wxa_conn_id).check_account(self.appid, guide_is_given=self.guide_is_given)


class WxaGetPrivacySettingOperator(TemplatedFields, BaseOperator):
    """Read the privacy guide (用户隐私保护指引); returns WeChat's fields.

    ``privacy_list`` holds what the committed code collects, ``setting_list`` what the guide says of it.

    :param appid: the Mini Program (templated).
    :param privacy_ver: 2, the one that the next release takes live, or 1, the live one (templated).
    :param wxa_conn_id: the Connection (templated).
    """

    reads: ClassVar[Mapping[str, Reader]] = {
        "appid": values.appid,
        "privacy_ver": values.whole,
        "wxa_conn_id": values.named,
    }

    def __init__(
        self, *, appid: str, privacy_ver: int = 2, wxa_conn_id: str = WxaHook.default_conn_name, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.appid = appid
        self.privacy_ver = privacy_ver
        self.wxa_conn_id = wxa_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Read it; see the class for what is returned."""
        self.read_fields()
        return WxaHook(self.wxa_conn_id).privacy_setting(self.appid, self.privacy_ver)


class WxaSetPrivacySettingOperator(TemplatedFields, BaseOperator):
    """Write the privacy guide (用户隐私保护指引), unless it is so already; after the commit, before the submission.

    Returns ``{"outcome": "written|unchanged", "appid", "privacy_ver"}``. With ``privacy_ver`` 2 it goes live with
    the release. What the committed code collects and ``setting_list`` says nothing of fails by its key.

    :param appid: the Mini Program (templated).
    :param privacy_setting: the body of ``setprivacysetting``: ``owner_setting``, ``setting_list``, ``privacy_ver``
        (templated).
    :param wxa_conn_id: the Connection (templated).

    Source: https://developers.weixin.qq.com/doc/oplatform/Third-party_Platforms/2.0/api/privacy_config/set_privacy_setting.html
    """

    reads: ClassVar[Mapping[str, Reader]] = {
        "appid": values.appid,
        "privacy_setting": values.json_object,
        "wxa_conn_id": values.named,
    }

    def __init__(
        self,
        *,
        appid: str,
        privacy_setting: Mapping[str, Any],
        wxa_conn_id: str = WxaHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.appid = appid
        self.privacy_setting = privacy_setting
        self.wxa_conn_id = wxa_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Write it; see the class for what is returned."""
        self.read_fields()
        return WxaHook(self.wxa_conn_id).set_privacy_setting(self.appid, self.privacy_setting)


class WxaApplyPrivacyInterfaceOperator(TemplatedFields, BaseOperator):
    """Apply for a privacy interface that the account has no right to: what cures 61040's ``without_auth_list``.

    Returns ``{"outcome": "applied|under_review", "appid", "api_name", "audit_id"}``; WeChat decides later.

    :param appid: the Mini Program (templated).
    :param api_name: such as ``wx.getLocation`` (templated).
    :param content: what it is needed for, for the reviewer (templated).
    :param url_list: links for the reviewer (templated).
    :param pic_list: media ids of pictures for the reviewer (templated).
    :param video_list: media ids of videos for the reviewer (templated).
    :param wxa_conn_id: the Connection (templated).
    """

    reads: ClassVar[Mapping[str, Reader]] = {
        "appid": values.appid,
        "api_name": values.named,
        "content": values.named,
        "url_list": values.texts,
        "pic_list": values.texts,
        "video_list": values.texts,
        "wxa_conn_id": values.named,
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
        wxa_conn_id: str = WxaHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.appid = appid
        self.api_name = api_name
        self.content = content
        self.url_list = url_list
        self.pic_list = pic_list
        self.video_list = video_list
        self.wxa_conn_id = wxa_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Apply; see the class for what is returned."""
        self.read_fields()
        lists = {name: list(getattr(self, name)) for name in ("url_list", "pic_list", "video_list")}
        return WxaHook(self.wxa_conn_id).apply_privacy_interface(
            self.appid, self.api_name, self.content, **{name: each for name, each in lists.items() if each}
        )
