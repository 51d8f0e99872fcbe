"""The table of everything that a release can be asked for: its form, its rules and its reference page come from here.

Plain data without Airflow: a release from elsewhere (a file, a REST body) has the same names, meanings and limits.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Final, cast

from airflow_wxa.api.audit import AUDIT_FORM
from airflow_wxa.api.call import body_schema
from airflow_wxa.api.server_domain import SERVER_KINDS
from airflow_wxa.api.values import APPID_PATTERN, LONGEST_WAIT
from airflow_wxa.errors import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jsonschema.protocols import Validator

    from airflow_wxa.api.webview_domain import Action

#: The words of ``domain_action`` → WeChat's ``action``; ``all`` leaves WeChat's field out.
DOMAIN_ACTIONS: Final[Mapping[str, Action]] = {
    "add": "add",
    "set": "set",
    "delete": "delete",
    "get": "get",
    "all": None,
}

_COMMIT: Final = body_schema("commit")["properties"]
_PRIVACY: Final = body_schema("setprivacysetting")
_ROADS: Final = "When WeChat answers 89020 or 89231"
_CODE: Final = "Code and audit"
_ACCOUNT: Final = "Server domains, account and privacy"
_APPROVAL: Final = "Who may approve"
_CONNECTIONS: Final = "Connections"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One thing that a release can be asked for.

    :param name: its key in a run's conf; WeChat's name where WeChat has one.
    :param schema: JSON Schema of its value.
    :param must: the same in words, behind "must be".
    :param title: its name in the form.
    :param help: its purpose, in one or two sentences.
    :param required: it has no default.
    :param default: its value when it is left out; to be copied before it is handed on.
    :param choices: value → what the form shows for it.
    :param section: heading of the form that it stands below, folded up; ``""``: it stands first and open.
    :param of_run: it belongs to a run, not to a Mini Program: in a list of many Mini Programs none can have its own.
    """

    name: str
    schema: Mapping[str, Any]
    must: str
    title: str
    help: str
    required: bool = False
    default: Any = None
    choices: Mapping[str, str] = field(default_factory=dict)
    section: str = ""
    of_run: bool = False

    def problems(self, value: Any) -> list[str]:
        """Return the problems of a value alone, each with its path."""
        problems = []
        for error in _validator(self.name).iter_errors(value):
            inner = dict(cast("Mapping[str, Any]", error.schema)).get("description")  # a field's own stands in ``must``
            said = f"{error.json_path.removeprefix('$')} = {shown(repr(error.instance))}: must be {inner or self.must}"
            problems.append(self.name + said)
        if not problems and not _is_json(value):
            return [f"{self.name} = {shown(repr(value))}: must be {self.must}"]
        return list(dict.fromkeys(problems))  # a value can break several rules that one sentence says


def _choice(*, choices: Mapping[str, str], **more: Any) -> Field:
    return Field(
        schema={"type": "string", "enum": list(choices)},
        must=f"one of {', '.join(choices)}",
        default=next(iter(choices)),
        choices=choices,
        **more,
    )


def _flag(*, default: bool, **more: Any) -> Field:
    return Field(schema={"type": "boolean"}, must="true or false", default=default, **more)


def _text(*, nullable: bool = True, **more: Any) -> Field:
    return Field(schema={"type": ["null", "string"] if nullable else "string"}, must="a text", **more)


def _without_words(name: str) -> dict[str, Any]:
    return {key: value for key, value in _COMMIT[name].items() if key != "description"}


# In the order of the form.
_FIELDS: Final = (
    Field(
        name="appid",
        schema={"type": "string", "pattern": APPID_PATTERN},
        must="wx and 16 hex digits in lower case",
        title="Mini Program (appid)",
        help="wx and 16 hex digits.",
        required=True,
    ),
    _choice(
        name="domain_action",
        choices={
            "add": "add: add these domains",
            "set": "set: have these and no others",
            "delete": "delete: remove these domains",
            "get": "get: only read them",
            "all": "all: add every domain of the platform list",
        },
        title="What to do with the business domains",
        help="What to do with the business domains (业务域名), before any code is uploaded.",
    ),
    Field(
        name="webviewdomain",
        schema={"type": "array", "items": {"type": "string"}},
        must="a list of origins",
        title="Business domains (webviewdomain)",
        help="One origin a line, such as https://m.example.com. add, set and delete need at least one: with an empty "
        "list they are refused, nothing is sent. get and all take none; all adds every domain of the platform list.",
        default=[],
    ),
    Field(
        name="template_id",
        # A text first and an example: else the form shows six lines for it, or a spinner.
        schema={**_without_words("template_id"), "type": ["string", "integer"], "examples": ["47"]},
        must=_COMMIT["template_id"]["description"],
        title="Template (template_id)",
        help="From gettemplatelist: digits.",
        required=True,
    ),
    Field(
        name="user_version",
        schema=_without_words("user_version"),
        must=_COMMIT["user_version"]["description"],
        title="Version (user_version)",
        help=f"Such as 1.4.0: {_COMMIT['user_version']['description']}. Lists of runs show a run by its id alone: give "
        "one that names version and appid, such as 1.4.0_wx0000000000000001, under Advanced Options, Run ID.",
        required=True,
    ),
    Field(
        name="user_desc",
        title="What changed (user_desc)",
        help="What changed; empty: the user_version.",
        schema={"type": ["null", "string"], "not": {"type": "string", "pattern": r"\[wxa:"}},
        must="a text without [wxa:, by which a release recognises its version: commit appends that part",
    ),
    Field(
        name="version_desc",
        schema={"type": ["null", "string"], "format": "multiline"},
        must="a text",
        title="For the reviewer (version_desc)",
        help="For the reviewer: what changed, test accounts. Whoever may see the run can read it.",
        default="",
    ),
    _flag(
        name="approval",
        title="Ask for approval",
        help="Wait for somebody's approval before the release.",
        default=True,
        of_run=True,
    ),
    _flag(
        name="release",
        title="Release",
        help="Release after the audit; else the run ends there.",
        default=True,
        of_run=True,
    ),
    _choice(
        name="on_platform_list_empty",
        choices={
            "stop": "stop: fail, and say what to do",
            "register": "register: register platform_domains, for all merchants of the platform",
        },
        title="When the platform list is empty (89020)",
        help="When the platform has registered no business domain (89020). register goes only with add and set, and "
        "needs a platform token.",
        section=_ROADS,
        of_run=True,
    ),
    Field(
        name="platform_domains",
        schema={"type": "array", "items": {"type": "string"}},
        must="a list of hosts",
        title="Hosts to register (platform_domains)",
        help="What to register: one bare host a line, such as example.com; empty: the hosts of webviewdomain.",
        default=[],
        section=_ROADS,
        of_run=True,
    ),
    _choice(
        name="on_individual",
        choices={
            "release_without_domains": "release_without_domains: go on without business domains",
            "stop": "stop: fail before any code is uploaded",
        },
        title="When an individual owns the Mini Program (89231)",
        help="When an individual owns the Mini Program (89231), which cannot have business domains.",
        section=_ROADS,
    ),
    _choice(
        name="domain_mode",
        choices={
            "platform": "platform: as the platform's list permits them",
            "direct": "direct: for this Mini Program alone, past the platform's list",
        },
        title="Whose list permits the business domains",
        help="direct sets them with setwebviewdomain_directly, for a merchant's own domains: each host serves the "
        "verification file (校验文件), 50 changes a month; not with all and register.",
        section=_ROADS,
    ),
    _choice(
        name="on_lost_domains",
        choices={
            "stop": "stop: fail before any code is uploaded",
            "release": "release: let them go offline, and say which",
        },
        title="When effective domains would go offline",
        help="When the release takes domains offline that are effective now and that nobody asked off. With an "
        "approval the question names them, and it alone decides.",
        section=_ROADS,
    ),
    Field(
        name="ext_json",
        schema={"type": "object"},
        must="an object",
        title="ext_json",
        help="The whole ext_json; free data goes under its key ext; extAppid is added.",
        default={},
        section=_CODE,
    ),
    _flag(
        name="privacy_api_not_use",
        title="Privacy interfaces are not used (privacy_api_not_use)",
        help="Declare that privacy interfaces which the scan finds are not used.",
        default=False,
        section=_CODE,
    ),
    Field(
        name="audit_form",
        schema={
            "type": "object",
            "additionalProperties": False,
            "properties": {name: body_schema("submit_audit")["properties"][name] for name in AUDIT_FORM},
        },
        must=f"an object of {', '.join(AUDIT_FORM)}",
        title="More for the review (audit_form)",
        help=f"Further fields of submit_audit, by WeChat's names: {', '.join(AUDIT_FORM)}.",
        default={},
        section=_CODE,
    ),
    Field(
        name="audit_quota_reserve",
        schema={"type": "integer", "minimum": 0},
        must="a whole number, 0 or more",
        title="Submissions to keep back",
        help="Do not submit when the platform has only this many submissions left this month.",
        default=0,
        section=_CODE,
        of_run=True,
    ),
    Field(
        name="audit_quota",
        schema={"type": ["null", "integer"], "minimum": 0},
        must="a whole number, 0 or more, or null",
        title="Submissions left this month",
        help="How many submissions the platform has left, instead of what queryquota tells, which was seen too low. "
        "Without submissions to keep back it stops nothing: WeChat's 85085 decides.",
        default=None,
        section=_CODE,
        of_run=True,
    ),
    _flag(
        name="withdraw_foreign_audit",
        title="Withdraw a foreign version in audit",
        help="Withdraw somebody else's version that is in audit, instead of stopping: 5 a day, 10 a month for each "
        "Mini Program.",
        default=False,
        section=_CODE,
    ),
    Field(
        name="audit_timeout_hours",
        schema={"type": "number", "exclusiveMinimum": 0, "maximum": LONGEST_WAIT},
        must=f"a number of hours above 0, at most {LONGEST_WAIT}",
        title="Hours to wait for the review",
        help=f"How long to wait for the review, at most {LONGEST_WAIT} hours; it takes up to seven working days.",
        default=264,
        section=_CODE,
        of_run=True,
    ),
    _flag(
        name="check_account",
        title="Look at the account first",
        help="Before anything is uploaded, look whether name, avatar, category, real name, permission sets and privacy "
        "guide let a release through, and fail with one list of what the merchant must do. Needs permission set 30.",
        default=False,
        section=_ACCOUNT,
        of_run=True,
    ),
    Field(
        name="server_domains",
        schema={
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "action": {"enum": ["add", "delete", "set"], "description": "add, delete or set"},
                **{
                    kind: {
                        "type": "array",
                        "items": {"type": "string", "description": f"a text such as {scheme}://api.example.com"},
                        "description": f"a list of {scheme}:// domains",
                    }
                    for kind, scheme in SERVER_KINDS.items()
                },
            },
        },
        must=f"an object of action, {', '.join(SERVER_KINDS)}",
        title="Server domains (server_domains)",
        help="What modify_domain takes, by WeChat's names, before any code is uploaded: action (add, unless it is "
        f"said) and lists of {', '.join(SERVER_KINDS)}; 50 changes a month.",
        default={},
        section=_ACCOUNT,
    ),
    Field(
        name="privacy_setting",
        schema={**_PRIVACY, "type": ["null", "object"]},
        must="an object with owner_setting and setting_list (privacy_ver 1: without setting_list), or null",
        title="Privacy guide (privacy_setting)",
        help="What setprivacysetting takes, by WeChat's names: owner_setting (overseas with store_region) and "
        "setting_list. Written between the privacy scan and the submission; it goes live with the release.",
        section=_ACCOUNT,
    ),
    Field(
        name="approvers",
        schema={"type": "array", "items": {"type": "string", "minLength": 1}},
        must="a list of user ids",
        title="Approvers",
        help="Ids of the Airflow users who may approve, one a line; empty: whoever may edit the run.",
        default=[],
        section=_APPROVAL,
        of_run=True,
    ),
    _flag(
        name="approver_must_differ",
        title="Whoever triggers cannot approve",
        help="Whoever triggers this run cannot approve it.",
        default=False,
        section=_APPROVAL,
        of_run=True,
    ),
    Field(
        name="approval_timeout_hours",
        schema={"type": ["null", "number"], "exclusiveMinimum": 0, "maximum": LONGEST_WAIT},
        must=f"a number of hours above 0, at most {LONGEST_WAIT}, or null",
        title="Hours to wait for the approval",
        help="How long to wait for an approval; empty: for ever. What ran out fails, and Clear asks again.",
        section=_APPROVAL,
        of_run=True,
    ),
    _text(
        name="wxa_conn_id",
        nullable=False,
        title="Connection (wxa_conn_id)",
        help="Connection of type wxa.",
        default="wxa_default",
        section=_CONNECTIONS,
        of_run=True,
    ),
    _text(
        name="platform_conn_id",
        title="Connection for the platform (platform_conn_id)",
        help="Connection for registering platform_domains; empty: the same as wxa_conn_id.",
        section=_CONNECTIONS,
        of_run=True,
    ),
)

#: Name → field, in the order of the form.
FIELDS: Final[Mapping[str, Field]] = {each.name: each for each in _FIELDS}


@cache
def _validator(name: str) -> Validator:
    from jsonschema import Draft202012Validator  # noqa: PLC0415  (costs a third of the import time of this room)

    return Draft202012Validator(dict(FIELDS[name].schema))


def _is_json(value: Any) -> bool:
    """Tell whether a value can be sent: JSON has no NaN, UTF-8 no half of a surrogate pair."""
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError):
        return False
    return True
