"""Acts on domains: business domains and server domains, of a Mini Program and of the platform."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

from airflow_wxa import steps
from airflow_wxa.acts.act import Flag, JsonObject, OfMiniProgram, OfPlatform, Texts
from airflow_wxa.api import values
from airflow_wxa.api.server_domain import parse_server_domains
from airflow_wxa.api.webview_domain import Action, parse_origins
from airflow_wxa.steps.offline import ALLOWS_NOTHING, Kinds

#: Says in a template that WeChat's ``action`` is left out.
ALL: Final = "all"


def _action(value: Any) -> Action:
    return None if value in (None, ALL) else values.choice("add", "delete", "set", "get", ALL)(value)


@dataclass(frozen=True)
class SetWebviewDomain(OfMiniProgram):
    """Bring a Mini Program's business domains (业务域名) to the state that ``action`` names.

    Returns the domain outcome: ``{"outcome", "appid", "action", "errcode", "errmsg", "before", "after", "added",
    "removed", "will_be_lost", "not_proven", "will_be_lost_servers"}``. 0, 89019 and 89022 succeed; 89020 and 89231 are
    the outcomes ``platform_list_empty`` and ``individual``: the operator fails with them, the branch operator follows
    them.

    :param action: ``"add"``, ``"delete"``, ``"set"``, ``"get"``, or ``None``: WeChat then adds every domain of the
        platform list. A template says that with the word ``all``.
    :param webviewdomain: origins such as ``https://m.example.com``; needed by add, delete and set.
    :param on_lost_domains: ``"stop"`` when the next release would take domains offline that are effective now and that
        nobody asked off, or ``"release"``: the outcome says which.
    :param domain_mode: ``"direct"``: the list of :class:`WxaSetWebviewDomainDirectlyOperator`, past the platform's.

    Source: https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/domain-management/api_modifyjumpdomain
    """

    action: Annotated[Action, _action]
    webviewdomain: Texts = ()
    on_lost_domains: Literal["release", "stop"] = field(default="release", kw_only=True)
    domain_mode: Literal["platform", "direct"] = field(default="platform", kw_only=True)
    writes = ("setwebviewdomain", "setwebviewdomain_directly")

    def step(self) -> steps.Step[steps.DomainOutcome]:
        return self.losing(None if self.on_lost_domains == "release" else ALLOWS_NOTHING)

    def losing(self, allowed: Kinds | None, *, skip_equal: bool = False) -> steps.Step[steps.DomainOutcome]:
        """Return the step where a plan says which domains may go offline, and an earlier look that hosts are there."""
        wanted, direct = parse_origins(self.webviewdomain), self.domain_mode == "direct"
        return steps.configure_domains(
            self.appid, self.action, wanted, skip_equal=skip_equal, allowed=allowed, direct=direct
        )


@dataclass(frozen=True)
class ModifyPlatformDomain(OfPlatform):
    """Change or read the platform's own list of business domains; every merchant of the platform is concerned.

    Testing and published version are changed together. Returns ``{"outcome", "action", "testing", "published", "added",
    "removed"}``. When WeChat cannot fetch the verification file of a host, the error hands over name, content and
    address.

    :param action: ``"add"``, ``"delete"``, ``"set"`` or ``"get"``.
    :param hosts: bare hosts such as ``m.example.com``.

    Source: https://developers.weixin.qq.com/doc/oplatform/openApi/thirdparty-management/domain-mgnt/api_modifythirdpartyjumpdomain
    """

    action: Literal["add", "delete", "set", "get"]
    hosts: Texts = ()
    writes = ("modify_wxa_jump_domain",)

    def step(self) -> steps.Step[steps.PlatformOutcome]:
        return steps.modify_platform_domains(self.action, self.hosts)


@dataclass(frozen=True)
class ModifyPlatformServerDomain(OfPlatform):
    """Change or read the platform's own list of server domains; every merchant of the platform is concerned.

    Returns ``{"outcome", "action", "testing", "published", "added", "removed"}``. The published version is changed with
    the testing one where there is one. A domain that is there already is not sent: WeChat counts 50 changes a month,
    and so does the ledger. Hosts that WeChat did not take beside errcode 0 fail the task, each by its name.

    :param action: ``"add"``, ``"delete"``, ``"set"`` or ``"get"``.
    :param hosts: bare hosts such as ``api.example.com``.

    Source: https://developers.weixin.qq.com/doc/oplatform/openApi/thirdparty-management/domain-mgnt/api_modifythirdpartyserverdomain
    """

    action: Literal["add", "delete", "set", "get"]
    hosts: Texts = ()
    writes = ("modify_wxa_server_domain",)

    def step(self) -> steps.Step[steps.PlatformOutcome]:
        return steps.modify_platform_server_domains(self.action, self.hosts)


@dataclass(frozen=True)
class ModifyServerDomain(OfMiniProgram):
    """Bring a Mini Program's server domains (服务器域名) to the state that ``action`` names, in few changes.

    Returns ``{"outcome": "configured|unchanged", "appid", "endpoint", "action", "before", "after", "added",
    "removed"}``, lists by kind. A domain that is there already is not sent: WeChat counts 50 changes a month, and so
    does the ledger. Domains that WeChat did not take beside errcode 0 fail the task, each by its name.

    :param action: ``"add"``, ``"delete"``, ``"set"`` or ``"get"``. ``set`` sends all six lists: those that are left out
        as they are.
    :param server_domains: kind, such as ``requestdomain``, → domains with scheme; needed by add, delete and set.
    :param direct: in direct mode, past the platform's list; effective after a release.

    Source: https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/domain-management/api_modifyserverdomain
    """

    action: Literal["add", "delete", "set", "get"]
    server_domains: JsonObject = field(default_factory=dict)
    direct: Flag = field(default=False, kw_only=True)
    writes = ("modify_domain", "modify_domain_directly")

    def step(self) -> steps.Step[steps.DomainListsOutcome]:
        wanted = parse_server_domains(self.server_domains)
        return steps.configure_server_domains(self.appid, self.action, wanted, direct=self.direct)


@dataclass(frozen=True)
class SetWebviewDomainDirectly(OfMiniProgram):
    """Bring business domains in direct mode to the state that ``action`` names; effective after a release.

    Returns what :class:`WxaModifyServerDomainOperator` does, with the one list ``webviewdomain``. A list that is online
    is never ``set`` again: differences are added and deleted. When WeChat cannot read the verification file at a host
    (86103), the error hands over name, content and address.

    :param action: ``"add"``, ``"delete"``, ``"set"`` or ``"get"``.
    :param webviewdomain: origins; needed by add, delete and set.

    Source: https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/domain-management/api_modifyjumpdomaindirectly
    """

    action: Literal["add", "delete", "set", "get"]
    webviewdomain: Texts = ()
    writes = ("setwebviewdomain_directly",)

    def step(self) -> steps.Step[steps.DomainListsOutcome]:
        return steps.configure_webview_domains_directly(self.appid, self.action, parse_origins(self.webviewdomain))


@dataclass(frozen=True)
class EffectiveServerDomains(OfMiniProgram):
    """Read a Mini Program's server domains by the way that they were set, and the effective ones.

    Returns ``{"mp_domain", "third_domain", "direct_domain", "effective_domain"}``, each lists by kind; a list that
    WeChat does not tell is left out.
    """

    def step(self) -> steps.Step[dict[str, Any]]:
        told = yield from steps.read_effective_server_domains(self.appid)
        return {name: {kind: sorted(domains) for kind, domains in lists.items()} for name, lists in told.items()}
