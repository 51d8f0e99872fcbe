"""What WeChat says when it refuses: an errcode, its text and a ``rid``, under HTTP 200.

The texts are WeChat's own where a page or a developer's post shows them, and plain wording elsewhere. Nobody should
match on them: WeChat appends ``rid: …`` to each, and so does the sandbox.
"""

from __future__ import annotations

from typing import Any

SYSTEM_ERROR = -1
INVALID_CREDENTIAL = 40001
INVALID_MEDIA_ID = 40007
INVALID_APPID = 40013
INVALID_ACTION = 40052
INVALID_URL = 40066
INVALID_ARGUMENTS = 40097
MISSING_PARAMETER = 40101
INVALID_APPSECRET = 40125
TOKEN_MISSING = 41001
APPID_MISSING = 41002
APPSECRET_MISSING = 41004
COMPONENT_APPID_MISSING = 41018
TOKEN_EXPIRED = 42001
PLATFORM_TOKEN_EXPIRED = 42006
REQUIRE_GET = 43001
REQUIRE_POST = 43002
EMPTY_POST_DATA = 44002
DAILY_QUOTA_REACHED = 45009
DATA_FORMAT_ERROR = 47001
APPID_TOKEN_MISMATCH = 49001
NOT_AUTHORISED = 61003
IP_NOT_REGISTERED = 61004
TICKET_EXPIRED = 61005
TICKET_INVALID = 61006
SET_NOT_GRANTED = 61007
CODE_INVALID = 61009
CODE_EXPIRED = 61010
NEEDS_PLATFORM_TOKEN = 61014
NEEDS_MERCHANT_TOKEN = 61015
REFRESH_TOKEN_INVALID = 61023
PRIVACY_SCAN_RUNNING = 61039
PRIVACY_API_UNDECLARED = 61040
PLATFORM_DOMAIN_LIMIT = 65316
BAD_TAG = 85006
BAD_PAGE_PATH = 85007
BAD_CATEGORY = 85008
AUDIT_RUNNING = 85009
ITEM_MISSING_FIELD = 85010
BAD_TITLE = 85011
INVALID_AUDITID = 85012
INVALID_EXT_JSON = 85013
TEMPLATE_NOT_EXIST = 85014
NO_AUDITED_VERSION = 85019
STATUS_NOT_RELEASABLE = 85020
ITEM_COUNT = 85023
EXT_JSON_PATH_NOT_EXIST = 85045
TABBAR_PATH_MISSING = 85046
PAGES_EMPTY = 85047
EXT_JSON_UNPARSABLE = 85048
ALREADY_RELEASED = 85052
NO_VALID_AUDIT = 85058
AUDIT_QUOTA_USED_UP = 85085
COMMIT_FIRST = 85086
NO_COMMITTED_CODE = 86001
NOTHING_TO_WITHDRAW = 87012
WITHDRAWALS_USED_UP = 87013
DOMAINS_UNCHANGED = 89019
PLATFORM_LIST_EMPTY = 89020
NOT_A_PLATFORM_DOMAIN = 89021
DELETED_DOMAIN_ABSENT = 89022
DOMAIN_LIMIT = 89029
INDIVIDUAL = 89231
STANDARD_TEMPLATE_EXT_JSON = 9402203

ERRMSG: dict[int, str] = {
    SYSTEM_ERROR: "system error",
    INVALID_CREDENTIAL: "invalid credential, access_token is invalid or not latest",
    INVALID_MEDIA_ID: "invalid media_id",
    INVALID_APPID: "invalid appid",
    INVALID_ACTION: "invalid action name",
    INVALID_URL: "invalid url",
    INVALID_ARGUMENTS: "invalid args",
    MISSING_PARAMETER: "missing parameter",
    INVALID_APPSECRET: "invalid appsecret",
    TOKEN_MISSING: "access_token missing",
    APPID_MISSING: "appid missing",
    APPSECRET_MISSING: "appsecret missing",
    COMPONENT_APPID_MISSING: "component_appid missing",
    TOKEN_EXPIRED: "access_token expired",
    PLATFORM_TOKEN_EXPIRED: "component_access_token expired",
    REQUIRE_GET: "require GET method",
    REQUIRE_POST: "require POST method",
    EMPTY_POST_DATA: "empty post data",
    DAILY_QUOTA_REACHED: "reach max api daily quota limit",
    DATA_FORMAT_ERROR: "data format error",
    APPID_TOKEN_MISMATCH: "appid does not match the access_token",
    NOT_AUTHORISED: "component is not authorized",
    IP_NOT_REGISTERED: "access clientip is not registered",
    TICKET_EXPIRED: "component ticket is expired",
    TICKET_INVALID: "component ticket is invalid",
    SET_NOT_GRANTED: "component is not authorized by this account",
    CODE_INVALID: "code is invalid",
    CODE_EXPIRED: "code is expired",
    NEEDS_PLATFORM_TOKEN: "must use component token for component api",
    NEEDS_MERCHANT_TOKEN: "must use api function token for function api",
    REFRESH_TOKEN_INVALID: "refresh_token is invalid",
    PRIVACY_SCAN_RUNNING: "code privacy interface is not checked yet, try again later",
    PRIVACY_API_UNDECLARED: "code uses a privacy interface that is not granted or not declared",
    PLATFORM_DOMAIN_LIMIT: "domain count reach limit",
    BAD_TAG: "tag format error",
    BAD_PAGE_PATH: "page path error",
    BAD_CATEGORY: "category error",
    AUDIT_RUNNING: "already submit a version under auditing",
    ITEM_MISSING_FIELD: "item_list has missing fields",
    BAD_TITLE: "title format error",
    INVALID_AUDITID: "invalid audit id",
    INVALID_EXT_JSON: "invalid ext_json",
    TEMPLATE_NOT_EXIST: "template not exist",
    NO_AUDITED_VERSION: "no version is under auditing",
    STATUS_NOT_RELEASABLE: "status not allowed",
    ITEM_COUNT: "item_list count error",
    EXT_JSON_PATH_NOT_EXIST: "ext_json path not exist",
    TABBAR_PATH_MISSING: "tabBar missing pagePath",
    PAGES_EMPTY: "pages are empty",
    EXT_JSON_UNPARSABLE: "ext_json parse fail",
    ALREADY_RELEASED: "version already release",
    NO_VALID_AUDIT: "no valid audit_id exist",
    AUDIT_QUOTA_USED_UP: "submit audit reach limit, please try later",
    COMMIT_FIRST: "must commit before submit audit",
    NO_COMMITTED_CODE: "not exist third-party code",
    NOTHING_TO_WITHDRAW: "the version cannot be reverted",
    WITHDRAWALS_USED_UP: "undo submit audit reach limit",
    DOMAINS_UNCHANGED: "webview domain not changed!",
    PLATFORM_LIST_EMPTY: "open's webview domain is null! Need to set open's webview domain first!",
    NOT_A_PLATFORM_DOMAIN: "request domain is not open's webview domain!",
    DELETED_DOMAIN_ABSENT: "delete domain is not exist!",
    DOMAIN_LIMIT: "webview domain count is more than 100!",
    INDIVIDUAL: "individual mini program is not supported",
    STANDARD_TEMPLATE_EXT_JSON: "standard template only supports extAppid, ext and window in ext_json",
}


class RefusalError(Exception):
    """WeChat refuses the call; nothing was changed.

    :param errcode: a number of WeChat's table; a fault may bring one that this module has no text for.
    """

    def __init__(self, errcode: int) -> None:
        super().__init__(errcode)
        self.errcode = errcode


def error_body(errcode: int, rid: str) -> dict[str, Any]:
    """Return the JSON object WeChat answers an error with.

    :param rid: WeChat's name for this one call, three groups of eight hex digits.
    """
    return {"errcode": errcode, "errmsg": f"{ERRMSG.get(errcode, 'error')} rid: {rid}"}
