"""Direct mode through the whole DAG: a merchant's own domains, past the platform's list, and never a second ``set``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_wxa.dags.wxa_domain_drift import domain_drift_dag
from airflow_wxa.dags.wxa_webview_domains import webview_domains_dag
from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.release import read_release
from airflow_wxa.sandbox.exchange import Fault
from airflow_wxa.sandbox.loose import Looseness
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID
from airflow_wxa.sandbox.values import ReleaseInfo
from tests.airflow_session import run_dag
from tests.dags.stepwise import Stepwise

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_wxa.sandbox import MiniProgram, RunningSandbox
    from tests.airflow_session import Run

    Release = Callable[..., Run]

A, B, H5 = "https://a.merchant.example", "https://b.merchant.example", "https://h5.merchant.example"
DIRECT: dict[str, Any] = {"domain_mode": "direct", "domain_action": "set"}


@pytest.fixture(params=[[], ["example.com"]], ids=["platform list empty", "platform list of others"])
def account(wxa_default: RunningSandbox, request: pytest.FixtureRequest) -> MiniProgram:
    platform = wxa_default.world.platform(COMPONENT_APPID)
    platform.testing, platform.published = list(request.param), list(request.param)
    return wxa_default.world.mini_program(APPID)


def writes(sandbox: RunningSandbox) -> list[tuple[str, list[str]]]:
    """Return what was sent to either list."""
    sent = [call for call in sandbox.journal if call.path.startswith("/wxa/setwebviewdomain")]
    assert {call.path for call in sent if call.body["action"] != "get"} <= {"/wxa/setwebviewdomain_directly"}
    return [(call.body["action"], call.body["webviewdomain"]) for call in sent if call.body["action"] != "get"]


def test_a_second_release_sends_what_differs_and_no_set(
    release: Release, account: MiniProgram, wxa_default: RunningSandbox
) -> None:
    run = release(**DIRECT, webviewdomain=[A])
    assert run.state == "success", run.errors
    assert (run.xcoms["configure_domains"]["added"], run.xcoms["verify_release"]["effective"]) == ([A], [A])
    assert writes(wxa_default) == [("set", [A])]  # of an empty list, nothing of which is online
    run = release(**DIRECT, webviewdomain=[A], user_version="1.5.0")
    assert (run.state, run.xcoms["configure_domains"]["outcome"]) == ("success", "unchanged"), run.errors
    run = release(**DIRECT, webviewdomain=[A, B], user_version="1.6.0")
    assert (run.state, run.xcoms["verify_release"]["effective"]) == ("success", [A, B]), run.errors
    run = release(**DIRECT, webviewdomain=[B], user_version="1.7.0")
    assert (run.state, run.xcoms["verify_release"]["removed_as_asked"]) == ("success", [A]), run.errors
    assert writes(wxa_default)[1:] == [("add", [B]), ("delete", [A])]
    assert account.effective_webviewdomain == [B]


def test_an_effective_domain_that_direct_mode_takes_over_stays(
    release: Release, account: MiniProgram, wxa_default: RunningSandbox
) -> None:
    account.release_info = ReleaseInfo(release_version="1.0.0", release_desc="", release_time=1)
    account.mp_webviewdomain = account.effective_webviewdomain = [H5]
    stopped = release(domain_mode="direct", webviewdomain=[A])
    assert (stopped.state, stopped.states["configure_domains"], writes(wxa_default)) == ("failed", "failed", [])
    assert f"goes offline {H5}" in str(stopped.errors["configure_domains"])
    run = release(domain_mode="direct", webviewdomain=[A, H5])
    assert run.state == "success", run.errors
    assert (run.xcoms["configure_domains"]["will_be_lost"], run.xcoms["verify_release"]["lost"]) == ([], [])


@pytest.mark.usefixtures("account")
def test_a_question_names_the_direct_list_and_a_change_behind_it_stops_the_release(wxa_default: RunningSandbox) -> None:
    run = Stepwise({"approval": True, "domain_mode": "direct", "webviewdomain": [A]})
    assert run.go_on() == "running", run.errors
    wxa_default.world.mini_program(APPID).direct_webviewdomain = [B]
    assert A in run.question
    run.be_answered("Approve")
    run.go_on()
    assert run.states["release"] == "failed"
    assert A in str(run.errors["release"])
    assert "/wxa/release" not in [call.path for call in wxa_default.journal]


@pytest.mark.usefixtures("account")
def test_86103_hands_over_the_file_before_anything_is_committed(release: Release, wxa_default: RunningSandbox) -> None:
    wxa_default.world.platform(COMPONENT_APPID).unverifiable = {"a.merchant.example"}
    run = release(domain_mode="direct", webviewdomain=[A])
    assert (run.state, run.states["commit_code"]) == ("failed", "upstream_failed")
    said = str(run.errors["configure_domains"])
    assert [word for word in ("86103", "file name", "file content", f"{A}/") if word not in said] == []


@pytest.mark.usefixtures("account")
def test_an_individual_has_none_in_direct_mode_either(release: Release, wxa_default: RunningSandbox) -> None:
    wxa_default.world.mini_program(APPID).individual = True
    run = release(domain_mode="direct", webviewdomain=[A])
    assert (run.state, run.xcoms["configure_domains"]["outcome"]) == ("success", "individual"), run.errors


@pytest.mark.usefixtures("account")
def test_domains_alone_and_drift(wxa_default: RunningSandbox) -> None:
    run = run_dag(webview_domains_dag(), appid=APPID, webviewdomain=[A], domain_mode="direct")
    assert (run.state, run.xcoms["configure_domains"]["after"]) == ("success", [A]), run.errors
    manifest = f"""
release: {{template_id: 47, user_version: "1", domain_mode: direct, domain_action: set, webviewdomain: [{B}]}}
apps: [{APPID}]
"""
    (row,) = run_dag(domain_drift_dag(), manifest=manifest).xcoms["compare_domains"]
    assert (row["missing"], row["too_many"], row["unregistered"], row["not_effective"]) == ([B], [A], [], [B])
    account = wxa_default.world.mini_program(APPID)
    account.direct_webviewdomain = account.effective_webviewdomain = [B]
    assert run_dag(domain_drift_dag(), manifest=manifest).xcoms["compare_domains"] == []


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"domain_action": "all"}, "domain_action"),
        ({"webviewdomain": [A], "on_platform_list_empty": "register"}, "on_platform_list_empty"),
        ({"webviewdomain": [A], "domain_mode": "both"}, "domain_mode"),
    ],
)
def test_what_needs_the_platforms_list_goes_not_with_it(given: dict[str, Any], named: str) -> None:
    asked = {"appid": APPID, "template_id": 47, "user_version": "1", "domain_mode": "direct"} | given
    spec, problems = read_release(asked)
    assert (spec, [problem.split()[0] for problem in problems]) == (None, [named])


@pytest.mark.parametrize("reads", [3, 8])
def test_lag_behind_direct_writes_is_waited_for(release: Release, wxa_default: RunningSandbox, reads: int) -> None:
    wxa_default.world.loose = Looseness(lag={"effective_domains": reads, "platform_check": reads, "domains": reads})
    for version, wanted in (("1.4.0", [A]), ("1.5.0", [A, B])):
        run = release(**DIRECT, webviewdomain=wanted, user_version=version)
        assert (run.state, run.xcoms["verify_release"]["effective"]) == ("success", wanted), run.errors
    assert writes(wxa_default) == [("set", [A]), ("add", [B])]


def test_a_lost_answer_of_a_direct_write_is_found_out_and_sent_once(
    release: Release, account: MiniProgram, wxa_default: RunningSandbox
) -> None:
    account.direct_webviewdomain = account.effective_webviewdomain = [A, B]
    account.release_info = ReleaseInfo(release_version="1.0.0", release_desc="", release_time=1)
    path = "/wxa/setwebviewdomain_directly"
    wxa_default.add_fault(Fault(path=path, kind="slow", times=2))  # the reads before it
    wxa_default.add_fault(Fault(path=path, kind="drop_after"))
    run = release(domain_mode="direct", domain_action="delete", webviewdomain=[A])
    assert run.state == "success", run.errors
    assert (run.xcoms["verify_release"]["removed_as_asked"], run.xcoms["verify_release"]["lost"]) == ([A], [])
    assert writes(wxa_default) == [("delete", [A])]
    row, *_ = [row for row in open_ledger().entries(appid=APPID) if row.endpoint == "setwebviewdomain_directly"]
    assert row.after is not None
    assert (row.result, row.after["after"]) == ("resolved", [B])
