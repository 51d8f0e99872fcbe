"""Airflow's own app with the board in it, asked without a network."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from airflow_wxa.plugins.plugin import BOARD_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Browser", "airflow", "login"]


@dataclass(frozen=True, slots=True)
class Browser:
    """Airflow's own app, asked without a network."""

    app: Any

    def get(self, path: str, role: str | None = "viewer", user: str = "lin", **headers: str) -> httpx.Response:
        return self.send("GET", f"{BOARD_PREFIX}{path}", headers=login(role, user) | headers)

    def send(self, method: str, path: str, **parts: Any) -> httpx.Response:
        return self.send_at_once([(method, path, parts)])[0]

    def send_at_once(self, requests: list[tuple[str, str, dict[str, Any]]]) -> list[httpx.Response]:
        """Send several requests, none of which waits for another."""

        async def ask() -> list[httpx.Response]:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://airflow") as client:
                asked = [client.request(method, path, **parts) for method, path, parts in requests]
                return list(await asyncio.gather(*asked))

        return asyncio.run(ask())


def login(role: str | None, user: str = "lin") -> dict[str, str]:
    from airflow.api_fastapi.app import get_auth_manager  # noqa: PLC0415  takes seconds
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser  # noqa: PLC0415

    if role == "":
        return {}
    token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username=user, role=role))
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def airflow(airflow_database: None) -> Iterator[Browser]:
    from airflow.api_fastapi.app import create_app, purge_cached_app  # noqa: PLC0415  takes seconds

    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "signs-the-logins-of-this-test" * 3)
        yield Browser(create_app(apps="core"))
        purge_cached_app()
