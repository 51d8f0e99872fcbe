"""What a release takes away is said before it does, and without leave nothing is published: through the whole DAG.

Which domains those are is proven in ``tests/steps/test_offline.py``.
"""

from typing import Any

import pytest

from airflow_wxa.dags.wxa_webview_domains import webview_domains_dag
from airflow_wxa.sandbox.testing import APPID
from tests.airflow_session import Run, run_dag
from tests.dags.stepwise import Stepwise
from tests.dags.worlds import ORIGIN, Shop, failure, missing, succeeded

H5 = "https://h5.merchant.example"
LEAVE = {"on_lost_domains": "release"}


@pytest.fixture
def shop(shop: Shop) -> Shop:
    """Let it be online with a domain of its own, which the platform's list does not hold."""
    shop.put_online("1.0.0", H5)
    return shop


@pytest.fixture
def registered(shop: Shop) -> Shop:
    """Let the domain stand on the list that a release rewrites, and the platform hold its host."""
    shop.platform.published = ["example.com", "merchant.example"]
    shop.account.mp_webviewdomain, shop.account.third_webviewdomain = [], [H5]
    return shop


def lost(run: Run) -> tuple[Any, Any]:
    """Return what the domains' task foresaw, and what was gone in the end."""
    return run.xcoms["configure_domains"]["will_be_lost"], run.xcoms["verify_release"]["lost"]


def test_without_leave_nothing_is_committed_and_the_error_names_three_ways_on(shop: Shop) -> None:
    run = shop.walk()
    ways = (f"goes offline {H5}", "wxa_platform_domains", "domain_mode: direct", "on_lost_domains: release")
    assert missing(ways, failure(run, "configure_domains")) == []
    assert (run.state, run.states["commit_code"]) == ("failed", "upstream_failed")
    assert set(shop.accepted.values()) == {0}


def test_with_leave_it_is_released_and_the_outcome_says_what_went_and_later_weeks_lose_nothing(shop: Shop) -> None:
    run = shop.release(**LEAVE)
    assert (*lost(run), run.xcoms["verify_release"]["effective"]) == ([H5], [H5], [ORIGIN])
    assert lost(shop.release(user_version="1.5.0")) == ([], [])


@pytest.mark.parametrize("approval", [False, True])
def test_where_nothing_is_online_yet_nothing_goes_offline(shop: Shop, approval: bool) -> None:
    shop.account.release_info = None
    assert shop.release(approval=approval, answers="Approve").xcoms["verify_release"]["effective"] == [ORIGIN]


def test_an_own_domain_that_survives_stops_no_later_week(shop: Shop) -> None:
    shop.platform.published = ["example.com", "merchant.example"]
    assert lost(shop.release(**LEAVE)) == ([H5], [])  # under a parent: whether it stays is not known before
    for week in (2, 3):
        assert shop.release(user_version=f"1.{week}.0").xcoms["verify_release"]["effective"] == sorted([H5, ORIGIN])


ASKED_OFF: dict[str, Any] = {"domain_action": "delete", "webviewdomain": [H5]}


@pytest.mark.parametrize("how", [{"domain_action": "set"}, ASKED_OFF, {}])
def test_what_is_asked_off_by_this_run_or_by_yesterdays_stops_nothing(registered: Shop, how: dict[str, Any]) -> None:
    if not how:
        succeeded(run_dag(webview_domains_dag(), appid=APPID, **ASKED_OFF))
    run = registered.release(**how)
    assert (*lost(run), run.xcoms["verify_release"]["removed_as_asked"]) == ([], [], [H5])


def test_what_publishes_nothing_says_it_and_stops_nowhere(shop: Shop) -> None:
    alone = run_dag(webview_domains_dag(), appid=APPID, webviewdomain=[ORIGIN])
    for run in (shop.walk(release=False), alone):
        assert succeeded(run).xcoms["configure_domains"]["will_be_lost"] == [H5]


@pytest.mark.parametrize("late", [[], ["https://late.merchant.example"]])
def test_the_question_begins_with_what_goes_offline_and_its_answer_is_about_no_other_domain(
    shop: Shop, late: list[str]
) -> None:
    run = Stepwise({"approval": True})
    assert run.go_on() == "running", run.errors
    assert run.question.splitlines()[0] == f"**goes offline: `{H5}`**"
    shop.put_online("1.0.0", H5, *late)
    run.be_answered("Approve")
    run.go_on()
    if late:
        assert f"goes offline {late[0]}" in failure(run, "release")
        assert shop.accepted["/wxa/release"] == 0
    else:
        assert run.xcom("verify_release")["lost"] == [H5], run.errors


def test_server_domains_likewise(shop: Shop) -> None:
    api = {"requestdomain": ["https://api.merchant.example:8443"]}
    shop.account.mp_webviewdomain, shop.account.effective_webviewdomain = [], []
    shop.account.mp_domain, shop.account.effective_domain = dict(api), dict(api)
    said = failure(shop.walk(), "configure_domains")
    assert "goes offline requestdomain https://api.merchant.example:8443" in said
    assert shop.accepted["/wxa/commit"] == 0
    assert shop.release(**LEAVE).xcoms["verify_release"]["lost_servers"] == api
