"""Direct mode through the whole DAG: a merchant's own domains, past the platform's list, and never a second ``set``."""

import pytest

from airflow_wxa.dags.wxa_domain_drift import domain_drift_dag
from airflow_wxa.dags.wxa_webview_domains import webview_domains_dag
from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.sandbox import Fault, Looseness
from airflow_wxa.sandbox.testing import APPID
from tests.airflow_session import Run, run_dag
from tests.dags.stepwise import Stepwise
from tests.dags.worlds import Shop, empty_list, failure, individual, succeeded

A, B, H5 = "https://a.merchant.example", "https://b.merchant.example", "https://h5.merchant.example"
PATH = "/wxa/setwebviewdomain_directly"


@pytest.fixture
def shop(shop: Shop) -> Shop:
    """Let the platform's list be empty."""
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


def test_a_second_release_sends_what_differs_and_no_set(shop: Shop) -> None:
    run = release(shop, A, action="set")
    assert (verified(run), run.xcoms["configure_domains"]["added"]) == ({"effective": [A]}, [A])
    assert sent(shop) == [("set", [A])]  # of an empty list, nothing of which is online
    run = release(shop, A, action="set", version="1.5.0")
    assert succeeded(run).xcoms["configure_domains"]["outcome"] == "unchanged"
    assert verified(release(shop, A, B, action="set", version="1.6.0")) == {"effective": [A, B]}
    last = verified(release(shop, B, action="set", version="1.7.0"))
    assert last == {"effective": [B], "removed_as_asked": [A]}
    assert sent(shop)[1:] == [("add", [B]), ("delete", [A])]


def test_an_effective_domain_that_direct_mode_takes_over_stays(shop: Shop) -> None:
    shop.put_online("1.0.0", H5)
    assert f"goes offline {H5}" in failure(release(shop, A), "configure_domains")
    assert sent(shop) == []
    run = release(shop, A, H5)
    assert (verified(run), run.xcoms["configure_domains"]["will_be_lost"]) == ({"effective": [A, H5]}, [])


def test_a_question_names_the_direct_list_and_a_change_behind_it_stops_the_release(shop: Shop) -> None:
    run = Stepwise({"approval": True, "domain_mode": "direct", "webviewdomain": [A]})
    assert run.go_on() == "running", run.errors
    shop.account.direct_webviewdomain = [B]
    assert A in run.question
    run.be_answered("Approve")
    run.go_on()
    assert A in failure(run, "release")
    assert shop.journal.count("/wxa/release") == 0


def test_an_individual_has_none_in_direct_mode_either(shop: Shop) -> None:
    individual(shop)
    assert succeeded(release(shop, A)).xcoms["configure_domains"]["outcome"] == "individual"


def test_domains_alone_and_drift(shop: Shop) -> None:
    run = succeeded(run_dag(webview_domains_dag(), appid=APPID, webviewdomain=[A], domain_mode="direct"))
    assert run.xcoms["configure_domains"]["after"] == [A]
    manifest = f"""
release: {{template_id: 47, user_version: "1", domain_mode: direct, domain_action: set, webviewdomain: [{B}]}}
apps: [{APPID}]
"""
    (row,) = run_dag(domain_drift_dag(), manifest=manifest).xcoms["compare_domains"]
    assert (row["missing"], row["too_many"], row["unregistered"], row["not_effective"]) == ([B], [A], [], [B])
    shop.account.direct_webviewdomain = shop.account.effective_webviewdomain = [B]
    assert run_dag(domain_drift_dag(), manifest=manifest).xcoms["compare_domains"] == []


def test_lag_behind_direct_writes_is_waited_for_also_by_the_next_try(shop: Shop) -> None:
    shop.wechat.world.loose = Looseness(lag={"effective_domains": 8, "platform_check": 8, "domains": 8})
    for version, wanted in (("1.4.0", [A]), ("1.5.0", [A, B])):
        assert verified(release(shop, *wanted, version=version, action="set")) == {"effective": wanted}
    assert sent(shop) == [("set", [A]), ("add", [B])]


def test_a_lost_answer_of_a_direct_write_is_found_out_and_sent_once(shop: Shop) -> None:
    shop.put_online()
    shop.account.direct_webviewdomain = shop.account.effective_webviewdomain = [A, B]
    shop.wechat.add_fault(Fault(path=PATH, kind="slow", times=2))  # the reads before it
    shop.wechat.add_fault(Fault(path=PATH, kind="drop_after"))
    assert verified(release(shop, A, action="delete")) == {"effective": [B], "removed_as_asked": [A]}
    assert sent(shop) == [("delete", [A])]
    row, *_ = [row for row in open_ledger().entries(appid=APPID) if row.endpoint == "setwebviewdomain_directly"]
    assert row.after is not None
    assert (row.result, row.after["after"]) == ("resolved", [B])
