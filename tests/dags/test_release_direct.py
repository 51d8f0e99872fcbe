"""Direct mode through the whole DAG: a merchant's own domains, past the platform's list, and never a second ``set``."""

from typing import Any

import pytest

from airflow_wxa.dags.wxa_domain_drift import domain_drift_dag
from airflow_wxa.dags.wxa_webview_domains import webview_domains_dag
from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.sandbox import Fault, Looseness, MiniProgram, RunningSandbox
from airflow_wxa.sandbox.testing import APPID
from tests.airflow_session import Release, run_dag
from tests.dags.stepwise import Stepwise
from tests.dags.worlds import empty_list, individual, is_online, writes

A, B, H5 = "https://a.merchant.example", "https://b.merchant.example", "https://h5.merchant.example"
DIRECT: dict[str, Any] = {"domain_mode": "direct", "domain_action": "set"}
PATH = "/wxa/setwebviewdomain_directly"


@pytest.fixture(autouse=True)
def the_platforms_list_is_empty(wxa_default: RunningSandbox) -> None:
    empty_list(wxa_default)


def sent(wechat: RunningSandbox) -> list[tuple[str, list[str]]]:
    """Return what was sent to the direct list; nothing goes to the other one."""
    assert writes(wechat, "/wxa/setwebviewdomain") == []
    return [(body["action"], body["webviewdomain"]) for body in writes(wechat, PATH)]


def test_a_second_release_sends_what_differs_and_no_set(
    release: Release, account: MiniProgram, wxa_default: RunningSandbox
) -> None:
    run = release(**DIRECT, webviewdomain=[A])
    assert run.state == "success", run.errors
    assert (run.xcoms["configure_domains"]["added"], run.xcoms["verify_release"]["effective"]) == ([A], [A])
    assert sent(wxa_default) == [("set", [A])]  # of an empty list, nothing of which is online
    run = release(**DIRECT, webviewdomain=[A], user_version="1.5.0")
    assert (run.state, run.xcoms["configure_domains"]["outcome"]) == ("success", "unchanged"), run.errors
    run = release(**DIRECT, webviewdomain=[A, B], user_version="1.6.0")
    assert (run.state, run.xcoms["verify_release"]["effective"]) == ("success", [A, B]), run.errors
    run = release(**DIRECT, webviewdomain=[B], user_version="1.7.0")
    assert (run.state, run.xcoms["verify_release"]["removed_as_asked"]) == ("success", [A]), run.errors
    assert sent(wxa_default)[1:] == [("add", [B]), ("delete", [A])]
    assert account.effective_webviewdomain == [B]


def test_an_effective_domain_that_direct_mode_takes_over_stays(
    release: Release, account: MiniProgram, wxa_default: RunningSandbox
) -> None:
    is_online(account)
    account.mp_webviewdomain = account.effective_webviewdomain = [H5]
    stopped = release(domain_mode="direct", webviewdomain=[A])
    assert (stopped.state, stopped.states["configure_domains"], sent(wxa_default)) == ("failed", "failed", [])
    assert f"goes offline {H5}" in str(stopped.errors["configure_domains"])
    run = release(domain_mode="direct", webviewdomain=[A, H5])
    assert run.state == "success", run.errors
    assert (run.xcoms["configure_domains"]["will_be_lost"], run.xcoms["verify_release"]["lost"]) == ([], [])


def test_a_question_names_the_direct_list_and_a_change_behind_it_stops_the_release(
    wxa_default: RunningSandbox, account: MiniProgram
) -> None:
    run = Stepwise({"approval": True, "domain_mode": "direct", "webviewdomain": [A]})
    assert run.go_on() == "running", run.errors
    account.direct_webviewdomain = [B]
    assert A in run.question
    run.be_answered("Approve")
    run.go_on()
    assert run.states["release"] == "failed"
    assert A in str(run.errors["release"])
    assert wxa_default.journal.count("/wxa/release") == 0


def test_an_individual_has_none_in_direct_mode_either(release: Release, wxa_default: RunningSandbox) -> None:
    individual(wxa_default)
    run = release(domain_mode="direct", webviewdomain=[A])
    assert (run.state, run.xcoms["configure_domains"]["outcome"]) == ("success", "individual"), run.errors


def test_domains_alone_and_drift(account: MiniProgram) -> None:
    run = run_dag(webview_domains_dag(), appid=APPID, webviewdomain=[A], domain_mode="direct")
    assert (run.state, run.xcoms["configure_domains"]["after"]) == ("success", [A]), run.errors
    manifest = f"""
release: {{template_id: 47, user_version: "1", domain_mode: direct, domain_action: set, webviewdomain: [{B}]}}
apps: [{APPID}]
"""
    (row,) = run_dag(domain_drift_dag(), manifest=manifest).xcoms["compare_domains"]
    assert (row["missing"], row["too_many"], row["unregistered"], row["not_effective"]) == ([B], [A], [], [B])
    account.direct_webviewdomain = account.effective_webviewdomain = [B]
    assert run_dag(domain_drift_dag(), manifest=manifest).xcoms["compare_domains"] == []


def test_lag_behind_direct_writes_is_waited_for_also_by_the_next_try(
    release: Release, wxa_default: RunningSandbox
) -> None:
    wxa_default.world.loose = Looseness(lag={"effective_domains": 8, "platform_check": 8, "domains": 8})
    for version, wanted in (("1.4.0", [A]), ("1.5.0", [A, B])):
        run = release(**DIRECT, webviewdomain=wanted, user_version=version)
        assert (run.state, run.xcoms["verify_release"]["effective"]) == ("success", wanted), run.errors
    assert sent(wxa_default) == [("set", [A]), ("add", [B])]


def test_a_lost_answer_of_a_direct_write_is_found_out_and_sent_once(
    release: Release, account: MiniProgram, wxa_default: RunningSandbox
) -> None:
    account.direct_webviewdomain = account.effective_webviewdomain = [A, B]
    is_online(account)
    wxa_default.add_fault(Fault(path=PATH, kind="slow", times=2))  # the reads before it
    wxa_default.add_fault(Fault(path=PATH, kind="drop_after"))
    run = release(domain_mode="direct", domain_action="delete", webviewdomain=[A])
    assert run.state == "success", run.errors
    assert (run.xcoms["verify_release"]["removed_as_asked"], run.xcoms["verify_release"]["lost"]) == ([A], [])
    assert sent(wxa_default) == [("delete", [A])]
    row, *_ = [row for row in open_ledger().entries(appid=APPID) if row.endpoint == "setwebviewdomain_directly"]
    assert row.after is not None
    assert (row.result, row.after["after"]) == ("resolved", [B])
