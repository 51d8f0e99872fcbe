"""Code: commit with its ``ext_json`` (a string that holds JSON), the trial version, the versions, and release."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_wxa.sandbox.errors import Errcode, RefusalError
from airflow_wxa.sandbox.gate import merchant_call, ok, strict_json
from airflow_wxa.sandbox.pictures import qrcode

if TYPE_CHECKING:
    from airflow_wxa.sandbox.gate import Answer, Body
    from airflow_wxa.sandbox.platforms import Template
    from airflow_wxa.sandbox.state import MiniProgram
    from airflow_wxa.sandbox.world import World

USER_VERSION_LENGTH = 64
STANDARD_KEYS = frozenset({"extAppid", "ext", "window"})
STANDARD_TEMPLATE = 1


@merchant_call("POST", "/wxa/commit", "template_id ext_json user_version user_desc", writes=True)
def commit(world: World, account: MiniProgram, body: Body) -> Answer:
    """Make a template the trial version."""
    most = world.looseness(account).commits_at_once
    if most is not None and world.commits_under_way > most:
        raise RefusalError(Errcode.CONCURRENT_LIMIT)
    for name in ("template_id", "ext_json", "user_version", "user_desc"):
        if name not in body:
            raise RefusalError(Errcode.MISSING_PARAMETER)
    user_version, user_desc = body["user_version"], body["user_desc"]
    if not isinstance(user_version, str) or not 1 <= len(user_version) <= USER_VERSION_LENGTH:
        raise RefusalError(Errcode.INVALID_ARGUMENTS)
    if not isinstance(user_desc, str):
        raise RefusalError(Errcode.INVALID_ARGUMENTS)
    template = _template(world, account, body["template_id"])
    ext = parsed_ext_json(body["ext_json"])
    account.commit(
        user_version=user_version,
        user_desc=user_desc,
        pages=checked_pages(ext, template, account.appid),
        now=world.now(),
        direct_commit=ext.get("directCommit") is True,
    )
    return ok()


def _template(world: World, account: MiniProgram, template_id: object) -> Template:
    """Find a template; its id is a string on WeChat's page and a number in its lists, and both are taken."""
    if isinstance(template_id, str) and template_id.isascii() and template_id.isdigit():
        template_id = int(template_id)
    template = None
    if isinstance(template_id, int) and not isinstance(template_id, bool):
        template = world.template(world.platform_of(account), template_id)
    if template is None:
        raise RefusalError(Errcode.TEMPLATE_NOT_EXIST)
    return template


@merchant_call("GET", "/wxa/get_page")
def get_page(world: World, account: MiniProgram, body: Body) -> Answer:
    """Answer the pages of the committed code."""
    if account.exp_info is None:
        raise RefusalError(Errcode.NO_COMMITTED_CODE)
    # A version that was uploaded with directCommit was seen without pages (a developer's post).
    return ok(page_list=[] if account.direct_commit else account.trial_pages)


@merchant_call("GET", "/wxa/get_category")
def get_category(world: World, account: MiniProgram, body: Body) -> Answer:
    """Answer the categories that an audit may name."""
    return ok(category_list=account.categories)


@merchant_call("GET", "/wxa/get_qrcode", "path")
def get_qrcode(world: World, account: MiniProgram, body: Body) -> Answer:
    """Answer the QR code of the trial version as a JPEG; -1 is the failure that WeChat's page shows."""
    if account.exp_info is None:
        raise RefusalError(Errcode.SYSTEM_ERROR)
    return qrcode(" ".join([account.appid, account.exp_info["exp_version"], body.get("path", "")]).strip())


@merchant_call("POST", "/wxa/getversioninfo")
def getversioninfo(world: World, account: MiniProgram, body: Body) -> Answer:
    """Answer the trial and the online version."""
    slots = {
        "exp_info": world.read(account, "trial_version", account.exp_info),
        "release_info": world.read(account, "online_version", account.release_info),
    }
    # WeChat leaves out what a fresh account lacks.
    return ok(**{name: world.told(account, slot) for name, slot in slots.items() if slot})


@merchant_call("POST", "/wxa/release", writes=True)
def release(world: World, account: MiniProgram, body: Body) -> Answer:
    """Publish the approved version."""
    platform = world.platform_of(account)
    account.release(registered=platform.registered, server_hosts=platform.server_hosts, now=world.now())
    return ok()


def checked_pages(ext: dict[str, Any], template: Template, appid: str) -> list[str]:
    """Return the pages that the trial version will have.

    :param appid: the account that the token stands for.
    :raises RefusalError: 85013, 49001, 9402203, 85045, 85046 or 85047.
    """
    if ext.get("extAppid", appid) != appid:
        raise RefusalError(Errcode.APPID_TOKEN_MISMATCH)
    if template.template_type == STANDARD_TEMPLATE and not ext.keys() <= STANDARD_KEYS:
        raise RefusalError(Errcode.STANDARD_TEMPLATE_EXT_JSON)
    pages = _pages(ext, template)
    _check_paths(_page_settings(ext), template.pages)
    _check_paths(_subpackage_pages(ext), template.pages)
    _check_tab_bar(ext, pages)
    return pages


def parsed_ext_json(ext_json: object) -> dict[str, Any]:
    """Return ``ext_json`` as an object; anything but a string that holds one is refused, an object above all.

    :raises RefusalError: 85048, or 85013 when it holds something else.
    """
    if not isinstance(ext_json, str):
        raise RefusalError(Errcode.EXT_JSON_UNPARSABLE)
    try:
        ext = strict_json(ext_json)
    except (ValueError, RecursionError) as error:
        raise RefusalError(Errcode.EXT_JSON_UNPARSABLE) from error
    if not isinstance(ext, dict):
        raise RefusalError(Errcode.INVALID_EXT_JSON)
    return ext


def _pages(ext: dict[str, Any], template: Template) -> list[str]:
    """Return ``pages`` of ext_json, which replace the template's and may only choose among them."""
    if "pages" not in ext:
        return list(template.pages)
    pages = _list(ext["pages"])
    if not pages:
        raise RefusalError(Errcode.PAGES_EMPTY)
    _check_paths(pages, template.pages)
    return list(pages)


def _page_settings(ext: dict[str, Any]) -> list[Any]:
    settings = ext.get("extPages", {})
    if not isinstance(settings, dict):
        raise RefusalError(Errcode.INVALID_EXT_JSON)
    return list(settings)


def _subpackage_pages(ext: dict[str, Any]) -> list[Any]:
    paths: list[Any] = []
    for package in _list(ext.get("subpackages", [])):
        if not isinstance(package, dict) or not isinstance(package.get("root"), str):
            raise RefusalError(Errcode.INVALID_EXT_JSON)
        root = package["root"].strip("/")
        paths += [f"{root}/{page}" for page in _list(package.get("pages", []))]
    return paths


def _check_tab_bar(ext: dict[str, Any], pages: list[str]) -> None:
    tab_bar = ext.get("tabBar", {})
    if not isinstance(tab_bar, dict):
        raise RefusalError(Errcode.INVALID_EXT_JSON)
    for entry in _list(tab_bar.get("list", [])):
        if not isinstance(entry, dict) or not entry.get("pagePath"):
            raise RefusalError(Errcode.TABBAR_PATH_MISSING)
        _check_paths([entry["pagePath"]], pages)


def _check_paths(paths: list[Any], known: list[str]) -> None:
    if not all(path in known for path in paths):
        raise RefusalError(Errcode.EXT_JSON_PATH_NOT_EXIST)


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise RefusalError(Errcode.INVALID_EXT_JSON)
    return value
