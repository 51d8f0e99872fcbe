"""Mini Programs with a sheet in audit, the store that pushes come to, triggers and sensors that wait for them."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from airflow_wxa.sandbox import AuditPlan, MiniProgram, RunningSandbox, World
from airflow_wxa.sandbox.state import AuditSheet, Stage
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID, one_merchant
from airflow_wxa.store import NewPush, Store
from airflow_wxa.triggers import WxaAuditTrigger, WxaPrivacyScanTrigger, sharing
from tests.airflow_session import connection

APPIDS = [f"wx00000000000001{number:02d}" for number in range(3)]
AUDITID = 400000007
STATUS = "/wxa/get_auditstatus"
SCAN = "/wxa/security/get_code_privacy_info"
NEVER = 10_000


def sheet(auditid: int = AUDITID, stage: Stage = Stage.AUDITING, **plan: Any) -> AuditSheet:
    """Return an audit sheet, on which nobody decides unless a plan says so."""
    return AuditSheet(
        auditid=auditid,
        user_version="1.4.0",
        user_desc="",
        submit_audit_time=1_700_000_000 + auditid % 100,
        plan=AuditPlan(**{"polls": NEVER} | plan),
        stage=stage,
    )


@pytest.fixture
def wxa_world() -> World:
    world = one_merchant()
    world.mini_programs += [
        MiniProgram(
            appid=appid,
            component_appid=COMPONENT_APPID,
            authorizer_access_token=f"token-of-{appid}",
            exp_info={"exp_time": 1, "exp_version": "1.4.0", "exp_desc": ""},
            sheets=[sheet()],
        )
        for appid in APPIDS
    ]
    return world


@pytest.fixture
def account(airflow_database: None, wxa_default: RunningSandbox) -> MiniProgram:
    """Return the Mini Program whose scan and review sensors wait for."""
    account = wxa_default.world.mini_program(APPID)
    account.exp_info = {"exp_time": 1, "exp_version": "1.4.0", "exp_desc": ""}
    return account


def submitted(account: MiniProgram, **plan: Any) -> str:
    """Submit the version to reviewers who follow a plan, and return the sheet's id."""
    account.sheets = [made := sheet(**{"polls": 0} | plan)]
    made.stage = made.plan.stage_after(0)
    return str(AUDITID)


@pytest.fixture
def wechat(wxa_default: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> RunningSandbox:
    """Serve it behind a Connection with the three tokens; the store is asked for pushes often."""
    tokens = {appid: f"token-of-{appid}" for appid in APPIDS}
    named = connection(wxa_default.url, COMPONENT_APPID, authorizer_access_tokens=tokens, component_access_token=None)
    monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", named)
    monkeypatch.setattr(sharing, "_EVERY_SECONDS", 0.02)
    return wxa_default


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    url, key = f"sqlite:///{tmp_path / 'wxa.db'}", Fernet.generate_key().decode()
    monkeypatch.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", url)
    monkeypatch.setenv("AIRFLOW__WXA__ENCRYPTION_KEYS", key)
    return Store(url, [key])


def push(store: Store, appid: str, kind: str = "weapp_audit_success", at: int = 0, platform: str = "") -> None:
    """Keep a push as its receiver does; one that came before is another one only at another second."""
    new = NewPush(platform or COMPONENT_APPID, kind, f"gh_{appid[-12:]}", at or int(time.time()), {"appid": appid})
    assert store.log_push(new)


def waiting_on(*appids: str, seconds: float = 30, poll_seconds: float = 0.01) -> WxaAuditTrigger:
    sheets = [{"appid": appid, "auditid": str(AUDITID)} for appid in appids]
    end_time = time.time() + seconds
    return WxaAuditTrigger(sheets=sheets, wxa_conn_id="wxa_default", poll_seconds=poll_seconds, end_time=end_time)


def scanning(appid: str) -> WxaPrivacyScanTrigger:
    end_time = time.time() + 30
    return WxaPrivacyScanTrigger(appid=appid, wxa_conn_id="wxa_default", poll_seconds=0.01, end_time=end_time)


async def event_of(trigger: WxaAuditTrigger | WxaPrivacyScanTrigger) -> dict[str, Any]:
    [event] = [event.payload async for event in trigger.run()]
    told: dict[str, Any] = event
    return told


def event(trigger: WxaAuditTrigger | WxaPrivacyScanTrigger) -> dict[str, Any]:
    return asyncio.run(event_of(trigger))


def decide(world: World, stages: Mapping[str, Stage]) -> None:
    for appid, stage in stages.items():
        world.mini_program(appid).sheets[-1].stage = stage


def looks(wechat: RunningSandbox, *appids: str, path: str = STATUS) -> int:
    asked: Sequence[Any] = wechat.journal
    return sum(each.path == path and (not appids or each.appid in appids) for each in asked)
