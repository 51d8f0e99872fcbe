"""Airflow's own API server, with the plugin as Airflow found it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


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


def headers(role: str | None) -> dict[str, str]:
    from airflow.api_fastapi.app import get_auth_manager  # noqa: PLC0415  as above
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser  # noqa: PLC0415

    token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="lin", role=role))
    return {"Authorization": f"Bearer {token}"}
