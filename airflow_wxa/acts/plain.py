"""One call each: acts where there is little to decide, and little to be told."""

from dataclasses import dataclass, fields
from typing import Any, Literal

from airflow_wxa.acts.act import Act, Digits, IntOrDigits, JsonList, Name, OfMiniProgram, OfPlatform
from airflow_wxa.steps import Step, plain_call


class _Plain(Act):
    """One plain call, whose body the fields beside ``appid`` are."""

    def __init_subclass__(cls, *, endpoint: str = "", **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.writes = (endpoint,)

    def step(self) -> Step[dict[str, Any]]:
        body = {each.name: getattr(self, each.name) for each in fields(self)}
        return plain_call(self.writes[0], body.pop("appid", None), body)


@dataclass(frozen=True)
class SpeedUpAudit(_Plain, OfMiniProgram, endpoint="speedupaudit"):
    """Speed a review up (加急审核), of the platform's monthly budget; 2 to 12 hours are expected then.

    A sheet that was sped up already (89404) costs nothing. Returns WeChat's answer.

    :param auditid: of the sheet in audit.

    Source: https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/code-management/api_speedupcodeaudit
    """

    auditid: Digits


@dataclass(frozen=True)
class ChangeVisitStatus(_Plain, OfMiniProgram, endpoint="change_visitstatus"):
    """Open or close (暂停服务) the online version to visitors. Returns WeChat's answer.

    :param action: ``"open"`` or ``"close"``.

    Source: https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/code-management/api_setvisitstatus
    """

    action: Literal["open", "close"]


@dataclass(frozen=True)
class SetSupportVersion(_Plain, OfMiniProgram, endpoint="setweappsupportversion"):
    """Set the lowest base library (最低基础库版本) that opens the Mini Program. Returns WeChat's answer.

    :param version: such as ``2.20.1``.
    """

    version: Name


@dataclass(frozen=True)
class BindTester(_Plain, OfMiniProgram, endpoint="bind_tester"):
    """Make somebody a tester (体验者) of the trial version; a tester (85004) stays one.

    Returns WeChat's answer.

    :param wechatid: the WeChat id (微信号).
    """

    wechatid: Name


@dataclass(frozen=True)
class SetPrefetchDnsDomain(_Plain, OfMiniProgram, endpoint="set_prefetchdnsdomain"):
    """Set the domains that clients look up beforehand (DNS 预解析), 50 times a month. Returns WeChat's answer.

    :param prefetch_dns_domain: up to five, ``{"url": …}`` each.
    """

    prefetch_dns_domain: JsonList


@dataclass(frozen=True)
class DeleteTemplate(_Plain, OfPlatform, endpoint="deletetemplate"):
    """Take a template out of the platform's library. Returns WeChat's answer.

    :param template_id: as ``gettemplatelist`` has it.
    """

    template_id: IntOrDigits
