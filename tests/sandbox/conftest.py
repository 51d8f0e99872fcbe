import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from airflow_wxa.sandbox import AuditPlan, Entry, MiniProgram, Platform, RunningSandbox, World, testing
from airflow_wxa.sandbox.exchange import Sandbox
from airflow_wxa.sandbox.gate import Request
from airflow_wxa.sandbox.handlers import ENDPOINTS
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID, MERCHANT_TOKEN, PLATFORM_TOKEN, REFRESH_TOKEN
from tests.client.conftest import elsewhere  # noqa: F401  a fixture

COMPONENT = "/cgi-bin/component/"
COMMIT: dict[str, Any] = {"template_id": 47, "ext_json": "{}", "user_version": "1", "user_desc": "d"}
PROOF: dict[str, Any] = {
    "component_appid": COMPONENT_APPID,
    "component_appsecret": testing.COMPONENT_APPSECRET,
    "component_verify_ticket": testing.COMPONENT_VERIFY_TICKET,
}


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

    def send(self, method: str, path: str, raw: bytes = b"", *, token: str = "", query: Any = None) -> Any:
        endpoint = ENDPOINTS.get(path)
        kind = PLATFORM_TOKEN if endpoint and endpoint.account is Platform else MERCHANT_TOKEN
        whole = {"access_token": token or kind, **(query or {})}
        answer, _ = self.sandbox.answer(Request(method, path, whole, raw))
        return answer

    def get(self, path: str, **query: str) -> Any:
        return self.send("GET", path, query=query)

    def post(self, path: str, body: object) -> Any:
        return self.send("POST", path, json.dumps(body).encode())

    def errcodes(self, path: str, *bodies: object) -> list[int]:
        """Return what each body is answered, in order."""
        return [self.post(path, body).get("errcode", 0) for body in bodies]

    @property
    def versions(self) -> Any:
        return self.post("/wxa/getversioninfo", {})

    @property
    def latest(self) -> Any:
        return self.get("/wxa/get_latest_auditstatus")

    @property
    def last(self) -> Entry:
        """The newest call of the journal."""
        return self.sandbox.journal[-1]

    @staticmethod
    def facts(answer: Any) -> Any:
        """Return what a success tells besides."""
        assert (answer.pop("errcode"), answer.pop("errmsg")) == (0, "ok")
        return answer

    def component(self, name: str, *, token: str = "", **body: object) -> Any:
        whole = {"component_appid": COMPONENT_APPID, **body}
        return self.send("POST", COMPONENT + name, json.dumps(whole).encode(), token=token)

    def platform_token(self, **changes: object) -> Any:
        return self.component("api_component_token", **(PROOF | changes))

    def refresh(self, refresh_token: str = REFRESH_TOKEN, **changes: object) -> Any:
        whole: dict[str, Any] = {"authorizer_appid": APPID, "authorizer_refresh_token": refresh_token} | changes
        return self.component("api_authorizer_token", **whole)

    def quota_errcode(self, token: str) -> int:
        return int(self.send("GET", "/wxa/queryquota", token=token)["errcode"])

    def set_domains(self, action: str, *origins: Any) -> int:
        return self.errcodes("/wxa/setwebviewdomain", {"action": action, "webviewdomain": list(origins)})[0]

    def commit(self, version: str = "1.4.0", **changes: object) -> int:
        body = COMMIT | {"user_version": version, "user_desc": f"release {version}"} | changes
        return self.errcodes("/wxa/commit", body)[0]

    def submit(self, **body: object) -> Any:
        return self.post("/wxa/submit_audit", body)

    def submitted(self, version: str = "1.4.0", **plan: Any) -> int:
        self.account.audit = AuditPlan(**{"polls": 0, **plan})
        assert self.commit(version) == 0
        return int(self.submit()["auditid"])

    def release(self) -> int:
        return self.errcodes("/wxa/release", {})[0]

    def released(self, *versions: str) -> None:
        for version in versions:
            self.submitted(version)
            assert self.release() == 0


@pytest.fixture
def wechat(wxa_world: World) -> Wechat:
    """Return the usual world, whose commits are scanned at once."""
    wxa_world.mini_programs[0].scan_polls = 0
    return Wechat(wxa_world)


@pytest.fixture
def http(wxa_sandbox: RunningSandbox) -> Iterator[httpx.Client]:
    """Return a client of the served sandbox; without another token it sends the merchant's."""

    def with_token(request: httpx.Request) -> httpx.Request:
        token = {"access_token": MERCHANT_TOKEN} | dict(request.url.params)
        request.url = request.url.copy_merge_params(token)
        return request

    with httpx.Client(base_url=wxa_sandbox.url, auth=with_token) as client:
        yield client
