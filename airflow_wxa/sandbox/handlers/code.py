"""Code: templates, commit with its ``ext_json`` (a string that holds JSON), versions, release, rollback."""

import hashlib
from dataclasses import asdict
from functools import cache
from importlib import resources
from typing import Any, TypeVar

from airflow_wxa.sandbox.errors import Errcode, RefusalError, found, refuse_if, taken
from airflow_wxa.sandbox.gate import Answer, Body, answers, ok, strict_json
from airflow_wxa.sandbox.platforms import Draft, Platform, Template
from airflow_wxa.sandbox.state import MiniProgram
from airflow_wxa.sandbox.world import World

T = TypeVar("T")
USER_VERSION_LENGTH = 64
GRAY_FIELDS = "gray_percentage support_debuger_first support_experiencer_first"
SOURCE = {"source_miniprogram_appid": "wx0000000000000009", "source_miniprogram": "Template dev"}
STANDARD_KEYS = frozenset({"extAppid", "ext", "window"})
STANDARD_TEMPLATE = 1


@answers("POST /wxa/commit", MiniProgram, "template_id ext_json user_version user_desc", writes=True)
def commit(world: World, account: MiniProgram, body: Body) -> None:
    """Make a template the trial version."""
    most = world.looseness(account).commits_at_once
    refuse_if(most is not None and world.commits_under_way > most, Errcode.CONCURRENT_LIMIT)
    refuse_if(not {"template_id", "ext_json", "user_version", "user_desc"} <= body.keys(), Errcode.MISSING_PARAMETER)
    user_version = taken(body, "user_version", str, Errcode.INVALID_ARGUMENTS)
    user_desc = taken(body, "user_desc", str, Errcode.INVALID_ARGUMENTS)
    refuse_if(not 1 <= len(user_version) <= USER_VERSION_LENGTH, Errcode.INVALID_ARGUMENTS)
    template = _template(world, account, body["template_id"])
    ext = parsed_ext_json(body["ext_json"])
    account.commit(
        user_version=user_version,
        user_desc=user_desc,
        pages=checked_pages(ext, template, account.appid),
        now=world.now(),
        direct_commit=ext.get("directCommit") is True,
    )


def _template(world: World, account: MiniProgram, template_id: object) -> Template:
    """Find a template; its id is a string on WeChat's page and a number in its lists, and both are taken."""
    if isinstance(template_id, str) and template_id.isascii() and template_id.isdigit():
        template_id = int(template_id)
    number = taken({"template_id": template_id}, "template_id", int, Errcode.TEMPLATE_NOT_EXIST)
    return found(world.template(world.platform_of(account), number), Errcode.TEMPLATE_NOT_EXIST)


@answers("GET /wxa/get_page", MiniProgram)
def get_page(world: World, account: MiniProgram, body: Body) -> Answer:
    """Answer the pages of the committed code."""
    found(account.exp_info, Errcode.NO_COMMITTED_CODE)
    # A version that was uploaded with directCommit was seen without pages (a developer's post).
    return ok(page_list=[] if account.direct_commit else account.trial_pages)


@answers("GET /wxa/get_qrcode", MiniProgram, "path")
def get_qrcode(world: World, account: MiniProgram, body: Body) -> Answer:
    """Answer the QR code of the trial version as a JPEG; -1 is the failure that WeChat's page shows."""
    trial = found(account.exp_info, Errcode.SYSTEM_ERROR)
    return qrcode(" ".join([account.appid, trial["exp_version"], body.get("path", "")]).strip())


def qrcode(text: str) -> bytes:
    """Return a QR code as a JPEG: always the same picture, with a text of at most 65,533 bytes as its comment."""
    picture, said = picture_of("qrcode.jpg"), text.encode()
    return picture[:2] + b"\xff\xfe" + (len(said) + 2).to_bytes(2, "big") + said + picture[2:]


@cache
def picture_of(file: str) -> bytes:
    """Return what a JPEG of this package holds."""
    return resources.files("airflow_wxa.sandbox").joinpath(file).read_bytes()


@answers("POST /wxa/getversioninfo", MiniProgram)
def getversioninfo(world: World, account: MiniProgram, body: Body) -> Answer:
    """Answer the trial and the online version."""
    slots = {
        "exp_info": world.read(account, "trial_version", account.exp_info),
        "release_info": world.read(account, "online_version", account.release_info),
    }
    # WeChat leaves out what a fresh account lacks.
    return ok(**{name: world.told(account, slot) for name, slot in slots.items() if slot})


@answers("POST /wxa/release", MiniProgram, writes=True)
def release(world: World, account: MiniProgram, body: Body) -> None:
    """Publish the approved version."""
    platform = world.platform_of(account)
    account.release(registered=platform.registered, server_hosts=platform.server_hosts, now=world.now())


@answers("POST /wxa/grayrelease", MiniProgram, GRAY_FIELDS, writes=True)
def grayrelease(world: World, account: MiniProgram, body: Body) -> None:
    """Show the approved version to a part of the users."""
    account.release_gray(
        {
            "status": 1,
            "create_timestamp": world.now(),
            "gray_percentage": taken(body, "gray_percentage", int, Errcode.BAD_GRAY_PERCENTAGE),
            "support_debuger_first": body.get("support_debuger_first") is True,
            "support_experiencer_first": body.get("support_experiencer_first") is True,
        }
    )


@answers("GET /wxa/revertgrayrelease", MiniProgram, writes=True)
def revertgrayrelease(world: World, account: MiniProgram, body: Body) -> None:
    """Cancel a staged release; the answer without one is written nowhere, here it is 87012."""
    refuse_if(account.gray["status"] != 1, Errcode.NOT_REVERTIBLE)
    account.gray = {**account.gray, "status": 4}


@answers("GET /wxa/revertcoderelease", MiniProgram, "action app_version", writes=True)
def revertcoderelease(world: World, account: MiniProgram, body: Body) -> Answer:
    """List the versions that can be rolled back to, or roll back: without ``action`` it is done at once."""
    if body.get("action") == "get_history_version":
        return ok(version_list=account.versions)
    app_version = body.get("app_version", "")
    refuse_if(app_version and not (app_version.isascii() and app_version.isdigit()), Errcode.INVALID_ARGUMENTS)
    account.roll_back(int(app_version) if app_version else None, now=world.now())
    return ok()


@answers("POST /wxa/change_visitstatus", MiniProgram, "action", writes=True)
def change_visitstatus(world: World, account: MiniProgram, body: Body) -> None:
    """Open or close the online version to visitors."""
    refuse_if(body.get("action") not in ("open", "close"), Errcode.BAD_VISIT_ACTION)
    account.serving = body["action"] == "open"


@answers("GET /wxa/get_category", MiniProgram)
def get_category(world: World, account: MiniProgram, body: Body) -> Answer:
    """Answer the categories of the account."""
    return ok(category_list=[] if "category" in world.looseness(account).unfilled else account.categories)


@answers("GET /wxa/getgrayreleaseplan", MiniProgram)
def getgrayreleaseplan(world: World, account: MiniProgram, body: Body) -> Answer:
    """Answer the staged release."""
    return ok(gray_release_plan=account.gray)


@answers("GET /wxa/get_prefetchdnsdomain", MiniProgram)
def get_prefetchdnsdomain(world: World, account: MiniProgram, body: Body) -> Answer:
    """Answer the domains that are looked up beforehand; no page was read that names the field."""
    return ok(prefetch_dns_domain=account.prefetch_dns_domain)


@answers("POST /wxa/getvisitstatus", MiniProgram)
def getvisitstatus(world: World, account: MiniProgram, body: Body) -> Answer:
    """Answer whether visitors are let in."""
    return ok(status=int(account.serving))


@answers("POST /wxa/bind_tester", MiniProgram, "wechatid", writes=True)
def bind_tester(world: World, account: MiniProgram, body: Body) -> Answer:
    """Add a tester."""
    wechatid = taken(body, "wechatid", str, Errcode.TESTER_NOT_FOUND)
    refuse_if(not wechatid, Errcode.TESTER_NOT_FOUND)
    refuse_if(wechatid in account.testers, Errcode.TESTER_ALREADY_BOUND)
    account.testers.append(wechatid)
    return ok(userstr=hashlib.sha256(wechatid.encode()).hexdigest()[:28])


@answers("POST /cgi-bin/wxopen/setweappsupportversion", MiniProgram, "version", writes=True)
def setweappsupportversion(world: World, account: MiniProgram, body: Body) -> None:
    """Set the lowest base library."""
    version = taken(body, "version", str, Errcode.BAD_SUPPORT_VERSION)
    refuse_if(not all(part.isdigit() for part in version.split(".")), Errcode.BAD_SUPPORT_VERSION)
    account.support_version = version


@answers("POST /wxa/set_prefetchdnsdomain", MiniProgram, "prefetch_dns_domain", writes=True)
def set_prefetchdnsdomain(world: World, account: MiniProgram, body: Body) -> None:
    """Keep the domains; which errcode a sixth one is refused with is written on no page that was read."""
    account.prefetch_dns_domain = body.get("prefetch_dns_domain", [])


@answers("GET /wxa/gettemplatedraftlist", Platform)
def gettemplatedraftlist(world: World, account: Platform, body: Body) -> Answer:
    """Answer the drafts that developers uploaded."""
    return ok(draft_list=[{**_shown(each), **SOURCE, "developer": "dev"} for each in account.drafts])


@answers("GET /wxa/gettemplatelist", Platform, "template_type")
def gettemplatelist(world: World, account: Platform, body: Body) -> Answer:
    """Answer the templates, all or of one type; the type stands in the query."""
    kinds = (body["template_type"],) if "template_type" in body else ("0", "1")
    refuse_if(not set(kinds) <= {"0", "1"}, Errcode.INVALID_ARGUMENTS)
    library = [each for each in (*account.templates, *world.templates) if str(each.template_type) in kinds]
    return ok(template_list=[_listed(each) for each in library])


@answers("POST /wxa/addtotemplate", Platform, "draft_id template_type", writes=True)
def addtotemplate(world: World, account: Platform, body: Body) -> None:
    """Make a template of a draft; the answer does not tell which, and a second call makes a second one."""
    named = (each for each in account.drafts if each.draft_id == body.get("draft_id"))
    draft, kind = found(next(named, None), Errcode.TEMPLATE_NOT_FOUND), body.get("template_type", 0)
    refuse_if(kind not in (0, 1), Errcode.INVALID_ARGUMENTS)
    refuse_if(len(account.templates) >= account.most_templates, Errcode.TEMPLATE_LIBRARY_FULL)
    newest = max((each.template_id for each in (*account.templates, *world.templates)), default=0)
    told = {**asdict(draft), "create_time": world.now()}
    account.templates = [*account.templates, Template(template_id=newest + 1, template_type=kind, **told)]


@answers("POST /wxa/deletetemplate", Platform, "template_id", writes=True)
def deletetemplate(world: World, account: Platform, body: Body) -> None:
    """Take a template out of the library."""
    left = [each for each in account.templates if each.template_id != body.get("template_id")]
    refuse_if(len(left) == len(account.templates), Errcode.TEMPLATE_NOT_FOUND)
    account.templates = left


def _shown(each: Draft | Template) -> dict[str, Any]:
    names = ("draft_id", "user_version", "user_desc", "create_time")
    return {name: getattr(each, name) for name in names}


def _listed(each: Template) -> dict[str, Any]:
    audit = {"audit_scene": 0, "audit_status": 3, "reason": ""} if each.template_type else {}
    kind = {"template_id": each.template_id, "template_type": each.template_type, "category_list": []}
    return {**_shown(each), **SOURCE, **kind, **audit}


def checked_pages(ext: dict[str, Any], template: Template, appid: str) -> list[str]:
    """Return the pages that the trial version of an account will have."""
    refuse_if(ext.get("extAppid", appid) != appid, Errcode.APPID_TOKEN_MISMATCH)
    if template.template_type == STANDARD_TEMPLATE and not ext.keys() <= STANDARD_KEYS:
        raise RefusalError(Errcode.STANDARD_TEMPLATE_EXT_JSON)
    pages = _pages(ext, template)
    _check_paths(list(_ext_part(ext.get("extPages", {}), dict)), template.pages)
    _check_paths(_subpackage_pages(ext), template.pages)
    _check_tab_bar(ext, pages)
    return pages


def parsed_ext_json(ext_json: object) -> dict[str, Any]:
    """Return ``ext_json`` as an object; an object that is no string of JSON is refused as well."""
    try:
        return _ext_part(strict_json(ext_json if isinstance(ext_json, str) else ""), dict)
    except (ValueError, RecursionError) as error:
        raise RefusalError(Errcode.EXT_JSON_UNPARSABLE) from error


def _pages(ext: dict[str, Any], template: Template) -> list[str]:
    """Return ``pages`` of ext_json, which replace the template's and may only choose among them."""
    if "pages" not in ext:
        return list(template.pages)
    pages = _ext_part(ext["pages"], list)
    refuse_if(not pages, Errcode.PAGES_EMPTY)
    _check_paths(pages, template.pages)
    return list(pages)


def _subpackage_pages(ext: dict[str, Any]) -> list[Any]:
    paths: list[Any] = []
    for package in _ext_part(ext.get("subpackages", []), list):
        root = _ext_part(_ext_part(package, dict).get("root"), str).strip("/")
        paths += [f"{root}/{page}" for page in _ext_part(package.get("pages", []), list)]
    return paths


def _check_tab_bar(ext: dict[str, Any], pages: list[str]) -> None:
    for entry in _ext_part(_ext_part(ext.get("tabBar", {}), dict).get("list", []), list):
        refuse_if(not isinstance(entry, dict) or not entry.get("pagePath"), Errcode.TABBAR_PATH_MISSING)
        _check_paths([entry["pagePath"]], pages)


def _check_paths(paths: list[Any], known: list[str]) -> None:
    refuse_if(not all(path in known for path in paths), Errcode.EXT_JSON_PATH_NOT_EXIST)


def _ext_part(value: object, kind: type[T]) -> T:
    return taken({"ext_json": value}, "ext_json", kind, Errcode.INVALID_EXT_JSON)
