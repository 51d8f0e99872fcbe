"""``check_release``: everything that is wrong at once, and nothing sent."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_wxa.dags.wxa_domain_drift import domain_drift_dag
from airflow_wxa.dags.wxa_platform_domains import platform_domains_dag
from airflow_wxa.dags.wxa_rollback import rollback_dag
from airflow_wxa.dags.wxa_webview_domains import webview_domains_dag
from airflow_wxa.sandbox import RunningSandbox
from airflow_wxa.sandbox.testing import APPID
from tests.airflow_session import Release, Run, connection, run_dag


def problems(run: Run) -> list[str]:
    """The lines of the error's English half that each name one problem."""
    lines = str(run.errors["check_release"]).splitlines()
    return [line.strip() for line in lines if line.startswith("  - ") and not re.search("[\u4e00-\u9fff]", line)]


def test_nine_problems_of_params_and_connections_are_reported_at_once_and_nothing_is_sent(
    release: Release, wxa_default: RunningSandbox
) -> None:
    run = release(
        domain_action="delete",
        webviewdomain=["http://m.example.com", "https://m.example.com/path", "localhost"],
        on_platform_list_empty="register",
        platform_domains=["*.example.com"],
        ext_json={"extAppid": "wx00000000000000ff"},
        template_id="4" * 19,
        wxa_conn_id="absent",
        platform_conn_id="absent_too",
    )
    found = problems(run)
    assert len(found) == 9
    for value in (
        "http://m.example.com",
        "https://m.example.com/path",
        "localhost",
        "*.example.com",
        "wx00000000000000ff",
        "4" * 19,
        "'register'",
        "Connection 'absent': does not exist",
        "Connection 'absent_too': does not exist",
    ):
        assert [line for line in found if value in line], f"{value} is not named in {found}"
    assert "nothing was sent" in str(run.errors["check_release"])
    assert run.tries["check_release"] == 1
    assert set(run.states.values()) == {"failed", "upstream_failed"}
    assert wxa_default.journal == []


def test_each_token_that_a_connection_lacks_is_a_problem_of_the_run(
    release: Release, wxa_default: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", connection(wxa_default.url, component_access_token=None))
    merchants, platforms = problems(release(appid="wx00000000000000ff", on_platform_list_empty="register"))
    assert "authorizer_access_tokens['wx00000000000000ff'] is missing" in merchants
    assert "component_access_token is missing" in platforms
    assert wxa_default.journal == []


def test_the_platform_connection_may_be_another_one(
    release: Release, wxa_default: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", connection(wxa_default.url, component_access_token=None))
    monkeypatch.setenv("AIRFLOW_CONN_PLATFORM", connection(wxa_default.url, authorizer_access_tokens=None))
    run = release(on_platform_list_empty="register", platform_conn_id="platform")
    assert run.state == "success"
    assert {entry.appid for entry in wxa_default.journal} == {APPID}


def test_a_store_that_cannot_be_is_said_before_the_first_call_also_with_fixed_tokens(
    release: Release, wxa_default: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert problems(release()) == ["- this is a Kubernetes pod: its files end with it, and no other pod sees them"]
    assert wxa_default.journal == []


def test_a_misspelt_param_is_refused_and_a_key_of_another_tool_is_not(
    release: Release, wxa_default: RunningSandbox
) -> None:
    refused = release(relase=False, aproval=False, openlineage={"run": "1"})
    assert problems(refused) == [
        "- aproval: is no param of this DAG, approval is",
        "- relase: is no param of this DAG, release is",
    ]
    assert wxa_default.journal == []
    assert release(openlineage={"run": "1"}, approval=False).states["verify_release"] == "success"


@pytest.mark.parametrize(
    ("build", "conf", "what"),
    [
        (rollback_dag, {"app_verison": "11"}, "- app_verison: is no param of this DAG, app_version is"),
        (
            platform_domains_dag,
            {"hosts": ["a.example.com"], "acton": "delete"},
            "- acton: is no param of this DAG, action is",
        ),
        (
            webview_domains_dag,
            {"webviewdomain": ["https://m.example.com"], "domain_acton": "get"},
            "- domain_acton: is no param of this DAG, domain_action is",
        ),
        (domain_drift_dag, {"apppids": [APPID]}, "- apppids: is no param of this DAG, appids is"),
    ],
)
def test_the_smaller_dags_refuse_a_misspelt_param_before_they_send_anything(
    wxa_default: RunningSandbox, build: Callable[[], DAG], conf: dict[str, Any], what: str
) -> None:
    dag = build()
    known = {"appid": APPID, "approval": False}
    refused = run_dag(dag, **{name: value for name, value in known.items() if name in dag.params}, **conf)
    (error,) = refused.errors.values()
    assert what in str(error)
    assert set(refused.tries.values()) <= {0, 1}
    assert wxa_default.journal == []
