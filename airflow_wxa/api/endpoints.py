"""The catalogue: one row per endpoint.

Adding an endpoint is adding a row here, its JSON Schema as ``schemas/<name>.json`` (``answer``, and ``body`` for a
POST), and what the emulated WeChat answers as a function of this name in ``airflow_wxa/sandbox/handlers/``. The tests
of the catalogue say which of the three is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Literal

from airflow_wxa.api.budget import Budget

_PAGES = "https://developers.weixin.qq.com/doc/oplatform/openApi"
_MINI_PROGRAM = f"{_PAGES}/miniprogram-management"
_TEMPLATES = f"{_PAGES}/thirdparty-management/template-management"
_CODE_PAGES_2019 = "wdk-docs/wxopen-docs:docs/_sources/wxapp/CodeMgr"
_WXJAVA_ERRORS = (
    "binarywang/WxJava:weixin-java-common/src/main/java/me/chanjar/weixin/common/error/WxOpenErrorMsgEnum.java"
)
_RSCODE = "kuiyu/RsCode.WeChat:src/RsCode.WeChat/Component/MpCoding"
_PAGES_2019_AUTH = "wdk-docs/wxopen-docs:source/open/auth"


class TokenKind(Enum):
    """Whose token an endpoint wants."""

    MERCHANT = "authorizer_access_token"
    PLATFORM = "component_access_token"
    EITHER = "authorizer_access_token, or component_access_token for the platform itself"
    NONE = "no token: the body proves who asks"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint of WeChat's API, as data.

    :param name: the end of WeChat's path, e.g. ``setwebviewdomain``; also the name of its schema file, where ``_``
        stands for ``/``.
    :param method: WeChat refuses the other one: 43001 wants GET, 43002 wants POST.
    :param path: below the host.
    :param token: whose token goes into the query.
    :param writes: whether it changes anything at WeChat.
    :param safe_to_repeat: whether sending it twice does no more than sending it once.
    :param source: where it is described.
    :param query_name: under which the token travels.
    :param binary: whether success is an image instead of JSON.
    :param fenced: whether WeChat lets it be done twice without telling, so that only the newest attempt may send it.
    :param budget: what it spends of, where WeChat counts it by the month; the ledger keeps to it.
    :param holds_secrets: whether body or answer hold tokens or secrets: no text shows any of them then.
    """

    name: str
    method: Literal["GET", "POST"]
    path: str
    token: TokenKind
    writes: bool
    safe_to_repeat: bool
    source: str
    query_name: str = "access_token"
    binary: bool = False
    fenced: bool = False
    budget: Budget | None = None
    holds_secrets: bool = False

    def named(self, appid: str | None = None, step: str = "") -> dict[str, Any]:
        """Return what an error says of where it arose, as keywords: source, endpoint, appid.

        :param step: in place of the endpoint's name.
        """
        return {"source": self.source, "endpoint": step or self.name, "appid": appid}


_M, _P, _E, _N = TokenKind.MERCHANT, TokenKind.PLATFORM, TokenKind.EITHER, TokenKind.NONE

# Both query names are in use for the token family; older pages and most clients spell this one.
_COMPONENT: Final = "component_access_token"

# No page says whether modify_domain and the direct calls share one count: as one it is never exceeded, however it is.
_DOMAIN_CHANGES: Final = Budget("changes of server and direct domains", 50)
_WITHDRAWALS: Final = Budget("withdrawals of audits", 10)  # and 5 a day, which the steps are told
_RESETS: Final = Budget("resets of call counters", 10)
_PLATFORM_CHANGES: Final = Budget("changes of the platform's server domains", 50)

_ROWS: Final = (
    # name, method, path, token, writes, safe to repeat, source
    Endpoint(
        "setwebviewdomain", "POST", "/wxa/setwebviewdomain", _M, True, True,
        f"{_MINI_PROGRAM}/domain-management/api_modifyjumpdomain",
    ),
    Endpoint(
        "get_effective_webviewdomain", "POST", "/wxa/get_effective_webviewdomain", _M, False, True,
        f"{_MINI_PROGRAM}/domain-management/api_geteffectivejumpdomain",
    ),
    Endpoint(
        "modify_wxa_jump_domain", "POST", "/cgi-bin/component/modify_wxa_jump_domain", _P, True, True,
        f"{_PAGES}/thirdparty-management/domain-mgnt/api_modifythirdpartyjumpdomain",
    ),
    Endpoint(
        "get_domain_confirmfile", "POST", "/cgi-bin/component/get_domain_confirmfile", _P, False, True,
        f"{_PAGES}/thirdparty-management/domain-mgnt/api_getthirdpartyjumpdomainconfirmfile",
    ),
    # Each accepted change is counted, so a lost answer is read back, not repeated; so for the three that follow.
    Endpoint(
        "modify_domain", "POST", "/wxa/modify_domain", _M, True, False,
        f"{_MINI_PROGRAM}/domain-management/api_modifyserverdomain", budget=_DOMAIN_CHANGES,
    ),
    Endpoint(
        "modify_domain_directly", "POST", "/wxa/modify_domain_directly", _M, True, False,
        "kuiyu/RsCode.WeChat:src/RsCode.WeChat/Component/ServerDomain/ModifyServerDomainDirectlyResponse.cs",
        budget=_DOMAIN_CHANGES,
    ),
    Endpoint(
        "setwebviewdomain_directly", "POST", "/wxa/setwebviewdomain_directly", _M, True, False,
        f"{_MINI_PROGRAM}/domain-management/api_modifyjumpdomaindirectly", budget=_DOMAIN_CHANGES,
    ),
    Endpoint(
        "modify_wxa_server_domain", "POST", "/cgi-bin/component/modify_wxa_server_domain", _P, True, False,
        f"{_PAGES}/thirdparty-management/domain-mgnt/api_modifythirdpartyserverdomain", budget=_PLATFORM_CHANGES,
    ),
    Endpoint(
        "get_effective_domain", "POST", "/wxa/get_effective_domain", _M, False, True,
        "https://developers.weixin.qq.com/doc/oplatform/en/openApi/OpenApiDoc/miniprogram-management/"
        "domain-management/getEffectiveServerDomain.html",
    ),
    Endpoint(
        "get_webviewdomain_confirmfile", "POST", "/wxa/get_webviewdomain_confirmfile", _M, False, True,
        f"{_MINI_PROGRAM}/domain-management/api_getjumpdomainconfirmfile",
    ),
    Endpoint(
        "gettemplatedraftlist", "GET", "/wxa/gettemplatedraftlist", _P, False, True,
        f"{_TEMPLATES}/api_gettemplatedraftlist",
    ),
    Endpoint(
        "gettemplatelist", "GET", "/wxa/gettemplatelist", _P, False, True, f"{_TEMPLATES}/api_gettemplatelist"
    ),
    Endpoint(
        "deletetemplate", "POST", "/wxa/deletetemplate", _P, True, True, f"{_RSCODE}/DeleteTemplateResponse.cs"
    ),
    # A second one makes a second template, so a lost answer is read back.
    Endpoint("addtotemplate", "POST", "/wxa/addtotemplate", _P, True, False, f"{_TEMPLATES}/api_addtotemplate"),
    # commit starts a new privacy scan each time, so a lost answer is read back, not repeated.
    Endpoint(
        "commit", "POST", "/wxa/commit", _M, True, False,
        "https://developers.weixin.qq.com/doc/oplatform/en/openApi/OpenApiDoc/miniprogram-management/code-management/"
        "commit.html",
    ),
    Endpoint("get_page", "GET", "/wxa/get_page", _M, False, True, f"{_CODE_PAGES_2019}/get_page.rst.txt"),
    Endpoint(
        "get_category", "GET", "/wxa/get_category", _M, False, True, f"{_CODE_PAGES_2019}/get_category.rst.txt"
    ),
    Endpoint(
        "get_qrcode", "GET", "/wxa/get_qrcode", _M, False, True, f"{_CODE_PAGES_2019}/get_qrcode.rst.txt",
        binary=True,
    ),
    Endpoint(
        "get_code_privacy_info", "GET", "/wxa/security/get_code_privacy_info", _M, False, True,
        f"{_MINI_PROGRAM}/code-management/api_getcodeprivacyinfo",
    ),
    Endpoint(
        "submit_audit", "POST", "/wxa/submit_audit", _M, True, False,
        f"{_MINI_PROGRAM}/code-management/api_submitaudit",
    ),
    Endpoint(
        "get_auditstatus", "POST", "/wxa/get_auditstatus", _M, False, True,
        f"{_MINI_PROGRAM}/code-management/api_getauditstatus",
    ),
    Endpoint(
        "get_latest_auditstatus", "GET", "/wxa/get_latest_auditstatus", _M, False, True,
        f"{_MINI_PROGRAM}/code-management/api_getlatestauditstatus",
    ),
    # A GET that changes state: 5 a day and 10 a month, so never sent twice by mistake.
    Endpoint(
        "undocodeaudit", "GET", "/wxa/undocodeaudit", _M, True, False,
        f"{_MINI_PROGRAM}/code-management/api_undoaudit", fenced=True, budget=_WITHDRAWALS,
    ),
    # A second one is answered 89404, which is as good as the first.
    Endpoint(
        "speedupaudit", "POST", "/wxa/speedupaudit", _M, True, True,
        f"{_MINI_PROGRAM}/code-management/api_speedupcodeaudit",
    ),
    # Screenshots of a rejected sheet are permanent material of the Mini Program.
    Endpoint(
        "get_material", "POST", "/cgi-bin/material/get_material", _M, False, True,
        "https://developers.weixin.qq.com/doc/offiaccount/Asset_Management/Getting_Permanent_Assets.html", binary=True,
    ),
    Endpoint(
        "queryquota", "GET", "/wxa/queryquota", _M, False, True,
        f"{_MINI_PROGRAM}/code-management/api_setcodeauditquota",
    ),
    Endpoint(
        "release", "POST", "/wxa/release", _M, True, False, f"{_MINI_PROGRAM}/code-management/api_release"
    ),
    # A second one is 85082, so a lost answer is read back, not repeated.
    Endpoint(
        "grayrelease", "POST", "/wxa/grayrelease", _M, True, False, f"{_MINI_PROGRAM}/code-management/api_grayrelease"
    ),
    Endpoint(
        "getgrayreleaseplan", "GET", "/wxa/getgrayreleaseplan", _M, False, True,
        f"{_MINI_PROGRAM}/code-management/api_getgrayreleaseplan",
    ),
    # A GET that changes state.
    Endpoint(
        "revertgrayrelease", "GET", "/wxa/revertgrayrelease", _M, True, False,
        "https://developers.weixin.qq.com/doc/oplatform/Third-party_Platforms/2.0/api/code/grayrelease.html",
    ),
    # A GET that changes state, at once; without its query field action or app_version it goes one step back.
    Endpoint(
        "revertcoderelease", "GET", "/wxa/revertcoderelease", _M, True, False,
        f"{_MINI_PROGRAM}/code-management/api_revertcoderelease", fenced=True,
    ),
    Endpoint(
        "getversioninfo", "POST", "/wxa/getversioninfo", _M, False, True,
        f"{_MINI_PROGRAM}/code-management/api_getversioninfo",
    ),
    Endpoint(
        "change_visitstatus", "POST", "/wxa/change_visitstatus", _M, True, True,
        f"{_MINI_PROGRAM}/code-management/api_setvisitstatus",
    ),
    Endpoint(
        "getvisitstatus", "POST", "/wxa/getvisitstatus", _M, False, True,
        f"{_MINI_PROGRAM}/code-management/api_getvisitstatus",
    ),
    # A second one makes a second medium, which nobody names.
    Endpoint(
        "uploadmedia", "POST", "/wxa/uploadmedia", _M, True, True, f"{_MINI_PROGRAM}/code-management/api_submitaudit"
    ),
    # Of these two, and of rid/get below, only errcodes were read; their field is the one that clients send.
    Endpoint("bind_tester", "POST", "/wxa/bind_tester", _M, True, True, f"{_RSCODE}/BindTesterResponse.cs"),
    Endpoint(
        "setweappsupportversion", "POST", "/cgi-bin/wxopen/setweappsupportversion", _M, True, True, _WXJAVA_ERRORS
    ),
    # Whose token it is says whose counters begin anew.
    Endpoint(
        "clear_quota", "POST", "/cgi-bin/clear_quota", _E, True, False,
        "https://developers.weixin.qq.com/doc/oplatform/Third-party_Platforms/2.0/api/openApi/clear_quota.html",
        fenced=True, budget=_RESETS,
    ),
    Endpoint(
        "clear_quota/v2", "POST", "/cgi-bin/component/clear_quota/v2", _N, True, False,
        f"{_PAGES}/openapi/api_componentclearquota_v2", holds_secrets=True,
    ),
    Endpoint(
        "quota/get", "POST", "/cgi-bin/openapi/quota/get", _E, False, True,
        "dtapps/go-library:service/wechatopen/cgi-bin.openapi.quota.get.go",
    ),
    Endpoint("rid/get", "POST", "/cgi-bin/openapi/rid/get", _E, False, True, _WXJAVA_ERRORS),
    Endpoint(
        "api_start_push_ticket", "POST", "/cgi-bin/component/api_start_push_ticket", _N, True, True,
        f"{_PAGES}/ticket-token/api_startpushticket", holds_secrets=True,
    ),
    # Fetches are counted by the day.
    Endpoint(
        "api_component_token", "POST", "/cgi-bin/component/api_component_token", _N, True, False,
        f"{_PAGES}/ticket-token/api_getcomponentaccesstoken", holds_secrets=True,
    ),
    Endpoint(
        "api_create_preauthcode", "POST", "/cgi-bin/component/api_create_preauthcode", _P, False, True,
        f"{_PAGES_2019_AUTH}/api_create_preauthcode.rst", _COMPONENT, holds_secrets=True,
    ),
    # A code is good for one exchange.
    Endpoint(
        "api_query_auth", "POST", "/cgi-bin/component/api_query_auth", _P, True, False,
        f"{_PAGES_2019_AUTH}/api_query_auth.rst", _COMPONENT, holds_secrets=True,
    ),
    # The answer may rotate the refresh token: if a lost one did, the old one is refused and the list tells the new one.
    Endpoint(
        "api_authorizer_token", "POST", "/cgi-bin/component/api_authorizer_token", _P, True, True,
        f"{_PAGES}/ticket-token/api_getauthorizeraccesstoken", _COMPONENT, holds_secrets=True,
    ),
    Endpoint(
        "api_get_authorizer_list", "POST", "/cgi-bin/component/api_get_authorizer_list", _P, False, True,
        "https://developers.weixin.qq.com/doc/oplatform/developers/dev/AuthorizerAccessToken", _COMPONENT,
        holds_secrets=True,
    ),
    Endpoint(
        "api_get_authorizer_info", "POST", "/cgi-bin/component/api_get_authorizer_info", _P, False, True,
        f"{_PAGES}/authorization-management/api_getauthorizerinfo", _COMPONENT, holds_secrets=True,
    ),
    Endpoint(
        "getaccountbasicinfo", "POST", "/cgi-bin/account/getaccountbasicinfo", _M, False, True,
        f"{_MINI_PROGRAM}/basic-info-management/api_getaccountbasicinfo",
    ),
)  # fmt: skip

CATALOGUE: Final[dict[str, Endpoint]] = {row.name: row for row in _ROWS}
