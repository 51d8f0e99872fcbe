"""Operators for server domains, and for the direct mode: what WeChat lets be changed 50 times a month."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow_wxa.api import values
from airflow_wxa.operators.domains import WxaModifyPlatformDomainOperator
from airflow_wxa.operators.mini_program import MiniProgramOperator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_wxa.api.values import Reader
    from airflow_wxa.hooks.wxa import WxaHook


class WxaModifyServerDomainOperator(MiniProgramOperator):
    """Bring a Mini Program's server domains (服务器域名) to what ``action`` wants, in as few changes as that takes.

    Returns ``{"outcome": "configured|unchanged", "appid", "endpoint", "action", "before", "after", "added",
    "removed"}``, lists by kind. What is so already is not sent: WeChat counts 50 changes a month, and the ledger counts
    with it. Domains that WeChat did not take beside errcode 0 fail the task, each by its name.

    :param action: ``"add"``, ``"delete"``, ``"set"`` or ``"get"``. ``set`` sends all six lists: those that are left out
        as they are (templated).
    :param server_domains: kind, such as ``requestdomain``, → domains with scheme; needed by add, delete and set
        (templated).
    :param direct: in direct mode, past the platform's list; effective after a release (templated).

    Source: https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/domain-management/api_modifyserverdomain
    """

    reads: ClassVar[Mapping[str, Reader]] = {
        **MiniProgramOperator.reads,
        "action": values.choice("add", "delete", "set", "get"),
        "server_domains": values.json_object,
        "direct": values.flag,
    }

    def __init__(
        self,
        *,
        appid: str,
        action: Literal["add", "delete", "set", "get"],
        server_domains: Mapping[str, Sequence[str]] | None = None,
        direct: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(appid=appid, **kwargs)
        self.action = action
        self.server_domains = {} if server_domains is None else server_domains
        self.direct = direct

    def do(self, hook: WxaHook) -> dict[str, Any]:
        """Run the step; see the class for what is returned."""
        return hook.configure_server_domains(self.appid, self.action, self.server_domains, direct=self.direct)


class WxaSetWebviewDomainDirectlyOperator(MiniProgramOperator):
    """Bring a Mini Program's business domains in direct mode to what ``action`` wants; effective after a release.

    Returns what :class:`WxaModifyServerDomainOperator` does, with the one list ``webviewdomain``. A list that is online
    is never ``set`` again: what differs is added and deleted. When WeChat cannot read the verification file at a host
    (86103), the error hands it over: name, content and where to put it.

    :param action: ``"add"``, ``"delete"``, ``"set"`` or ``"get"`` (templated).
    :param webviewdomain: origins; needed by add, delete and set (templated).

    Source: https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/domain-management/api_modifyjumpdomaindirectly
    """

    reads: ClassVar[Mapping[str, Reader]] = {
        **MiniProgramOperator.reads,
        "action": values.choice("add", "delete", "set", "get"),
        "webviewdomain": values.texts,
    }

    def __init__(
        self,
        *,
        appid: str,
        action: Literal["add", "delete", "set", "get"],
        webviewdomain: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(appid=appid, **kwargs)
        self.action = action
        self.webviewdomain = webviewdomain

    def do(self, hook: WxaHook) -> dict[str, Any]:
        """Run the step; see the class for what is returned."""
        return hook.configure_webview_domains_directly(self.appid, self.action, self.webviewdomain)


class WxaModifyPlatformServerDomainOperator(WxaModifyPlatformDomainOperator):
    """Change or read the platform's own list of server domains; every merchant of the platform is concerned.

    Returns ``{"outcome", "action", "testing", "published", "added", "removed"}``. The published version is changed with
    the testing one where there is one. What is so already is not sent: WeChat counts 50 changes a month, and the ledger
    with it. Hosts that WeChat did not take beside errcode 0 fail the task, each by its name.

    :param hosts: bare hosts such as ``api.example.com`` (templated).
    :param action: ``"add"``, ``"delete"``, ``"set"`` or ``"get"`` (templated).
    :param platform_conn_id: a Connection with a platform token (templated).

    Source: https://developers.weixin.qq.com/doc/oplatform/openApi/thirdparty-management/domain-mgnt/api_modifythirdpartyserverdomain
    """

    def do(self, hook: WxaHook) -> dict[str, Any]:
        """Run the step; see the class for what is returned."""
        return hook.modify_platform_server_domains(self.action, self.hosts)
