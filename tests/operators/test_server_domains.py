"""Server domains and the direct mode against the sandbox: a part is no success, and the month's changes are kept to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException

from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.operators import (
    WxaEffectiveServerDomainOperator,
    WxaModifyPlatformServerDomainOperator,
    WxaModifyServerDomainOperator,
    WxaSetWebviewDomainDirectlyOperator,
    WxaWebviewDomainConfirmfileOperator,
)
from airflow_wxa.sandbox import Fault
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID
from tests.airflow_session import calls, run_dag

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_wxa.sandbox import MiniProgram, Platform, RunningSandbox

MODIFY = "/wxa/modify_domain"
A, B = "https://a.example.com", "https://b.example.com"


@pytest.fixture(autouse=True)
def airflow(airflow_database: None, wxa_default: RunningSandbox) -> None:
    """Every test here talks to the sandbox through ``wxa_default``, with changes left whatever ran before."""
    platform(wxa_default).server_testing = ["example.com"]
    platform(wxa_default).server_published = ["example.com"]
    _forget_changes()


def _forget_changes() -> None:
    from sqlalchemy import delete  # noqa: PLC0415

    from airflow_wxa.store.tables import ledger  # noqa: PLC0415

    with open_ledger()._database.writing() as connection:
        connection.execute(delete(ledger).where(ledger.c.endpoint.like("%domain%")))


def platform(sandbox: RunningSandbox) -> Platform:
    return sandbox.world.platform(COMPONENT_APPID)


def mini_program(sandbox: RunningSandbox) -> MiniProgram:
    return sandbox.world.mini_program(APPID)


def modify(action: str = "add", **more: Any) -> Any:
    return WxaModifyServerDomainOperator(task_id="t", appid=APPID, action=action, **more).execute({})  # type: ignore[arg-type]


def writes(sandbox: RunningSandbox, path: str = MODIFY) -> list[Any]:
    return [each for each in calls(sandbox.journal, path) if each.body.get("action") != "get"]


def test_domains_are_configured_once_and_then_left_alone(wxa_default: RunningSandbox) -> None:
    first = modify(server_domains={"requestdomain": [A], "wsrequestdomain": ["wss://a.example.com:8443"]})
    assert (first["outcome"], first["added"]["requestdomain"]) == ("configured", [A])
    assert modify(server_domains={"requestdomain": [A]})["outcome"] == "unchanged"
    assert modify("get")["after"]["requestdomain"] == [A]
    assert modify("set", server_domains={"requestdomain": [B]})["removed"] == {"requestdomain": [A]}
    assert mini_program(wxa_default).third_domain["wsrequestdomain"] == ["wss://a.example.com:8443"]
    assert len(writes(wxa_default)) == 2


def test_what_wechat_does_not_take_beside_0_fails_the_task_by_name(wxa_default: RunningSandbox) -> None:
    platform(wxa_default).without_icp = {"b.example.com"}
    with pytest.raises(
        AirflowFailException, match=r"(?s)only a part.*no_icp_domain https://b\.example\.com.*只部分成功"
    ):
        modify(server_domains={"requestdomain": [A, B]})
    assert mini_program(wxa_default).third_domain["requestdomain"] == [A]
    with pytest.raises(AirflowFailException, match=r"(?s)errcode 85302.*no_icp_domain https://b\.example\.com"):
        modify(server_domains={"requestdomain": [A, B]})
    assert WxaHook().changes_left(APPID, "modify_domain") == 49


def test_a_host_that_the_platform_lacks_is_named(wxa_default: RunningSandbox) -> None:
    with pytest.raises(AirflowFailException, match=r"(?s)errcode 85018.*not on the platform's list n\.example\.org"):
        modify(server_domains={"requestdomain": [A, "https://n.example.org"]})


def test_reruns_and_retries_never_exceed_fifty_and_the_error_says_what_is_left(wxa_default: RunningSandbox) -> None:
    program, refused = mini_program(wxa_default), []
    for number in range(60):
        # The read is honest, then the change is done and its answer lost; and somebody undoes it before the next run.
        wxa_default.add_fault(Fault(path=MODIFY, kind="slow"))
        wxa_default.add_fault(Fault(path=MODIFY, kind=("drop_after", "errcode_after", "empty")[number % 3]))
        try:
            assert modify(server_domains={"requestdomain": [A]})["outcome"] == "configured"
        except AirflowFailException as error:
            refused.append(str(error))
            wxa_default.faults.clear()
        program.third_domain = {}
    assert len(program.domain_changes) == 50
    assert len(refused) == 10
    assert all("not sent: 0 of 50" in each and "left this month 0" in each for each in refused)


def test_a_direct_list_that_is_online_stays_online(wxa_default: RunningSandbox) -> None:
    program = mini_program(wxa_default)
    program.direct_webviewdomain = program.effective_webviewdomain = [A]
    set_b = WxaSetWebviewDomainDirectlyOperator(task_id="t", appid=APPID, action="set", webviewdomain=[A, B])
    assert set_b.execute({})["added"] == {"webviewdomain": [B]}
    assert program.effective_webviewdomain == [A]
    assert set_b.execute({})["outcome"] == "unchanged"


def test_a_verification_file_is_handed_over_and_written(wxa_default: RunningSandbox, tmp_path: Path) -> None:
    platform(wxa_default).unverifiable = {"a.example.com"}
    operator = WxaSetWebviewDomainDirectlyOperator(task_id="t", appid=APPID, action="add", webviewdomain=[A])
    with pytest.raises(AirflowFailException, match=r"(?s)86103.*file name .*put it at\s+https://a\.example\.com/"):
        operator.execute({})
    file = WxaWebviewDomainConfirmfileOperator(task_id="t", appid=APPID, directory=str(tmp_path)).execute({})
    assert (tmp_path / file["file_name"]).read_text() == file["file_content"] == APPID[::-1]


def test_the_platforms_list_and_what_is_effective(wxa_default: RunningSandbox) -> None:
    add = WxaModifyPlatformServerDomainOperator(task_id="t", action="add", hosts=["n.example.org"])
    assert add.execute({})["published"] == ["example.com", "n.example.org"]
    assert add.execute({})["outcome"] == "unchanged"
    modify(server_domains={"requestdomain": ["https://n.example.org"]})
    told = WxaEffectiveServerDomainOperator(task_id="t", appid=APPID).execute({})
    assert told["third_domain"]["requestdomain"] == ["https://n.example.org"]
    assert WxaHook().changes_left("", "modify_wxa_server_domain") == 49


def test_a_dag_configures_both_lists(wxa_default: RunningSandbox) -> None:
    with DAG("server_domains", schedule=None) as dag:
        register = WxaModifyPlatformServerDomainOperator(task_id="register", action="add", hosts=["api.example.org"])
        domains = {"requestdomain": ["https://api.example.org"]}
        configure = WxaModifyServerDomainOperator(
            task_id="configure", appid=APPID, action="add", server_domains=domains
        )
        register >> configure
    run = run_dag(dag)
    assert (run.state, run.xcoms["configure"]["after"]["requestdomain"]) == ("success", ["https://api.example.org"])
    (entry,) = [each for each in open_ledger().entries(appid=APPID) if each.endpoint == "modify_domain"]
    assert (entry.result, entry.after["outcome"]) == ("ok", "configured")
