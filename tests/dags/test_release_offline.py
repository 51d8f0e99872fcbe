"""What a release takes away is said before it does, and without leave nothing is published: through the whole DAG."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_wxa.dags.wxa_webview_domains import webview_domains_dag
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID
from airflow_wxa.sandbox.values import ReleaseInfo
from tests.airflow_session import calls, load_release_dag, run_dag
from tests.dags.stepwise import Stepwise

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_wxa.sandbox import MiniProgram, RunningSandbox
    from tests.airflow_session import Run

    Release = Callable[..., Run]

H5, WANTED = "https://h5.merchant.example", "https://m.example.com"


@pytest.fixture
def account(wxa_default: RunningSandbox) -> MiniProgram:
    """Return a Mini Program that is online, with a domain of its own that the platform's list does not hold."""
    account = wxa_default.world.mini_program(APPID)
    account.release_info = ReleaseInfo(release_version="1.0.0", release_desc="", release_time=1)
    account.mp_webviewdomain = account.effective_webviewdomain = [H5]
    return account


def published(sandbox: RunningSandbox) -> list[str]:
    return [call.path for call in calls(sandbox.journal, "/wxa/commit", "/wxa/release") if call.errcode == 0]


@pytest.mark.usefixtures("account")
def test_without_leave_nothing_is_committed_and_the_error_names_three_ways_on(
    release: Release, wxa_default: RunningSandbox
) -> None:
    run = release()
    assert (run.state, run.states["configure_domains"], run.states["commit_code"]) == (
        "failed",
        "failed",
        "upstream_failed",
    )
    said = str(run.errors["configure_domains"])
    assert f"goes offline {H5}" in said
    for way in ("wxa_platform_domains", "domain_mode: direct", "on_lost_domains: release"):
        assert way in said
    assert published(wxa_default) == []


@pytest.mark.usefixtures("account")
def test_with_leave_it_is_released_and_the_outcome_says_what_went(release: Release) -> None:
    run = release(on_lost_domains="release")
    assert run.state == "success", run.errors
    assert run.xcoms["configure_domains"]["will_be_lost"] == [H5]
    assert run.xcoms["verify_release"]["lost"] == [H5]
    assert run.xcoms["verify_release"]["effective"] == [WANTED]
    for week in range(2, 5):
        run = release(user_version=f"1.{week}.0")
        assert run.state == "success", run.errors
        assert (run.xcoms["configure_domains"]["will_be_lost"], run.xcoms["verify_release"]["lost"]) == ([], [])


@pytest.mark.parametrize("approval", [False, True])
def test_where_nothing_is_online_yet_nothing_goes_offline(
    account: MiniProgram, wxa_default: RunningSandbox, approval: bool
) -> None:
    account.release_info = None
    conf: dict[str, Any] = {
        "appid": APPID,
        "webviewdomain": [WANTED],
        "template_id": 47,
        "user_version": "1.4.0",
        "approval": approval,
    }
    run = run_dag(load_release_dag(), **conf, answers="Approve")
    assert run.state == "success", run.errors
    assert run.xcoms["verify_release"]["effective"] == [WANTED]


def test_an_own_domain_that_survives_stops_no_later_week(
    release: Release, account: MiniProgram, wxa_default: RunningSandbox
) -> None:
    wxa_default.world.platform(COMPONENT_APPID).published = ["example.com", "merchant.example"]
    account.mp_webviewdomain = account.effective_webviewdomain = [H5]
    run = release(on_lost_domains="release")  # under a parent: whether it stays is not known before
    assert (run.xcoms["configure_domains"]["will_be_lost"], run.xcoms["verify_release"]["lost"]) == ([H5], [])
    for week in range(2, 5):
        run = release(user_version=f"1.{week}.0")
        assert run.state == "success", run.errors
        assert run.xcoms["verify_release"]["effective"] == sorted([H5, WANTED])


@pytest.mark.parametrize("how", [{"domain_action": "set"}, {"domain_action": "delete", "webviewdomain": [H5]}])
def test_what_is_asked_off_stops_nothing_and_a_retry_changes_that_not(
    release: Release, account: MiniProgram, wxa_default: RunningSandbox, how: dict[str, Any]
) -> None:
    wxa_default.world.platform(COMPONENT_APPID).published = ["example.com", "merchant.example"]
    account.mp_webviewdomain = []
    account.third_webviewdomain = account.effective_webviewdomain = [H5]
    run = release(**how)
    assert run.state == "success", run.errors
    assert run.xcoms["configure_domains"]["will_be_lost"] == []
    assert (run.xcoms["verify_release"]["lost"], run.xcoms["verify_release"]["removed_as_asked"]) == ([], [H5])


def test_what_yesterdays_run_asked_off_is_asked_off(
    release: Release, account: MiniProgram, wxa_default: RunningSandbox
) -> None:
    wxa_default.world.platform(COMPONENT_APPID).published = ["example.com", "merchant.example"]
    account.mp_webviewdomain = []
    account.third_webviewdomain = account.effective_webviewdomain = [H5]
    yesterday = run_dag(webview_domains_dag(), appid=APPID, domain_action="delete", webviewdomain=[H5])
    assert yesterday.state == "success", yesterday.errors
    run = release()
    assert run.state == "success", run.errors
    assert run.xcoms["verify_release"]["removed_as_asked"] == [H5]


@pytest.mark.usefixtures("account")
def test_what_publishes_nothing_says_it_and_stops_nowhere(release: Release) -> None:
    run = release(release=False)
    assert (run.state, run.xcoms["configure_domains"]["will_be_lost"]) == ("success", [H5]), run.errors
    run = run_dag(webview_domains_dag(), appid=APPID, webviewdomain=[WANTED])
    assert (run.state, run.xcoms["configure_domains"]["will_be_lost"]) == ("success", [H5]), run.errors


def asked(**params: Any) -> Stepwise:
    run = Stepwise({"approval": True, **params})
    assert run.go_on() == "running", run.errors
    return run


@pytest.mark.usefixtures("account")
def test_the_question_begins_with_what_goes_offline_and_its_answer_decides() -> None:
    run = asked()
    run.be_answered("Approve")
    run.go_on()
    assert run.states["verify_release"] == "success", run.errors
    assert run.xcom("verify_release")["lost"] == [H5]
    assert run.question.splitlines()[0] == f"**goes offline: `{H5}`**"


def test_a_domain_that_the_question_did_not_name_stops_the_release(
    account: MiniProgram, wxa_default: RunningSandbox
) -> None:
    run = asked()
    account.mp_webviewdomain = account.effective_webviewdomain = [H5, "https://late.merchant.example"]
    run.be_answered("Approve")
    run.go_on()
    assert run.states["release"] == "failed"
    assert "goes offline https://late.merchant.example" in str(run.errors["release"])
    assert "/wxa/release" not in published(wxa_default)


def test_server_domains_likewise(release: Release, account: MiniProgram, wxa_default: RunningSandbox) -> None:
    api = "https://api.merchant.example:8443"
    account.mp_webviewdomain = account.effective_webviewdomain = []
    account.mp_domain = {"requestdomain": [api]}
    account.effective_domain = {"requestdomain": [api]}
    run = release()
    assert (run.states["configure_domains"], published(wxa_default)) == ("failed", [])
    assert f"goes offline requestdomain {api}" in str(run.errors["configure_domains"])
    run = release(on_lost_domains="release")
    assert run.xcoms["verify_release"]["lost_servers"] == {"requestdomain": [api]}
