from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_wxa.sandbox.state import STAGES, Stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sandbox.conftest import Wechat


@pytest.fixture
def versions(wechat: Wechat) -> Callable[[], Any]:
    return lambda: wechat.post("/wxa/getversioninfo", {})


@pytest.fixture
def effective(wechat: Wechat) -> Callable[[], Any]:
    return lambda: wechat.post("/wxa/get_effective_webviewdomain", {})


def test_release_publishes_the_approved_sheet(wechat: Wechat, versions: Callable[[], Any]) -> None:
    wechat.world.clock = lambda: 1640763902
    wechat.submitted("1.4.0")
    assert wechat.release() == 0
    assert versions()["release_info"] == {
        "release_time": 1640763902,
        "release_version": "1.4.0",
        "release_desc": "release 1.4.0",
    }


def test_nothing_submitted_is_answered_85019(wechat: Wechat) -> None:
    wechat.commit()
    assert wechat.release() == 85019


@pytest.mark.parametrize(
    "plan",
    [
        {"polls": 5},
        {"result": "delayed_then_approved", "delayed_polls": 5},
        {"result": "rejected"},
        {"result": "withdrawn"},
    ],
)
def test_a_sheet_that_is_not_approved_is_answered_85020(wechat: Wechat, plan: dict[str, Any]) -> None:
    wechat.submitted(**plan)
    assert wechat.release() == 85020
    assert wechat.account.release_info is None


def test_a_second_release_is_answered_85052(wechat: Wechat) -> None:
    wechat.submitted()
    assert [wechat.release(), wechat.release()] == [0, 85052]


def test_a_commit_between_approval_and_release_is_answered_85020_though_the_status_is_0(wechat: Wechat) -> None:
    wechat.submitted("1.4.0")
    wechat.commit("1.5.0")
    assert wechat.get("/wxa/get_latest_auditstatus")["status"] == 0
    assert wechat.release() == 85020


def test_a_commit_during_the_audit_leaves_the_reviewed_code_releasable(
    wechat: Wechat, versions: Callable[[], Any]
) -> None:
    wechat.submitted("1.4.0", polls=1)
    wechat.commit("1.5.0")
    wechat.get("/wxa/get_latest_auditstatus")
    assert wechat.release() == 0
    assert versions()["release_info"]["release_version"] == "1.4.0"
    assert versions()["exp_info"]["exp_version"] == "1.5.0"


def test_an_overtaken_sheet_is_superseded_by_a_new_one(wechat: Wechat, versions: Callable[[], Any]) -> None:
    wechat.submitted("1.4.0")
    wechat.submitted("1.5.0")
    assert wechat.release() == 0
    assert versions()["release_info"]["release_version"] == "1.5.0"


def test_a_commit_after_the_release_leaves_85052(wechat: Wechat) -> None:
    wechat.submitted()
    wechat.release()
    wechat.commit("1.5.0")
    assert wechat.release() == 85052


def test_release_makes_configured_domains_effective_and_drops_the_own_ones(
    wechat: Wechat, effective: Callable[[], Any]
) -> None:
    wechat.account.mp_webviewdomain = ["https://own.org", "https://kept.example.com"]
    wechat.set_domains("add", "https://shop.example.com")
    wechat.submitted()
    assert wechat.release() == 0
    assert effective()["mp_webviewdomain"] == ["https://kept.example.com"]
    assert effective()["effective_webviewdomain"] == ["https://shop.example.com", "https://kept.example.com"]


def test_release_drops_a_domain_that_left_the_platform_list(wechat: Wechat, effective: Callable[[], Any]) -> None:
    wechat.platform.published = ["example.com", "left.org"]
    wechat.set_domains("set", "https://shop.example.com", "https://left.org")
    wechat.submitted()
    wechat.platform.published = ["example.com"]
    assert wechat.release() == 0
    assert effective()["third_webviewdomain"] == ["https://shop.example.com"]
    assert effective()["effective_webviewdomain"] == ["https://shop.example.com"]


def test_release_keeps_direct_domains(wechat: Wechat, effective: Callable[[], Any]) -> None:
    wechat.account.direct_webviewdomain = ["https://direct.org"]
    wechat.submitted()
    wechat.release()
    assert effective()["effective_webviewdomain"] == ["https://direct.org"]


def test_a_refused_release_prunes_nothing(wechat: Wechat) -> None:
    wechat.account.mp_webviewdomain = ["https://own.org"]
    wechat.submitted(result="rejected")
    wechat.release()
    assert wechat.account.mp_webviewdomain == ["https://own.org"]


def test_every_stage_has_a_rule_and_only_one_is_releasable() -> None:
    assert set(STAGES) == set(Stage)
    assert [stage for stage, rule in STAGES.items() if rule.release is None] == [Stage.APPROVED]
