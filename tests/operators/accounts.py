"""The Mini Program that operators work on: of a strict WeChat or a loose one, with budgets of its own."""

from pathlib import Path
from typing import Any, Final

import pytest

from airflow_wxa.operators import WxaCommitOperator, WxaSubmitAuditOperator
from airflow_wxa.sandbox import AuditPlan, Looseness, MiniProgram, RunningSandbox
from airflow_wxa.sandbox.testing import APPID

VERSION: Final[dict[str, Any]] = {"appid": APPID, "template_id": 47, "user_version": "1.4.0"}
either = pytest.mark.parametrize("account", ["strict", "loose"], indirect=True)


@pytest.fixture
def account(
    airflow_database: None,
    wxa_default: RunningSandbox,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> MiniProgram:
    """Return it; its scans and reviews end at once."""
    monkeypatch.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", f"sqlite:///{tmp_path / 'wxa.db'}")
    if getattr(request, "param", "strict") == "loose":
        wxa_default.world.loose = Looseness.everything(undo_of_nothing=False)
    account = wxa_default.world.mini_program(APPID)
    account.scan_polls, account.audit = 0, AuditPlan(polls=0)
    return account


def run(operator: type[Any], **fields: Any) -> Any:
    return operator(**{"task_id": "t", "appid": APPID} | fields).execute({})


def submitted(user_version: str = "1.4.0") -> str:
    version = VERSION | {"user_version": user_version}
    run(WxaCommitOperator, **version)
    auditid: str = run(WxaSubmitAuditOperator, **version, ugc_declare={"scene": [0]})["auditid"]
    return auditid
