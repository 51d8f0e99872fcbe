"""A real Airflow, an emulated WeChat and a headless Chromium: what release managers see, looked at as they do.

Debian's Chromium is driven; Playwright's own build is not needed. Screenshots are kept in ``build/browser``.
"""

from __future__ import annotations

import json
import re
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from airflow_wxa.cli.demo.airflow import ThrowawayAirflow
from airflow_wxa.sandbox import AuditPlan, Platform, World, serve
from airflow_wxa.sandbox.testing import COMPONENT_APPID
from tests.real_airflow import airflows
from tests.real_airflow.airflows import Run, mini_program, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from airflow_wxa.sandbox import RunningSandbox


class App(StrEnum):
    """Mini Programs, by what becomes of them."""

    PLAIN = "wx00000000000000a1"
    REJECTED = "wx00000000000000a2"
    UNREGISTERED = "wx00000000000000a3"
    REFUSED = "wx00000000000000a4"
    ASKED_ABOUT = "wx00000000000000a6"
    ONLINE = "wx00000000000000a7"
    UNLISTED = "wx00000000000000a8"
    WITHDRAWN = "wx00000000000000a9"
    EXPIRED = "wx00000000000000aa"
    KILLED = "wx00000000000000ab"
    UNFIT = "wx00000000000000ac"
    UNAUTHORISED = "wx00000000000000ad"
    EMPTY = "wx00000000000000ae"


#: Platform of ``EMPTY``, whose list is empty, with a Connection of its own.
EMPTY_PLATFORM: Final = "wx00000000000000c2"
EMPTY_CONN_ID: Final = "wxa_empty"
#: The first two are a fleet's canary; WeChat rejects the second one, and reviews the last one by hand.
FLEET: Final = tuple(f"wx00000000000000f{number}" for number in range(5))
NAMES: Final = {each.value: f"{each.name.title()} 店" for each in App}
NAMES.update({appid: f"连锁店 {number}" for number, appid in enumerate(FLEET, 1)})
ACCOUNT: Final = {"username": "wang", "password": "only-for-this-test"}
REASON: Final = "1: the pages do not match the chosen category"
SCREENSHOTS: Final = Path("build/browser")
SETTINGS: Final = {
    "AIRFLOW__WXA__PRIVACY_POLL_SECONDS": "1",
    "AIRFLOW__WXA__AUDIT_POLL_SECONDS": "1",
    "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
}
DAGS: Final = {
    f"{dag_id}.py": (airflows.ROOT / "dags" / f"{dag_id}.py").read_text("utf-8")
    for dag_id in ("wxa_release", "wxa_platform_domains", "wxa_rollback", "wxa_fleet_release")
}
PATIENCE: Final = 90_000  # milliseconds, of a busy machine


@dataclass(frozen=True, kw_only=True)
class Stage:
    """An Airflow and an emulated WeChat, which a test looks at."""

    airflow: ThrowawayAirflow
    sandbox: RunningSandbox
    is_private: bool = False

    def release(self, run_id: str, appid: str, **params: Any) -> None:
        """Start a release by REST."""
        self.airflow.api.trigger("wxa_release", run_id, {"appid": appid, **RELEASE, **params})

    def wait(self, run_id: str, task_id: str, *states: str, dag_id: str = "wxa_release") -> str:
        """Wait until a task of a run is in one of these states; by REST, as nobody counts seconds in a page."""

        def reached() -> str:
            is_there = run_id in self.airflow.api.run_states(dag_id)
            state = Run(self.airflow, dag_id, run_id).task(task_id).state if is_there else ""
            return state if state in states else ""

        state: str = until(reached, f"{task_id} of {run_id} came to none of {states}")
        return state

    def run_named(self, part: str, dag_id: str) -> str:
        """Return the id of the one run that is named so."""
        (run_id,) = (each for each in self.airflow.api.run_states(dag_id) if part in each)
        return run_id

    def control(self, path: str, **asked: str) -> None:
        """Let something happen at the emulated WeChat."""
        httpx.post(f"{self.sandbox.url}/_sandbox/{path}", params=asked, trust_env=False).raise_for_status()


RELEASE: Final = {"webviewdomain": ["https://m.example.com"], "template_id": 47, "user_version": "1.4.0"}


def world() -> World:
    """Return two platforms and their Mini Programs; what is waited for is there at the first look."""

    def audit(appid: str) -> AuditPlan:
        if appid in {App.REJECTED, App.UNFIT, FLEET[1]}:
            return AuditPlan(polls=0, result="rejected", reason=REASON)
        if appid in {App.KILLED, FLEET[-1]}:
            return AuditPlan(result="by_hand")
        return AuditPlan(polls=0, result="withdrawn" if appid == App.WITHDRAWN else "approved")

    made = airflows.world([])
    made.platforms.append(Platform(component_appid=EMPTY_PLATFORM, component_access_token="token-of-the-empty"))
    of: dict[str, str] = {App.EMPTY: EMPTY_PLATFORM}
    mini_programs = [
        mini_program(appid, nick_name=name, component_appid=of.get(appid, COMPONENT_APPID), audit=audit(appid))
        for appid, name in NAMES.items()
    ]
    return replace(made, mini_programs=mini_programs)


@pytest.fixture(scope="module")  # a module's releases are not in the way of another's
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Start both once; ending them is what the fixture waits for."""
    with released_on(tmp_path_factory.mktemp("airflow"), *(path.removesuffix(".py") for path in DAGS)) as started:
        yield started


@contextmanager
def released_on(home: Path, *dag_ids: str, is_private: bool = False) -> Iterator[Stage]:
    """Start an emulated WeChat, and an Airflow that releases on it.

    :param is_private: one has to log in; else everybody is an admin.
    """
    with serve(world()) as sandbox:
        platforms = {"wxa_default": COMPONENT_APPID, EMPTY_CONN_ID: EMPTY_PLATFORM}
        connections = {
            f"AIRFLOW_CONN_{conn_id.upper()}": json.dumps(json.loads(sandbox.connection(appid)) | {"login": appid})
            for conn_id, appid in platforms.items()
        }
        airflow = ThrowawayAirflow(home, {**connections, **SETTINGS}, DAGS, account=ACCOUNT if is_private else None)
        with airflow.running(*dag_ids):
            yield Stage(airflow=airflow, sandbox=sandbox, is_private=is_private)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start Debian's Chromium."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  (only these tests need it)

    chromium = shutil.which("chromium")
    assert chromium, "no chromium on this machine: apt-get install chromium"
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-quic", *quiet]
        )
        yield browser
        browser.close()


@pytest.fixture
def language() -> str:
    """The browser's language; a test asks for another one by ``parametrize``."""
    return "en"


@contextmanager
def opened(browser: Browser, stage: Stage, *, logged_in: bool = True, **how: Any) -> Iterator[Page]:
    """Open a page of one's own, logged in where one has to be."""
    context = browser.new_context(base_url=stage.airflow.url, **how)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    if stage.is_private and logged_in:
        log_in(page, stage)
    yield page
    context.close()


def log_in(page: Page, stage: Stage) -> None:
    answer = httpx.post(f"{stage.airflow.url}/auth/token", json=ACCOUNT, trust_env=False)
    token = answer.raise_for_status().json()["access_token"]
    page.context.add_cookies([{"name": "_token", "value": token, "url": stage.airflow.url}])


@pytest.fixture
def page(browser: Browser, stage: Stage, language: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Open a page as everybody's browser does, and keep a screenshot of how it looked at the end."""
    size = {"width": 1440, "height": 1000}
    with opened(browser, stage, logged_in=False, viewport=size, locale=language) as page:
        yield page
        picture(page, request.node.name)


def findings(page: Page) -> list[tuple[str, str]]:
    """Return what axe finds on a page: its rule, and the element."""
    from axe_playwright_python.sync_playwright import Axe  # noqa: PLC0415  (only these tests need it)

    found = Axe().run(page).response["violations"]
    return [(each["id"], node["html"][:200]) for each in found for node in each["nodes"]]


def picture(page: Page, name: str) -> None:
    """Keep a screenshot."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{re.sub(r'[^A-Za-z0-9_-]+', '_', name)}.png", full_page=True)
