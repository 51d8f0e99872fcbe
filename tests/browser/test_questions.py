"""Managers' nine questions in a browser: how many clicks, in each language, on a desk and a phone, light and dark."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import pytest

from airflow_wxa.cli.demo.airflow import ThrowawayAirflow
from tests.browser.board import APPROVED, FLEET, REJECTED, STUCK
from tests.browser.conftest import ACCOUNT, Stage, findings, opened, picture
from tests.browser.managers import DRIFTED, KILLED, ONLINE, WAITING, YESTERDAY, fill_week, put_runs
from tests.browser.test_board import BOARD
from tests.plugins.test_api_server import api_server

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

Said = str | tuple[str, str]  # in English, in Chinese
NAVIGATION: Final = re.compile("小程序 Mini Programs")
#: Question → the link that is clicked inside the board, and what then stands there; in two languages where they differ.
QUESTIONS: Final[dict[str, tuple[Said | None, Sequence[Said]]]] = {
    "what is online for X": (None, ["Tea House", "1.4.0"]),
    "what waits for me": (
        ("wait for me", "待我处理"),
        ["Release 4.0.0 on 120 Mini Programs?", ("Book Shop", "书店")],
    ),
    "what is stuck, and why": (
        ("stuck", "卡住"),
        [("Cinema", "电影院"), ("interrupted", "已中断"), "wait_for_audit"],
    ),
    "who released what yesterday": (
        ("Releases", "发布记录"),
        ["li", "1.4.0", ("approved by zhao", "批准人\uff1azhao")],
    ),
    "whose domains were lost": (("lost domains", "丢失域名"), ["Tea House", ("1 lost", "丢失 1 个")]),
    "whose domains drifted": (("domains differ", "域名不一致"), [("Flower Shop", "花店"), ("differ", "不一致")]),
    "what of the fleet failed": (
        ("Fleets", "批量发布"),
        ["spring sale 2026", ("2 blocked", "2 受阻"), "canary_gate"],
    ),
    "which versions are online": (("Overview", "概览"), ["1.4.0", "1.3.0"]),
    "quota left": (("Overview", "概览"), [("12 of 30 left", "剩余 12 次\uff0c共 30 次")]),
    "how long reviews take": (("Overview", "概览"), [("1 reviews ended", "1 次审核结束")]),
    "who must act": (("Platform team", "平台团队"), [("webview domain not on platform", "89021"), STUCK]),
    "what changes for one": (APPROVED, ["https://m.example.com", ("differs", "不一致"), "1.4.0"]),
    "who approved": (APPROVED, ["wang", "tested on two phones"]),
    "what to do about 89021": ("89021", [("Platform team", "平台团队"), "wxa_platform_domains"]),
}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Start an API server over the week."""
    home = tmp_path_factory.mktemp("airflow")
    airflow = ThrowawayAirflow(home, {}, {}, account=ACCOUNT)
    with api_server(airflow):
        fill_week(f"sqlite:///{home / 'wxa.db'}")
        put_runs(airflow)
        yield Stage(airflow=airflow, sandbox=None, is_private=True)  # type: ignore[arg-type]  # (no page asks WeChat)


LOOKS: Final = [(tag, width, theme) for tag in ("en", "zh-CN") for width in (1440, 390) for theme in ("light", "dark")]


def looked_at(browser: Browser, stage: Stage, tag: str, width: int, theme: Any) -> AbstractContextManager[Page]:
    size = {"width": width, "height": 900 if width > 1000 else 844}
    return opened(browser, stage, locale=tag, viewport=size, color_scheme=theme)


@pytest.mark.parametrize(("tag", "width", "theme"), LOOKS)
def test_each_question_is_answered_within_two_clicks_of_airflows_first_page(
    browser: Browser, stage: Stage, tag: str, width: int, theme: str
) -> None:
    def said(words: Said) -> str:
        return words if isinstance(words, str) else words[tag.startswith("zh")]

    clicks = {}
    with looked_at(browser, stage, tag, width, theme) as page:
        for question, (link, expected) in QUESTIONS.items():
            page.goto("/")
            page.get_by_role("link", name=NAVIGATION).first.click()
            board = page.frame_locator("iframe")
            clicks[question] = 1
            if link is not None:
                board.get_by_role("link", name=said(link)).first.click()
                board.locator("[aria-current], h1", has_text=said(link)).first.wait_for()
                clicks[question] = 2
            for each in expected:
                board.locator("main").get_by_text(said(each)).locator("visible=true").first.wait_for()
            picture(page, f"question_{question}_{tag}_{width}_{theme}")
    assert max(clicks.values()) <= 2


PAGES: Final = (
    "/",
    "/?kind=stuck",
    "/?who=merchant&sort=errcode",
    "/?q=nothing-like-this",
    *(f"/mini-program/{appid}" for appid in (ONLINE, KILLED, STUCK, REJECTED, APPROVED, "wx0123456789abcdef")),
    "/releases",
    "/overview",
    "/fleets",
    f"/fleet?dag_id={FLEET.dag_id}&run_id={FLEET.run_id}",
    "/errcodes",
    "/errcode/89021",
)


@pytest.mark.parametrize(("tag", "width", "theme"), LOOKS)
def test_axe_finds_nothing_and_no_page_moves_sideways(
    browser: Browser, stage: Stage, tag: str, width: int, theme: str
) -> None:
    found = {}
    with looked_at(browser, stage, tag, width, theme) as page:
        for number, path in enumerate(PAGES):
            page.goto(f"{BOARD}{path}")
            picture(page, f"page_{number}_{tag}_{width}_{theme}")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
            found[path] = findings(page)
    assert {path: each for path, each in found.items() if each} == {}


def test_a_phones_first_screen_shows_a_row(browser: Browser, stage: Stage) -> None:
    with looked_at(browser, stage, "zh-CN", 390, "light") as page:
        page.goto(f"{BOARD}/")
        box = page.locator("tbody tr").first.bounding_box()
        assert box is not None
        page.screenshot(path="build/browser/phone_first_screen.png")
    assert box["y"] + 80 < 844  # pixels


def test_the_board_follows_airflows_language(browser: Browser, stage: Stage) -> None:
    with looked_at(browser, stage, "en", 1440, "light") as page:
        page.goto(f"{BOARD}/")
        page.get_by_role("heading", name="Mini Programs").first.wait_for()
        page.evaluate("localStorage.setItem('i18nextLng', 'zh-TW')")
        page.reload()
        page.locator("html[lang=zh-CN]").wait_for()
        page.get_by_role("heading", name="小程序").first.wait_for()
        page.get_by_role("button", name="English").click()  # what the reader chooses here stays
        page.goto(f"{BOARD}/overview")
        page.locator("html[lang=en]").wait_for()
        page.evaluate("localStorage.setItem('i18nextLng', 'de')")
        page.reload()
        page.locator("html[lang=en]").wait_for()


def test_the_page_renews_itself_and_loses_nothing_that_is_typed(browser: Browser, stage: Stage) -> None:
    with looked_at(browser, stage, "en", 1440, "light") as page:
        page.clock.install()
        page.goto(f"{BOARD}/")
        page.locator("[name=q]").fill("half a wo")
        page.evaluate("document.querySelector('[data-live=list] tbody').innerHTML = '<tr><td>stale</td></tr>'")
        page.clock.run_for(21_000)
        page.locator("tbody tr", has_text=WAITING).wait_for()
        assert page.locator("[name=q]").input_value() == "half a wo"
        assert page.evaluate("document.activeElement.name") == "q"
        link = page.locator(f"a[href$='/mini-program/{DRIFTED}']")
        link.focus()
        page.evaluate("document.querySelector('[data-live=list] tbody tr:last-child').remove()")
        page.clock.run_for(21_000)
        page.locator("tbody tr").nth(49).wait_for()
        assert str(page.evaluate("document.activeElement.href")).endswith(DRIFTED)


def test_yesterday_is_a_day_of_its_own(browser: Browser, stage: Stage) -> None:
    with looked_at(browser, stage, "en", 1440, "light") as page:
        page.goto(f"{BOARD}/releases")
        page.locator("[name=day]").fill(YESTERDAY.date().isoformat())
        page.get_by_role("button", name="Show", exact=True).click()
        page.locator("li", has_text="approved by zhao").wait_for()
        assert page.locator("main section").count() == 1
