"""The ways out, as a release manager takes them: in Chinese, on a phone, on the board alone."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.browser.conftest import EMPTY_CONN_ID, FLEET, NAMES, RELEASE, App, findings, opened, picture
from tests.real_airflow.airflows import WAITING, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Locator, Page, ViewportSize

    from tests.browser.conftest import Stage

pytestmark = pytest.mark.browser

PHONE: Final[ViewportSize] = {"width": 390, "height": 844}
DESK: Final[ViewportSize] = {"width": 1440, "height": 900}
FLEET_DAG = "wxa_fleet_release"
GO_ON = "从失败的步骤继续"


@pytest.fixture
def phone(browser: Browser, stage: Stage, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Open Airflow as a Chinese release manager's phone shows it."""
    with opened(browser, stage, viewport=PHONE, locale="zh-CN", has_touch=True) as page:
        yield page
        picture(page, request.node.name)


class Walk:
    """Goes from the board's first page to a Mini Program, and acts there.

    :param by_keyboard: with Tab and Enter, and no mouse.
    """

    def __init__(self, page: Page, appid: str, *, by_keyboard: bool = False) -> None:
        self.page, self.appid, self.by_keyboard, self.looks = page, appid, by_keyboard, 0

    def take(self, place: Locator) -> None:
        place = place.first
        if not self.by_keyboard:
            place.click()
            return
        place.wait_for()
        for _ in range(300):
            self.page.keyboard.press("Tab")
            if place.evaluate("each => each === document.activeElement"):
                break
        outline = place.evaluate("each => getComputedStyle(each).outlineStyle")
        assert outline != "none", "the focus is not to be seen"
        self.page.keyboard.press("Enter")

    def press(self, name: str) -> None:
        main = self.page.locator("#main")
        self.take(main.get_by_role("link", name=name).or_(main.get_by_role("button", name=name)))

    def go(self) -> None:
        """Look the Mini Program up."""
        self.page.goto("/wxa/board/")
        self.take(self.page.locator(f'#main a[href$="/mini-program/{self.appid}"]'))
        name = re.compile(f"{NAMES[self.appid]}|{self.appid}")
        self.page.get_by_role("heading", name=name, level=1).wait_for()

    def go_to_fleet(self, run_id: str) -> None:
        """Look a fleet up."""
        self.page.goto("/wxa/board/")
        self.take(self.page.get_by_role("link", name="批量发布"))
        self.press(run_id)
        self.page.get_by_role("heading", name=run_id, level=1).wait_for()

    def look(self, name: str) -> None:
        """Keep what a desk and a phone show of the page; both are for everybody."""
        for size, device in ((DESK, "desk"), (PHONE, "phone")):
            self.page.set_viewport_size(size)
            picture(self.page, f"{name}_{device}")
            assert self.page.evaluate("document.documentElement.scrollWidth") <= size["width"], name
            assert findings(self.page) == [], name

    def until_offered(self, name: str, go: Callable[[], None] | None = None) -> None:
        """Look at the Mini Program, or another page, again until a button is there."""

        def is_offered() -> bool:
            (go or self.go)()
            return self.page.locator(".acts").get_by_role("link", name=name).count() > 0

        until(is_offered, f"{name} is not offered to {self.appid}")

    def act(self, name: str, *, confirm: str = "", why: str = "", go: Callable[[], None] | None = None) -> None:
        """Press a button once it is offered, read what will happen, and press the one that does it."""
        self.until_offered(name, go)
        self.press(name)
        if why:
            self.page.get_by_role("textbox").fill(why)
        self.looks += 1
        self.look(f"act_{self.appid}_{self.looks}")
        self.press(confirm or name)
        self.page.get_by_role("heading", name="已完成").wait_for()
        self.look(f"done_{self.appid}_{self.looks}")

    def approve_platform_list(self, run_id: str) -> None:
        """Find the question about the platform's list on the first page, and approve it."""
        question = self.page.locator(f'#main a[href*="{run_id}"]')

        def is_shown() -> bool:
            self.page.goto("/wxa/board/")
            if question.count():
                question.first.click()
                self.page.wait_for_url("**/act/answer?**")
            return self.page.get_by_role("button", name="批准").count() > 0

        until(is_shown, "the question about the platform's list")
        self.look(f"platform_list_for_{self.appid}")
        self.press("批准")
        self.page.get_by_role("heading", name="已完成").wait_for()


def test_a_release_is_approved_on_a_phone(phone: Page, stage: Stage) -> None:
    stage.release("by_phone", App.PLAIN, user_version="1.7.0", user_desc="春季活动")
    stage.wait("by_phone", "approve_release", *WAITING)
    walk = Walk(phone, App.PLAIN)
    walk.until_offered("查看并决定")
    walk.press("查看并决定")
    for said in ("春季活动", "没有域名会下线", "+ https://m.example.com"):
        phone.get_by_text(said).first.wait_for()
    qrcode = phone.get_by_role("img", name=re.compile("体验版"))
    qrcode.wait_for()
    assert qrcode.evaluate("image => image.decode().then(() => image.naturalWidth)") > 100
    walk.look("approval")
    phone.get_by_role("textbox").fill("已在两部手机上测试")
    box = phone.get_by_role("button", name="批准").bounding_box()
    assert box
    assert box["y"] + box["height"] <= 2 * PHONE["height"]
    walk.press("批准")
    phone.get_by_role("heading", name="已完成").wait_for()
    assert stage.wait("by_phone", "verify_release", "success", "failed") == "success"
    phone.go_back()
    phone.get_by_text("已有人答复").wait_for()


@pytest.mark.parametrize(
    ("errcode", "appid", "params", "failed"),
    [
        (89021, App.UNLISTED, {"webviewdomain": ["https://shop.example.net"]}, "configure_domains"),
        (89020, App.EMPTY, {"wxa_conn_id": EMPTY_CONN_ID}, "register_platform_domains"),
    ],
)
def test_out_of_a_platform_list_without_the_host(
    phone: Page, stage: Stage, errcode: int, appid: str, params: dict[str, Any], failed: str
) -> None:
    stopped, platform_dag = f"stopped_by_{errcode}", "wxa_platform_domains"
    stage.release(stopped, appid, approval=False, **params)
    stage.wait(stopped, failed, "failed")
    walk = Walk(phone, appid)
    walk.until_offered("登记缺少的域名")
    walk.look(stopped)
    assert f"errcode/{errcode}" in phone.content()
    walk.act("登记缺少的域名")
    run_id = stage.run_named(appid, platform_dag)
    stage.wait(run_id, "approve_change", *WAITING, dag_id=platform_dag)
    walk.approve_platform_list(run_id)
    stage.wait(run_id, "modify_platform_domains", "success", dag_id=platform_dag)
    walk.act(GO_ON)
    stage.wait(stopped, "verify_release", "success")


def test_out_of_a_rejected_audit(phone: Page, stage: Stage) -> None:
    stage.release("unfit", App.UNFIT, approval=False)
    stage.wait("unfit", "wait_for_audit", "failed")
    stage.control("mini_program", appid=App.UNFIT, audit="approved")
    walk = Walk(phone, App.UNFIT)
    walk.until_offered("修改后发布")
    walk.press("修改后发布")
    assert phone.locator("[name=merchants]").input_value() == App.UNFIT
    assert phone.locator("select[name=template_id]").input_value() == "47"  # of the platform's library
    phone.locator("[name=user_version]").fill("1.4.1")
    walk.look("form")
    walk.press("检查并预览")
    phone.get_by_text("1.4.1").first.wait_for()
    walk.press("开始发布")
    phone.get_by_role("heading", name="已完成").wait_for()
    stage.wait(stage.run_named(f"1.4.1_{App.UNFIT}", "wxa_release"), "verify_release", "success")


def test_out_of_61003(phone: Page, stage: Stage) -> None:
    stage.control("withdraw", appid=App.UNAUTHORISED)
    stage.release("unauthorised", App.UNAUTHORISED, approval=False)
    stage.wait("unauthorised", "configure_domains", "failed")
    walk = Walk(phone, App.UNAUTHORISED)
    walk.act("生成商家授权链接")
    phone.get_by_text("https://mp.weixin.qq.com/cgi-bin/componentloginpage").wait_for()
    phone.locator("figure.qrcode svg").wait_for()
    picture(phone, "authorisation_link")
    stage.control("authorise", appid=App.UNAUTHORISED)
    walk.act(GO_ON)
    stage.wait("unauthorised", "verify_release", "success")


def test_out_of_a_withdrawn_audit_by_keyboard(phone: Page, stage: Stage) -> None:
    stage.release("withdrawn", App.WITHDRAWN, approval=False)
    stage.wait("withdrawn", "wait_for_audit", "failed")
    stage.control("mini_program", appid=App.WITHDRAWN, audit="approved")
    Walk(phone, App.WITHDRAWN, by_keyboard=True).act(GO_ON)
    stage.wait("withdrawn", "verify_release", "success")


def test_out_of_an_approval_that_ran_out(phone: Page, stage: Stage) -> None:
    stage.release("expired", App.EXPIRED, approval_timeout_hours=0.02)
    stage.wait("expired", "approve_release", "failed")
    walk = Walk(phone, App.EXPIRED)
    walk.act(GO_ON)
    stage.wait("expired", "approve_release", *WAITING)
    walk.act("查看并决定", confirm="批准")
    stage.wait("expired", "verify_release", "success")


def test_out_of_a_run_that_was_killed(phone: Page, stage: Stage) -> None:
    stage.release("killed", App.KILLED, approval=False)
    stage.wait("killed", "wait_for_audit", "deferred")
    stage.airflow.api._send("PATCH", "/dags/wxa_release/dagRuns/killed", {"state": "failed"})
    stage.control("decide", appid=App.KILLED, result="approved")
    Walk(phone, App.KILLED).act(GO_ON)
    stage.wait("killed", "verify_release", "success")


def test_out_of_a_wrong_version_online(phone: Page, stage: Stage) -> None:
    for version in ("1.4.0", "1.4.1"):
        stage.release(f"wrong_{version}", App.ONLINE, user_version=version, approval=False)
        stage.wait(f"wrong_{version}", "verify_release", "success")
    walk = Walk(phone, App.ONLINE)
    walk.act("回退到上一版本")
    run_id = stage.run_named(App.ONLINE, "wxa_rollback")
    stage.wait(run_id, "approve_rollback", *WAITING, dag_id="wxa_rollback")
    walk.act("查看并决定", confirm="批准")
    stage.wait(run_id, "verify_rollback", "success", dag_id="wxa_rollback")


def test_out_of_a_stop_at_a_fleets_canary(phone: Page, stage: Stage) -> None:
    manifest = {"release": RELEASE | {"user_version": "3.2.0"}, "apps": FLEET, "waves": {"canary": {"apps": 2}}}
    stage.airflow.api.trigger(FLEET_DAG, "autumn", {"manifest": json.dumps(manifest), "approval": False})
    stage.wait("autumn", "fleet_result", "failed", dag_id=FLEET_DAG)
    walk = Walk(phone, FLEET[1])

    def go() -> None:
        walk.go_to_fleet("autumn")

    walk.until_offered("打开闸门", go)
    headline = phone.locator(".headline")
    for said in ("canary 批次的闸门已关闭", "2 个中失败 1 个", "上限 0%"):
        headline.get_by_text(said).wait_for()
    walk.look("canary_stop")
    walk.act("打开闸门", why="该商家自行修改类目", go=go)
    stage.wait("autumn", "release_rest", "deferred", dag_id=FLEET_DAG)
    walk.until_offered("停止本次批量发布", go)
    walk.look("fleet_goes_on")
    walk.act("停止本次批量发布", go=go)
    stage.wait("autumn", "fleet_result", "failed", dag_id=FLEET_DAG)
    stage.control("decide", appid=FLEET[-1], result="approved")
    walk.until_offered("继续未完成的部分", go)
    headline.get_by_text(re.compile("已由 .* 停止")).wait_for()
    walk.look("fleet_stopped")
    walk.act("继续未完成的部分", go=go)
    run_id = stage.run_named("3.2.0-rest", FLEET_DAG)
    assert stage.wait(run_id, "fleet_result", "success", "failed", dag_id=FLEET_DAG) == "success"
    walk.go_to_fleet(run_id)
    walk.look("rest_of_the_fleet")
