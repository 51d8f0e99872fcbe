"""The Mini Program whose scan and review sensors and triggers wait for."""

from typing import Any

import pytest

from airflow_wxa.operators import WxaCommitOperator, WxaSubmitAuditOperator
from airflow_wxa.sandbox import AuditPlan, MiniProgram, RunningSandbox
from airflow_wxa.sandbox.testing import APPID

VERSION: dict[str, Any] = {"task_id": "t", "appid": APPID, "template_id": 47, "user_version": "1.4.0"}
SCAN = "/wxa/security/get_code_privacy_info"
STATUS = "/wxa/get_auditstatus"


@pytest.fixture
def account(airflow_database: None, wxa_default: RunningSandbox) -> MiniProgram:
    """Return the Mini Program, its code committed and its scan over."""
    account = wxa_default.world.mini_program(APPID)
    account.scan_polls = 0
    WxaCommitOperator(**VERSION).execute({})
    return account


def submitted(account: MiniProgram, **plan: Any) -> str:
    """Submit the version to reviewers who follow a plan, and return the sheet's id."""
    account.audit = AuditPlan(**{"polls": 0} | plan)
    auditid: str = WxaSubmitAuditOperator(**VERSION).execute({})["auditid"]
    sheet = account.sheets[-1]
    sheet.polls, sheet.stage = 0, sheet.plan.stage_after(0)  # the submission looked at its sheet, too
    return auditid
