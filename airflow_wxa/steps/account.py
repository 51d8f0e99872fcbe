"""A merchant's account before a release: looked at before anything is spent."""

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
from airflow_wxa.steps.outcome import AccountOutcome, Platform, Step
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


_RELEASE_SET, _BASIC_INFO_SET = 18, 30
_LIVE: Final = 1
_REAL_NAME: Final = 1  # realname_status of one that is done
#: account_status → what it means; 1 is normal, and 18 a warning that stops nothing.
_ENDED: Final[Mapping[int, str]] = {14: "account_is_cancelled", 16: "account_is_banned", 19: "account_is_frozen"}
_NO_CATEGORY: Final = "category_is_missing"
#: Status of a filing; between review and rejection, those of 1024 and more are not filed, for one want or another.
_FILED, _NOT_FILED, _FILING_REJECTED = 6, 1024, (3, 5)
_NO_FILING: Final = "filing_is_missing"
_NO_GUIDE: Final = "privacy_guide_is_missing"
#: Field of authorizer_info → what to do where it is empty.
_PROFILE: Final[Mapping[str, str]] = {
    "nick_name": "name_is_missing",
    "head_img": "avatar_is_missing",
    "signature": "introduction_is_missing",
}


def check_account(appid: str, *, guide_is_given: bool = False, only_blocking: bool = False) -> Step[AccountOutcome]:
    """Look at what a review and a release need of a merchant's account; it costs nothing and changes nothing.

    Name, avatar, introduction, state and permission sets are told to a platform; without one they are not looked at. A
    look that WeChat refuses stops nothing: the outcome names it as not read.

    :param guide_is_given: the run writes the privacy guide itself.
    :param only_blocking: look away from things that a release can do without: permission set 30, and a privacy guide if
        the code on trial collects nothing.
    :raises WxaStateError: everything that the merchant must do, a line each.
    """
    todo: list[str] = []
    not_read: list[str] = []
    to_know: list[str] = []
    needed = (_RELEASE_SET,) if only_blocking else (_RELEASE_SET, _BASIC_INFO_SET)
    looks = [
        _basics(getaccountbasicinfo(appid), _BASIC_INFO_SET, needed),
        _basics(get_category(appid), _RELEASE_SET, needed),
        _filing(appid, to_know),
        _violations(appid, to_know),
    ]
    if component_appid := cast("str", (yield Platform())):
        looks.insert(0, _authorisation(appid, component_appid, needed))
    else:
        not_read.append(Text("profile_needs_a_platform_token"))
    if not guide_is_given:
        looks.append(_privacy_guide(appid, only_blocking=only_blocking))
    for look in looks:
        try:
            todo += yield from look
        except WxaError as error:
            not_read.append(error.what)
    todo = list(dict.fromkeys(todo))
    if todo:
        raise WxaStateError(
            Text("owner_has_something_to_do", todo=todo, between="\n  - "),
            values={"to do": len(todo)}
            | {name: Text("list", each=said) for name, said in (("not read", not_read), ("to know", to_know)) if said},
            **CATALOGUE["getaccountbasicinfo"].named(appid, "check_account"),
        )
    return AccountOutcome("ready", appid, tuple(not_read), tuple(to_know))


def read_name(appid: str) -> Step[str]:
    """Return the name that people know a Mini Program by; ``""``: WeChat tells it neither platform nor merchant."""
    component_appid = cast("str", (yield Platform()))
    looks = [api_get_authorizer_info(component_appid, appid)] if component_appid else []
    for look in (*looks, getaccountbasicinfo(appid)):
        try:
            answer = (yield look).answer
        except WxaError:
            continue
        if name := answer.get("authorizer_info", {}).get("nick_name") or answer.get("nickname"):
            return str(name)
    return ""


def _authorisation(appid: str, component_appid: str, needed: Sequence[int]) -> Step[list[str]]:
    answer = (yield api_get_authorizer_info(component_appid, appid)).answer
    account, granted = answer.get("authorizer_info", {}), answer.get("authorization_info", {})
    # A field that is not there is one that WeChat does not tell, and no empty one.
    todo: list[str] = [Text(key) for name, key in _PROFILE.items() if account.get(name) == ""]
    if (state := _ENDED.get(account.get("account_status", 1))) is not None:
        todo.insert(0, Text(state))
    if "func_info" in granted:
        sets = read_granted(granted)
        todo += [_not_granted(each) for each in needed if each not in sets]
    return todo


def _basics(call: Call, permission_set: int, needed: Sequence[int]) -> Step[list[str]]:
    """Look at real name or category; one whose permission set is not granted is said if the set is needed."""
    try:
        answer = (yield call).answer
    except WxaApiError as error:
        if error.errcode not in {PERMISSION_SET_NOT_GRANTED, API_UNAUTHORIZED}:
            raise
        return [_not_granted(permission_set)] if permission_set in needed else []
    if answer.get("realname_status", _REAL_NAME) != _REAL_NAME:
        return [Text("real_name_is_not_verified")]
    return [Text(_NO_CATEGORY)] if answer.get("category_list") == [] else []


def _filing(appid: str, to_know: list[str]) -> Step[list[str]]:
    """Look at the filing (备案), without which nothing can be put online; its review can only be waited for."""
    info: Mapping[str, Any] = (yield Call.to("get_icp_entrance_info", appid)).answer.get("info", {})
    status = info.get("status", _FILED)
    if status in _FILING_REJECTED:
        wrong = info.get("audit_data", [])
        said = "; ".join(": ".join(filter(None, map(each.get, ("key_name", "error", "suggest")))) for each in wrong)
        return [Text("filing_was_rejected", said=said)]
    if status >= _NOT_FILED:
        return [Text(_NO_FILING)]
    if status != _FILED:
        to_know.append(Text("filing_is_under_way", status=status))
    return []


def _violations(appid: str, to_know: list[str]) -> Step[list[str]]:
    """Look at the violations (违规) of the last 90 days, which stop nothing by themselves."""
    for record in (yield Call.to("getillegalrecords", appid)).answer.get("records", []):
        day = dt.datetime.fromtimestamp(record.get("create_time", 0), BEIJING).date()
        told = filter(None, map(record.get, ("illegal_reason", "illegal_content", "rule_name")))
        to_know.append(Text("violation_of", day=day, told=", ".join(told)))
    return []


def _privacy_guide(appid: str, *, only_blocking: bool) -> Step[list[str]]:
    guide: Mapping[str, Any] = (yield getprivacysetting(appid, DEVELOPMENT)).answer
    if only_blocking and not guide.get("privacy_list"):
        return []
    owner = guide.get("owner_setting") or (yield getprivacysetting(appid, _LIVE)).answer.get("owner_setting") or {}
    if not any(owner.get(name) for name in CONTACTS):
        return [Text(_NO_GUIDE)]
    if silent := keys_without_text(guide):
        return [Text("privacy_guide_is_silent", silent=", ".join(silent))]
    return []


def _not_granted(number: int) -> str:
    return Text("permission_set_is_missing", number=number)
