"""What a merchant must do before a release can succeed: looked at before anything is spent."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final, cast

from airflow_wxa.api.audit import get_category
from airflow_wxa.api.authorisation import api_get_authorizer_info, getaccountbasicinfo, read_granted
from airflow_wxa.api.call import Call
from airflow_wxa.api.endpoints import BEIJING, CATALOGUE
from airflow_wxa.api.errcodes import API_UNAUTHORIZED, PERMISSION_SET_NOT_GRANTED
from airflow_wxa.api.privacy import CONTACTS, DEVELOPMENT, getprivacysetting, keys_without_text
from airflow_wxa.errors import WxaApiError, WxaError, WxaStateError
from airflow_wxa.steps.outcome import AccountOutcome, Platform

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_wxa.steps.outcome import Step

_RELEASE_SET, _BASIC_INFO_SET = 18, 30
_LIVE: Final = 1
_REAL_NAME: Final = 1  # realname_status of one that is done
#: account_status → what it means; 1 is normal, and 18 a warning that stops nothing.
_ENDED: Final[Mapping[int, str]] = {
    14: "the account was cancelled (已注销)",
    16: "the account is banned (已封禁): appeal on mp.weixin.qq.com",
    19: "the account is frozen (已冻结): have it unfrozen on mp.weixin.qq.com",
}
_NO_CATEGORY: Final = (
    "no category (服务类目) is approved: add one on mp.weixin.qq.com and wait for its approval "
    "(else the review is refused, 85008)"
)
#: Status of a filing; between review and rejection, those of 1024 and more are not filed, for one want or another.
_FILED, _NOT_FILED, _FILING_REJECTED = 6, 1024, (3, 5)
_NO_FILING: Final = (
    "the Mini Program is not filed (备案): file it on mp.weixin.qq.com, it takes days (else nothing can be put online)"
)
_NO_GUIDE: Final = (
    "the privacy guide (用户隐私保护指引) is not set: fill it in on mp.weixin.qq.com, or give privacy_setting "
    "(else the review may be refused, 85086)"
)
#: Field of authorizer_info → what to do where it is empty.
_PROFILE: Final[Mapping[str, str]] = {
    "nick_name": "the name (名称) is not set: fill it in on mp.weixin.qq.com (else the review is refused, 86002)",
    "head_img": "the avatar (头像) is not set: upload it on mp.weixin.qq.com (else the review is refused, 86002)",
    "signature": "the introduction (简介) is not set: write it on mp.weixin.qq.com (else the review is refused, 86002)",
}


def check_account(appid: str, *, guide_is_given: bool = False) -> Step[AccountOutcome]:
    """Look at what a review and a release need of a merchant's account; it costs nothing and changes nothing.

    Name, avatar, introduction, state and permission sets are told to a platform; without one they are not looked at. A
    look that WeChat refuses stops nothing: the outcome names it as not read.

    :param guide_is_given: the run writes the privacy guide itself.
    :raises WxaStateError: everything that the merchant must do, a line each.
    """
    todo: list[str] = []
    not_read: list[str] = []
    to_know: list[str] = []
    looks = [_basic_info(appid), _category(appid), _filing(appid, to_know), _violations(appid, to_know)]
    if component_appid := cast("str", (yield Platform())):
        looks.insert(0, _authorisation(appid, component_appid))
    else:
        not_read.append("name, avatar, introduction, account state and permission sets: they need a platform token")
    if not guide_is_given:
        looks.append(_privacy_guide(appid))
    for look in looks:
        try:
            todo += yield from look
        except WxaError as error:
            not_read.append(error.what)
    todo = list(dict.fromkeys(todo))
    if todo:
        raise WxaStateError(
            "this Mini Program cannot be released yet: its owner has something to do",
            values={"to do": len(todo)}
            | {name: "; ".join(said) for name, said in (("not read", not_read), ("to know", to_know)) if said},
            why="\n  ".join(f"- {each}" for each in todo),
            next_step="hand this list to the merchant; when all is done, clear this task",
            **CATALOGUE["getaccountbasicinfo"].named(appid, "check_account"),
        )
    return AccountOutcome("ready", appid, tuple(not_read), tuple(to_know))


def _authorisation(appid: str, component_appid: str) -> Step[list[str]]:
    answer = (yield api_get_authorizer_info(component_appid, appid)).answer
    account, granted = answer.get("authorizer_info", {}), answer.get("authorization_info", {})
    # A field that is not there is one that WeChat does not tell, and no empty one.
    todo = [said for name, said in _PROFILE.items() if account.get(name) == ""]
    if (state := _ENDED.get(account.get("account_status", 1))) is not None:
        todo.insert(0, state)
    if "func_info" in granted:
        sets = read_granted(granted)
        todo += [_not_granted(each) for each in (_RELEASE_SET, _BASIC_INFO_SET) if each not in sets]
    return todo


def _basic_info(appid: str) -> Step[list[str]]:
    answer = yield from _answer(getaccountbasicinfo(appid))
    if answer is None:
        return [_not_granted(_BASIC_INFO_SET)]
    if answer.get("realname_status", _REAL_NAME) != _REAL_NAME:
        return ["real-name verification (实名验证) is not done: finish it on mp.weixin.qq.com, most calls fail without"]
    return []


def _category(appid: str) -> Step[list[str]]:
    answer = yield from _answer(get_category(appid))
    if answer is None:
        return [_not_granted(_RELEASE_SET)]
    if answer.get("category_list") == []:
        return [_NO_CATEGORY]
    return []


def _filing(appid: str, to_know: list[str]) -> Step[list[str]]:
    """Look at the filing (备案), without which nothing can be put online; its review can only be waited for."""
    info: Mapping[str, Any] = (yield Call.to("get_icp_entrance_info", appid)).answer.get("info", {})
    status = info.get("status", _FILED)
    if status in _FILING_REJECTED:
        wrong = info.get("audit_data", [])
        said = "; ".join(": ".join(filter(None, map(each.get, ("key_name", "error", "suggest")))) for each in wrong)
        return [f"the filing (备案) was rejected, correct it: {said}"]
    if status >= _NOT_FILED:
        return [_NO_FILING]
    if status != _FILED:
        to_know.append(f"the filing (备案) is not done yet (status {status}): a release is refused until then")
    return []


def _violations(appid: str, to_know: list[str]) -> Step[list[str]]:
    """Look at the violations (违规) of the last 90 days, which stop nothing by themselves."""
    for record in (yield Call.to("getillegalrecords", appid)).answer.get("records", []):
        day = dt.datetime.fromtimestamp(record.get("create_time", 0), BEIJING).date()
        told = filter(None, map(record.get, ("illegal_reason", "illegal_content", "rule_name")))
        to_know.append(f"violation (违规) of {day}: {', '.join(told)}")
    return []


def _privacy_guide(appid: str) -> Step[list[str]]:
    guide: Mapping[str, Any] = (yield getprivacysetting(appid, DEVELOPMENT)).answer
    owner = guide.get("owner_setting") or (yield getprivacysetting(appid, _LIVE)).answer.get("owner_setting") or {}
    if not any(owner.get(name) for name in CONTACTS):
        return [_NO_GUIDE]
    if silent := keys_without_text(guide):
        return [f"the privacy guide (用户隐私保护指引) does not say what these are used for: {', '.join(silent)}"]
    return []


def _answer(call: Call) -> Step[Mapping[str, Any] | None]:
    """Return the answer; ``None`` where the permission set is not granted."""
    try:
        return (yield call).answer
    except WxaApiError as error:
        if error.errcode in {PERMISSION_SET_NOT_GRANTED, API_UNAUTHORIZED}:
            return None
        raise


def _not_granted(number: int) -> str:
    return f"permission set (权限集) {number} is not granted: authorise the platform again and tick it"
