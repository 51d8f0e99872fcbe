"""Accounts: the chain ticket → platform token → authorization code → merchant token; owners, and call quotas.

None of the answers in the chain has an ``errcode`` when it succeeds, but api_start_push_ticket's.
"""

from collections.abc import Callable
from typing import Any

from airflow_wxa.sandbox.errors import Errcode, RefusalError, found, refuse_if, taken
from airflow_wxa.sandbox.gate import ENDPOINTS, Answer, Body, answers, ok
from airflow_wxa.sandbox.platforms import API_COMPONENT_TOKEN, COMPONENT, Account, Platform
from airflow_wxa.sandbox.pushes import TICKET, missing_for
from airflow_wxa.sandbox.state import MiniProgram
from airflow_wxa.sandbox.values import spent
from airflow_wxa.sandbox.world import AnyAccount, World

PlatformHandler = Callable[[World, Platform, Body], Answer | None]
MOST_AUTHORISERS = 500
RESETS_A_MONTH = 10
CALLS_A_DAY = 10_000
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


@answers(f"POST {COMPONENT}api_start_push_ticket", None, "component_appid component_secret")
def api_start_push_ticket(world: World, body: Body) -> Answer:
    """Start pushing tickets again when they stopped; the first one follows at once."""
    platform = proven(world, body, "component_secret")
    newest = max(platform.tickets.values(), default=0)
    if world.time() - newest < TICKET_SILENCE:
        return {"errcode": 0, "errmsg": "in a normal state"}
    if not missing_for(platform, platform.push_url):
        world.outbox.append((TICKET, platform.component_appid))
    return ok()


@answers(f"POST {API_COMPONENT_TOKEN}", None, "component_appid component_appsecret component_verify_ticket")
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


def _component_call(name: str, fields: str = "") -> Callable[[PlatformHandler], PlatformHandler]:
    """Declare a call by which a platform has to name itself, counted against a daily limit."""
    declare = answers(f"POST {COMPONENT}{name}", Platform, f"component_appid {fields}", old_query_name=True)

    def checked(handle: PlatformHandler) -> PlatformHandler:
        def answer(world: World, account: Platform, body: Body) -> Answer | None:
            named = body.get("component_appid")
            refuse_if(not named, Errcode.COMPONENT_APPID_MISSING)
            refuse_if(named != account.component_appid, Errcode.INVALID_APPID)
            _spend(world, account, COMPONENT + name)
            return handle(world, account, body)

        return declare(answer)

    return checked


@_component_call("api_create_preauthcode")
def api_create_preauthcode(world: World, account: Platform, body: Body) -> Answer:
    """Make a code for the authorization link; it cannot be exchanged itself."""
    return {"pre_auth_code": world.new_secret("preauthcode@@@"), "expires_in": PRE_AUTH_CODE_SECONDS}


@_component_call("api_query_auth", "authorization_code")
def api_query_auth(world: World, account: Platform, body: Body) -> Answer:
    """Exchange an authorization code, once."""
    code = taken(body, "authorization_code", str, Errcode.CODE_INVALID)
    merchant = found(world.account_with_code(code), Errcode.CODE_INVALID)
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


@_component_call("api_authorizer_token", "authorizer_appid authorizer_refresh_token")
def api_authorizer_token(world: World, account: Platform, body: Body) -> Answer:
    """Issue a merchant token for a refresh token, which is replaced where the platform says so.

    An earlier one that is in its grace period is answered with the current one, and replaces nothing: a client that
    lost an answer and asks again must not kill what it is about to be told.
    """
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


@_component_call("api_get_authorizer_list", "offset count")
def api_get_authorizer_list(world: World, account: Platform, body: Body) -> Answer:
    """Answer the merchants and their current refresh tokens, a page at a time."""
    offset, count = (taken(body, name, int, Errcode.INVALID_ARGUMENTS) for name in ("offset", "count"))
    # What WeChat does with a page of more than 500 is not written down: clients ask for no more.
    refuse_if(offset < 0 or not 1 <= count <= MOST_AUTHORISERS, Errcode.INVALID_ARGUMENTS)
    of_platform = account.component_appid
    all_of_them = [each for each in world.mini_programs if each.authorised and each.component_appid == of_platform]
    page = [
        {"authorizer_appid": each.appid, "refresh_token": each.refresh_token, "auth_time": each.auth_time}
        for each in all_of_them[offset : offset + count]
    ]
    return {"total_count": len(all_of_them), "list": page}


@_component_call("api_get_authorizer_info", "authorizer_appid")
def api_get_authorizer_info(world: World, account: Platform, body: Body) -> Answer:
    """Answer a merchant's profile and its grants."""
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


def accepted_methods(world: World) -> tuple[str, ...]:
    """Return how getaccountbasicinfo may be called in this world."""
    return ("POST", "GET") if world.basicinfo_method == "any" else (world.basicinfo_method,)


@answers(
    "POST /cgi-bin/account/getaccountbasicinfo",
    MiniProgram,
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


@answers("GET /wxa/icp/get_icp_entrance_info", MiniProgram)
def get_icp_entrance_info(world: World, account: MiniProgram, body: Body) -> Answer:
    """Answer how far the filing (备案) of the Mini Program is."""
    why = [{"key_name": "主体信息", "error": "与证件不符", "suggest": "请更正"}]
    return ok(info={"status": account.filing_status, "audit_data": why if account.filing_status in (3, 5) else []})


@answers("POST /wxa/getillegalrecords", MiniProgram, "start_time end_time", empty_body=True, permission_set=RECORDS_SET)
def getillegalrecords(world: World, account: MiniProgram, body: Body) -> Answer:
    """Answer violations; without times those of the last 90 days."""
    until: int = body.get("end_time", body.get("start_time", world.now() - NINETY_DAYS) + NINETY_DAYS)
    since: int = body.get("start_time", until - NINETY_DAYS)
    return ok(records=[each for each in account.illegal_records if since <= each["create_time"] <= until])


@answers("POST /cgi-bin/clear_quota", AnyAccount, "appid", writes=True, permission_set=None)
def clear_quota(world: World, account: AnyAccount, body: Body) -> None:
    """Begin the day's call counts anew, ten times a month."""
    refuse_if(body.get("appid") != account.appid, Errcode.INVALID_APPID)
    _reset(world, account)


@answers("POST /cgi-bin/component/clear_quota/v2", None, "component_appid appsecret appid")
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


@answers("POST /cgi-bin/openapi/quota/get", AnyAccount, "cgi_path", permission_set=None)
def quota_get(world: World, account: AnyAccount, body: Body) -> Answer:
    """Answer how often a path may be called a day, and was."""
    path = body.get("cgi_path")
    endpoint = found(ENDPOINTS.get(path) if isinstance(path, str) else None, Errcode.BAD_CGI_PATH)
    refuse_if(not isinstance(account, endpoint.account or Platform), Errcode.QUOTA_TOKEN_MISMATCH)
    platform = world.platform_of(account)
    limit = platform.daily_limits.get(endpoint.path, CALLS_A_DAY)
    used = platform.calls_today.get(endpoint.path, 0)
    return ok(quota={"daily_limit": limit, "used": used, "remain": limit - used})


@answers("POST /cgi-bin/openapi/rid/get", AnyAccount, "rid", permission_set=None)
def rid_get(world: World, account: AnyAccount, body: Body) -> Answer:
    """Answer what is known of a call that was refused, by the ``rid`` of its errmsg."""
    return ok(request=found(world.refused.get(str(body.get("rid"))), Errcode.RID_NOT_FOUND))
