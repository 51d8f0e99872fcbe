"""What a release takes away is said before it does, and without leave nothing is published: through the whole DAG."""

from typing import Any

import pytest

from airflow_wxa.dags.wxa_webview_domains import webview_domains_dag
from airflow_wxa.sandbox import MiniProgram, Platform, RunningSandbox
from airflow_wxa.sandbox.testing import APPID
from tests.airflow_session import PLAIN, Release, load_release_dag, run_dag
from tests.dags.stepwise import Stepwise
from tests.dags.worlds import ORIGIN, accepted, is_online

H5 = "https://h5.merchant.example"


@pytest.fixture(autouse=True)
def own_domain(account: MiniProgram) -> None:
    """Let the Mini Program be online with a domain of its own, which the platform's list does not hold."""
    is_online(account)
    account.mp_webviewdomain = account.effective_webviewdomain = [H5]


@pytest.fixture
def own_is_registered(account: MiniProgram, platform: Platform) -> None:
    """Let the domain stand on the list that a release rewrites, and the platform hold its host."""
    platform.published = ["example.com", "merchant.example"]
    account.mp_webviewdomain, account.third_webviewdomain = [], [H5]


def test_without_leave_nothing_is_committed_and_the_error_names_three_ways_on(
    release: Release, wxa_default: RunningSandbox
) -> None:
    run = release()
    states = [run.state, run.states["configure_domains"], run.states["commit_code"]]
    assert states == ["failed", "failed", "upstream_failed"]
    said = str(run.errors["configure_domains"])
    for words in (f"goes offline {H5}", "wxa_platform_domains", "domain_mode: direct", "on_lost_domains: release"):
        assert words in said
    assert set(accepted(wxa_default).values()) == {0}


def test_with_leave_it_is_released_and_the_outcome_says_what_went_and_later_weeks_lose_nothing(
    release: Release,
) -> None:
    run = release(on_lost_domains="release")
    assert run.state == "success", run.errors
    assert run.xcoms["configure_domains"]["will_be_lost"] == run.xcoms["verify_release"]["lost"] == [H5]
    assert run.xcoms["verify_release"]["effective"] == [ORIGIN]
    run = release(user_version="1.5.0")
    assert run.state == "success", run.errors
    assert (run.xcoms["configure_domains"]["will_be_lost"], run.xcoms["verify_release"]["lost"]) == ([], [])


@pytest.mark.parametrize("approval", [False, True])
def test_where_nothing_is_online_yet_nothing_goes_offline(account: MiniProgram, approval: bool) -> None:
    account.release_info = None
    run = run_dag(load_release_dag(), **{**PLAIN, "approval": approval}, answers="Approve")
    assert run.state == "success", run.errors
    assert run.xcoms["verify_release"]["effective"] == [ORIGIN]


def test_an_own_domain_that_survives_stops_no_later_week(release: Release, platform: Platform) -> None:
    platform.published = ["example.com", "merchant.example"]
    run = release(on_lost_domains="release")  # under a parent: whether it stays is not known before
    assert (run.xcoms["configure_domains"]["will_be_lost"], run.xcoms["verify_release"]["lost"]) == ([H5], [])
    for week in (2, 3):
        run = release(user_version=f"1.{week}.0")
        assert run.state == "success", run.errors
        assert run.xcoms["verify_release"]["effective"] == sorted([H5, ORIGIN])


@pytest.mark.usefixtures("own_is_registered")
@pytest.mark.parametrize("how", [{"domain_action": "set"}, {"domain_action": "delete", "webviewdomain": [H5]}])
def test_what_is_asked_off_stops_nothing(release: Release, how: dict[str, Any]) -> None:
    run = release(**how)
    assert run.state == "success", run.errors
    assert run.xcoms["configure_domains"]["will_be_lost"] == []
    assert (run.xcoms["verify_release"]["lost"], run.xcoms["verify_release"]["removed_as_asked"]) == ([], [H5])


@pytest.mark.usefixtures("own_is_registered")
def test_what_yesterdays_run_asked_off_is_asked_off(release: Release) -> None:
    yesterday = run_dag(webview_domains_dag(), appid=APPID, domain_action="delete", webviewdomain=[H5])
    assert yesterday.state == "success", yesterday.errors
    run = release()
    assert run.state == "success", run.errors
    assert run.xcoms["verify_release"]["removed_as_asked"] == [H5]


def test_what_publishes_nothing_says_it_and_stops_nowhere(release: Release) -> None:
    alone = run_dag(webview_domains_dag(), appid=APPID, webviewdomain=[ORIGIN])
    for run in (release(release=False), alone):
        assert (run.state, run.xcoms["configure_domains"]["will_be_lost"]) == ("success", [H5]), run.errors


@pytest.mark.parametrize("late", [[], ["https://late.merchant.example"]])
def test_the_question_begins_with_what_goes_offline_and_its_answer_is_about_no_other_domain(
    account: MiniProgram, wxa_default: RunningSandbox, late: list[str]
) -> None:
    run = Stepwise({"approval": True})
    assert run.go_on() == "running", run.errors
    assert run.question.splitlines()[0] == f"**goes offline: `{H5}`**"
    account.mp_webviewdomain = account.effective_webviewdomain = [H5, *late]
    run.be_answered("Approve")
    run.go_on()
    if late:
        assert run.states["release"] == "failed"
        assert f"goes offline {late[0]}" in str(run.errors["release"])
        assert accepted(wxa_default)["/wxa/release"] == 0
    else:
        assert run.states["verify_release"] == "success", run.errors
        assert run.xcom("verify_release")["lost"] == [H5]


def test_server_domains_likewise(release: Release, account: MiniProgram, wxa_default: RunningSandbox) -> None:
    api = {"requestdomain": ["https://api.merchant.example:8443"]}
    account.mp_webviewdomain, account.effective_webviewdomain = [], []
    account.mp_domain, account.effective_domain = dict(api), dict(api)
    run = release()
    assert (run.states["configure_domains"], accepted(wxa_default)["/wxa/commit"]) == ("failed", 0)
    assert "goes offline requestdomain https://api.merchant.example:8443" in str(run.errors["configure_domains"])
    run = release(on_lost_domains="release")
    assert run.xcoms["verify_release"]["lost_servers"] == api
