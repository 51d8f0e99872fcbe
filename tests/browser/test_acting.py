"""The ways out, as a release manager takes them: in Chinese, on a phone, on the board alone."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from tests.browser.conftest import (
    EMPTY,
    EMPTY_CONN_ID,
    EXPIRED,
    FLEET,
    KILLED,
    NAMES,
    ONLINE,
    PLAIN,
    UNAUTHORISED,
    UNFIT,
    UNLISTED,
    WITHDRAWN,
    findings,
    opened,
    picture,
    release_of,
)
from tests.browser.test_release import ASKED, wait_for_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Locator, Page, ViewportSize

    from tests.browser.conftest import Stage

pytestmark = pytest.mark.browser

PHONE: Final[ViewportSize] = {"width": 390, "height": 844}
DESK: Final[ViewportSize] = {"width": 1440, "height": 900}
FLEET_DAG = "wxa_fleet_release"


@pytest.fixture
def phone(browser: Browser, stage: Stage, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Open Airflow as a Chinese release manager's phone shows it."""
    with opened(browser, stage, viewport=PHONE, locale="zh-CN", has_touch=True) as page:
        yield page
        picture(page, request.node.name)


class Walk:
    """Goes from the board's first page to a Mini Program, and counts what is pressed.

    :param by_keyboard: with Tab and Enter, and no mouse.
    """

    def __init__(self, page: Page, appid: str, *, by_keyboard: bool = False) -> None:
        self.page, self.appid, self.by_keyboard, self.clicks = page, appid, by_keyboard, 0

    def take(self, place: Locator) -> None:
        place = place.first
        if not self.by_keyboard:
            place.click()
        else:
            place.wait_for()
            for _ in range(300):
                self.page.keyboard.press("Tab")
                if place.evaluate("each => each === document.activeElement"):
                    break
            assert place.evaluate("each => getComputedStyle(each).outlineStyle") != "none", (
                "the focus is not to be seen"
            )
            self.page.keyboard.press("Enter")
        self.clicks += 1

    def press(self, name: str) -> None:
        main = self.page.locator("#main")
        self.take(main.get_by_role("link", name=name).or_(main.get_by_role("button", name=name)))

    def go(self) -> None:
        """Look the Mini Program up."""
        self.page.goto("/wxa/board/")
        self.take(self.page.locator(f'#main a[href$="/mini-program/{self.appid}"]'))
        name = NAMES.get(self.appid, self.appid)
        self.page.get_by_role("heading", name=re.compile(f"{name}|{self.appid}"), level=1).wait_for()

    def look(self, name: str) -> None:
        """Keep what a desk and a phone show of the page; both are for everybody."""
        for size, device in ((DESK, "desk"), (PHONE, "phone")):
            self.page.set_viewport_size(size)
            picture(self.page, f"{name}_{device}")
            assert self.page.evaluate("document.documentElement.scrollWidth") <= size["width"], name
            assert findings(self.page) == [], name

    def act(self, name: str, *, confirm: str = "", why: str = "") -> None:
        """Press a button, read what will happen, and press the one that does it."""
        self.press(name)
        if why:
            self.page.get_by_role("textbox").fill(why)
        self.look(f"act_{self.appid}_{self.clicks}")
        self.press(confirm or name)
        self.page.get_by_role("heading", name="已完成").wait_for()
        self.look(f"done_{self.appid}_{self.clicks}")

    def until_offered(self, name: str, go: Callable[[], None] | None = None) -> None:
        """Look at the Mini Program, or another page, again until a button is there; count the last look only."""
        deadline, clicks = time.monotonic() + 120, self.clicks
        while time.monotonic() < deadline:
            self.clicks = clicks
            (go or self.go)()
            if self.page.locator(".acts").get_by_role("link", name=name).count():
                return
            time.sleep(2)
        raise AssertionError(f"{name} was not offered: {self.page.locator('#main').inner_text()[:600]}")

    def go_to_fleet(self, run_id: str) -> None:
        """Look a fleet up."""
        self.page.goto("/wxa/board/")
        self.take(self.page.get_by_role("link", name="批量发布"))
        self.press(run_id)
        self.page.get_by_role("heading", name=run_id, level=1).wait_for()

    def approve_platform_list(self, run_id: str) -> None:
        """Find the question about the platform's list on the first page, and approve it."""
        question = self.page.locator(f'#main a[href*="{run_id}"]')
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and not self.page.get_by_role("button", name="批准").count():
            self.page.goto("/wxa/board/")
            if question.count():
                question.first.click()
                self.page.get_by_role("heading", level=1).wait_for()
            time.sleep(1)
        self.clicks += 1
        self.look(f"platform_list_for_{self.appid}")
        self.press("批准")
        self.page.get_by_role("heading", name="已完成").wait_for()


def test_a_release_is_approved_on_a_phone(phone: Page, stage: Stage) -> None:
    stage.release("by_phone", PLAIN, user_version="1.7.0", user_desc="春季活动")
    wait_for_state(stage, "by_phone", "approve_release", *ASKED)
    walk = Walk(phone, PLAIN)
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
    print(f"approved: {walk.clicks} clicks")
    assert wait_for_state(stage, "by_phone", "verify_release", "success", "failed") == "success"
    phone.go_back()
    phone.get_by_text("已有人答复").wait_for()


@pytest.mark.parametrize(
    ("errcode", "appid", "params", "failed"),
    [
        (89021, UNLISTED, {"webviewdomain": ["https://shop.example.net"]}, "configure_domains"),
        (89020, EMPTY, {"wxa_conn_id": EMPTY_CONN_ID}, "register_platform_domains"),
    ],
)
def test_out_of_a_platform_list_without_the_host(
    phone: Page, stage: Stage, errcode: int, appid: str, params: dict[str, Any], failed: str
) -> None:
    stopped = f"stopped_by_{errcode}"
    stage.release(stopped, appid, approval=False, **params)
    wait_for_state(stage, stopped, failed, "failed")
    walk = Walk(phone, appid)
    walk.until_offered("登记缺少的域名")
    walk.look(stopped)
    assert f"errcode/{errcode}" in phone.content()
    walk.act("登记缺少的域名")
    (run_id,) = (each for each in stage.airflow.api.run_states("wxa_platform_domains") if appid in each)
    wait_for_state(stage, run_id, "approve_change", *ASKED, dag_id="wxa_platform_domains")
    walk.approve_platform_list(run_id)
    wait_for_state(stage, run_id, "modify_platform_domains", "success", dag_id="wxa_platform_domains")
    walk.go()
    walk.act("从失败的步骤继续")
    print(f"{errcode}: {walk.clicks} clicks")
    assert wait_for_state(stage, stopped, "verify_release", "success") == "success"


def test_out_of_a_rejected_audit(phone: Page, stage: Stage) -> None:
    stage.release("unfit", UNFIT, approval=False)
    wait_for_state(stage, "unfit", "wait_for_audit", "failed")
    control = f"{stage.sandbox.url}/_sandbox/mini_program"
    httpx.post(control, params={"appid": UNFIT, "audit": "approved"}, trust_env=False).raise_for_status()
    walk = Walk(phone, UNFIT)
    walk.until_offered("修改后发布")
    walk.press("修改后发布")
    assert phone.locator("[name=merchants]").input_value() == UNFIT
    assert phone.locator("select[name=template_id]").input_value() == "47"  # of the platform's library
    phone.locator("[name=user_version]").fill("1.4.1")
    walk.look("form")
    walk.press("检查并预览")
    phone.get_by_text("1.4.1").first.wait_for()
    walk.press("开始发布")
    phone.get_by_role("heading", name="已完成").wait_for()
    print(f"rejected: {walk.clicks} clicks")
    (run_id,) = (each for each in stage.airflow.api.run_states("wxa_release") if each.startswith(f"1.4.1_{UNFIT}"))
    assert wait_for_state(stage, run_id, "verify_release", "success") == "success"


def test_out_of_61003(phone: Page, stage: Stage) -> None:
    control = f"{stage.sandbox.url}/_sandbox"
    httpx.post(f"{control}/withdraw", params={"appid": UNAUTHORISED}, trust_env=False).raise_for_status()
    stage.release("unauthorised", UNAUTHORISED, approval=False)
    wait_for_state(stage, "unauthorised", "configure_domains", "failed")
    walk = Walk(phone, UNAUTHORISED)
    walk.until_offered("生成商家授权链接")
    walk.act("生成商家授权链接")
    phone.get_by_text("https://mp.weixin.qq.com/cgi-bin/componentloginpage").wait_for()
    phone.locator("figure.qrcode svg").wait_for()
    picture(phone, "authorisation_link")
    httpx.post(f"{control}/authorise", params={"appid": UNAUTHORISED}, trust_env=False).raise_for_status()
    walk.go()
    walk.act("从失败的步骤继续")
    print(f"61003: {walk.clicks} clicks")
    assert wait_for_state(stage, "unauthorised", "verify_release", "success") == "success"


def test_out_of_a_withdrawn_audit(phone: Page, stage: Stage) -> None:
    stage.release("withdrawn", WITHDRAWN, approval=False)
    wait_for_state(stage, "withdrawn", "wait_for_audit", "failed")
    control = f"{stage.sandbox.url}/_sandbox/mini_program"
    httpx.post(control, params={"appid": WITHDRAWN, "audit": "approved"}, trust_env=False).raise_for_status()
    walk = Walk(phone, WITHDRAWN, by_keyboard=True)
    walk.until_offered("从失败的步骤继续")
    walk.act("从失败的步骤继续")
    print(f"withdrawn: {walk.clicks} clicks")
    assert wait_for_state(stage, "withdrawn", "verify_release", "success") == "success"


def test_out_of_an_approval_that_ran_out(phone: Page, stage: Stage) -> None:
    stage.release("expired", EXPIRED, approval_timeout_hours=0.02)
    wait_for_state(stage, "expired", "approve_release", "failed")
    walk = Walk(phone, EXPIRED)
    walk.until_offered("从失败的步骤继续")
    walk.act("从失败的步骤继续")
    wait_for_state(stage, "expired", "approve_release", *ASKED)
    walk.until_offered("查看并决定")
    walk.act("查看并决定", confirm="批准")
    print(f"expired: {walk.clicks} clicks")
    assert wait_for_state(stage, "expired", "verify_release", "success") == "success"


def test_out_of_a_run_that_was_killed(phone: Page, stage: Stage) -> None:
    stage.release("killed", KILLED, approval=False)
    wait_for_state(stage, "killed", "wait_for_audit", "deferred")
    stage.airflow.api._send("PATCH", "/dags/wxa_release/dagRuns/killed", {"state": "failed"})
    decide = f"{stage.sandbox.url}/_sandbox/decide"
    httpx.post(decide, params={"appid": KILLED, "result": "approved"}, trust_env=False).raise_for_status()
    walk = Walk(phone, KILLED)
    walk.until_offered("从失败的步骤继续")
    walk.act("从失败的步骤继续")
    print(f"killed: {walk.clicks} clicks")
    assert wait_for_state(stage, "killed", "verify_release", "success") == "success"


def test_out_of_a_wrong_version_online(phone: Page, stage: Stage) -> None:
    for version in ("1.4.0", "1.4.1"):
        stage.release(f"wrong_{version}", ONLINE, user_version=version, approval=False)
        wait_for_state(stage, f"wrong_{version}", "verify_release", "success")
    walk = Walk(phone, ONLINE)
    walk.go()
    walk.act("回退到上一版本")
    (run_id,) = (each for each in stage.airflow.api.run_states("wxa_rollback") if ONLINE in each)
    wait_for_state(stage, run_id, "approve_rollback", *ASKED, dag_id="wxa_rollback")
    walk.until_offered("查看并决定")
    walk.act("查看并决定", confirm="批准")
    print(f"wrong version online: {walk.clicks} clicks")
    wait_for_state(stage, run_id, "verify_rollback", "success", dag_id="wxa_rollback")


def test_out_of_a_stop_at_a_fleets_canary(phone: Page, stage: Stage) -> None:
    release = {key: value for key, value in release_of(FLEET[0], user_version="3.2.0").items() if key != "appid"}
    manifest = {"release": release, "apps": list(FLEET), "waves": {"canary": {"apps": 2}}}
    conf = {"manifest": json.dumps(manifest), "approval": False}
    stage.airflow.api.trigger(FLEET_DAG, "autumn", conf)
    wait_for_state(stage, "autumn", "fleet_result", "failed", dag_id=FLEET_DAG)
    walk = Walk(phone, FLEET[1])

    def go() -> None:
        walk.go_to_fleet("autumn")

    walk.until_offered("打开闸门", go)
    headline = phone.locator(".headline")
    for said in ("canary 批次的闸门已关闭", "2 个中失败 1 个", "上限 0%"):
        headline.get_by_text(said).wait_for()
    walk.look("canary_stop")
    walk.act("打开闸门", why="该商家自行修改类目")
    wait_for_state(stage, "autumn", "release_rest", "deferred", dag_id=FLEET_DAG)
    walk.until_offered("停止本次批量发布", go)
    walk.look("fleet_goes_on")
    walk.act("停止本次批量发布")
    wait_for_state(stage, "autumn", "fleet_result", "failed", dag_id=FLEET_DAG)
    decide = f"{stage.sandbox.url}/_sandbox/decide"
    httpx.post(decide, params={"appid": FLEET[-1], "result": "approved"}, trust_env=False).raise_for_status()
    walk.until_offered("继续未完成的部分", go)
    headline.get_by_text(re.compile("已由 .* 停止")).wait_for()
    walk.look("fleet_stopped")
    walk.act("继续未完成的部分")
    (run_id,) = (each for each in stage.airflow.api.run_states(FLEET_DAG) if each != "autumn")
    assert wait_for_state(stage, run_id, "fleet_result", "success", "failed", dag_id=FLEET_DAG) == "success"
    walk.go_to_fleet(run_id)
    walk.look("rest_of_the_fleet")
    print(f"stop at the canary: {walk.clicks} clicks")
