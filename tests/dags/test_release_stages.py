"""Stages of ``wxa_release`` that a run must ask for: the account, server domains, and the privacy guide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_wxa.release import read_release
from airflow_wxa.sandbox.handlers.accounts import BASIC_INFO_SET
from airflow_wxa.sandbox.loose import Looseness
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID
from airflow_wxa.steps import lag
from tests.airflow_session import calls
from tests.dags.stepwise import Stepwise

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_wxa.sandbox import MiniProgram, RunningSandbox
    from tests.airflow_session import Run

STAGES = ("check_account", "configure_server_domains", "set_privacy_setting")
GUIDE: dict[str, Any] = {
    "owner_setting": {"contact_email": "ops@example.com", "notice_method": "弹窗"},
    "setting_list": [{"privacy_key": "Location", "privacy_text": "展示附近门店"}],
}


@pytest.fixture
def mini_program(wxa_default: RunningSandbox) -> MiniProgram:
    platform = wxa_default.world.platform(COMPONENT_APPID)
    platform.server_testing, platform.server_published = ["example.com"], ["example.com"]
    program = wxa_default.world.mini_program(APPID)
    program.granted_sets.add(BASIC_INFO_SET)
    return program


def test_what_is_not_asked_for_is_skipped_and_nothing_is_sent_for_it(
    release: Callable[..., Run], wxa_default: RunningSandbox
) -> None:
    run = release()
    assert run.state == "success"
    assert {run.states[name] for name in STAGES} == {"skipped"}
    asked = ("/wxa/modify_domain", "/cgi-bin/component/setprivacysetting", "/cgi-bin/component/getprivacysetting")
    assert calls(wxa_default.journal, *asked) == []


def test_all_three_are_done_where_they_are_asked_for_each_before_what_needs_it(
    release: Callable[..., Run], wxa_default: RunningSandbox, mini_program: MiniProgram
) -> None:
    mini_program.privacy_keys = ["Location"]
    run = release(
        check_account=True, server_domains={"requestdomain": ["https://api.example.com"]}, privacy_setting=GUIDE
    )
    assert run.state == "success"
    assert {run.states[name] for name in STAGES} == {"success"}
    assert mini_program.effective_domain["requestdomain"] == ["https://api.example.com"]
    assert mini_program.privacy["1"]["setting_list"] == GUIDE["setting_list"]
    order = [
        entry.path.rpartition("/")[2]
        for entry in wxa_default.journal
        if entry.path.endswith(
            ("modify_domain", "/commit", "setprivacysetting", "submit_audit", "/getaccountbasicinfo")
        )
        and (entry.body or {}).get("action") != "get"
    ]
    assert order == ["getaccountbasicinfo", "modify_domain", "commit", "setprivacysetting", "submit_audit"]


def test_what_the_merchant_must_do_stops_the_run_before_code_as_one_list(
    release: Callable[..., Run], wxa_default: RunningSandbox, mini_program: MiniProgram
) -> None:
    mini_program.loose = Looseness(unfilled={"category"})
    mini_program.realname_status = 2
    run = release(check_account=True, server_domains={"requestdomain": ["https://api.example.com"]})
    assert run.states["check_account"] == "failed"
    assert {run.states[name] for name in ("configure_server_domains", "commit_code", "release")} == {"upstream_failed"}
    told = str(run.errors["check_account"])
    assert all(each in told for each in ("实名", "85008", "85086", "没有已通过的服务类目"))
    assert calls(wxa_default.journal, "/wxa/commit", "/wxa/modify_domain") == []


def test_a_mini_program_that_is_not_filed_stops_the_run_before_code_and_its_violations_are_said(
    release: Callable[..., Run], wxa_default: RunningSandbox, mini_program: MiniProgram
) -> None:
    now = wxa_default.world.now()
    mini_program.filing_status = 3
    mini_program.granted_sets |= {76}
    mini_program.illegal_records = [
        {"illegal_record_id": "1", "create_time": at, "illegal_reason": why, "rule_url": "", "rule_name": "规范"}
        for at, why in ((now - 100 * 86400, "long ago"), (now - 86400, "yesterday"))
    ]
    told = str(release(check_account=True).errors["check_account"])
    assert ("备案被驳回" in told, "yesterday" in told, "long ago" in told) == (True, True, False)
    assert calls(wxa_default.journal, "/wxa/commit") == []


def test_server_domains_that_wechat_does_not_take_stop_the_run_before_code(
    release: Callable[..., Run], wxa_default: RunningSandbox, mini_program: MiniProgram
) -> None:
    wxa_default.world.platform(COMPONENT_APPID).without_icp = {"b.example.com"}
    run = release(server_domains={"requestdomain": ["https://a.example.com", "https://b.example.com"]})
    assert (run.states["configure_server_domains"], run.states["commit_code"]) == ("failed", "upstream_failed")
    assert "no_icp_domain https://b.example.com" in str(run.errors["configure_server_domains"])
    assert calls(wxa_default.journal, "/wxa/commit") == []


def test_a_server_domain_that_the_release_dropped_fails_the_proof(
    wxa_default: RunningSandbox, mini_program: MiniProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lag, "_PAUSES", (0.0,))
    run = Stepwise({"server_domains": {"requestdomain": ["https://api.example.com"]}})
    run.go_on(until="release")
    platform = wxa_default.world.platform(COMPONENT_APPID)
    platform.server_testing, platform.server_published = ["example.org"], ["example.org"]
    assert run.go_on() == "failed"
    assert mini_program.release_info is not None
    assert "requestdomain https://api.example.com" in str(run.errors["verify_release"])


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"server_domains": {"requestdomain": ["wss://a.example.com"]}}, "server_domains: requestdomain: "),
        ({"server_domains": {"action": "set"}}, "names no domain"),
        ({"server_domains": {"action": "get"}}, "must be add, delete or set"),
        ({"server_domains": {"domain": []}}, "server_domains"),
        ({"privacy_setting": {"owner_setting": {}}}, "privacy_setting"),
        ({"privacy_setting": {**GUIDE, "privacy_ver": 1}}, "without setting_list"),
        ({"check_account": "yes"}, "check_account"),
    ],
)
def test_what_cannot_be_right_is_refused_before_any_call(params: dict[str, Any], said: str) -> None:
    plain = {"appid": APPID, "template_id": 47, "user_version": "1", "webviewdomain": ["https://m.example.com"]}
    assert read_release(plain)[1] == []
    assert [problem for problem in read_release(plain | params)[1] if said in problem] != []
