"""Operators of domain lists: errcodes that skip, roads, the log's last line, files that are written."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from airflow_wxa import operators
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.sandbox import Fault, RunningSandbox
from airflow_wxa.sandbox.testing import APPID
from tests.airflow_session import run_dag
from tests.operators.accounts import run

pytestmark = pytest.mark.usefixtures("account")
SET = "/wxa/setwebviewdomain"
ORIGIN = "https://m.example.com"
FIELDS: dict[str, Any] = {"action": "add", "webviewdomain": [ORIGIN]}


def configure(**changes: Any) -> Any:
    return run(operators.WxaSetWebviewDomainOperator, **FIELDS | changes)


def test_action_must_be_said_and_none_leaves_it_out_for_every_platform_domain() -> None:
    outcome = configure(action=None, webviewdomain=[])
    assert (outcome["outcome"], outcome["action"], outcome["after"]) == ("configured", None, ["https://example.com"])
    with pytest.raises(TypeError, match="action"):
        run(operators.WxaSetWebviewDomainOperator, webviewdomain=[ORIGIN])


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


def test_what_a_person_must_fix_fails_at_once_with_its_whole_text_in_both_languages() -> None:
    with pytest.raises(AirflowFailException, match=r"89021(?s:.*)平台列表(?s:.*)https://developers") as failed:
        configure(webviewdomain=["https://m.elsewhere.com"])
    assert failed.value.__cause__ is None
    assert failed.value.__suppress_context__


def test_a_list_of_many_domains_warns_and_the_last_line_says_what_is_now_true(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    log = SimpleNamespace(info=told.append, warning=lambda text, *values: told.append(text % values))
    monkeypatch.setattr(operators.WxaSetWebviewDomainOperator, "log", log)
    configure(webviewdomain=[f"https://s{n}.example.com" for n in range(101)])
    assert [line for line in told if "101 business domains" in line]
    assert told[-1].startswith(f"business domains of {APPID}: https://")


def branch_dag(**roads: Any) -> DAG:
    with DAG("branch", schedule=None) as dag:
        branch = operators.WxaSetWebviewDomainBranchOperator(task_id="branch", appid=APPID, **FIELDS, **roads)
        branch >> [EmptyOperator(task_id=task_id) for task_id in ("a", "b", "c", "d")]
    return dag


ROADS = {"configured": ["a", "b"], "platform_list_empty": "c", "individual": ["d"]}


@pytest.mark.parametrize(
    ("errcode", "roads", "followed"),
    [
        (0, ROADS, {"a", "b"}),
        (89019, ROADS, {"a", "b"}),
        (89020, ROADS, {"c"}),
        (89231, ROADS, {"d"}),
        (0, {"configured": ["a", "b", "c", "d"]}, {"a", "b", "c", "d"}),  # nothing is skipped
    ],
)
def test_the_branch_follows_its_road(wxa_default: RunningSandbox, errcode: int, roads: Any, followed: set[str]) -> None:
    wxa_default.world.get_lists = False
    if errcode == 89019:
        wxa_default.world.mini_program(APPID).third_webviewdomain = [ORIGIN]
    elif errcode:
        wxa_default.add_fault(Fault(path=SET, kind="errcode_before", errcode=errcode))
    run = run_dag(branch_dag(**roads))
    assert {task_id for task_id, state in run.states.items() if state == "success"} == {"branch", *followed}
    assert run.state == "success"
    assert run.xcoms["branch"]["errcode"] == errcode


@pytest.mark.parametrize(("errcode", "said"), [(89020, "webview domain is null"), (89231, "individual")])
@pytest.mark.parametrize(
    ("operator", "roads"),
    [(operators.WxaSetWebviewDomainOperator, {}), (operators.WxaSetWebviewDomainBranchOperator, {"configured": "a"})],
)
def test_a_missing_road_fails(wxa_default: RunningSandbox, operator: Any, roads: Any, errcode: int, said: str) -> None:
    wxa_default.add_fault(Fault(path=SET, kind="errcode_before", errcode=errcode))
    with pytest.raises(AirflowFailException, match=f"(?s)errcode {errcode}.*{said}"):
        run(operator, **FIELDS, **roads)


def test_server_domains_change_once_and_a_file_is_written(wxa_default: RunningSandbox, tmp_path: Path) -> None:
    platform = wxa_default.world.platforms[0]
    platform.server_testing, platform.server_published = ["example.com"], ["example.com"]
    of_platform = operators.WxaModifyPlatformServerDomainOperator(task_id="t", action="add", hosts=["n.example.org"])
    assert of_platform.execute({})["published"] == ["example.com", "n.example.org"]
    own = {"action": "add", "server_domains": {"requestdomain": ["https://n.example.org"]}}
    outcomes = [run(operators.WxaModifyServerDomainOperator, **own)["outcome"] for _ in range(2)]
    assert [*outcomes, of_platform.execute({})["outcome"]] == ["configured", "unchanged", "unchanged"]
    told = run(operators.WxaEffectiveServerDomainOperator)
    assert told["third_domain"]["requestdomain"] == ["https://n.example.org"]
    hook = WxaHook()
    assert hook.changes_left("", "modify_wxa_server_domain") == hook.changes_left(APPID, "modify_domain") == 49
    file = run(operators.WxaWebviewDomainConfirmfileOperator, directory=str(tmp_path))
    assert (tmp_path / file["file_name"]).read_text() == file["file_content"] == APPID[::-1]
