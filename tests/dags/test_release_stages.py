"""Stages of ``wxa_release`` that a run must ask for: the account, server domains, and the privacy guide."""

from typing import Any

import pytest

from airflow_wxa.sandbox import MiniProgram, Platform, RunningSandbox
from airflow_wxa.sandbox.handlers.accounts import BASIC_INFO_SET
from airflow_wxa.sandbox.loose import Looseness
from tests.airflow_session import Release

STAGES = ("check_account", "configure_server_domains", "set_privacy_setting")
API = {"requestdomain": ["https://api.example.com"]}
GUIDE: dict[str, Any] = {
    "owner_setting": {"contact_email": "ops@example.com", "notice_method": "弹窗"},
    "setting_list": [{"privacy_key": "Location", "privacy_text": "展示附近门店"}],
}


@pytest.fixture(autouse=True)
def granted(platform: Platform, account: MiniProgram) -> None:
    platform.server_testing, platform.server_published = ["example.com"], ["example.com"]
    account.granted_sets.add(BASIC_INFO_SET)


def sent(wechat: RunningSandbox) -> list[str]:
    """Return the calls of the stages, and of those that they stand before, that did not only read a list."""
    ends = ("modify_domain", "/commit", "setprivacysetting", "getprivacysetting", "submit_audit", "accountbasicinfo")
    found = [each for each in wechat.journal if each.path.endswith(ends) and (each.body or {}).get("action") != "get"]
    return [each.path.rpartition("/")[2] for each in found]


def test_what_is_not_asked_for_is_skipped_and_nothing_is_sent_for_it(
    release: Release, wxa_default: RunningSandbox
) -> None:
    run = release()
    assert run.state == "success"
    assert {run.states[name] for name in STAGES} == {"skipped"}
    assert sent(wxa_default) == ["commit", "submit_audit"]


def test_all_three_are_done_where_they_are_asked_for_each_before_what_needs_it(
    release: Release, wxa_default: RunningSandbox, account: MiniProgram
) -> None:
    account.privacy_keys = ["Location"]
    run = release(check_account=True, server_domains=API, privacy_setting=GUIDE)
    assert run.state == "success"
    assert {run.states[name] for name in STAGES} == {"success"}
    assert account.effective_domain["requestdomain"] == API["requestdomain"]
    assert account.privacy["1"]["setting_list"] == GUIDE["setting_list"]
    order = [path for path in sent(wxa_default) if path != "getprivacysetting"]
    assert order == ["getaccountbasicinfo", "modify_domain", "commit", "setprivacysetting", "submit_audit"]


def test_what_the_merchant_must_do_stops_the_run_before_code_as_one_list(
    release: Release, wxa_default: RunningSandbox, account: MiniProgram
) -> None:
    now = wxa_default.world.now()
    account.loose = Looseness(unfilled={"category"})
    account.realname_status, account.filing_status = 2, 3
    account.granted_sets |= {76}
    account.illegal_records = [
        {"illegal_record_id": "1", "create_time": at, "illegal_reason": why, "rule_url": "", "rule_name": "规范"}
        for at, why in ((now - 100 * 86400, "long ago"), (now - 86400, "yesterday"))
    ]
    run = release(check_account=True, server_domains=API)
    assert run.states["check_account"] == "failed"
    assert {run.states[name] for name in ("configure_server_domains", "commit_code", "release")} == {"upstream_failed"}
    told = str(run.errors["check_account"])
    named = ("实名", "85008", "85086", "没有已通过的服务类目", "备案被驳回", "yesterday")
    assert [each for each in named if each not in told] == []
    assert "long ago" not in told
    assert not {"commit", "modify_domain"} & set(sent(wxa_default))
