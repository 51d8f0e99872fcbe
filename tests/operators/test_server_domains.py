"""Server domains and the direct mode against the sandbox: the month's changes are kept to, files are written."""

from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_wxa.api.server_domain import modify_domain, parse_server_domains
from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.operators import (
    WxaEffectiveServerDomainOperator,
    WxaModifyPlatformServerDomainOperator,
    WxaModifyServerDomainOperator,
    WxaSetWebviewDomainDirectlyOperator,
    WxaWebviewDomainConfirmfileOperator,
)
from airflow_wxa.sandbox import Fault, Platform, RunningSandbox
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID
from airflow_wxa.store import TaskRef

MODIFY = "/wxa/modify_domain"
A, B = "https://a.example.com", "https://b.example.com"


@pytest.fixture(autouse=True)
def platform(
    airflow_database: None, wxa_default: RunningSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Platform:
    """Return the platform, with a month's changes left."""
    monkeypatch.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", f"sqlite:///{tmp_path / 'wxa.db'}")
    platform = wxa_default.world.platform(COMPONENT_APPID)
    platform.server_testing, platform.server_published = ["example.com"], ["example.com"]
    return platform


def modify(*domains: str) -> Any:
    return WxaModifyServerDomainOperator(
        task_id="t", appid=APPID, action="add", server_domains={"requestdomain": list(domains)}
    ).execute({})


def test_a_part_fails_the_task_in_both_languages_and_costs_one_change(
    wxa_default: RunningSandbox, platform: Platform
) -> None:
    platform.without_icp = {"b.example.com"}
    with pytest.raises(
        AirflowFailException, match=r"(?s)only a part.*no_icp_domain https://b\.example\.com.*只部分成功"
    ):
        modify(A, B)
    assert wxa_default.world.mini_program(APPID).third_domain["requestdomain"] == [A]
    with pytest.raises(AirflowFailException, match=r"(?s)errcode 85302.*no_icp_domain https://b\.example\.com"):
        modify(A, B)
    assert WxaHook().changes_left(APPID, "modify_domain") == 49


def test_reruns_and_retries_never_exceed_fifty_and_the_error_says_what_is_left(wxa_default: RunningSandbox) -> None:
    earlier = [modify_domain(APPID, "add", parse_server_domains({"requestdomain": [A]}))] * 46
    ledger = open_ledger()
    ledger.answered(dict.fromkeys(ledger.intend("", earlier, TaskRef()), 0))
    program, refused = wxa_default.world.mini_program(APPID), []
    for kind in ("drop_after", "errcode_after", "empty", "drop_after", "errcode_after", "empty"):
        # The read is honest, then the change is done and its answer lost; and somebody undoes it before the next run.
        wxa_default.add_fault(Fault(path=MODIFY, kind="slow"))
        wxa_default.add_fault(Fault(path=MODIFY, kind=kind))  # type: ignore[arg-type]
        try:
            assert modify(A)["outcome"] == "configured"
        except AirflowFailException as error:
            refused.append(str(error))
            wxa_default.faults.clear()
        program.third_domain = {}
    assert len(program.domain_changes) == 4
    assert len(refused) == 2
    assert all("not sent: 0 of 50" in each and "left this month 0" in each for each in refused)


def test_a_verification_file_is_handed_over_and_written(platform: Platform, tmp_path: Path) -> None:
    platform.unverifiable = {"a.example.com"}
    operator = WxaSetWebviewDomainDirectlyOperator(task_id="t", appid=APPID, action="add", webviewdomain=[A])
    with pytest.raises(AirflowFailException, match=r"(?s)86103.*file name .*put it at\s+https://a\.example\.com/"):
        operator.execute({})
    file = WxaWebviewDomainConfirmfileOperator(task_id="t", appid=APPID, directory=str(tmp_path)).execute({})
    assert (tmp_path / file["file_name"]).read_text() == file["file_content"] == APPID[::-1]


def test_the_platforms_list_and_what_is_effective() -> None:
    add = WxaModifyPlatformServerDomainOperator(task_id="t", action="add", hosts=["n.example.org"])
    assert add.execute({})["published"] == ["example.com", "n.example.org"]
    assert add.execute({})["outcome"] == "unchanged"
    assert (modify("https://n.example.org")["outcome"], modify("https://n.example.org")["outcome"]) == (
        "configured",
        "unchanged",
    )
    told = WxaEffectiveServerDomainOperator(task_id="t", appid=APPID).execute({})
    assert told["third_domain"]["requestdomain"] == ["https://n.example.org"]
    assert WxaHook().changes_left("", "modify_wxa_server_domain") == 49
