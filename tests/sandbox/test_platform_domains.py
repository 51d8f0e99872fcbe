from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_wxa.sandbox import Platform
    from tests.sandbox.conftest import Wechat

PATH = "/cgi-bin/component/modify_wxa_jump_domain"


@pytest.fixture
def platform(wechat: Wechat) -> Platform:
    wechat.platform.testing, wechat.platform.published = ["a.org"], ["a.org"]
    return wechat.platform


@pytest.fixture
def modify(wechat: Wechat, platform: Platform) -> Callable[..., Any]:
    def modify(action: str, hosts: str = "", **more: Any) -> Any:
        return wechat.post(PATH, {"action": action, "wxa_jump_h5_domain": hosts, **more})

    return modify


def test_get_answers_both_versions_without_an_errcode(modify: Callable[..., Any]) -> None:
    assert modify("get") == {"testing_wxa_jump_h5_domain": "a.org", "published_wxa_jump_h5_domain": "a.org"}


def test_an_unpublished_platform_shows_its_testing_version_alone(
    modify: Callable[..., Any], platform: Platform
) -> None:
    platform.published, platform.testing = None, []
    assert modify("get") == {"testing_wxa_jump_h5_domain": ""}


def test_only_the_testing_version_changes_by_default(modify: Callable[..., Any], platform: Platform) -> None:
    assert modify("add", "b.org;c.org") == {
        "errcode": 0,
        "errmsg": "ok",
        "testing_wxa_jump_h5_domain": "a.org;b.org;c.org",
        "published_wxa_jump_h5_domain": "a.org",
    }
    assert platform.registered == ["a.org"]


@pytest.mark.parametrize(
    ("action", "hosts", "after"),
    [
        ("add", "b.org", ["a.org", "b.org"]),
        ("add", "A.org", ["a.org"]),
        ("set", "b.org;b.org;", ["b.org"]),
        ("set", "", []),
        ("delete", "a.org", []),
        ("delete", "absent.org", ["a.org"]),
    ],
)
def test_both_versions_change_together_when_asked(
    modify: Callable[..., Any], platform: Platform, action: str, hosts: str, after: list[str]
) -> None:
    assert modify(action, hosts, is_modify_published_together=True)["errcode"] == 0
    assert platform.testing == platform.published == after


def test_an_unpublished_platform_stays_unpublished(modify: Callable[..., Any], platform: Platform) -> None:
    platform.published = None
    assert modify("add", "b.org", is_modify_published_together=True)["errcode"] == 0
    assert platform.published is None
    assert platform.registered == ["a.org", "b.org"]


def test_hosts_without_their_file_are_listed_and_the_others_added(
    modify: Callable[..., Any], platform: Platform
) -> None:
    platform.unverifiable = {"c.org"}
    answer = modify("add", "b.org;c.org;https://d.org;e.org/x;1.2.3.4")
    assert answer["errcode"] == 0
    assert answer["invalid_wxa_jump_h5_domain"].split(";") == ["https://d.org", "e.org/x", "1.2.3.4", "c.org"]
    assert platform.testing == ["a.org", "b.org"]


def test_a_call_of_hosts_without_their_file_is_answered_minus_1(modify: Callable[..., Any], platform: Platform) -> None:
    platform.unverifiable = {"b.org", "c.org"}
    assert modify("add", "b.org;c.org")["errcode"] == -1
    assert platform.testing == ["a.org"]


def test_a_host_without_its_file_can_be_deleted(modify: Callable[..., Any], platform: Platform) -> None:
    platform.unverifiable = {"a.org"}
    assert modify("delete", "a.org")["errcode"] == 0
    assert platform.testing == []


@pytest.mark.parametrize("action", ["add", "set"])
def test_a_failed_change_shows_no_lists(modify: Callable[..., Any], platform: Platform, action: str) -> None:
    assert modify(action, "https://b.org") == {
        "errcode": 0,
        "errmsg": "ok",
        "invalid_wxa_jump_h5_domain": "https://b.org",
    }
    assert platform.testing == ["a.org"]


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({}, 40052),
        ({"action": "remove"}, 40052),
        ({"action": "add"}, 40101),
        ({"action": "set"}, 40101),
        ({"action": "add", "wxa_jump_h5_domain": ["b.org"]}, 40097),
        ({"action": "add", "wxa_jump_h5_domain": "b.org", "is_modify_published_together": "true"}, 40097),
    ],
)
def test_malformed_changes_are_refused(wechat: Wechat, platform: Platform, body: Any, errcode: int) -> None:
    assert wechat.post(PATH, body)["errcode"] == errcode


def test_more_hosts_than_allowed_are_answered_65316(
    wechat: Wechat, modify: Callable[..., Any], platform: Platform
) -> None:
    wechat.world.platform_domain_limit = 2
    assert modify("add", "b.org;c.org")["errcode"] == 65316
    assert platform.testing == ["a.org"]


def test_a_registered_host_opens_the_way_for_the_merchant(
    wechat: Wechat, modify: Callable[..., Any], platform: Platform
) -> None:
    platform.testing, platform.published = [], []
    assert wechat.set_domains("add", "https://shop.b.org") == 89020
    assert modify("add", "b.org")["errcode"] == 0
    assert wechat.set_domains("add", "https://shop.b.org") == 89020
    assert modify("add", "b.org", is_modify_published_together=True)["errcode"] == 0
    assert wechat.set_domains("add", "https://shop.b.org") == 0
