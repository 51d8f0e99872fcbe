"""A release in the browser: the form, the approval, what is online, and the way out of 89021."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from airflow_wxa.sandbox.testing import PLATFORM_TOKEN
from tests.browser.conftest import NAMES, REASON, App, picture
from tests.real_airflow.airflows import WAITING

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.conftest import Stage

pytestmark = pytest.mark.browser


def open_log(page: Page, run_id: str, task_id: str) -> None:
    """Open a task's page, which shows its log."""
    page.goto(f"/dags/wxa_release/runs/{run_id}/tasks/{task_id}")


def fill_form(page: Page, run_id: str, appid: str, **values: str) -> None:
    """Open the DAG's form and fill in what a release needs."""
    page.goto("/dags/wxa_release")
    page.get_by_role("button", name="Trigger Dag").click()
    for title in ("Mini Program (appid)", "Business domains (webviewdomain)", "Template (template_id)"):
        page.get_by_text(title).first.wait_for()
    filled = {"appid": appid, "webviewdomain": "https://m.example.com", "template_id": "47", "user_version": "1.4.0"}
    for name, value in (filled | values).items():
        page.locator(f"#element_{name}").fill(value)
    page.get_by_role("button", name="Advanced Options").click()
    page.locator("[name=dagRunId]").fill(run_id)


def trigger(page: Page) -> None:
    """Press the button of the form."""
    page.get_by_role("dialog").get_by_role("button", name="Trigger", exact=True).click()


def test_a_release_is_triggered_watched_approved_and_seen_online(page: Page, stage: Stage) -> None:
    fill_form(page, "by_form", App.PLAIN, user_desc="spring sale")
    picture(page, "trigger_form")
    trigger(page)
    stage.wait("by_form", "approve_release", *WAITING)

    page.goto("/dags/wxa_release/runs/by_form")
    page.get_by_label("Show Graph").click()
    graph = page.locator(".react-flow")
    for task_id in ("configure_domains", "register_platform_domains", "individual_account", "verify_release"):
        graph.get_by_text(task_id, exact=True).wait_for()
    for road in ("platform list empty (89020)", "individual (89231)", "configured (0, 89019)", "approved by WeChat"):
        graph.get_by_text(road).first.wait_for()
    picture(page, "graph")
    page.get_by_label("Show Grid").click()

    page.goto("/required_actions")
    page.get_by_role("link", name=f"Release 1.4.0 of {App.PLAIN}?").first.click()
    changes = "0 before, 1 after: 1 added"
    for said in (NAMES[App.PLAIN], "spring sale", "nothing: this would be the first release", changes):
        page.get_by_text(said).first.wait_for()
    page.get_by_text(re.compile(r"^\+ https://m\.example\.com$", re.MULTILINE)).wait_for()
    picture(page, "approval")
    page.get_by_role("button", name="Approve").click()
    assert stage.wait("by_form", "verify_release", "success", "failed") == "success"
    open_log(page, "by_form", "verify_release")
    page.get_by_text(re.compile(rf"1\.4\.0 of {App.PLAIN} is online since")).first.wait_for()


def test_a_refused_approval_is_told_from_a_release(page: Page, stage: Stage) -> None:
    stage.release("refused", App.REFUSED)
    stage.wait("refused", "approve_release", *WAITING)
    page.goto("/required_actions")
    page.get_by_role("link", name=f"Release 1.4.0 of {App.REFUSED}?").first.click()
    page.locator("textarea").fill("wait for the holiday to be over")
    page.get_by_role("button", name="Reject").click()
    stage.wait("refused", "verify_release", "skipped")
    open_log(page, "refused", "approve_release")
    page.get_by_text(re.compile("rejected by .*: wait for the holiday to be over")).first.wait_for()


def test_a_rejected_audit_ends_with_its_reason(page: Page, stage: Stage) -> None:
    stage.release("rejected", App.REJECTED)
    stage.wait("rejected", "wait_for_audit", "failed")
    open_log(page, "rejected", "wait_for_audit")
    page.get_by_text(REASON).first.wait_for()
    page.get_by_text("这个版本审核不通过").first.wait_for()


def test_89021_is_mended_in_the_browser(page: Page, stage: Stage) -> None:
    stage.release("unregistered", App.UNREGISTERED, webviewdomain=["https://shop.example.org"], approval=False)
    stage.wait("unregistered", "configure_domains", "failed")
    open_log(page, "unregistered", "configure_domains")
    page.get_by_text("register them with the DAG wxa_platform_domains").first.wait_for()
    picture(page, "89021")

    conf = {"hosts": ["shop.example.org"], "action": "add"}
    stage.airflow.api.trigger("wxa_platform_domains", "register", conf)
    stage.wait("register", "approve_change", *WAITING, dag_id="wxa_platform_domains")
    page.goto("/required_actions")
    page.get_by_role("link", name=re.compile("Platform list")).first.click()
    page.get_by_text("shop.example.org").first.wait_for()
    picture(page, "platform_approval")
    page.get_by_role("button", name="Approve").click()
    stage.wait("register", "modify_platform_domains", "success", dag_id="wxa_platform_domains")

    page.goto("/dags/wxa_release/runs/unregistered/tasks/configure_domains")
    page.get_by_role("button", name="Press shift+c to clear").click()
    page.get_by_role("dialog").get_by_role("button", name="Confirm").click()
    assert stage.wait("unregistered", "verify_release", "success") == "success"


def test_a_refused_form_says_what_each_field_takes_in_a_narrow_window(page: Page) -> None:
    page.set_viewport_size({"width": 900, "height": 1000})
    fill_form(page, "narrow", "wx123")
    trigger(page)
    page.get_by_text("Bad Request").first.wait_for()  # Airflow's word, so the descriptions say what is wanted
    page.get_by_role("button", name="Run Parameters").click()
    for said in ("wx and 16 hex digits", "such as https://m.example.com", "From gettemplatelist: digits"):
        page.get_by_role("dialog").get_by_text(said).first.wait_for()


def test_a_connection_made_in_the_browser_can_be_tested_there(page: Page, stage: Stage) -> None:
    page.goto("/connections")
    page.get_by_role("button", name="Add Connection").click()
    form = page.get_by_role("dialog")
    form.locator("[name=connection_id]").fill("made_in_the_browser")
    form.get_by_role("combobox").first.fill("WeChat")
    page.get_by_role("option", name="WeChat Mini Program platform").click()
    form.locator("[name=host]").fill(stage.sandbox.url)
    form.locator("[name=port]").fill("0")  # an empty one is what Airflow's button cannot test
    form.get_by_role("button", name="Extra Fields", exact=True).click()
    form.locator("#element_component_access_token").fill(PLATFORM_TOKEN)
    picture(page, "connection_form")
    form.get_by_role("button", name="Save").click()
    page.get_by_role("row", name="made_in_the_browser").get_by_label("Test Connection").click()
    page.get_by_text("accepts the platform token").wait_for()


def test_what_an_approval_changes_is_two_clicks_away(page: Page, stage: Stage) -> None:
    stage.release("asked", App.ASKED_ABOUT)
    stage.wait("asked", "approve_release", *WAITING)
    page.goto("/")
    page.get_by_text("Required Actions").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("approve_release").first.click()  # which one, where several wait
    dialog.get_by_text(f"Release 1.4.0 of {App.ASKED_ABOUT}?").wait_for()
    dialog.get_by_text("0 before, 1 after: 1 added, 0 removed.").wait_for()
