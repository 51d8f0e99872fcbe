"""Tokens that an answer repeats, looked for in all that a task writes: log, exceptions with all they hold, output.

Other failures stand in ``tests/client/test_secrets.py`` and ``tests/leaks``.
"""

import json
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException

from airflow_wxa import operators
from airflow_wxa.errors import WxaError
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.sensors import WxaAuditSensor, WxaPrivacyScanSensor
from tests.airflow_session import connection
from tests.client.conftest import CANARY, CANARY_PLATFORM, Elsewhere, everything_of
from tests.client.conftest import elsewhere as elsewhere  # noqa: PLC0414  a fixture
from tests.leaks.exits import loggers

DOMAINS: dict[str, Any] = {"task_id": "t", "appid": APPID, "action": "add", "webviewdomain": ["https://m.example.com"]}
VERSION: dict[str, Any] = {"task_id": "t", "appid": APPID, "template_id": 47, "user_version": "1.4.0"}
OPERATORS = [
    operators.WxaSetWebviewDomainOperator(**DOMAINS),
    operators.WxaSetWebviewDomainBranchOperator(**DOMAINS, configured="a"),
    operators.WxaModifyPlatformDomainOperator(task_id="t", action="add", hosts=["m.example.org"]),
    operators.WxaCommitOperator(**VERSION),
    operators.WxaSubmitAuditOperator(**VERSION),
    operators.WxaReleaseOperator(**VERSION),
    operators.WxaVerifyReleaseOperator(**VERSION),
    WxaPrivacyScanSensor(task_id="t", appid=APPID),
    WxaAuditSensor(task_id="t", appid=APPID, auditid="400000001"),
]
#: Answers whose values a step may quote; the gateway between puts the URL into them that it was asked for.
URL = "{url}"
ECHOES: dict[str, dict[str, Any]] = {
    "errmsg": {"errcode": 61007, "errmsg": f"not authorised: {URL} rid: 1-2"},
    "unknown errcode": {"errcode": 987654, "errmsg": URL},
    "another shape": {"errcode": URL},
    "schema": {name: {"url": URL} for name in ("auditid", "status", "testing_wxa_jump_h5_domain")}
    | dict.fromkeys(("without_auth_list", "effective_webviewdomain", "rest", "user_desc", "user_version"), URL)
    | {"webviewdomain": [URL], "exp_info": {"exp_version": URL, "exp_desc": URL}},
}


@pytest.mark.usefixtures("airflow_database", "wxa_default")
@pytest.mark.parametrize("echo", ECHOES)
def test_no_task_repeats_a_token_that_it_was_answered(
    elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], echo: str
) -> None:
    tokens: dict[str, Any] = {"authorizer_access_tokens": {APPID: CANARY}, "component_access_token": CANARY_PLATFORM}
    monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", connection(elsewhere.url, **tokens))
    elsewhere.answers(200, json.dumps(ECHOES[echo]).encode())
    said, logged = list[str](), list[str]()
    with loggers(logged):
        for operator in OPERATORS:
            try:
                said.append(repr(operator.execute({})))
            except (AirflowException, WxaError) as error:
                said.append(everything_of(error))
        said.append(WxaHook().test_connection()[1])
    assert "canary" in str(elsewhere.requests), "no token came to the gateway, so it repeated none"
    assert "Connection Retrieved" in str(logged), "the log was not overheard"
    assert "canary" not in "\n".join([*said, *capsys.readouterr(), *logged])
