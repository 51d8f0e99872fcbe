"""What WeChat says when it refuses: an errcode, its text and a ``rid``, under HTTP 200.

The texts are WeChat's own where a page or a developer's post shows them, and plain wording elsewhere. Nobody should
match on them: WeChat appends ``rid: …`` to each, and so does the sandbox.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Self


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
    DATA_FORMAT_ERROR = 47001, "data format error"
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
    PRIVACY_SCAN_RUNNING = 61039, "code privacy interface is not checked yet, try again later"
    PRIVACY_API_UNDECLARED = 61040, "code uses a privacy interface that is not granted or not declared"
    PLATFORM_DOMAIN_LIMIT = 65316, "domain count reach limit"
    BAD_TAG = 85006, "tag format error"
    BAD_PAGE_PATH = 85007, "page path error"
    BAD_CATEGORY = 85008, "category error"
    AUDIT_RUNNING = 85009, "already submit a version under auditing"
    ITEM_MISSING_FIELD = 85010, "item_list has missing fields"
    BAD_TITLE = 85011, "title format error"
    INVALID_AUDITID = 85012, "invalid audit id"
    INVALID_EXT_JSON = 85013, "invalid ext_json"
    TEMPLATE_NOT_EXIST = 85014, "template not exist"
    NO_AUDITED_VERSION = 85019, "no version is under auditing"
    STATUS_NOT_RELEASABLE = 85020, "status not allowed"
    ITEM_COUNT = 85023, "item_list count error"
    EXT_JSON_PATH_NOT_EXIST = 85045, "ext_json path not exist"
    TABBAR_PATH_MISSING = 85046, "tabBar missing pagePath"
    PAGES_EMPTY = 85047, "pages are empty"
    EXT_JSON_UNPARSABLE = 85048, "ext_json parse fail"
    ALREADY_RELEASED = 85052, "version already release"
    NO_VALID_AUDIT = 85058, "no valid audit_id exist"
    AUDIT_QUOTA_USED_UP = 85085, "submit audit reach limit, please try later"
    COMMIT_FIRST = 85086, "must commit before submit audit"
    UGC_DECLARE_MISSING = 85094, "ugc_declare is required"
    NO_COMMITTED_CODE = 86001, "not exist third-party code"
    PROFILE_INCOMPLETE = 86002, "nickname, avatar or introduction is not set"
    NOTHING_TO_WITHDRAW = 87012, "the version cannot be reverted"
    WITHDRAWALS_USED_UP = 87013, "undo submit audit reach limit"
    DOMAINS_UNCHANGED = 89019, "webview domain not changed!"
    PLATFORM_LIST_EMPTY = 89020, "open's webview domain is null! Need to set open's webview domain first!"
    NOT_A_PLATFORM_DOMAIN = 89021, "request domain is not open's webview domain!"
    DELETED_DOMAIN_ABSENT = 89022, "delete domain is not exist!"
    DOMAIN_LIMIT = 89029, "webview domain count is more than 100!"
    INDIVIDUAL = 89231, "individual mini program is not supported"
    CONCURRENT_LIMIT = 9402202, "concurrent limit"
    STANDARD_TEMPLATE_EXT_JSON = 9402203, "standard template only supports extAppid, ext and window in ext_json"


class RefusalError(Exception):
    """WeChat refuses the call; nothing was changed.

    :param told: fields that stand beside the errcode.
    """

    def __init__(self, errcode: Errcode, **told: Any) -> None:
        super().__init__(errcode)
        self.errcode, self.told = errcode, told


def error_body(errcode: int, rid: str) -> dict[str, Any]:
    """Return the JSON object WeChat answers an error with.

    :param errcode: one of WeChat's table; a fault may bring one that has no text here.
    :param rid: WeChat's name for this one call, three groups of eight hex digits.
    """
    return {"errcode": int(errcode), "errmsg": f"{_TEXTS.get(errcode, 'error')} rid: {rid}"}


_TEXTS = {int(each): each.errmsg for each in Errcode}
