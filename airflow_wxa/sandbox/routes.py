"""Which path is answered by whom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_wxa.sandbox.gate import Answer, Body, Endpoint, OpenEndpoint
from airflow_wxa.sandbox.handlers import account, audit, code, component, domains
from airflow_wxa.sandbox.platforms import API_COMPONENT_TOKEN, Platform
from airflow_wxa.sandbox.state import MiniProgram
from airflow_wxa.sandbox.world import World

MerchantHandler = Callable[[World, MiniProgram, Body], Answer]
PlatformHandler = Callable[[World, Platform, Body], Answer]


def _merchant(method: str, path: str, handle: MerchantHandler) -> Endpoint[MiniProgram]:
    return Endpoint(path=path, method=method, account=MiniProgram, handle=handle)


def _component(name: str, handle: PlatformHandler) -> Endpoint[Platform]:
    """Return a call of the token and authorisation family, whose token has two names in the query."""
    path = component.COMPONENT + name
    return Endpoint(path=path, method="POST", account=Platform, handle=handle, old_query_name=True)


MERCHANT_ENDPOINTS = (
    _merchant("POST", "/wxa/setwebviewdomain", domains.setwebviewdomain),
    _merchant("POST", "/wxa/get_effective_webviewdomain", domains.get_effective_webviewdomain),
    _merchant("POST", "/wxa/commit", code.commit),
    _merchant("GET", "/wxa/get_page", code.get_page),
    _merchant("GET", "/wxa/get_category", code.get_category),
    _merchant("GET", "/wxa/get_qrcode", code.get_qrcode),
    _merchant("GET", "/wxa/security/get_code_privacy_info", audit.get_code_privacy_info),
    _merchant("POST", "/wxa/submit_audit", audit.submit_audit),
    _merchant("POST", "/wxa/get_auditstatus", audit.get_auditstatus),
    _merchant("GET", "/wxa/get_latest_auditstatus", audit.get_latest_auditstatus),
    _merchant("GET", "/wxa/undocodeaudit", audit.undocodeaudit),
    _merchant("POST", "/cgi-bin/material/get_material", audit.get_material),
    _merchant("GET", "/wxa/queryquota", audit.queryquota),
    _merchant("POST", "/wxa/release", code.release),
    _merchant("POST", "/wxa/getversioninfo", code.getversioninfo),
    Endpoint(
        path="/cgi-bin/account/getaccountbasicinfo",
        method="POST",
        account=MiniProgram,
        handle=account.getaccountbasicinfo,
        empty_body=True,
        permission_set=account.BASIC_INFO_SET,
        methods=account.accepted_methods,
    ),
)

PLATFORM_ENDPOINTS = (
    Endpoint(
        path="/cgi-bin/component/modify_wxa_jump_domain",
        method="POST",
        account=Platform,
        handle=domains.modify_wxa_jump_domain,
    ),
    Endpoint(
        path="/cgi-bin/component/get_domain_confirmfile",
        method="POST",
        account=Platform,
        handle=domains.get_domain_confirmfile,
        empty_body=True,
    ),
    _component("api_create_preauthcode", component.api_create_preauthcode),
    _component("api_query_auth", component.api_query_auth),
    _component("api_authorizer_token", component.api_authorizer_token),
    _component("api_get_authorizer_list", component.api_get_authorizer_list),
    _component("api_get_authorizer_info", component.api_get_authorizer_info),
)

OPEN_ENDPOINTS = (
    OpenEndpoint(path=f"{component.COMPONENT}api_start_push_ticket", handle=component.api_start_push_ticket),
    OpenEndpoint(path=API_COMPONENT_TOKEN, handle=component.api_component_token),
)

ENDPOINTS: dict[str, Endpoint[Any] | OpenEndpoint] = {
    endpoint.path: endpoint for endpoint in (*MERCHANT_ENDPOINTS, *PLATFORM_ENDPOINTS, *OPEN_ENDPOINTS)
}
