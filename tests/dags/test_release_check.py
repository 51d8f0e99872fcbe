"""``check_release`` names everything that is wrong at once; and stages that a run must ask for, before what needs them.

A run that asks for none of them is every road of ``test_release_roads.py``.
"""

import re
from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_wxa.dags.wxa_domain_drift import domain_drift_dag
from airflow_wxa.dags.wxa_platform_domains import platform_domains_dag
from airflow_wxa.dags.wxa_rollback import rollback_dag
from airflow_wxa.dags.wxa_webview_domains import webview_domains_dag
from airflow_wxa.sandbox.handlers.accounts import BASIC_INFO_SET
from airflow_wxa.sandbox.loose import Looseness
from airflow_wxa.sandbox.testing import APPID
from tests.airflow_session import run_dag
from tests.dags.worlds import ORIGIN, REGISTER, Shop, failure, missing
from tests.release.test_spec import GUIDE


def problems(shop: Shop, **params: Any) -> list[str]:
    """Return the lines of the refusal's English half that each name one problem; nothing was sent, once."""
    run = shop.walk(**params)
    assert run.tries["check_release"] == 1
    assert set(run.states.values()) == {"failed", "upstream_failed"}
    assert shop.journal == []
    said = str(run.errors["check_release"])
    assert "nothing was sent" in said
    lines = [line.removeprefix("  - ") for line in said.splitlines() if line.startswith("  - ")]
    return [line for line in lines if not re.search("[\u4e00-\u9fff]", line)]


def test_nine_problems_of_params_and_connections_are_reported_at_once_and_nothing_is_sent(shop: Shop) -> None:
    named = {
        "http://m.example.com": {"webviewdomain": ["http://m.example.com", "https://m.example.com/path", "localhost"]},
        "https://m.example.com/path": {},
        "localhost": {},
        "*.example.com": {"platform_domains": ["*.example.com"]},
        "wx00000000000000ff": {"ext_json": {"extAppid": "wx00000000000000ff"}},
        "4" * 19: {"template_id": "4" * 19},
        "'register'": {"domain_action": "delete", **REGISTER},
        "Connection 'absent': does not exist": {"wxa_conn_id": "absent"},
        "Connection 'absent_too': does not exist": {"platform_conn_id": "absent_too"},
    }
    found = problems(shop, **{name: value for params in named.values() for name, value in params.items()})
    assert len(found) == len(named)
    assert [words for words in named if not any(words in line for line in found)] == []


def test_each_token_that_a_connection_lacks_is_a_problem_of_the_run(shop: Shop) -> None:
    shop.connect(component_access_token=None)
    merchants, platforms = problems(shop, appid="wx00000000000000ff", **REGISTER)
    assert "authorizer_access_tokens['wx00000000000000ff'] is missing" in merchants
    assert "component_access_token is missing" in platforms


def test_the_platform_connection_may_be_another_one(shop: Shop) -> None:
    shop.connect(component_access_token=None)
    shop.connect("platform", authorizer_access_tokens=None)
    shop.release(**REGISTER, platform_conn_id="platform")
    assert {entry.appid for entry in shop.journal} == {APPID}


def test_a_store_that_cannot_be_is_said_before_the_first_call(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert problems(shop) == ["this is a Kubernetes pod: its files end with it, and no other pod sees them"]


def test_a_misspelt_param_is_refused_and_a_key_of_another_tool_is_not(shop: Shop) -> None:
    assert problems(shop, relase=False, aproval=False, openlineage={"run": "1"}) == [
        "aproval: is no param of this DAG, approval is",
        "relase: is no param of this DAG, release is",
    ]
    assert shop.release(openlineage={"run": "1"}).states["verify_release"] == "success"


@pytest.mark.parametrize(
    ("build", "conf", "misspelt", "meant"),
    [
        (rollback_dag, {"appid": APPID, "approval": False}, "app_verison", "app_version"),
        (platform_domains_dag, {"hosts": ["a.example.com"], "approval": False}, "acton", "action"),
        (webview_domains_dag, {"appid": APPID, "webviewdomain": [ORIGIN]}, "domain_acton", "domain_action"),
        (domain_drift_dag, {}, "apppids", "appids"),
    ],
)
def test_the_smaller_dags_refuse_a_misspelt_param_before_they_send_anything(
    shop: Shop, build: Callable[[], DAG], conf: dict[str, Any], misspelt: str, meant: str
) -> None:
    refused = run_dag(build(), **conf, **{misspelt: "11"})
    (error,) = refused.errors.values()
    assert f"- {misspelt}: is no param of this DAG, {meant} is" in str(error)
    assert set(refused.tries.values()) <= {0, 1}
    assert shop.journal == []


# Stages that a run must ask for --------------------------------------------------------------------------------------


API = {"requestdomain": ["https://api.example.com"]}
LOCATION = [{"privacy_key": "Location", "privacy_text": "展示附近门店"}]


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
    run = shop.release(check_account=True, server_domains=API, privacy_setting={**GUIDE, "setting_list": LOCATION})
    assert {run.states[name] for name in ("check_account", "configure_server_domains", "set_privacy_setting")} == {
        "success"
    }
    assert shop.account.effective_domain["requestdomain"] == API["requestdomain"]
    assert shop.account.privacy["1"]["setting_list"] == LOCATION
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
