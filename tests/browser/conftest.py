"""A real Airflow, an emulated WeChat and a headless Chromium: what release managers see, looked at as they do.

Debian's Chromium is driven; Playwright's own build is not needed. Screenshots are kept in ``build/browser``.
"""

from __future__ import annotations

import json
import re
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from airflow_wxa.cli.demo.airflow import ThrowawayAirflow
from airflow_wxa.sandbox import AuditPlan, MiniProgram, Platform, Template, World, serve

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from playwright.sync_api import Browser, Page

    from airflow_wxa.sandbox import RunningSandbox

PLATFORM: Final = "wx00000000000000c1"
PLAIN: Final = "wx00000000000000a1"
REJECTED: Final = "wx00000000000000a2"
UNREGISTERED: Final = "wx00000000000000a3"
REFUSED: Final = "wx00000000000000a4"
ASKED_ABOUT: Final = "wx00000000000000a6"
ONLINE: Final = "wx00000000000000a7"
UNLISTED: Final = "wx00000000000000a8"
WITHDRAWN: Final = "wx00000000000000a9"
EXPIRED: Final = "wx00000000000000aa"
KILLED: Final = "wx00000000000000ab"
UNFIT: Final = "wx00000000000000ac"
UNAUTHORISED: Final = "wx00000000000000ad"
#: Of a platform whose list is empty, with a Connection of its own.
EMPTY_PLATFORM: Final = "wx00000000000000c2"
EMPTY: Final = "wx00000000000000ae"
EMPTY_CONN_ID: Final = "wxa_empty"
#: The first two are a fleet's canary; WeChat rejects the second one, and reviews the last one by hand.
FLEET: Final = tuple(f"wx00000000000000f{number}" for number in range(5))
NAMES: Final = {
    PLAIN: "Tea House 茶馆",
    REJECTED: "Book Shop",
    UNREGISTERED: "Bakery",
    REFUSED: "Flower Shop",
    ASKED_ABOUT: "Pharmacy",
    ONLINE: "Barber",
    UNLISTED: "面包房",
    WITHDRAWN: "花店",
    EXPIRED: "药店",
    KILLED: "影院",
    UNFIT: "书店",
    UNAUTHORISED: "理发店",
    **{appid: f"连锁店 {number}" for number, appid in enumerate(FLEET, 1)},
}
TOKEN: Final = "browser-token"
ACCOUNT: Final = {"username": "wang", "password": "only-for-this-test"}
REASON: Final = "1: the pages do not match the chosen category"
SCREENSHOTS: Final = Path("build/browser")
SETTINGS: Final = {
    "AIRFLOW__WXA__PRIVACY_POLL_SECONDS": "1",
    "AIRFLOW__WXA__AUDIT_POLL_SECONDS": "1",
    "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
}
DAGS: Final = {
    path.name: path.read_text("utf-8")
    for path in (Path(__file__).parents[2] / "dags").glob("*.py")
    if path.name in ("wxa_release.py", "wxa_platform_domains.py", "wxa_rollback.py", "wxa_fleet_release.py")
}
PATIENCE: Final = 90_000  # milliseconds, of a busy machine


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What a test looks at."""

    airflow: ThrowawayAirflow
    sandbox: RunningSandbox
    is_private: bool = False

    def release(self, run_id: str, appid: str, **params: Any) -> None:
        """Start a release by REST."""
        self.airflow.api.trigger("wxa_release", run_id, release_of(appid, **params))


def release_of(appid: str, **params: Any) -> dict[str, Any]:
    """Return the params of a release."""
    plain = {"webviewdomain": ["https://m.example.com"], "template_id": 47, "user_version": "1.4.0"}
    return {"appid": appid, **plain, **params}


def world() -> World:
    """Return one platform and its Mini Programs; what is waited for is there at the first look."""

    def mini_program(appid: str, **fields: Any) -> MiniProgram:
        at_once: dict[str, Any] = {"scan_polls": 0, "audit": AuditPlan(polls=0), "component_appid": PLATFORM}
        at_once |= {"nick_name": NAMES.get(appid, "小吃店"), **fields}
        return MiniProgram(appid=appid, authorizer_access_token=f"{TOKEN}-{appid}", **at_once)

    listed = ["example.com"]
    platforms = [
        Platform(component_appid=PLATFORM, component_access_token=TOKEN, testing=listed, published=listed),
        Platform(component_appid=EMPTY_PLATFORM, component_access_token=f"{TOKEN}-empty"),
    ]
    audits = {
        REJECTED: AuditPlan(polls=0, result="rejected", reason=REASON),
        UNFIT: AuditPlan(polls=0, result="rejected", reason=REASON),
        WITHDRAWN: AuditPlan(polls=0, result="withdrawn"),
        KILLED: AuditPlan(result="by_hand"),
        FLEET[1]: AuditPlan(polls=0, result="rejected", reason=REASON),
        FLEET[-1]: AuditPlan(result="by_hand"),
    }
    mini_programs = [mini_program(each, **({"audit": audits[each]} if each in audits else {})) for each in NAMES]
    return World(
        platforms=platforms,
        mini_programs=[*mini_programs, mini_program(EMPTY, component_appid=EMPTY_PLATFORM)],
        templates=[Template(template_id=47)],
    )


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

        def connection(login: str, token: str, appids: Iterable[str]) -> str:
            tokens = {appid: f"{TOKEN}-{appid}" for appid in appids}
            extra = {"component_access_token": token, "authorizer_access_tokens": tokens}
            return json.dumps({"conn_type": "wxa", "host": sandbox.url, "login": login, "extra": extra})

        connections = {
            "AIRFLOW_CONN_WXA_DEFAULT": connection(PLATFORM, TOKEN, NAMES),
            f"AIRFLOW_CONN_{EMPTY_CONN_ID.upper()}": connection(EMPTY_PLATFORM, f"{TOKEN}-empty", [EMPTY]),
        }
        airflow = ThrowawayAirflow(home, {**connections, **SETTINGS}, DAGS, account=ACCOUNT if is_private else None)
        try:
            airflow.start(*dag_ids, patience=300)
            yield Stage(airflow=airflow, sandbox=sandbox, is_private=is_private)
        finally:
            airflow.stop()


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
