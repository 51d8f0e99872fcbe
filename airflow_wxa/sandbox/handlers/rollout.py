"""After an approval: staged release, rollback, visit status, and the speed-up before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_wxa.sandbox.audit import IN_AUDIT
from airflow_wxa.sandbox.errors import Errcode, RefusalError
from airflow_wxa.sandbox.gate import merchant_call, ok

if TYPE_CHECKING:
    from airflow_wxa.sandbox.gate import Answer, Body
    from airflow_wxa.sandbox.state import MiniProgram
    from airflow_wxa.sandbox.world import World

GRAY_FIELDS = "gray_percentage support_debuger_first support_experiencer_first"


@merchant_call("POST", "/wxa/grayrelease", GRAY_FIELDS, writes=True)
def grayrelease(world: World, account: MiniProgram, body: Body) -> Answer:
    """Show the approved version to a part of the users."""
    percentage = body.get("gray_percentage")
    if not isinstance(percentage, int) or isinstance(percentage, bool):
        raise RefusalError(Errcode.BAD_GRAY_PERCENTAGE)
    account.release_gray(
        {
            "status": 1,
            "create_timestamp": world.now(),
            "gray_percentage": percentage,
            "support_debuger_first": body.get("support_debuger_first") is True,
            "support_experiencer_first": body.get("support_experiencer_first") is True,
        }
    )
    return ok()


@merchant_call("GET", "/wxa/getgrayreleaseplan")
def getgrayreleaseplan(world: World, account: MiniProgram, body: Body) -> Answer:
    """Answer how far a staged release is."""
    return ok(gray_release_plan=account.gray)


@merchant_call("GET", "/wxa/revertgrayrelease", writes=True)
def revertgrayrelease(world: World, account: MiniProgram, body: Body) -> Answer:
    """Cancel a staged release; what is answered without one is written nowhere, here it is 87012."""
    if account.gray["status"] != 1:
        raise RefusalError(Errcode.NOT_REVERTIBLE)
    account.gray = {**account.gray, "status": 4}
    return ok()


@merchant_call("GET", "/wxa/revertcoderelease", "action app_version", writes=True)
def revertcoderelease(world: World, account: MiniProgram, body: Body) -> Answer:
    """List the versions that can be rolled back to, or roll back: without ``action`` it is done at once."""
    if body.get("action") == "get_history_version":
        return ok(version_list=account.versions)
    app_version = body.get("app_version", "")
    if app_version and not (app_version.isascii() and app_version.isdigit()):
        raise RefusalError(Errcode.INVALID_ARGUMENTS)
    account.roll_back(int(app_version) if app_version else None, now=world.now())
    return ok()


@merchant_call("POST", "/wxa/change_visitstatus", "action", writes=True)
def change_visitstatus(world: World, account: MiniProgram, body: Body) -> Answer:
    """Open or close the online version to visitors."""
    if body.get("action") not in ("open", "close"):
        raise RefusalError(Errcode.BAD_VISIT_ACTION)
    account.serving = body["action"] == "open"
    return ok()


@merchant_call("POST", "/wxa/getvisitstatus")
def getvisitstatus(world: World, account: MiniProgram, body: Body) -> Answer:
    """Answer 1 while it serves, 0 while it is suspended."""
    return ok(status=int(account.serving))


@merchant_call("POST", "/wxa/speedupaudit", "auditid", writes=True)
def speedupaudit(world: World, account: MiniProgram, body: Body) -> Answer:
    """Let the reviewers decide at the next question."""
    platform, auditid = world.platform_of(account), str(body.get("auditid"))
    sheet = next((each for each in account.sheets if str(each.auditid) == auditid), None)
    if sheet is None:
        raise RefusalError(Errcode.INVALID_AUDITID)
    if sheet.stage not in IN_AUDIT:
        raise RefusalError(Errcode.SPEEDUP_NOT_IN_QUEUE)
    if sheet.sped_up:
        raise RefusalError(Errcode.SPEEDUP_ALREADY)
    if platform.speedup_rest <= 0:
        raise RefusalError(Errcode.SPEEDUP_QUOTA)
    platform.speedup_rest -= 1
    sheet.sped_up, sheet.plan.polls = True, sheet.polls + 1
    return ok()
