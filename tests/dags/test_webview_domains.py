"""``wxa_webview_domains``: the domain part of a release, on its three roads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_wxa.dags.wxa_webview_domains import webview_domains_dag
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID
from tests.airflow_session import register_dag, run_dag

if TYPE_CHECKING:
    from airflow_wxa.sandbox import RunningSandbox

pytestmark = pytest.mark.usefixtures("airflow_database")
WANTED = "https://m.example.com"


def test_domains_are_configured_and_no_code_is_touched(wxa_default: RunningSandbox) -> None:
    run = run_dag(register_dag(webview_domains_dag()), appid=APPID, webviewdomain=[WANTED])
    assert run.state == "success"
    assert set(run.states) == {
        "configure_domains",
        "register_platform_domains",
        "configure_domains_again",
        "individual_account",
        "domains_ready",
    }
    assert run.xcoms["domains_ready"]["after"] == [WANTED]
    assert {each.path for each in wxa_default.journal} <= {
        "/wxa/setwebviewdomain",
        "/cgi-bin/component/modify_wxa_jump_domain",
    }


@pytest.mark.parametrize(
    ("action", "state", "published"), [("add", "success", ["m.example.com"]), ("delete", "failed", [])]
)
def test_hosts_are_registered_for_what_is_added_only(
    wxa_default: RunningSandbox, action: str, state: str, published: list[str]
) -> None:
    platform = wxa_default.world.platform(COMPONENT_APPID)
    platform.testing = platform.published = []
    run = run_dag(
        register_dag(webview_domains_dag()),
        appid=APPID,
        domain_action=action,
        webviewdomain=[WANTED],
        on_platform_list_empty="register",
    )
    assert run.state == state
    assert list(platform.published) == published
