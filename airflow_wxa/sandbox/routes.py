"""Which path is answered by whom."""

from __future__ import annotations

from collections.abc import Callable

from airflow_wxa.sandbox.gate import Answer, Body, Endpoint
from airflow_wxa.sandbox.handlers import audit, code, domains
from airflow_wxa.sandbox.state import MiniProgram
from airflow_wxa.sandbox.world import Platform, World

MerchantHandler = Callable[[World, MiniProgram, Body], Answer]


def _merchant(method: str, path: str, handle: MerchantHandler) -> Endpoint[MiniProgram]:
    return Endpoint(path=path, method=method, account=MiniProgram, handle=handle)


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
    _merchant("GET", "/wxa/queryquota", audit.queryquota),
    _merchant("POST", "/wxa/release", code.release),
    _merchant("POST", "/wxa/getversioninfo", code.getversioninfo),
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
)

ENDPOINTS = {endpoint.path: endpoint for endpoint in (*MERCHANT_ENDPOINTS, *PLATFORM_ENDPOINTS)}
