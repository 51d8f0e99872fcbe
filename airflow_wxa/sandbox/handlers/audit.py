"""Audit: the privacy guide, the privacy scan, media, the submission, its status, and the month's quota."""

import hashlib
from typing import Any

from airflow_wxa.sandbox.errors import Errcode, RefusalError, found, refuse_if, taken
from airflow_wxa.sandbox.gate import Answer, Body, answers, ok
from airflow_wxa.sandbox.handlers.code import picture_of
from airflow_wxa.sandbox.loose import UNNAMED_STATUS
from airflow_wxa.sandbox.pushes import announce_audit
from airflow_wxa.sandbox.state import IN_AUDIT, STAGES, AuditSheet, AuditStatus, MiniProgram, Stage
from airflow_wxa.sandbox.world import World

CONTACTS = ("contact_email", "contact_phone", "contact_qq", "contact_weixin")
LIVE, DEVELOPMENT = 1, 2
MOST_ITEMS = 5
MOST_TAGS = 10
TAG_LENGTH = 20
TITLE_LENGTH = 32
# WeChat's table marks `title` optional, yet an entry without it was answered 85010 (a developer's post).
ITEM_FIELDS = ("first_class", "second_class", "first_id", "second_id", "title")


@answers("GET /wxa/security/get_code_privacy_info", MiniProgram)
def get_code_privacy_info(world: World, account: MiniProgram, body: Body) -> Answer:
    """Answer what the privacy scan found, 61039 before it has."""
    account.poll_scan()
    return ok(without_auth_list=account.without_auth_list, without_conf_list=account.without_conf_list)


SUBMIT_FIELDS = """item_list preview_info version_desc feedback_info feedback_stuff ugc_declare privacy_api_not_use
order_path"""


@answers("POST /wxa/submit_audit", MiniProgram, SUBMIT_FIELDS, writes=True)
def submit_audit(world: World, account: MiniProgram, body: Body) -> Answer:
    """Open an audit sheet for the trial version and spend one of the platform's submissions."""
    not_used = taken(body, "privacy_api_not_use", bool, Errcode.INVALID_ARGUMENTS, default=False)
    taken(body, "version_desc", str, Errcode.INVALID_ARGUMENTS, default="")
    if account.exp_info is not None and "item_list" in body:
        _check_items(body["item_list"], account)
    loose, platform = world.looseness(account), world.platform_of(account)
    if loose.unfilled:
        raise RefusalError(Errcode.PROFILE_INCOMPLETE if loose.unfilled - {"category"} else Errcode.BAD_CATEGORY)
    refuse_if(loose.needs_privacy_guide and not account.privacy, Errcode.COMMIT_FIRST)
    refuse_if(loose.needs_ugc_declare and not body.get("ugc_declare"), Errcode.UGC_DECLARE_MISSING)
    trial = account.check_submittable(
        privacy_api_not_use=not_used, audit_rest=platform.audits_left + platform.audit_raise
    )
    if platform.audits_left > 0:
        platform.audit_rest = platform.audits_left - 1
    else:
        platform.audit_raise -= 1
    auditid = world.take_auditid()
    sheet = account.submit(trial, auditid=auditid, now=world.now(), unseen=loose.unseen_after_submit)
    announce_audit(world, account, sheet, Stage.AUDITING)
    return ok(auditid=auditid)


def _check_items(items: object, account: MiniProgram) -> None:
    if not isinstance(items, list) or not 1 <= len(items) <= MOST_ITEMS:
        raise RefusalError(Errcode.ITEM_COUNT)
    for item in items:
        if not isinstance(item, dict) or any(item.get(name) in (None, "") for name in ITEM_FIELDS):
            raise RefusalError(Errcode.ITEM_MISSING_FIELD)
        _check_item(item, account)


def _check_item(item: dict[str, Any], account: MiniProgram) -> None:
    refuse_if(len(str(item["title"])) > TITLE_LENGTH, Errcode.BAD_TITLE)
    tags = str(item.get("tag", "")).split()
    refuse_if(len(tags) > MOST_TAGS or any(len(tag) > TAG_LENGTH for tag in tags), Errcode.BAD_TAG)
    refuse_if("address" in item and item["address"] not in account.trial_pages, Errcode.BAD_PAGE_PATH)
    usable = [(each["first_id"], each["second_id"]) for each in account.categories]
    refuse_if((item["first_id"], item["second_id"]) not in usable, Errcode.BAD_CATEGORY)


@answers("POST /wxa/get_auditstatus", MiniProgram, "auditid")
def get_auditstatus(world: World, account: MiniProgram, body: Body) -> Answer:
    """Answer where one sheet stands; old samples name it by a string, the page by a number."""
    auditid = str(body.get("auditid"))
    for sheet in world.read(account, "audit_sheet", account.sheets):
        if str(sheet.auditid) == auditid and not _still_unseen(sheet):
            return ok(**_status(world, account, sheet, "screenshot"))
    status = {"status": int(AuditStatus.AUDITING)} if world.looseness(account).status_beside_85012 else {}
    raise RefusalError(Errcode.INVALID_AUDITID, **status)


@answers("GET /wxa/get_latest_auditstatus", MiniProgram)
def get_latest_auditstatus(world: World, account: MiniProgram, body: Body) -> Answer:
    """Answer the newest sheet.

    The page's table says ``screenshot``, its sample and the clients ``ScreenShot``: this is the sample's reading.
    """
    sheets = world.read(account, "audit_sheet", account.sheets)
    refuse_if(not sheets or _still_unseen(sheets[-1]), Errcode.NO_VALID_AUDIT)
    sheet = sheets[-1]
    slot = {
        "auditid": sheet.auditid,
        **_status(world, account, sheet, "ScreenShot"),
        "user_version": sheet.user_version,
        "user_desc": sheet.user_desc,
        "submit_audit_time": sheet.submit_audit_time,
    }
    return ok(**world.told(account, slot))


def _still_unseen(sheet: AuditSheet) -> bool:
    """Tell whether a sheet is asked about too early, and count the question."""
    sheet.unseen = max(sheet.unseen - 1, -1)
    return sheet.unseen >= 0


def _status(world: World, account: MiniProgram, sheet: AuditSheet, screenshot: str) -> dict[str, Any]:
    answered = sheet.stage
    # A copy of a sheet that a read shows late does not come nearer to its end.
    if any(sheet is each for each in account.sheets):
        sheet.poll()
        announce_audit(world, account, sheet, answered)
    status = STAGES[answered].status
    unnamed = status is AuditStatus.AUDITING and "unnamed_status" in world.looseness(account).answers
    shown: dict[str, Any] = {"status": UNNAMED_STATUS if unnamed else int(status)}
    if status in (AuditStatus.REJECTED, AuditStatus.DELAYED):
        shown["reason"] = sheet.plan.reason
    if status is AuditStatus.REJECTED:
        shown[screenshot] = sheet.plan.screenshot
    return shown


@answers("GET /wxa/undocodeaudit", MiniProgram, writes=True)
def undocodeaudit(world: World, account: MiniProgram, body: Body) -> None:
    """Take the sheet in audit back."""
    try:
        account.withdraw_audit(now=world.time())
    except RefusalError as refusal:
        if refusal.errcode is not Errcode.NOT_REVERTIBLE or not world.looseness(account).undo_of_nothing:
            raise


@answers("POST /cgi-bin/material/get_material", MiniProgram, "media_id")
def get_material(world: World, account: MiniProgram, body: Body) -> Answer:
    """Answer a screenshot of a rejected sheet as a JPEG; no other material exists here."""
    rejected = [sheet for sheet in account.sheets if sheet.stage is Stage.REJECTED]
    screenshots = [media for sheet in rejected for media in sheet.plan.screenshot.split("|") if media]
    refuse_if(body.get("media_id") not in screenshots, Errcode.INVALID_MEDIA_ID)
    return picture_of("screenshot.jpg")


@answers("POST /wxa/speedupaudit", MiniProgram, "auditid", writes=True)
def speedupaudit(world: World, account: MiniProgram, body: Body) -> None:
    """Let the reviewers decide at the next question."""
    platform, auditid = world.platform_of(account), str(body.get("auditid"))
    named = (each for each in account.sheets if str(each.auditid) == auditid)
    sheet = found(next(named, None), Errcode.INVALID_AUDITID)
    refuse_if(sheet.stage not in IN_AUDIT, Errcode.SPEEDUP_NOT_IN_QUEUE)
    refuse_if(sheet.sped_up, Errcode.SPEEDUP_ALREADY)
    refuse_if(platform.speedup_rest <= 0, Errcode.SPEEDUP_QUOTA)
    platform.speedup_rest -= 1
    sheet.sped_up, sheet.plan.polls = True, sheet.polls + 1


@answers("GET /wxa/queryquota", MiniProgram)
def queryquota(world: World, account: MiniProgram, body: Body) -> Answer:
    """Answer the month's numbers, which are the platform's whoever asks."""
    platform = world.platform_of(account)
    speedups = {"speedup_rest": platform.speedup_rest, "speedup_limit": platform.speedup_limit}
    return ok(rest=platform.audits_left, limit=platform.audit_limit, **speedups)


@answers(
    "POST /cgi-bin/component/setprivacysetting", MiniProgram, "privacy_ver owner_setting setting_list", writes=True
)
def setprivacysetting(world: World, account: MiniProgram, body: Body) -> None:
    """Write a privacy guide: the one in development, live after the next release, or the live one's contacts."""
    owner, version = taken(body, "owner_setting", dict, Errcode.INVALID_ARGUMENTS), body.get("privacy_ver", DEVELOPMENT)
    refuse_if(version not in (LIVE, DEVELOPMENT), Errcode.INVALID_ARGUMENTS)
    refuse_if(not any(owner.get(name) for name in CONTACTS), Errcode.OWNER_SETTING_MISSING)
    refuse_if(not owner.get("notice_method"), Errcode.NOTICE_METHOD_MISSING)
    refuse_if(("setting_list" in body) != (version == DEVELOPMENT), Errcode.INVALID_ARGUMENTS)
    refuse_if(version == LIVE and "1" not in account.privacy, Errcode.NO_LIVE_PRIVACY)
    before = account.privacy.get(str(version), {})
    settings = body.get("setting_list", before.get("setting_list", []))
    account.privacy[str(version)] = {"owner_setting": owner, "setting_list": settings, "update_time": world.now()}


@answers("POST /cgi-bin/component/getprivacysetting", MiniProgram, "privacy_ver")
def getprivacysetting(world: World, account: MiniProgram, body: Body) -> Answer:
    """Answer a privacy guide and the interfaces that the committed code uses."""
    guide = account.privacy.get(str(body.get("privacy_ver", DEVELOPMENT)), {})
    return ok(
        code_exist=int(account.exp_info is not None),
        privacy_list=account.privacy_keys,
        setting_list=[{**each, "privacy_label": ""} for each in guide.get("setting_list", [])],
        update_time=guide.get("update_time", 0),
        owner_setting=guide.get("owner_setting", {}),
        privacy_desc={"privacy_desc_list": []},
        sdk_privacy_info_list=[],
    )


@answers("POST /wxa/security/apply_privacy_interface", MiniProgram, "api_name content url_list pic_list video_list")
def apply_privacy_interface(world: World, account: MiniProgram, body: Body) -> Answer:
    """Apply for a privacy interface; it stays under review."""
    name = taken(body, "api_name", str, Errcode.INVALID_ARGUMENTS)
    refuse_if(not name or not body.get("content"), Errcode.INVALID_ARGUMENTS)
    refuse_if(name in account.privacy_apis, Errcode.PRIVACY_API_UNDER_REVIEW)
    account.privacy_apis.append(name)
    return ok(audit_id=world.take_auditid())


@answers("POST /wxa/uploadmedia", MiniProgram, media=True)
def uploadmedia(world: World, account: MiniProgram, body: Body) -> Answer:
    """Take a picture or a video for ``preview_info``; nothing looks at it."""
    raw: bytes = body["media"]
    refuse_if(b"filename=" not in raw, Errcode.DATA_FORMAT_ERROR)
    kind = "video" if b"Content-Type: video/" in raw else "image"
    return ok(type=kind, mediaid=f"media-{hashlib.sha256(raw).hexdigest()[:16]}")
