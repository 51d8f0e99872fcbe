from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from airflow_wxa.operators import WxaSetWebviewDomainBranchOperator, WxaSetWebviewDomainOperator
from airflow_wxa.sandbox import Fault, RunningSandbox
from airflow_wxa.sandbox.testing import APPID
from tests.airflow_session import run_dag

SET = "/wxa/setwebviewdomain"


@pytest.fixture(autouse=True)
def airflow(airflow_database: None, wxa_default: RunningSandbox) -> None:
    """Every test here talks to the sandbox through ``wxa_default``."""


def configure(**changes: Any) -> Any:
    fields = {"task_id": "t", "appid": APPID, "action": "add", "webviewdomain": ["https://m.example.com"]} | changes
    return WxaSetWebviewDomainOperator(**fields).execute({})


@pytest.mark.parametrize(
    ("fields", "after"),
    [({"action": "set"}, "https://m.example.com"), ({"action": None, "webviewdomain": []}, "https://example.com")],
)
def test_an_action_is_one_of_wechats_or_none_for_every_platform_domain(fields: dict[str, Any], after: str) -> None:
    outcome = configure(**fields)
    assert (outcome["outcome"], outcome["action"], outcome["after"]) == ("configured", fields["action"], [after])


def test_action_must_be_said() -> None:
    with pytest.raises(TypeError, match="action"):
        WxaSetWebviewDomainOperator(task_id="t", appid=APPID, webviewdomain=["https://m.example.com"])  # type: ignore[call-arg]


def test_an_errcode_to_skip_on_skips_and_any_other_fails(wxa_default: RunningSandbox) -> None:
    elsewhere = ["https://m.elsewhere.com"]
    for skip_on_errcode in (89021, [89021], (1, 89021), {89021}):
        with pytest.raises(AirflowSkipException, match="skip_on_errcode 89021"):
            configure(webviewdomain=elsewhere, skip_on_errcode=skip_on_errcode)
    for other in (None, 89020, [], [89020, 89231]):
        with pytest.raises(AirflowFailException, match="errcode 89021"):
            configure(webviewdomain=elsewhere, skip_on_errcode=other)
    wxa_default.world.get_lists = False
    for errcode in (89020, 89231, 89019):  # of an outcome as well
        wxa_default.add_fault(Fault(path=SET, kind="errcode_before", errcode=errcode, times=2))
        with pytest.raises(AirflowSkipException, match=str(errcode)):
            configure(skip_on_errcode=[89020, 89231, 89019])
        wxa_default.faults.clear()


@pytest.mark.parametrize(("errcode", "said"), [(89020, "webview domain is null"), (89231, "individual")])
def test_the_plain_operator_cannot_route_so_both_roads_are_errors(
    wxa_default: RunningSandbox, errcode: int, said: str
) -> None:
    wxa_default.add_fault(Fault(path=SET, kind="errcode_before", errcode=errcode))
    with pytest.raises(AirflowFailException, match=f"(?s)errcode {errcode}.*{said}"):
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
