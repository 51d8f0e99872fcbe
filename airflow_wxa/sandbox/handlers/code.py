"""Code: commit, what the trial version holds, the versions, and release."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_wxa.sandbox import errors
from airflow_wxa.sandbox.errors import RefusalError
from airflow_wxa.sandbox.handlers.ext_json import checked_pages
from airflow_wxa.sandbox.pictures import ONE_GREY_PIXEL

if TYPE_CHECKING:
    from airflow_wxa.sandbox.gate import Answer, Body
    from airflow_wxa.sandbox.platforms import Template
    from airflow_wxa.sandbox.state import MiniProgram
    from airflow_wxa.sandbox.world import World

USER_VERSION_LENGTH = 64


def commit(world: World, account: MiniProgram, body: Body) -> Answer:
    """Make a template the trial version."""
    for name in ("template_id", "ext_json", "user_version", "user_desc"):
        if name not in body:
            raise RefusalError(errors.MISSING_PARAMETER)
    user_version, user_desc = body["user_version"], body["user_desc"]
    if not isinstance(user_version, str) or not 1 <= len(user_version) <= USER_VERSION_LENGTH:
        raise RefusalError(errors.INVALID_ARGUMENTS)
    if not isinstance(user_desc, str):
        raise RefusalError(errors.INVALID_ARGUMENTS)
    template = _template(world, account, body["template_id"])
    pages = checked_pages(body["ext_json"], template, account.appid)
    account.commit(user_version=user_version, user_desc=user_desc, pages=pages, now=world.now())
    return {"errcode": 0, "errmsg": "ok"}


def _template(world: World, account: MiniProgram, template_id: object) -> Template:
    """Find a template; its id is a string on WeChat's page and a number in its lists, and both are taken."""
    if isinstance(template_id, str) and template_id.isascii() and template_id.isdigit():
        template_id = int(template_id)
    template = None
    if isinstance(template_id, int) and not isinstance(template_id, bool):
        template = world.template(world.platform_of(account), template_id)
    if template is None:
        raise RefusalError(errors.TEMPLATE_NOT_EXIST)
    return template


def get_page(world: World, account: MiniProgram, body: Body) -> Answer:  # noqa: ARG001
    """Answer the pages of the committed code."""
    if account.exp_info is None:
        raise RefusalError(errors.NO_COMMITTED_CODE)
    return {"errcode": 0, "errmsg": "ok", "page_list": list(account.trial_pages)}


def get_category(world: World, account: MiniProgram, body: Body) -> Answer:  # noqa: ARG001
    """Answer the categories that an audit may name."""
    return {"errcode": 0, "errmsg": "ok", "category_list": [dict(each) for each in account.categories]}


def get_qrcode(world: World, account: MiniProgram, body: Body) -> Answer:  # noqa: ARG001
    """Answer the QR code of the trial version as a JPEG; -1 is the failure that WeChat's page shows."""
    if account.exp_info is None:
        raise RefusalError(errors.SYSTEM_ERROR)
    return ONE_GREY_PIXEL


def getversioninfo(world: World, account: MiniProgram, body: Body) -> Answer:  # noqa: ARG001
    """Answer the trial and the online version."""
    shown = {name: world.without_left_out(slot) for name, slot in account.shown().items()}
    return {"errcode": 0, "errmsg": "ok", **shown}


def release(world: World, account: MiniProgram, body: Body) -> Answer:  # noqa: ARG001
    """Publish the approved version."""
    account.release(registered=world.platform_of(account).registered, now=world.now())
    return {"errcode": 0, "errmsg": "ok"}
