from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_wxa.sandbox import AuditPlan, MiniProgram, Platform, World
from airflow_wxa.sandbox.exchange import Request, Sandbox
from airflow_wxa.sandbox.testing import (  # noqa: F401  the fixtures under test serve these tests too
    APPID,
    COMPONENT_APPID,
    MERCHANT_TOKEN,
    PLATFORM_TOKEN,
    wxa_sandbox,
    wxa_world,
)


class Wechat:
    """The sandbox without HTTP: what a call is answered, and shortcuts to the states of a release."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.sandbox = Sandbox.of(world)

    @property
    def account(self) -> MiniProgram:
        return self.world.mini_program(APPID)

    @property
    def platform(self) -> Platform:
        return self.world.platform(COMPONENT_APPID)

    def send(self, method: str, path: str, raw: bytes = b"", *, token: str = "") -> Any:
        kind = PLATFORM_TOKEN if path.startswith("/cgi-bin/component/") else MERCHANT_TOKEN
        answer, _ = self.sandbox.answer(Request(method=method, path=path, token=token or kind, raw=raw))
        return answer

    def get(self, path: str) -> Any:
        return self.send("GET", path)

    def post(self, path: str, body: object) -> Any:
        return self.send("POST", path, json.dumps(body).encode())

    def set_domains(self, action: str, *origins: Any) -> int:
        errcode: int = self.post("/wxa/setwebviewdomain", {"action": action, "webviewdomain": list(origins)})["errcode"]
        return errcode

    def commit(self, version: str = "1.4.0", **changes: object) -> int:
        body = {"template_id": 47, "ext_json": "{}", "user_version": version, "user_desc": f"release {version}"}
        errcode: int = self.post("/wxa/commit", {**body, **changes})["errcode"]
        return errcode

    def submit(self, **body: object) -> Any:
        return self.post("/wxa/submit_audit", body)

    def submitted(self, version: str = "1.4.0", **plan: Any) -> int:
        self.account.scan_polls = 0
        self.account.audit = AuditPlan(**{"polls": 0, **plan})
        assert self.commit(version) == 0
        auditid: int = self.submit()["auditid"]
        return auditid

    def release(self) -> int:
        errcode: int = self.post("/wxa/release", {})["errcode"]
        return errcode


@pytest.fixture
def wechat(wxa_world: World) -> Wechat:  # noqa: F811
    return Wechat(wxa_world)
