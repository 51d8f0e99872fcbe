"""Accounts: the chain ticket → platform token → authorization code → merchant token, and the owner of a Mini Program.

None of the answers in the chain has an ``errcode`` when it succeeds, but api_start_push_ticket's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_wxa.sandbox.errors import Errcode, RefusalError, found, refuse_if
from airflow_wxa.sandbox.gate import merchant_call, ok, open_call, platform_call
from airflow_wxa.sandbox.platforms import API_COMPONENT_TOKEN
from airflow_wxa.sandbox.pushes import TICKET, missing_for

if TYPE_CHECKING:
    from airflow_wxa.sandbox.gate import Answer, Body
    from airflow_wxa.sandbox.platforms import Platform
    from airflow_wxa.sandbox.state import MiniProgram
    from airflow_wxa.sandbox.world import World

COMPONENT = "/cgi-bin/component/"
MOST_AUTHORISERS = 500
# WeChat pushes a ticket about every ten minutes; two that did not come mean that pushing has stopped.
TICKET_SILENCE = 1200
TICKET_SECONDS = 12 * 3600
PRE_AUTH_CODE_SECONDS = 600
BEIJING = 8 * 3600
DAY = 86400
BASIC_INFO_SET = 30
RECORDS_SET = 76
NINETY_DAYS = 90 * 86400
MINI_PROGRAM = 3
INDIVIDUAL, ENTERPRISE = 0, 1


@open_call(COMPONENT + "api_start_push_ticket", "component_appid component_secret")
def api_start_push_ticket(world: World, body: Body) -> Answer:
    """Start pushing tickets again when they stopped; the first one follows at once."""
    platform = proven(world, body, "component_secret")
    newest = max(platform.tickets.values(), default=0)
    if world.time() - newest < TICKET_SILENCE:
        return {"errcode": 0, "errmsg": "in a normal state"}
    if not missing_for(platform, platform.push_url):
        world.outbox.append((TICKET, platform.component_appid))
    return ok()


@open_call(API_COMPONENT_TOKEN, "component_appid component_appsecret component_verify_ticket")
def api_component_token(world: World, body: Body) -> Answer:
    """Issue a platform token for the secret and a ticket."""
    platform = proven(world, body, "component_appsecret", path=API_COMPONENT_TOKEN)
    _check_ticket(world, platform, body.get("component_verify_ticket"))
    return {"component_access_token": world.new_access_token(platform), "expires_in": platform.expires_in}


def _check_ticket(world: World, platform: Platform, ticket: object) -> None:
    """Refuse a ticket that is none of the platform's (61006), or older than 12 hours (61005)."""
    if not isinstance(ticket, str) or not ticket:
        raise RefusalError(Errcode.TICKET_INVALID)
    refuse_if(ticket in world.expired_tokens, Errcode.TICKET_EXPIRED)
    if ticket != platform.component_verify_ticket:
        made_at = found(platform.tickets.get(ticket), Errcode.TICKET_INVALID)
        refuse_if(world.time() - made_at >= TICKET_SECONDS, Errcode.TICKET_EXPIRED)


def proven(world: World, body: Body, secret_name: str, path: str = "") -> Platform:
    """Return the platform that a call without a token names and proves to be.

    A wrong secret is 40125, as api_component_token's page has it; 40001 there is WeChat's word for tokens.

    :param path: counted against the daily limit of this path.
    """
    component_appid = body.get("component_appid")
    refuse_if(not component_appid, Errcode.COMPONENT_APPID_MISSING)
    matching = (each for each in world.platforms if each.component_appid == component_appid)
    platform = found(next(matching, None), Errcode.INVALID_APPID)
    refuse_if(not platform.ip_allowed, Errcode.IP_NOT_REGISTERED)
    _spend(world, platform, path)
    secret = body.get(secret_name)
    refuse_if(not secret, Errcode.APPSECRET_MISSING)
    refuse_if(secret != platform.component_appsecret, Errcode.INVALID_APPSECRET)
    return platform


@platform_call(COMPONENT + "api_create_preauthcode", "component_appid", old_query_name=True)
def api_create_preauthcode(world: World, account: Platform, body: Body) -> Answer:
    """Make a code for the authorization link; it cannot be exchanged itself."""
    _own_call(world, account, body, "api_create_preauthcode")
    code = world.new_secret("preauthcode@@@")
    return {"pre_auth_code": code, "expires_in": PRE_AUTH_CODE_SECONDS}


@platform_call(COMPONENT + "api_query_auth", "component_appid authorization_code", old_query_name=True)
def api_query_auth(world: World, account: Platform, body: Body) -> Answer:
    """Exchange an authorization code, once."""
    _own_call(world, account, body, "api_query_auth")
    code = body.get("authorization_code")
    merchant = found(world.account_with_code(code) if isinstance(code, str) else None, Errcode.CODE_INVALID)
    refuse_if(merchant.component_appid != account.component_appid, Errcode.CODE_INVALID)
    ends = merchant.code_expires_at
    refuse_if(ends is not None and ends <= world.time(), Errcode.CODE_EXPIRED)
    merchant.code = ""
    merchant.refresh_token = merchant.refresh_token or world.new_secret("refreshtoken@@@")
    told = _new_tokens(world, merchant)
    info = {"authorizer_appid": merchant.appid, **(told if merchant.api_permission else {})}
    return {"authorization_info": {**info, "func_info": granted(merchant)}}


def _new_tokens(world: World, merchant: MiniProgram) -> dict[str, Any]:
    """Issue an access token, and return it with the refresh token of now."""
    return {
        "authorizer_access_token": world.new_access_token(merchant),
        "expires_in": world.platform_of(merchant).expires_in,
        "authorizer_refresh_token": merchant.refresh_token,
    }


@platform_call(
    COMPONENT + "api_authorizer_token", "component_appid authorizer_appid authorizer_refresh_token", old_query_name=True
)
def api_authorizer_token(world: World, account: Platform, body: Body) -> Answer:
    """Issue a merchant token for a refresh token, which is replaced where the platform says so.

    An earlier one that is in its grace period is answered with the current one, and replaces nothing: a client that
    lost an answer and asks again must not kill what it is about to be told.
    """
    _own_call(world, account, body, "api_authorizer_token")
    merchant = _merchant(world, account, body)
    sent, current, now = body.get("authorizer_refresh_token"), merchant.refresh_token, world.time()
    replaced = merchant.replaced_refresh_tokens
    in_grace = isinstance(sent, str) and replaced.get(sent, now) > now
    refuse_if(not current or (sent != current and not in_grace), Errcode.REFRESH_TOKEN_INVALID)
    if sent == current and account.rotate_refresh_tokens == "each":
        kept = {each: until for each, until in replaced.items() if until > now}
        merchant.replaced_refresh_tokens = {**kept, current: now + account.refresh_grace_seconds}
        merchant.refresh_token = world.new_secret("refreshtoken@@@")
    return _new_tokens(world, merchant)


@platform_call(COMPONENT + "api_get_authorizer_list", "component_appid offset count", old_query_name=True)
def api_get_authorizer_list(world: World, account: Platform, body: Body) -> Answer:
    """Answer the merchants and their current refresh tokens, a page at a time."""
    _own_call(world, account, body, "api_get_authorizer_list")
    offset, count = _number(body.get("offset")), _number(body.get("count"))
    # What WeChat does with a page of more than 500 is not written down: clients ask for no more.
    refuse_if(offset < 0 or not 1 <= count <= MOST_AUTHORISERS, Errcode.INVALID_ARGUMENTS)
    of_platform = account.component_appid
    all_of_them = [each for each in world.mini_programs if each.authorised and each.component_appid == of_platform]
    page = [
        {"authorizer_appid": each.appid, "refresh_token": each.refresh_token, "auth_time": each.auth_time}
        for each in all_of_them[offset : offset + count]
    ]
    return {"total_count": len(all_of_them), "list": page}


@platform_call(COMPONENT + "api_get_authorizer_info", "component_appid authorizer_appid", old_query_name=True)
def api_get_authorizer_info(world: World, account: Platform, body: Body) -> Answer:
    """Answer a merchant's profile and its grants."""
    _own_call(world, account, body, "api_get_authorizer_info")
    merchant = _merchant(world, account, body)
    return {
        "authorizer_info": _profile(world, merchant),
        "authorization_info": {
            "authorizer_appid": merchant.appid,
            "authorizer_refresh_token": merchant.refresh_token,
            "func_info": granted(merchant),
        },
    }


def _profile(world: World, merchant: MiniProgram) -> dict[str, Any]:
    unfilled, categories = world.looseness(merchant).unfilled, merchant.categories
    return {
        "nick_name": "" if "name" in unfilled else merchant.nick_name or merchant.appid,
        "head_img": "" if "avatar" in unfilled else f"https://wx.qlogo.cn/mmopen/{merchant.appid}/0",
        "service_type_info": {"id": 0},
        "verify_type_info": {"id": 0 if merchant.verified else -1},
        "user_name": merchant.user_name,
        "alias": "",
        "qrcode_url": "",
        "business_info": {f"open_{each}": 0 for each in ("pay", "shake", "scan", "card", "store")},
        "idc": 1,
        "principal_name": merchant.owner_name,
        "signature": "" if "introduction" in unfilled else f"Introduction of {merchant.appid}",
        "MiniProgramInfo": {
            "network": {
                **{f"{kind}Domain": [] for kind in ("Request", "WsRequest", "Upload", "Download", "UDP", "TCP")},
                "BizDomain": list(merchant.effective_webviewdomain),
            },
            "categories": [{"first": each["first_class"], "second": each["second_class"]} for each in categories],
            "visit_status": 0,
        },
        "register_type": 0,
        "account_status": merchant.account_status,
        "basic_config": {"is_phone_configured": True, "is_email_configured": True},
    }


def granted(merchant: MiniProgram) -> list[dict[str, Any]]:
    """Return ``func_info``: the permission sets that a merchant granted."""
    return [{"funcscope_category": {"id": each}} for each in sorted(merchant.granted_sets)]


def _own_call(world: World, account: Platform, body: Body, name: str) -> None:
    """Look whether a platform speaks of itself, and count the call."""
    component_appid = body.get("component_appid")
    refuse_if(not component_appid, Errcode.COMPONENT_APPID_MISSING)
    refuse_if(component_appid != account.component_appid, Errcode.INVALID_APPID)
    _spend(world, account, COMPONENT + name)


def _spend(world: World, platform: Platform, path: str) -> None:
    refuse_if(path and not platform.spend_call(path, day=(world.now() + BEIJING) // DAY), Errcode.DAILY_QUOTA_REACHED)


def _merchant(world: World, account: Platform, body: Body) -> MiniProgram:
    appid = body.get("authorizer_appid")
    refuse_if(not appid, Errcode.APPID_MISSING)
    try:
        merchant = world.mini_program(str(appid))
    except KeyError as error:
        raise RefusalError(Errcode.NOT_AUTHORISED) from error
    refuse_if(not merchant.authorised or merchant.component_appid != account.component_appid, Errcode.NOT_AUTHORISED)
    return merchant


def _number(value: Any) -> int:
    """Return a whole number as it is, and -1, which no page takes, for everything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) else -1


def accepted_methods(world: World) -> tuple[str, ...]:
    """Return how getaccountbasicinfo may be called in this world."""
    return ("POST", "GET") if world.basicinfo_method == "any" else (world.basicinfo_method,)


@merchant_call(
    "POST",
    "/cgi-bin/account/getaccountbasicinfo",
    empty_body=True,
    permission_set=BASIC_INFO_SET,
    methods=accepted_methods,
)
def getaccountbasicinfo(world: World, account: MiniProgram, body: Body) -> Answer:
    """Answer what kind of owner it is: the one certain way to know an individual beforehand."""
    return ok(
        appid=account.appid,
        account_type=MINI_PROGRAM,
        principal_type=INDIVIDUAL if account.individual else ENTERPRISE,
        principal_name=account.owner_name,
        realname_status=account.realname_status,
        wx_verify_info={"qualification_verify": account.verified, "naming_verify": account.verified},
        signature_info={"signature": "", "modify_used_count": 0, "modify_quota": 5},
        head_image_info={"head_image_url": "", "modify_used_count": 0, "modify_quota": 5},
        nickname=account.nick_name or account.appid,
    )


@merchant_call("GET", "/wxa/icp/get_icp_entrance_info")
def get_icp_entrance_info(world: World, account: MiniProgram, body: Body) -> Answer:
    """Answer how far the filing (备案) of the Mini Program is."""
    why = [{"key_name": "主体信息", "error": "与证件不符", "suggest": "请更正"}]
    return ok(info={"status": account.filing_status, "audit_data": why if account.filing_status in (3, 5) else []})


@merchant_call("POST", "/wxa/getillegalrecords", "start_time end_time", empty_body=True, permission_set=RECORDS_SET)
def getillegalrecords(world: World, account: MiniProgram, body: Body) -> Answer:
    """Answer violations; without times those of the last 90 days."""
    until: int = body.get("end_time", body.get("start_time", world.now() - NINETY_DAYS) + NINETY_DAYS)
    since: int = body.get("start_time", until - NINETY_DAYS)
    return ok(records=[each for each in account.illegal_records if since <= each["create_time"] <= until])
