"""A release in the browser: the form, the approval, what is online, and the way out of 89021."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import PLAIN, REASON, REJECTED, UNREGISTERED, picture

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.conftest import Stage

pytestmark = pytest.mark.browser

SECONDS = 240


def wait_for_state(stage: Stage, run_id: str, task_id: str, *states: str, dag_id: str = "wxa_release") -> str:
    """Wait until a task of a run is in one of these states; looked at by REST, as nobody counts seconds in a page."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        now = {each.task_id: each.state for each in stage.airflow.api.task_instances(dag_id, run_id)}
        if (state := now.get(task_id, "")) in states:
            return state
        time.sleep(0.5)
    raise AssertionError(f"{task_id} of {run_id} came to none of {states}: {now}")


def open_log(page: Page, run_id: str, task_id: str) -> None:
    """Open a task's page, which shows its log."""
    page.goto(f"/dags/wxa_release/runs/{run_id}/tasks/{task_id}")


def test_the_form_names_every_param_and_starts_a_release(page: Page, stage: Stage) -> None:
    page.goto("/dags/wxa_release")
    page.get_by_role("button", name="Trigger Dag").click()
    for title in ("Mini Program (appid)", "Business domains (webviewdomain)", "Template (template_id)"):
        page.get_by_text(title).first.wait_for()
    picture(page, "trigger_form")
    page.locator("#element_appid").fill(PLAIN)
    page.locator("#element_webviewdomain").fill("https://m.example.com")
    page.locator("#element_template_id").fill("47")
    page.locator("#element_user_version").fill("1.4.0")
    page.get_by_role("button", name="Advanced Options").click()
    page.locator("[name=dagRunId]").fill("by_form")
    page.get_by_role("dialog").get_by_role("button", name="Trigger", exact=True).click()
    assert wait_for_state(stage, "by_form", "check_release", "success", "failed") == "success"


def test_an_approval_shows_what_changes_and_the_release_goes_online(page: Page, stage: Stage) -> None:
    stage.release("approved", PLAIN, user_version="1.5.0", user_desc="spring sale")
    wait_for_state(stage, "approved", "approve_release", "awaiting_input", "deferred")
    page.goto("/required_actions")
    page.get_by_role("link", name=re.compile(r"Release 1\.5\.0 of")).first.click()  # one click from there
    page.get_by_text("spring sale").first.wait_for()
    page.get_by_text(re.compile(r"\d+ before, \d+ after")).first.wait_for()
    picture(page, "approval")
    page.get_by_role("button", name="Approve").click()
    assert wait_for_state(stage, "approved", "verify_release", "success", "failed") == "success"
    open_log(page, "approved", "verify_release")
    page.get_by_text(re.compile(rf"1\.5\.0 of {PLAIN} is online since")).first.wait_for()


def test_a_rejected_audit_ends_with_its_reason(page: Page, stage: Stage) -> None:
    stage.release("rejected", REJECTED)
    wait_for_state(stage, "rejected", "wait_for_audit", "failed")
    open_log(page, "rejected", "wait_for_audit")
    page.get_by_text(REASON).first.wait_for()
    page.get_by_text("这个版本审核不通过").first.wait_for()


def test_89021_is_mended_in_the_browser(page: Page, stage: Stage) -> None:
    stage.release("unregistered", UNREGISTERED, webviewdomain=["https://shop.example.org"], approval=False)
    wait_for_state(stage, "unregistered", "configure_domains", "failed")
    open_log(page, "unregistered", "configure_domains")
    page.get_by_text("register them with the DAG wxa_platform_domains").first.wait_for()
    picture(page, "89021")

    conf = {"hosts": ["shop.example.org"], "action": "add"}
    stage.airflow.api.trigger("wxa_platform_domains", "register", conf)
    wait_for_state(stage, "register", "approve_change", "awaiting_input", "deferred", dag_id="wxa_platform_domains")
    page.goto("/required_actions")
    page.get_by_role("link", name=re.compile("Platform list")).first.click()
    page.get_by_text("shop.example.org").first.wait_for()
    picture(page, "platform_approval")
    page.get_by_role("button", name="Approve").click()
    wait_for_state(stage, "register", "modify_platform_domains", "success", dag_id="wxa_platform_domains")

    page.goto("/dags/wxa_release/runs/unregistered/tasks/configure_domains")
    page.get_by_role("button", name="Press shift+c to clear").click()
    page.get_by_role("dialog").get_by_role("button", name="Confirm").click()
    assert wait_for_state(stage, "unregistered", "verify_release", "success") == "success"


@pytest.mark.parametrize(
    ("language", "heading", "who"), [("en", "Mini Programs", "Nobody"), ("zh-CN", "小程序", "无需处理")]
)
def test_the_board_shows_what_is_online_in_the_readers_language(
    page: Page, stage: Stage, language: str, heading: str, who: str
) -> None:
    stage.release(f"board-{language}", PLAIN, user_version="1.6.0", approval=False)
    wait_for_state(stage, f"board-{language}", "verify_release", "success")
    page.goto("/")
    page.get_by_role("link", name=re.compile("Mini Prog")).first.click()
    board = page.frame_locator("iframe")
    board.get_by_role("heading", name=heading).wait_for()
    row = board.locator("tr", has_text=PLAIN)
    row.get_by_text(who, exact=True).wait_for()
    assert "1.6.0" in row.inner_text()
    picture(page, f"board_{language}")
    row.get_by_role("link", name=PLAIN).click()
    board.get_by_role("heading", name=PLAIN).wait_for()
    board.get_by_text("https://m.example.com").first.wait_for()
