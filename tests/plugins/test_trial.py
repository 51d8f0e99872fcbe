"""Trial QR codes: for whoever may see the runs, without side effects, and without a token in any answer."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from airflow_wxa.sandbox import Fault
from airflow_wxa.sandbox.testing import APPID, MERCHANT_TOKEN, PLATFORM_TOKEN
from airflow_wxa.trial_link import TRIAL_PREFIX, trial_link
from tests.airflow_session import connection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_wxa.sandbox import RunningSandbox

PAGE = trial_link("", "wxa_default", APPID)


@dataclass(frozen=True, slots=True)
class ApiServer:
    """Airflow's own app, asked without a network."""

    app: Any

    def request(self, method: str, path: str, **parts: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://airflow") as client:
                return await client.request(method, path, **parts)

        return asyncio.run(ask())

    def get(self, path: str, headers: dict[str, str]) -> httpx.Response:
        return self.request("GET", path, headers=headers)


@pytest.fixture(scope="module")
def api_server(airflow_database: None) -> Iterator[ApiServer]:
    """Return it with the plugin as Airflow found it, and a login for everything."""
    from airflow.api_fastapi.app import create_app, purge_cached_app  # noqa: PLC0415  takes seconds

    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "signs-the-logins-of-this-test" * 3)
        yield ApiServer(create_app(apps="core"))
        purge_cached_app()


@pytest.fixture
def wxa_default(wxa_sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> RunningSandbox:
    monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", connection(wxa_sandbox.url))
    monkeypatch.setenv("AIRFLOW_CONN_ELSEWHERE", json.dumps({"conn_type": "http", "host": wxa_sandbox.url}))
    wxa_sandbox.world.mini_program(APPID).exp_info = {"exp_version": "1.4.0", "exp_desc": "", "exp_time": 1}
    return wxa_sandbox


def headers(role: str | None) -> dict[str, str]:
    from airflow.api_fastapi.app import get_auth_manager  # noqa: PLC0415  as above
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser  # noqa: PLC0415

    token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="lin", role=role))
    return {"Authorization": f"Bearer {token}"}


def test_whoever_may_see_the_runs_sees_the_picture(api_server: ApiServer, wxa_default: RunningSandbox) -> None:
    answer = api_server.get(PAGE, headers=headers("viewer"))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    assert answer.content.startswith(b"\xff\xd8\xff")
    assert (answer.headers["cache-control"], answer.headers["x-content-type-options"]) == ("no-store", "nosniff")
    assert [entry.path for entry in wxa_default.journal] == ["/wxa/get_qrcode"]


@pytest.mark.parametrize(("role", "status"), [("", 401), (None, 403)])
def test_nobody_else_does_and_wechat_is_not_asked(
    api_server: ApiServer, wxa_default: RunningSandbox, role: str | None, status: int
) -> None:
    answer = api_server.get(PAGE, headers={} if role == "" else headers(role))
    assert answer.status_code == status
    assert wxa_default.journal == []


@pytest.mark.parametrize(
    "path",
    [
        "/wxa_default/wx1",
        "/wxa_default/WX0000000000000001",
        f"/absent/{APPID}",
        f"/elsewhere/{APPID}",
        f"/a%20b/{APPID}",
        "/wxa_default/%3Cscript%3E",
        "/docs",
        "/openapi.json",
    ],
)
def test_what_is_not_there_is_answered_404_without_a_call(
    api_server: ApiServer, wxa_default: RunningSandbox, path: str
) -> None:
    answer = api_server.get(f"{TRIAL_PREFIX}{path}", headers=headers("viewer"))
    assert answer.status_code == 404
    assert "<script>" not in answer.text
    assert wxa_default.journal == []


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_it_only_reads(api_server: ApiServer, wxa_default: RunningSandbox, method: str) -> None:
    assert api_server.request(method, PAGE, headers=headers("admin")).status_code == 405


@pytest.mark.parametrize("kind", ["errcode_before", "html_502", "drop_before"])
def test_an_error_is_shown_as_text_without_a_token(
    api_server: ApiServer, wxa_default: RunningSandbox, kind: str
) -> None:
    wxa_default.add_fault(Fault(path="/wxa/get_qrcode", kind=kind, errcode=61007, times=None))  # type: ignore[arg-type]
    answer = api_server.get(PAGE, headers=headers("viewer"))
    assert answer.status_code == 502
    assert "get_qrcode" in answer.text
    assert answer.text.count("<") == 3  # those of the page itself
    assert [token for token in (MERCHANT_TOKEN, PLATFORM_TOKEN) if token in answer.text] == []


def test_it_stands_beside_the_push_receiver(api_server: ApiServer) -> None:
    assert api_server.request("POST", "/wxa/push/wxa_default/authorisation", content=b"<xml/>").status_code == 403
