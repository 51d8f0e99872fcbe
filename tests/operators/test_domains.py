from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from airflow_wxa.errors import WxaTransportError
from airflow_wxa.operators import (
    WxaModifyPlatformDomainOperator,
    WxaSetWebviewDomainBranchOperator,
    WxaSetWebviewDomainOperator,
)
from airflow_wxa.sandbox import Fault
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID
from tests.airflow_session import connection, run_dag

if TYPE_CHECKING:
    from airflow_wxa.sandbox import Platform, RunningSandbox

SET = "/wxa/setwebviewdomain"


@pytest.fixture(autouse=True)
def airflow(airflow_database: None, wxa_default: RunningSandbox) -> None:
    """Every test here talks to the sandbox through ``wxa_default``."""


def configure(**changes: Any) -> Any:
    fields = {"task_id": "t", "appid": APPID, "action": "add", "webviewdomain": ["https://m.example.com"]} | changes
    return WxaSetWebviewDomainOperator(**fields).execute({})


def modify(**changes: Any) -> Any:
    return WxaModifyPlatformDomainOperator(
        task_id="t", **{"action": "add", "hosts": ["m.example.org"]} | changes
    ).execute({})


def platform(sandbox: RunningSandbox) -> Platform:
    return sandbox.world.platform(COMPONENT_APPID)


@pytest.mark.parametrize(
    ("before", "fields", "expected"),
    [
        ([], {}, {"outcome": "configured", "added": ["https://m.example.com"]}),
        (["https://m.example.com"], {}, {"outcome": "unchanged", "errcode": 89019, "added": []}),
        (["https://a.example.com"], {"action": "set"}, {"outcome": "configured", "removed": ["https://a.example.com"]}),
        (["https://m.example.com"], {"action": "delete"}, {"outcome": "configured", "after": []}),
        (["https://a.example.com"], {"action": "delete"}, {"outcome": "unchanged", "errcode": 89022}),
        (["https://a.example.com"], {"action": "get", "webviewdomain": []}, {"after": ["https://a.example.com"]}),
        ([], {"action": None, "webviewdomain": []}, {"outcome": "configured", "after": ["https://example.com"]}),
    ],
)
def test_each_action_ends_as_its_outcome_says(
    wxa_default: RunningSandbox, before: list[str], fields: dict[str, Any], expected: dict[str, Any]
) -> None:
    wxa_default.world.mini_program(APPID).third_webviewdomain = before
    outcome = configure(**fields)
    assert outcome | expected == outcome
    assert outcome["action"] == fields.get("action", "add")


def test_action_must_be_said() -> None:
    with pytest.raises(TypeError, match="action"):
        WxaSetWebviewDomainOperator(task_id="t", appid=APPID, webviewdomain=["https://m.example.com"])  # type: ignore[call-arg]


@pytest.mark.parametrize("skip_on_errcode", [89021, [89021], (1, 89021), {89021}])
def test_an_errcode_to_skip_on_skips(skip_on_errcode: Any) -> None:
    with pytest.raises(AirflowSkipException, match="skip_on_errcode 89021"):
        configure(webviewdomain=["https://m.elsewhere.com"], skip_on_errcode=skip_on_errcode)


@pytest.mark.parametrize("errcode", [89020, 89231, 89019])
def test_an_outcome_to_skip_on_skips_as_well(wxa_default: RunningSandbox, errcode: int) -> None:
    wxa_default.add_fault(Fault(path=SET, kind="errcode_before", errcode=errcode, times=2))
    wxa_default.world.get_lists = False
    with pytest.raises(AirflowSkipException, match=str(errcode)):
        configure(skip_on_errcode=[89020, 89231, 89019])


@pytest.mark.parametrize("skip_on_errcode", [None, 89020, [], [89020, 89231]])
def test_any_other_errcode_still_fails(skip_on_errcode: Any) -> None:
    with pytest.raises(AirflowFailException, match="errcode 89021"):
        configure(webviewdomain=["https://m.elsewhere.com"], skip_on_errcode=skip_on_errcode)


@pytest.mark.parametrize(("errcode", "said"), [(89020, "webview domain is null"), (89231, "individual")])
def test_the_plain_operator_cannot_route_so_both_roads_are_errors(
    wxa_default: RunningSandbox, errcode: int, said: str
) -> None:
    wxa_default.add_fault(Fault(path=SET, kind="errcode_before", errcode=errcode))
    with pytest.raises(AirflowFailException, match=f"(?s)errcode {errcode}.*{said}"):
        configure()


def test_bad_domains_are_refused_together_and_nothing_is_sent(wxa_default: RunningSandbox) -> None:
    with pytest.raises(AirflowFailException, match=r"(?s)http://a\.example\.com.*https://b\.example\.com/path"):
        configure(webviewdomain=["http://a.example.com", "https://b.example.com/path"])
    assert wxa_default.journal == []


def test_what_may_pass_is_left_to_the_retries(wxa_default: RunningSandbox) -> None:
    wxa_default.add_fault(Fault(path=SET, kind="html_502", times=3))
    with pytest.raises(WxaTransportError, match="HTTP status 502"):
        configure()


def test_what_a_person_must_fix_fails_at_once_with_its_whole_text_in_both_languages() -> None:
    with pytest.raises(AirflowFailException, match=r"89021(?s:.*)平台列表(?s:.*)https://developers") as failed:
        configure(webviewdomain=["https://m.elsewhere.com"])
    assert failed.value.__cause__ is None
    assert failed.value.__suppress_context__


def test_a_list_of_many_domains_warns(capsys: pytest.CaptureFixture[str]) -> None:
    configure(webviewdomain=[f"https://s{n}.example.com" for n in range(101)])
    assert "101 business domains" in capsys.readouterr().out


def test_the_last_line_says_what_is_now_true(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(WxaSetWebviewDomainOperator, "log", SimpleNamespace(info=told.append, warning=told.append))
    configure()
    assert told[-1].startswith(f"business domains of {APPID}: https://")


def branch_dag(name: str, **roads: Any) -> DAG:
    with DAG(name, schedule=None) as dag:
        branch = WxaSetWebviewDomainBranchOperator(
            task_id="branch", appid=APPID, action="add", webviewdomain=["https://m.example.com"], **roads
        )
        branch >> [EmptyOperator(task_id=task_id) for task_id in ("a", "b", "c", "d")]
    return dag


@pytest.mark.parametrize(
    ("errcode", "followed"),
    [(None, {"a", "b"}), (89019, {"a", "b"}), (89020, {"c"}), (89231, {"d"})],
)
def test_the_branch_follows_a_text_or_a_list_and_keeps_its_outcome(
    wxa_default: RunningSandbox, errcode: int | None, followed: set[str]
) -> None:
    wxa_default.world.get_lists = False
    if errcode == 89019:
        wxa_default.world.mini_program(APPID).third_webviewdomain = ["https://m.example.com"]
    elif errcode:
        wxa_default.add_fault(Fault(path=SET, kind="errcode_before", errcode=errcode))
    run = run_dag(branch_dag("branch_three", configured=["a", "b"], platform_list_empty="c", individual=["d"]))
    assert {task_id for task_id, state in run.states.items() if state == "success"} == {"branch", *followed}
    assert run.state == "success"
    assert run.xcoms["branch"]["errcode"] == (errcode or 0)


def test_the_outcome_is_kept_when_nothing_is_skipped_too() -> None:
    run = run_dag(branch_dag("branch_all", configured=["a", "b", "c", "d"]))
    assert set(run.states.values()) == {"success"}
    assert run.xcoms["branch"]["outcome"] == "configured"


@pytest.mark.parametrize("errcode", [89020, 89231])
def test_an_answer_without_a_road_fails(wxa_default: RunningSandbox, errcode: int) -> None:
    wxa_default.add_fault(Fault(path=SET, kind="errcode_before", errcode=errcode))
    operator = WxaSetWebviewDomainBranchOperator(
        task_id="t", appid=APPID, action="add", webviewdomain=["https://m.example.com"], configured="a"
    )
    with pytest.raises(AirflowFailException, match=f"errcode {errcode}"):
        operator.execute({})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {"outcome": "registered", "added": ["m.example.org"], "published": ["example.com", "m.example.org"]}),
        ({"hosts": ["example.com"]}, {"outcome": "unchanged", "added": []}),
        ({"hosts": ["example.com"], "action": "delete"}, {"outcome": "registered", "removed": ["example.com"]}),
        ({"action": "set"}, {"testing": ["m.example.org"], "published": ["m.example.org"]}),
        ({"hosts": [], "action": "get"}, {"outcome": "unchanged", "published": ["example.com"]}),
    ],
)
def test_the_platform_list_ends_as_the_outcome_says(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    outcome = modify(**fields)
    assert outcome | expected == outcome


@pytest.mark.parametrize("hosts", [["m.example.org"], ["m.example.org", "n.example.org"]])
def test_a_host_that_cannot_be_verified_comes_with_its_file_and_where_to_put_it(
    wxa_default: RunningSandbox, hosts: list[str]
) -> None:
    platform(wxa_default).unverifiable = {"m.example.org"}
    # Where no host of the call can be verified WeChat says -1, which is retryable; else it names the host.
    with pytest.raises(Exception, match=r"m\.example\.org") as failed:
        modify(hosts=hosts)
    text = " ".join(str(failed.value).split())
    name, content = platform(wxa_default).confirm_file
    assert f"file name {name}" in text
    assert f"file content {content}" in text
    assert f"https://m.example.org/{name}" in text
    assert isinstance(failed.value, AirflowFailException) == (len(hosts) > 1)


def test_a_platform_write_needs_the_platforms_own_token(
    wxa_default: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", connection(wxa_default.url, component_access_token=None))
    with pytest.raises(AirflowFailException, match="component_access_token is missing"):
        modify()
    assert wxa_default.journal == []
