"""Refusals of WeChat: an errcode, its text and a ``rid``, under HTTP 200.

The texts are WeChat's own where a page or a developer's post shows them, and plain wording elsewhere. Nobody should
match on them: WeChat appends ``rid: …`` to each, and so does the sandbox.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Self, TypeVar

T = TypeVar("T")


class Errcode(IntEnum):
    """The errcodes that the sandbox answers, each with its text in ``errmsg``."""

    errmsg: str

    def __new__(cls, errcode: int, errmsg: str) -> Self:
        """Make the number of a pair the value and its text an attribute."""
        member = int.__new__(cls, errcode)
        member._value_, member.errmsg = errcode, errmsg
        return member

    SYSTEM_ERROR = -1, "system error"
    INVALID_CREDENTIAL = 40001, "invalid credential, access_token is invalid or not latest"
    INVALID_MEDIA_ID = 40007, "invalid media_id"
    INVALID_APPID = 40013, "invalid appid"
    INVALID_ACTION = 40052, "invalid action name"
    INVALID_URL = 40066, "invalid url"
    INVALID_ARGUMENTS = 40097, "invalid args"
    MISSING_PARAMETER = 40101, "missing parameter"
    INVALID_APPSECRET = 40125, "invalid appsecret"
    TOKEN_MISSING = 41001, "access_token missing"
    APPID_MISSING = 41002, "appid missing"
    APPSECRET_MISSING = 41004, "appsecret missing"
    COMPONENT_APPID_MISSING = 41018, "component_appid missing"
    TOKEN_EXPIRED = 42001, "access_token expired"
    PLATFORM_TOKEN_EXPIRED = 42006, "component_access_token expired"
    REQUIRE_GET = 43001, "require GET method"
    REQUIRE_POST = 43002, "require POST method"
    EMPTY_POST_DATA = 44002, "empty post data"
    DAILY_QUOTA_REACHED = 45009, "reach max api daily quota limit"
    NEED_ICP = 45082, "need icp license"
    PLATFORM_CHANGES_USED_UP = 45104, "monthly quota of domain changes reached"
    DATA_FORMAT_ERROR = 47001, "data format error"
    QUOTA_RESETS_USED_UP = 48006, "clear quota limit reached"
    APPID_TOKEN_MISMATCH = 49001, "appid does not match the access_token"
    NOT_AUTHORISED = 61003, "component is not authorized"
    IP_NOT_REGISTERED = 61004, "access clientip is not registered"
    TICKET_EXPIRED = 61005, "component ticket is expired"
    TICKET_INVALID = 61006, "component ticket is invalid"
    SET_NOT_GRANTED = 61007, "component is not authorized by this account"
    CODE_INVALID = 61009, "code is invalid"
    CODE_EXPIRED = 61010, "code is expired"
    NEEDS_PLATFORM_TOKEN = 61014, "must use component token for component api"
    NEEDS_MERCHANT_TOKEN = 61015, "must use api function token for function api"
    REFRESH_TOKEN_INVALID = 61023, "refresh_token is invalid"
    PLATFORM_UNPUBLISHED = 61028, "component is not published"
    PRIVACY_API_UNDER_REVIEW = 61031, "privacy interface is already under review"
    PRIVACY_SCAN_RUNNING = 61039, "code privacy interface is not checked yet, try again later"
    PRIVACY_API_UNDECLARED = 61040, "code uses a privacy interface that is not granted or not declared"
    PLATFORM_DOMAIN_LIMIT = 65316, "domain count reach limit"
    RID_NOT_FOUND = 76001, "rid not found"
    BAD_CGI_PATH = 76021, "cgi_path is wrong"
    QUOTA_TOKEN_MISMATCH = 76022, "token does not fit the cgi_path"
    TESTER_NOT_FOUND = 85001, "wechat id does not exist or is not searchable"
    TESTER_ALREADY_BOUND = 85004, "already bound"
    BAD_TAG = 85006, "tag format error"
    BAD_PAGE_PATH = 85007, "page path error"
    BAD_CATEGORY = 85008, "category error"
    AUDIT_RUNNING = 85009, "already submit a version under auditing"
    ITEM_MISSING_FIELD = 85010, "item_list has missing fields"
    BAD_TITLE = 85011, "title format error"
    INVALID_AUDITID = 85012, "invalid audit id"
    INVALID_EXT_JSON = 85013, "invalid ext_json"
    TEMPLATE_NOT_EXIST = 85014, "template not exist"
    SERVER_DOMAIN_LIMIT = 85016, "domain count reach limit of this type"
    NO_DOMAIN_TO_MODIFY = 85017, "no domain to modify after filtered"
    NOT_A_PLATFORM_SERVER_DOMAIN = 85018, "domain is not in the server domain list of the component"
    NO_AUDITED_VERSION = 85019, "no version is under auditing"
    STATUS_NOT_RELEASABLE = 85020, "status not allowed"
    BAD_VISIT_ACTION = 85022, "invalid action"
    ITEM_COUNT = 85023, "item_list count error"
    EXT_JSON_PATH_NOT_EXIST = 85045, "ext_json path not exist"
    TABBAR_PATH_MISSING = 85046, "tabBar missing pagePath"
    PAGES_EMPTY = 85047, "pages are empty"
    EXT_JSON_UNPARSABLE = 85048, "ext_json parse fail"
    ALREADY_RELEASED = 85052, "version already release"
    NO_VALID_AUDIT = 85058, "no valid audit_id exist"
    TEMPLATE_NOT_FOUND = 85064, "template or draft not found"
    TEMPLATE_LIBRARY_FULL = 85065, "template library is full"
    NO_ONLINE_RELEASE = 85079, "no online release"
    COMMIT_NOT_APPROVED = 85080, "the commit is not approved"
    BAD_GRAY_PERCENTAGE = 85081, "invalid gray percentage"
    GRAY_PERCENTAGE_TOO_LOW = 85082, "gray percentage must rise"
    AUDIT_QUOTA_USED_UP = 85085, "submit audit reach limit, please try later"
    COMMIT_FIRST = 85086, "must commit before submit audit"
    UGC_DECLARE_MISSING = 85094, "ugc_declare is required"
    NO_DOMAIN_BAD_RULE = 85301, "no domain is modified, domains break the rules"
    NO_DOMAIN_NO_ICP = 85302, "no domain is modified, domains lack an ICP filing"
    NO_DOMAIN_AT_ALL = 85303, "no domain is modified, domains break the rules or lack an ICP filing"
    NO_COMMITTED_CODE = 86001, "not exist third-party code"
    PROFILE_INCOMPLETE = 86002, "nickname, avatar or introduction is not set"
    OWNER_SETTING_MISSING = 86069, "owner_setting lacks a contact"
    NOTICE_METHOD_MISSING = 86070, "notice_method is missing"
    NO_LIVE_PRIVACY = 86074, "there is no live privacy guide"
    BAD_PROTOCOL = 86100, "invalid protocol of url"
    WEIXIN_API_DOMAIN = 86101, "api.weixin.qq.com is not allowed"
    DOMAIN_CHANGES_USED_UP = 86102, "domain changes are limited to 50 a month"
    CONFIRM_FILE_UNREADABLE = 86103, "check confirm file fail"
    GRAY_RELEASE_RUNNING = 87011, "a gray release is running"
    NOT_REVERTIBLE = 87012, "the version cannot be reverted"
    WITHDRAWALS_USED_UP = 87013, "undo submit audit reach limit"
    BAD_SUPPORT_VERSION = 89014, "support version error"
    DOMAINS_UNCHANGED = 89019, "webview domain not changed!"
    PLATFORM_LIST_EMPTY = 89020, "open's webview domain is null! Need to set open's webview domain first!"
    NOT_A_PLATFORM_DOMAIN = 89021, "request domain is not open's webview domain!"
    DELETED_DOMAIN_ABSENT = 89022, "delete domain is not exist!"
    DOMAIN_LIMIT = 89029, "webview domain count is more than 100!"
    INDIVIDUAL = 89231, "individual mini program is not supported"
    SPEEDUP_NOT_IN_QUEUE = 89402, "audit is not in queue"
    SPEEDUP_ALREADY = 89404, "audit is already sped up"
    SPEEDUP_QUOTA = 89405, "speedup quota is used up"
    BOUND_TO_TOO_MANY = 506015, "domain is bound to too many mini programs"
    CONCURRENT_LIMIT = 9402202, "concurrent limit"
    STANDARD_TEMPLATE_EXT_JSON = 9402203, "standard template only supports extAppid, ext and window in ext_json"


class RefusalError(Exception):
    """WeChat refuses the call, and nothing was changed; ``told`` stands beside the errcode."""

    def __init__(self, errcode: Errcode, **told: Any) -> None:
        super().__init__(errcode)
        self.errcode, self.told = errcode, told


def refuse_if(is_so: object, errcode: Errcode) -> None:
    """Refuse the call where something is so."""
    if is_so:
        raise RefusalError(errcode)


def found(value: T | None, errcode: Errcode) -> T:
    """Return a value, or refuse the call where there is none."""
    if value is None:
        raise RefusalError(errcode)
    return value


def taken(body: Mapping[str, Any], name: str, kind: type[T], errcode: Errcode, default: T | None = None) -> T:
    """Return a field, or refuse the call where it is missing or of another kind; a boolean is no number."""
    value = body.get(name, default)
    if isinstance(value, kind) and (kind is not int or not isinstance(value, bool)):
        return value
    raise RefusalError(errcode)


def error_body(errcode: int, rid: str) -> dict[str, Any]:
    """Return the JSON object WeChat answers an error with.

    :param errcode: one of WeChat's table; a fault may bring one that has no text here.
    :param rid: WeChat's name for this one call, three groups of eight hex digits.
    """
    return {"errcode": int(errcode), "errmsg": f"{_TEXTS.get(errcode, 'error')} rid: {rid}"}


_TEXTS = {int(each): each.errmsg for each in Errcode}
