"""A merchant's own domains through the whole DAG: what takes them offline is said before it does, and direct mode.

Which domains a release takes away is proven in ``tests/steps/test_offline.py``; without leave nothing is published.
"""

from typing import Any

import pytest

from airflow_wxa.dags.wxa_domain_drift import domain_drift_dag
from airflow_wxa.dags.wxa_webview_domains import webview_domains_dag
from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.sandbox import Fault, Looseness, RunningSandbox
from airflow_wxa.sandbox.testing import APPID
from tests.airflow_session import Run, run_dag
from tests.dags.stepwise import Stepwise
from tests.dags.worlds import ORIGIN, Shop, empty_list, failure, individual, missing, succeeded

H5 = "https://h5.merchant.example"
LEAVE = {"on_lost_domains": "release"}


@pytest.fixture
def shop(shop: Shop) -> Shop:
    """Let it be online with a domain of its own, which the platform's list does not hold."""
    shop.put_online("1.0.0", H5)
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


def test_server_domains_likewise(shop: Shop) -> None:
    api = {"requestdomain": ["https://api.merchant.example:8443"]}
    shop.account.mp_webviewdomain = shop.account.effective_webviewdomain = []
    shop.account.mp_domain, shop.account.effective_domain = dict(api), dict(api)
    assert f"goes offline requestdomain {api['requestdomain'][0]}" in failure(shop.walk(), "configure_domains")
    assert shop.accepted["/wxa/commit"] == 0
    assert shop.release(**LEAVE).xcoms["verify_release"]["lost_servers"] == api


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
def test_what_is_asked_off_by_this_run_or_by_yesterdays_stops_nothing(shop: Shop, how: dict[str, Any]) -> None:
    # The domain stands on the list that a release rewrites, and the platform holds its host.
    shop.platform.published = ["example.com", "merchant.example"]
    shop.account.mp_webviewdomain, shop.account.third_webviewdomain = [], [H5]
    if not how:
        succeeded(run_dag(webview_domains_dag(), appid=APPID, **ASKED_OFF))
    run = shop.release(**how)
    assert (*lost(run), run.xcoms["verify_release"]["removed_as_asked"]) == ([], [], [H5])


def test_what_publishes_nothing_says_it_and_stops_nowhere(shop: Shop) -> None:
    alone = run_dag(webview_domains_dag(), appid=APPID, webviewdomain=[ORIGIN])
    for run in (shop.walk(release=False), alone):
        assert succeeded(run).xcoms["configure_domains"]["will_be_lost"] == [H5]


@pytest.mark.parametrize("late", [[], ["https://late.merchant.example"]])
def test_the_question_begins_with_what_goes_offline_and_is_about_no_other_domain(shop: Shop, late: list[str]) -> None:
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


# Direct mode: past the platform's list, and never a second set -------------------------------------------------------


A, B = "https://a.merchant.example", "https://b.merchant.example"
PATH = "/wxa/setwebviewdomain_directly"


@pytest.fixture
def unlisted(wxa_default: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Let the platform's list be empty."""
    shop = Shop(wxa_default, monkeypatch)
    empty_list(shop)
    return shop


def release(shop: Shop, *wanted: str, version: str = "1.4.0", action: str = "add") -> Run:
    """Release in direct mode."""
    given = {"domain_mode": "direct", "domain_action": action, "webviewdomain": list(wanted)}
    return shop.walk(user_version=version, **given)


def verified(run: Run) -> dict[str, list[str]]:
    """Return what a release that succeeded has made of the effective domains."""
    verified = succeeded(run).xcoms["verify_release"]
    return {name: verified[name] for name in ("effective", "removed_as_asked", "lost") if verified[name]}


def sent(shop: Shop) -> list[tuple[str, list[str]]]:
    """Return what was sent to the direct list; nothing goes to the other one."""
    assert shop.writes("/wxa/setwebviewdomain") == []
    return [(body["action"], body["webviewdomain"]) for body in shop.writes(PATH)]


def test_a_second_release_sends_what_differs_and_no_set(unlisted: Shop) -> None:
    run = release(unlisted, A, action="set")
    assert (verified(run), run.xcoms["configure_domains"]["added"]) == ({"effective": [A]}, [A])
    assert sent(unlisted) == [("set", [A])]  # of an empty list, nothing of which is online
    run = release(unlisted, A, action="set", version="1.5.0")
    assert succeeded(run).xcoms["configure_domains"]["outcome"] == "unchanged"
    assert verified(release(unlisted, A, B, action="set", version="1.6.0")) == {"effective": [A, B]}
    last = verified(release(unlisted, B, action="set", version="1.7.0"))
    assert last == {"effective": [B], "removed_as_asked": [A]}
    assert sent(unlisted)[1:] == [("add", [B]), ("delete", [A])]


def test_an_effective_domain_that_direct_mode_takes_over_stays(unlisted: Shop) -> None:
    unlisted.put_online("1.0.0", H5)
    assert f"goes offline {H5}" in failure(release(unlisted, A), "configure_domains")
    assert sent(unlisted) == []
    run = release(unlisted, A, H5)
    assert (verified(run), run.xcoms["configure_domains"]["will_be_lost"]) == ({"effective": [A, H5]}, [])


def test_a_question_names_the_direct_list_and_a_change_behind_it_stops_the_release(unlisted: Shop) -> None:
    run = Stepwise({"approval": True, "domain_mode": "direct", "webviewdomain": [A]})
    assert run.go_on() == "running", run.errors
    unlisted.account.direct_webviewdomain = [B]
    assert A in run.question
    run.be_answered("Approve")
    run.go_on()
    assert A in failure(run, "release")
    assert unlisted.journal.count("/wxa/release") == 0


def test_an_individual_has_none_in_direct_mode_either(unlisted: Shop) -> None:
    individual(unlisted)
    assert succeeded(release(unlisted, A)).xcoms["configure_domains"]["outcome"] == "individual"


def test_domains_alone_and_drift(unlisted: Shop) -> None:
    run = succeeded(run_dag(webview_domains_dag(), appid=APPID, webviewdomain=[A], domain_mode="direct"))
    assert run.xcoms["configure_domains"]["after"] == [A]
    manifest = f"""
release: {{template_id: 47, user_version: "1", domain_mode: direct, domain_action: set, webviewdomain: [{B}]}}
apps: [{APPID}]
"""
    (row,) = run_dag(domain_drift_dag(), manifest=manifest).xcoms["compare_domains"]
    assert (row["missing"], row["too_many"], row["unregistered"], row["not_effective"]) == ([B], [A], [], [B])
    unlisted.account.direct_webviewdomain = unlisted.account.effective_webviewdomain = [B]
    assert run_dag(domain_drift_dag(), manifest=manifest).xcoms["compare_domains"] == []


def test_lag_behind_direct_writes_is_waited_for_also_by_the_next_try(unlisted: Shop) -> None:
    unlisted.wechat.world.loose = Looseness(lag={"effective_domains": 8, "platform_check": 8, "domains": 8})
    for version, wanted in (("1.4.0", [A]), ("1.5.0", [A, B])):
        assert verified(release(unlisted, *wanted, version=version, action="set")) == {"effective": wanted}
    assert sent(unlisted) == [("set", [A]), ("add", [B])]


def test_a_lost_answer_of_a_direct_write_is_found_out_and_sent_once(unlisted: Shop) -> None:
    unlisted.put_online()
    unlisted.account.direct_webviewdomain = unlisted.account.effective_webviewdomain = [A, B]
    unlisted.wechat.add_fault(Fault(path=PATH, kind="slow", times=2))  # the reads before it
    unlisted.wechat.add_fault(Fault(path=PATH, kind="drop_after"))
    assert verified(release(unlisted, A, action="delete")) == {"effective": [B], "removed_as_asked": [A]}
    assert sent(unlisted) == [("delete", [A])]
    row, *_ = [row for row in open_ledger().entries(appid=APPID) if row.endpoint == "setwebviewdomain_directly"]
    assert row.after is not None
    assert (row.result, row.after["after"]) == ("resolved", [B])
