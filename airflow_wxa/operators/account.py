"""Operators for a merchant's account: what it lacks for a release, its privacy guide, its privacy interfaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_wxa.api import values
from airflow_wxa.operators.mini_program import MiniProgramOperator

if TYPE_CHECKING:
    from collections.abc import Mapping

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
