"""``wxa_webview_domains``: the domain part of a release, on its three roads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_wxa.dags.wxa_webview_domains import webview_domains_dag
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID
from tests.airflow_session import connection, run_dag

if TYPE_CHECKING:
    from airflow_wxa.sandbox import RunningSandbox
    from tests.airflow_session import Run

pytestmark = pytest.mark.usefixtures("airflow_database")
WANTED = "https://m.example.com"


def test_domains_are_configured_and_no_code_is_touched(wxa_default: RunningSandbox) -> None:
    run = run_dag(webview_domains_dag(), appid=APPID, webviewdomain=[WANTED])
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
        "/wxa/get_effective_webviewdomain",
        "/wxa/get_effective_domain",
        "/cgi-bin/component/modify_wxa_jump_domain",
    }


def configured(**params: Any) -> Run:
    return run_dag(webview_domains_dag(), appid=APPID, **params)


def test_hosts_are_registered_when_the_platform_list_is_empty(wxa_default: RunningSandbox) -> None:
    platform = wxa_default.world.platform(COMPONENT_APPID)
    platform.testing = platform.published = []
    assert configured(webviewdomain=[WANTED], on_platform_list_empty="register").state == "success"
    assert list(platform.published) == ["m.example.com"]


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"domain_action": "delete", "webviewdomain": [WANTED]}, "goes with domain_action add or set, not 'delete'"),
        ({"domain_action": "get"}, "goes with domain_action add or set, not 'get'"),
        ({"domain_action": "all"}, "goes with domain_action add or set, not 'all'"),
        ({"webviewdomain": [WANTED], "platform_domains": ["example.org"]}, "is covered by none of platform_domains"),
        ({"webviewdomain": [WANTED], "platform_conn_id": "wxa_merchants"}, "Connection 'wxa_merchants': "),
    ],
)
def test_register_is_refused_before_the_first_call_where_a_release_refuses_it(
    wxa_default: RunningSandbox, monkeypatch: pytest.MonkeyPatch, params: dict[str, Any], said: str
) -> None:
    without_platform = connection(wxa_default.url, component_access_token=None)
    monkeypatch.setenv("AIRFLOW_CONN_WXA_MERCHANTS", without_platform)
    run = configured(on_platform_list_empty="register", **params)
    assert (run.state, run.tries["configure_domains"]) == ("failed", 1)
    assert said in " ".join(str(run.errors["configure_domains"]).split())
    assert list(wxa_default.journal) == []
