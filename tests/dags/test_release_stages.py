"""Stages of ``wxa_release`` that a run must ask for: the account, server domains, and the privacy guide.

A run that asks for none of them is every road of ``test_release_roads.py``.
"""

from typing import Any

import pytest

from airflow_wxa.sandbox.handlers.accounts import BASIC_INFO_SET
from airflow_wxa.sandbox.loose import Looseness
from tests.dags.worlds import Shop, failure, missing

API = {"requestdomain": ["https://api.example.com"]}
GUIDE: dict[str, Any] = {
    "owner_setting": {"contact_email": "ops@example.com", "notice_method": "弹窗"},
    "setting_list": [{"privacy_key": "Location", "privacy_text": "展示附近门店"}],
}


@pytest.fixture
def shop(shop: Shop) -> Shop:
    """Let the platform hold the server domain's host, and have been granted what the account's check reads."""
    shop.platform.server_testing, shop.platform.server_published = ["example.com"], ["example.com"]
    shop.account.granted_sets.add(BASIC_INFO_SET)
    return shop


def sent(shop: Shop) -> list[str]:
    """Return the calls of the stages, and of those that they stand before, that did not only read a list."""
    ends = ("modify_domain", "/commit", "setprivacysetting", "submit_audit", "accountbasicinfo")
    found = [each for each in shop.journal if each.path.endswith(ends) and (each.body or {}).get("action") != "get"]
    return [each.path.rpartition("/")[2] for each in found]


def test_all_three_are_done_where_they_are_asked_for_each_before_what_needs_it(shop: Shop) -> None:
    shop.account.privacy_keys = ["Location"]
    run = shop.release(check_account=True, server_domains=API, privacy_setting=GUIDE)
    assert {run.states[name] for name in ("check_account", "configure_server_domains", "set_privacy_setting")} == {
        "success"
    }
    assert shop.account.effective_domain["requestdomain"] == API["requestdomain"]
    assert shop.account.privacy["1"]["setting_list"] == GUIDE["setting_list"]
    assert sent(shop) == ["getaccountbasicinfo", "modify_domain", "commit", "setprivacysetting", "submit_audit"]


def test_what_the_merchant_must_do_stops_the_run_before_code_as_one_list(shop: Shop) -> None:
    now, account = shop.wechat.world.now(), shop.account
    account.loose = Looseness(unfilled={"category"})
    account.realname_status, account.filing_status = 2, 3
    account.granted_sets |= {76}
    account.illegal_records = [
        {"illegal_record_id": "1", "create_time": at, "illegal_reason": why, "rule_url": "", "rule_name": "规范"}
        for at, why in ((now - 100 * 86400, "long ago"), (now - 86400, "yesterday"))
    ]
    run = shop.walk(check_account=True, server_domains=API)
    told = failure(run, "check_account")
    assert missing(("实名", "85008", "85086", "没有已通过的服务类目", "备案被驳回", "yesterday"), told) == []
    assert "long ago" not in told
    assert {run.states[name] for name in ("configure_server_domains", "commit_code", "release")} == {"upstream_failed"}
    assert sent(shop) == ["getaccountbasicinfo"]
