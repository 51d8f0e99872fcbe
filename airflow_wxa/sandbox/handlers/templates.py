"""The template library of a platform: drafts, templates."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow_wxa.sandbox.errors import Errcode, RefusalError
from airflow_wxa.sandbox.gate import ok, platform_call
from airflow_wxa.sandbox.platforms import Draft, Template

if TYPE_CHECKING:
    from airflow_wxa.sandbox.gate import Answer, Body
    from airflow_wxa.sandbox.platforms import Platform
    from airflow_wxa.sandbox.world import World

SOURCE = {"source_miniprogram_appid": "wx0000000000000009", "source_miniprogram": "Template dev"}


@platform_call("/wxa/gettemplatedraftlist", method="GET")
def gettemplatedraftlist(world: World, account: Platform, body: Body) -> Answer:
    """Answer the drafts that developers uploaded."""
    return ok(draft_list=[{**_shown(each), **SOURCE, "developer": "dev"} for each in account.drafts])


@platform_call("/wxa/gettemplatelist", "template_type", method="GET")
def gettemplatelist(world: World, account: Platform, body: Body) -> Answer:
    """Answer the templates, all or of one type; the type stands in the query."""
    kinds = (body["template_type"],) if "template_type" in body else ("0", "1")
    if not set(kinds) <= {"0", "1"}:
        raise RefusalError(Errcode.INVALID_ARGUMENTS)
    library = [each for each in (*account.templates, *world.templates) if str(each.template_type) in kinds]
    return ok(template_list=[_listed(each) for each in library])


@platform_call("/wxa/addtotemplate", "draft_id template_type", writes=True)
def addtotemplate(world: World, account: Platform, body: Body) -> Answer:
    """Make a template of a draft; the answer does not tell which, and a second call makes a second one."""
    draft = next((each for each in account.drafts if each.draft_id == body.get("draft_id")), None)
    kind = body.get("template_type", 0)
    if draft is None:
        raise RefusalError(Errcode.TEMPLATE_NOT_FOUND)
    if kind not in (0, 1):
        raise RefusalError(Errcode.INVALID_ARGUMENTS)
    if len(account.templates) >= account.most_templates:
        raise RefusalError(Errcode.TEMPLATE_LIBRARY_FULL)
    newest = max((each.template_id for each in (*account.templates, *world.templates)), default=0)
    told = {**asdict(draft), "create_time": world.now()}
    account.templates = [*account.templates, Template(template_id=newest + 1, template_type=kind, **told)]
    return ok()


@platform_call("/wxa/deletetemplate", "template_id", writes=True)
def deletetemplate(world: World, account: Platform, body: Body) -> Answer:
    """Take a template out of the library."""
    left = [each for each in account.templates if each.template_id != body.get("template_id")]
    if len(left) == len(account.templates):
        raise RefusalError(Errcode.TEMPLATE_NOT_FOUND)
    account.templates = left
    return ok()


def _shown(each: Draft | Template) -> dict[str, Any]:
    names = ("draft_id", "user_version", "user_desc", "create_time")
    return {name: getattr(each, name) for name in names}


def _listed(each: Template) -> dict[str, Any]:
    audit = {"audit_scene": 0, "audit_status": 3, "reason": ""} if each.template_type else {}
    kind = {"template_id": each.template_id, "template_type": each.template_type, "category_list": []}
    return {**_shown(each), **SOURCE, **kind, **audit}
