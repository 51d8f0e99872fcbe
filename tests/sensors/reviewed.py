"""The Mini Program whose scan and review sensors wait for."""

from typing import Any

import pytest

from airflow_wxa.sandbox import MiniProgram, RunningSandbox
from airflow_wxa.sandbox.testing import APPID
from tests.triggers.waiting import AUDITID, sheet


@pytest.fixture
def account(airflow_database: None, wxa_default: RunningSandbox) -> MiniProgram:
    account = wxa_default.world.mini_program(APPID)
    account.exp_info = {"exp_time": 1, "exp_version": "1.4.0", "exp_desc": ""}
    return account


def submitted(account: MiniProgram, **plan: Any) -> str:
    """Submit the version to reviewers who follow a plan, and return the sheet's id."""
    account.sheets = [made := sheet(**{"polls": 0} | plan)]
    made.stage = made.plan.stage_after(0)
    return str(AUDITID)
