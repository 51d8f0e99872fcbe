"""The board as release managers use it: found, read and acted on; by keyboard, on a phone, in the dark."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest

from tests.browser.board import APPROVED, IN_AUDIT, fill
from tests.browser.conftest import ACCOUNT, App, Stage, log_in, opened, picture, released_on
from tests.plugins.hostile import PAYLOADS, SHARED, fill_with
from tests.real_airflow.airflows import WAITING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Dialog, Page

pytestmark = pytest.mark.browser

BOARD: Final = "/wxa/board"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Start an Airflow that one has to log in to, over a store in which Mini Programs stand at every place."""
    with released_on(tmp_path_factory.mktemp("airflow"), "wxa_release", is_private=True) as started:
        fill(f"sqlite:///{started.airflow.home / 'wxa.db'}")
        yield started


@pytest.fixture
def reader(page: Page, stage: Stage) -> Page:
    """Return the page of somebody who has logged in."""
    log_in(page, stage)
    return page


@pytest.mark.parametrize(
    ("language", "waits", "online"), [("en", "Release manager", "online"), ("zh-CN", "发布经理", "已上线")]
)
def test_what_waits_for_me_is_found_approved_and_seen_online(
    page: Page, stage: Stage, language: str, waits: str, online: str
) -> None:
    run_id, version = f"waits-{language}", {"en": "1.4.0", "zh-CN": "1.5.0"}[language]
    stage.release(run_id, App.PLAIN, user_version=version)
    stage.wait(run_id, "approve_release", *WAITING)

    page.goto("/")
    page.locator("[name=username]").fill(ACCOUNT["username"])
    page.locator("[name=password]").fill(ACCOUNT["password"])
    page.locator("[type=submit]").click()
    page.get_by_role("link", name=re.compile("小程序 Mini Programs")).first.click()
    board = page.frame_locator("iframe")
    board.locator("a.tile", has_text=waits).click()
    row = board.locator("tr", has_text=App.PLAIN)
    row.get_by_text(version).first.wait_for()
    picture(page, f"what_waits_{language}")
    row.get_by_role("link", name=run_id).click()

    page.get_by_text(f"Release {version} of {App.PLAIN}?").first.wait_for()  # that very question
    page.get_by_text("https://m.example.com").first.wait_for()
    picture(page, f"the_question_{language}")
    page.get_by_role("button", name="Approve").click()
    assert stage.wait(run_id, "verify_release", "success", "failed") == "success"

    page.keyboard.press("Escape")  # Airflow asks in a dialog over the run's page
    page.get_by_role("link", name=re.compile("小程序 Mini Programs")).first.click()
    row = page.frame_locator("iframe").locator("tr", has_text=App.PLAIN)
    row.get_by_text(online, exact=True).wait_for()
    assert version in row.inner_text()
    picture(page, f"online_{language}")


def tab_to(page: Page, name: str, value: str) -> None:
    """Press Tab until an element of this property has the focus."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate(f"document.activeElement.{name}") == value:
            return


def test_the_keyboard_reaches_the_content_the_filter_and_a_mini_program(browser: Browser, stage: Stage) -> None:
    with opened(browser, stage, locale="en") as page:
        page.goto(f"{BOARD}/")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        assert page.locator(".skip").bounding_box()["x"] >= 0  # type: ignore[index]  # (it is seen while it has the focus)
        page.keyboard.press("Enter")
        tab_to(page, "name", "q")
        page.keyboard.type(APPROVED)
        page.keyboard.press("Enter")
        page.get_by_text("of 1", exact=False).wait_for()
        tab_to(page, "textContent", APPROVED)
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name=APPROVED, exact=True).wait_for()
    assert outline == "solid"


def test_in_airflow_the_board_is_as_dark_as_airflow(reader: Page) -> None:
    reader.goto("/plugin/wxa-board")
    frame = reader.frame_locator("iframe")
    frame.get_by_text(IN_AUDIT).first.wait_for()
    for theme in ("dark", "light"):
        reader.evaluate(f"document.documentElement.className = {theme!r}")
        frame.locator(f"html[data-theme={theme}]").wait_for()
        picture(reader, f"in_airflow_{theme}")


def test_a_page_of_wechats_opens_beside_airflow(reader: Page) -> None:
    reader.context.route("https://developers.weixin.qq.com/**", lambda route: route.fulfill(body="WeChat's page"))
    reader.goto("/plugin/wxa-board")
    frame = reader.frame_locator("iframe")
    frame.get_by_role("link", name="89021", exact=True).first.click()
    with reader.context.expect_page() as beside:
        frame.get_by_role("link", name="https://developers.weixin.qq.com").first.click()
    assert beside.value.url.startswith("https://developers.weixin.qq.com/")
    frame.get_by_role("heading", name="89021").wait_for()


def test_no_payload_acts_in_a_browser(browser: Browser, stage: Stage) -> None:
    url = f"sqlite:///{stage.airflow.home / 'wxa.db'}"
    acted: list[str] = []

    def dismissed(dialog: Dialog) -> None:
        acted.append(f"dialog {dialog.message}")
        dialog.dismiss()

    with opened(browser, stage, locale="en") as page:
        page.on("dialog", dismissed)
        page.on("pageerror", lambda error: acted.append(f"error {error}"))
        page.on("console", lambda said: acted.append(said.text) if "Content Security Policy" in said.text else None)
        page.on("request", lambda asked: acted.extend([asked.url] * (not asked.url.startswith(stage.airflow.url))))
        paths = [path for number, each in enumerate(PAYLOADS) for path in fill_with(url, each, f"wx{number:016x}")]
        for path in (*paths, *SHARED):
            page.goto(f"{BOARD}{path}")
            assert page.url.startswith(f"{stage.airflow.url}{BOARD}"), path
            page.mouse.move(400, 300)
            assert page.locator("main :focus").count() == 0
    assert acted == []
