"""What a merchant must do: one list, in both languages, and nothing that could not be read counts as missing."""

from typing import Any

import pytest

from airflow_wxa.api.log_text import log_text
from airflow_wxa.errors import WxaPermissionError, WxaStateError, WxaTransportError
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID
from airflow_wxa.steps import AccountOutcome, check_account
from tests.steps.conftest import Script

CATEGORY: dict[str, Any] = {"category_list": [{"first_id": 1}]}
FILED: dict[str, Any] = {"get_icp_entrance_info": [{"info": {"status": 6}}], "getillegalrecords": [{"records": []}]}
GUIDE: dict[str, Any] = {"owner_setting": {"contact_email": "a@b.cn", "notice_method": "popup"}}
SETS = [{"funcscope_category": {"id": each}} for each in (18, 30)]


def told(sets: Any = SETS, **profile: Any) -> dict[str, Any]:
    """Return an answer of api_get_authorizer_info."""
    whole = {"nick_name": "n", "head_img": "h", "signature": "s", "account_status": 1} | profile
    return {"authorizer_info": whole, "authorization_info": {"func_info": sets}}


def checks(script: Script, guide_is_given: bool = False, **answers: Any) -> AccountOutcome:
    """Check an account of which nothing lacks, but for these answers; without a platform's token unless it answers."""
    good = FILED | {"getaccountbasicinfo": {"realname_status": 1}, "get_category": CATEGORY}
    good |= {} if guide_is_given else {"getprivacysetting": GUIDE}
    if "api_get_authorizer_info" in answers:
        answers["platform"] = COMPONENT_APPID
    return script.play(check_account(APPID, guide_is_given=guide_is_given), **good | answers)


def test_an_account_of_which_nothing_lacks_is_ready(script: Script) -> None:
    outcome = checks(script, api_get_authorizer_info=told())
    assert (outcome.outcome, outcome.not_read, outcome.to_know) == ("ready", (), ())


def test_everything_is_one_list_and_each_line_has_its_twin(script: Script) -> None:
    with pytest.raises(WxaStateError) as refused:
        checks(
            script,
            api_get_authorizer_info=told([], nick_name="", head_img="", signature="", account_status=19),
            getaccountbasicinfo={"realname_status": 3},
            get_category={"category_list": []},
            get_icp_entrance_info={"info": {"status": 1026}},
            getprivacysetting=[{}, {}],
        )
    lines = [line.strip() for line in refused.value.why.splitlines()]
    words = ("冻结", "名称", "头像", "简介", "权限集) 18", "权限集) 30", "实名", "类目", "备案", "隐私")
    assert len(lines) == len(words)
    assert [word for word, line in zip(words, lines, strict=True) if word not in line] == []
    text = log_text(refused.value)
    assert [line for line in text.splitlines()[1:] if not line.startswith("  ")] == []
    assert set(refused.value.lines("zh")[2].split("\n  ")).isdisjoint(lines)
    assert "未设置头像" in text.replace("\n    ", "")


@pytest.mark.parametrize("refused", [61007, 48001])
def test_a_set_that_is_not_granted_is_named_once(script: Script, refused: int) -> None:
    looks = ("getaccountbasicinfo", "get_category", "get_icp_entrance_info", "getillegalrecords")
    with pytest.raises(WxaStateError) as error:
        checks(script, guide_is_given=True, api_get_authorizer_info=told([]), **dict.fromkeys(looks, refused))
    assert [line for line in error.value.why.splitlines() if "set" in line] == error.value.why.splitlines()
    assert len(error.value.why.splitlines()) == 2


def test_what_cannot_be_read_or_is_not_told_stops_nothing_and_is_said(script: Script) -> None:
    lost = WxaTransportError("getaccountbasicinfo got no usable answer")
    refused = WxaPermissionError("getprivacysetting refused", errcode=61007)
    answers = {"getaccountbasicinfo": lost, "get_category": {}, "getprivacysetting": refused}
    outcome = checks(script, get_icp_entrance_info=61007, getillegalrecords=48001, **answers)
    named = ["name,", "getaccountbasicinfo", *FILED, "getprivacysetting"]
    assert [each.partition(" ")[0] for each in outcome.not_read] == named
    assert script.asked == ["getaccountbasicinfo", "get_category", *FILED, "getprivacysetting"]


@pytest.mark.parametrize("status", [3, 5, 1024, 1031])
def test_what_cannot_be_put_online_is_said_before_an_audit_is_spent(script: Script, status: int) -> None:
    why = [{"key_name": "主体信息", "error": "与证件不符"}]
    filing = {"info": {"status": status, "audit_data": why}}
    with pytest.raises(WxaStateError, match="备案") as refused:
        checks(script, guide_is_given=True, get_icp_entrance_info=filing)
    assert ("主体信息: 与证件不符" in refused.value.why) == (status < 1024)
    assert refused.value.values["to do"] == 1


def test_violations_and_a_filing_under_review_stop_nothing_and_are_said(script: Script) -> None:
    record = {"create_time": 1600051806, "illegal_reason": "侵犯知识产权", "rule_name": "规范"}
    told = {"get_icp_entrance_info": {"info": {"status": 4}}, "getillegalrecords": {"records": [record]}}
    outcome = checks(script, guide_is_given=True, **told)
    filing, violation = outcome.to_know
    assert "status 4" in filing
    assert violation == "violation (违规) of 2020-09-14: 侵犯知识产权, 规范"
    assert violation in outcome.in_words()


def test_a_live_guide_counts_and_a_key_without_text_is_named(script: Script) -> None:
    code = {"privacy_list": ["Location", "Album"], "setting_list": [{"privacy_key": "Album", "privacy_text": "t"}]}
    with pytest.raises(WxaStateError, match=r"used for: Location$|used for: Location\n"):
        checks(script, getprivacysetting=[code, GUIDE])
