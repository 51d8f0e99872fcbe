"""Airflow's own app with the plugin as Airflow found it, asked without a network."""

import asyncio
import html
import re
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from airflow_wxa.plugins.plugin import WxaPlugin
from airflow_wxa.trial_link import BOARD_PREFIX

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the deprecations in what Airflow imports are not ours
    from airflow.api_fastapi.app import _AuthManagerState, create_app, get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser


def login(role: str | None, user: str = "lin") -> dict[str, str]:
    """Return the headers of a user of the simple auth manager; ``""``: of somebody who has not logged in."""
    return {} if role == "" else bearer(SimpleAuthManagerUser(username=user, role=role))


def bearer(user: Any) -> dict[str, str]:
    """Return the headers of a user of the auth manager that is set up."""
    return {"Authorization": f"Bearer {get_auth_manager().generate_jwt(user)}"}


@dataclass(frozen=True, slots=True)
class Browser:
    """Airflow's own app, and how one logs in there.

    :param login: makes the headers of a role, or of a user.
    """

    app: Any
    login: Callable[[str | None, str], dict[str, str]] = login

    def get(self, path: str, role: str | None = "viewer", user: str = "lin", **headers: str) -> httpx.Response:
        return self.send("GET", f"{BOARD_PREFIX}{path}", headers=self.login(role, user) | headers)

    def shows(self, path: str, *words: str, hides: Collection[str] = (), role: str = "viewer", **asked: str) -> str:
        """Return a page as text, once it shows all of these words and none of those."""
        answer = self.get(path, role, **asked)
        assert answer.status_code == 200, (path, answer.text)
        return shows(answer.text, *words, hides=hides)

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


def shows(page: str, *words: str, hides: Collection[str] = ()) -> str:
    """Return a page, or a part of it, once it shows all of these words and none of those."""
    found = [each for each in words if each not in page], [each for each in hides if each in page]
    assert found == ([], []), page
    return page


def text_of(page: str) -> str:
    """Return the words of a page, or of a part of it."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def row_of(page: str, mini_program: str) -> str:
    """Return the row of a Mini Program, as HTML."""
    (found,) = [part for part in page.split("<tr>") if f"/mini-program/{mini_program}" in part]
    return found


def hide_runs(monkeypatch: pytest.MonkeyPatch, *dag_ids: str) -> None:
    """Let nobody see the runs of some DAGs; simple auth's roles know no single one."""
    manager = type(get_auth_manager())
    asked = manager.is_authorized_dag

    def is_authorized_dag(self: Any, *, details: Any = None, **parts: Any) -> bool:
        return (details is None or details.id not in dag_ids) and asked(self, details=details, **parts)

    monkeypatch.setattr(manager, "is_authorized_dag", is_authorized_dag)


@contextmanager
def app_with(**settings: str) -> Iterator[Any]:
    """Build Airflow's app with settings of its own; an earlier one is as it was afterwards."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "signs-the-logins-of-this-test" * 3)
        for name, value in settings.items():
            patched.setenv(f"AIRFLOW__{name}", value)
        patched.setattr(_AuthManagerState, "instance", None)
        for each in WxaPlugin.fastapi_apps:
            patched.setattr(each["app"], "_app", None)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            app = create_app(apps="core")
        yield app
