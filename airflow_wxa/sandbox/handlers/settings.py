"""Settings around a release: privacy guide, testers, base library, media, and call quotas."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from airflow_wxa.sandbox.errors import Errcode, found, refuse_if, taken
from airflow_wxa.sandbox.gate import ENDPOINTS, merchant_call, merchant_reads, ok, open_call, quota_call
from airflow_wxa.sandbox.handlers.accounts import proven
from airflow_wxa.sandbox.platforms import Platform
from airflow_wxa.sandbox.values import spent

if TYPE_CHECKING:
    from airflow_wxa.sandbox.gate import Answer, Body
    from airflow_wxa.sandbox.platforms import Account
    from airflow_wxa.sandbox.state import MiniProgram
    from airflow_wxa.sandbox.world import AnyAccount, World

CONTACTS = ("contact_email", "contact_phone", "contact_qq", "contact_weixin")
LIVE, DEVELOPMENT = 1, 2
RESETS_A_MONTH = 10
CALLS_A_DAY = 10_000


@merchant_call("POST", "/cgi-bin/component/setprivacysetting", "privacy_ver owner_setting setting_list", writes=True)
def setprivacysetting(world: World, account: MiniProgram, body: Body) -> None:
    """Write a privacy guide: the one in development, live after the next release, or the live one's contacts."""
    owner, version = taken(body, "owner_setting", dict, Errcode.INVALID_ARGUMENTS), body.get("privacy_ver", DEVELOPMENT)
    refuse_if(version not in (LIVE, DEVELOPMENT), Errcode.INVALID_ARGUMENTS)
    refuse_if(not any(owner.get(name) for name in CONTACTS), Errcode.OWNER_SETTING_MISSING)
    refuse_if(not owner.get("notice_method"), Errcode.NOTICE_METHOD_MISSING)
    refuse_if(("setting_list" in body) != (version == DEVELOPMENT), Errcode.INVALID_ARGUMENTS)
    refuse_if(version == LIVE and "1" not in account.privacy, Errcode.NO_LIVE_PRIVACY)
    before = account.privacy.get(str(version), {})
    settings = body.get("setting_list", before.get("setting_list", []))
    account.privacy[str(version)] = {"owner_setting": owner, "setting_list": settings, "update_time": world.now()}


@merchant_call("POST", "/cgi-bin/component/getprivacysetting", "privacy_ver")
def getprivacysetting(world: World, account: MiniProgram, body: Body) -> Answer:
    """Answer a privacy guide and the interfaces that the committed code uses."""
    guide = account.privacy.get(str(body.get("privacy_ver", DEVELOPMENT)), {})
    return ok(
        code_exist=int(account.exp_info is not None),
        privacy_list=account.privacy_keys,
        setting_list=[{**each, "privacy_label": ""} for each in guide.get("setting_list", [])],
        update_time=guide.get("update_time", 0),
        owner_setting=guide.get("owner_setting", {}),
        privacy_desc={"privacy_desc_list": []},
        sdk_privacy_info_list=[],
    )


@merchant_call("POST", "/wxa/security/apply_privacy_interface", "api_name content url_list pic_list video_list")
def apply_privacy_interface(world: World, account: MiniProgram, body: Body) -> Answer:
    """Apply for a privacy interface; it stays under review."""
    name = taken(body, "api_name", str, Errcode.INVALID_ARGUMENTS)
    refuse_if(not name or not body.get("content"), Errcode.INVALID_ARGUMENTS)
    refuse_if(name in account.privacy_apis, Errcode.PRIVACY_API_UNDER_REVIEW)
    account.privacy_apis.append(name)
    return ok(audit_id=world.take_auditid())


@merchant_call("POST", "/wxa/bind_tester", "wechatid", writes=True)
def bind_tester(world: World, account: MiniProgram, body: Body) -> Answer:
    """Add a tester."""
    wechatid = taken(body, "wechatid", str, Errcode.TESTER_NOT_FOUND)
    refuse_if(not wechatid, Errcode.TESTER_NOT_FOUND)
    refuse_if(wechatid in account.testers, Errcode.TESTER_ALREADY_BOUND)
    account.testers.append(wechatid)
    return ok(userstr=hashlib.sha256(wechatid.encode()).hexdigest()[:28])


@merchant_call("POST", "/cgi-bin/wxopen/setweappsupportversion", "version", writes=True)
def setweappsupportversion(world: World, account: MiniProgram, body: Body) -> None:
    """Set the lowest base library."""
    version = taken(body, "version", str, Errcode.BAD_SUPPORT_VERSION)
    refuse_if(not all(part.isdigit() for part in version.split(".")), Errcode.BAD_SUPPORT_VERSION)
    account.support_version = version


# No page was read that names the field.
merchant_reads(
    {"GET /wxa/get_prefetchdnsdomain": lambda _world, account: {"prefetch_dns_domain": account.prefetch_dns_domain}}
)


@merchant_call("POST", "/wxa/set_prefetchdnsdomain", "prefetch_dns_domain", writes=True)
def set_prefetchdnsdomain(world: World, account: MiniProgram, body: Body) -> None:
    """Keep the domains; which errcode a sixth one is refused with is written on no page that was read."""
    account.prefetch_dns_domain = body.get("prefetch_dns_domain", [])


@merchant_call("POST", "/wxa/uploadmedia", media=True)
def uploadmedia(world: World, account: MiniProgram, body: Body) -> Answer:
    """Take a picture or a video for ``preview_info``; nothing looks at it."""
    raw: bytes = body["media"]
    refuse_if(b"filename=" not in raw, Errcode.DATA_FORMAT_ERROR)
    kind = "video" if b"Content-Type: video/" in raw else "image"
    return ok(type=kind, mediaid=f"media-{hashlib.sha256(raw).hexdigest()[:16]}")


@quota_call("/cgi-bin/clear_quota", "appid", writes=True)
def clear_quota(world: World, account: AnyAccount, body: Body) -> None:
    """Begin the day's call counts anew, ten times a month."""
    refuse_if(body.get("appid") != account.appid, Errcode.INVALID_APPID)
    _reset(world, account)


@open_call("/cgi-bin/component/clear_quota/v2", "component_appid appsecret appid")
def clear_quota_by_appsecret(world: World, body: Body) -> None:
    """Do the same without a token, for the platform or for one of its merchants."""
    platform = proven(world, body, "appsecret")
    named = body.get("appid") or platform.appid
    merchants = [each for each in world.mini_programs if each.component_appid == platform.appid]
    accounts: list[AnyAccount] = [platform, *merchants]
    account = next((each for each in accounts if each.appid == named), None)
    _reset(world, found(account, Errcode.INVALID_APPID))


def _reset(world: World, account: Account) -> None:
    refuse_if(spent(account.quota_resets, world.time()) >= RESETS_A_MONTH, Errcode.QUOTA_RESETS_USED_UP)
    account.quota_resets.append(world.time())
    if isinstance(account, Platform):
        account.calls_today = {}


@quota_call("/cgi-bin/openapi/quota/get", "cgi_path")
def quota_get(world: World, account: AnyAccount, body: Body) -> Answer:
    """Answer how often a path may be called a day, and was."""
    path = body.get("cgi_path")
    endpoint = found(ENDPOINTS.get(path) if isinstance(path, str) else None, Errcode.BAD_CGI_PATH)
    refuse_if(not isinstance(account, endpoint.account or Platform), Errcode.QUOTA_TOKEN_MISMATCH)
    platform = world.platform_of(account)
    limit = platform.daily_limits.get(endpoint.path, CALLS_A_DAY)
    used = platform.calls_today.get(endpoint.path, 0)
    return ok(quota={"daily_limit": limit, "used": used, "remain": limit - used})


@quota_call("/cgi-bin/openapi/rid/get", "rid")
def rid_get(world: World, account: AnyAccount, body: Body) -> Answer:
    """Answer what is known of a call that was refused, by the ``rid`` of its errmsg."""
    return ok(request=found(world.refused.get(str(body.get("rid"))), Errcode.RID_NOT_FOUND))
