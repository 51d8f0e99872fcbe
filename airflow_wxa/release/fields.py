"""The table of everything that a release can be asked for: its form, its rules and its reference page come from here.

Plain data without Airflow: a release from elsewhere (a file, a REST body) has the same names, meanings and limits.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Final, cast

from airflow_wxa.api.audit import AUDIT_FORM
from airflow_wxa.api.call import body_schema
from airflow_wxa.api.server_domain import SERVER_KINDS
from airflow_wxa.api.values import APPID_PATTERN, LONGEST_WAIT
from airflow_wxa.errors import shown
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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

_APPID: Final = {"type": "string", "pattern": APPID_PATTERN}
_COMMIT: Final = body_schema("commit")["properties"]
_PRIVACY: Final = body_schema("setprivacysetting")
#: Values that texts of fields name.
_NAMED: Final = {"form": ", ".join(AUDIT_FORM), "kinds": ", ".join(SERVER_KINDS), "longest_wait": LONGEST_WAIT}


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that a release can be asked for; its texts are those of the key ``field_<name>``.

    :param name: its key in a run's conf; WeChat's name where WeChat has one.
    :param schema: JSON Schema of its value.
    :param must: the same in words, behind "must be".
    :param required: it has no default.
    :param default: its value when it is left out; to be copied before it is handed on.
    :param values: those that it has one of.
    :param section: key of the heading of the form that it stands below, folded up; ``""``: it stands first and open.
    :param of_run: it belongs to a run, not to a Mini Program: in a list of many Mini Programs none can have its own.
    """

    name: str
    schema: Mapping[str, Any]
    must: str
    required: bool = False
    default: Any = None
    values: Sequence[str] = ()
    section: str = ""
    of_run: bool = False

    @property
    def title(self) -> Text:
        """Its name in the form."""
        return Text(f"field_{self.name}", "title", **_NAMED)

    @property
    def help(self) -> Text:
        """Its purpose, in one or two sentences."""
        return self.title.of("help")

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


def _choice(name: str, *choices: str, of_run: bool = False) -> Field:
    schema, must = {"enum": list(choices), "type": "string"}, f"one of {', '.join(choices)}"
    return Field(name, schema, must, default=choices[0], values=choices, of_run=of_run)


def _flag(name: str, *, default: bool, of_run: bool = False) -> Field:
    return Field(name, {"type": "boolean"}, "true or false", default=default, of_run=of_run)


def _without_words(name: str) -> dict[str, Any]:
    return {key: value for key, value in _COMMIT[name].items() if key != "description"}


_TEXT: Final = {"type": ["null", "string"]}
_TEXTS: Final = {"type": "array", "items": {"type": "string"}}
_USER_IDS: Final = {"type": "array", "items": {"type": "string", "minLength": 1}}
_HOURS: Final = {"exclusiveMinimum": 0, "maximum": LONGEST_WAIT}
_WHOLE_NUMBER: Final = "a whole number, 0 or more"
_NUMBER_OF_HOURS: Final = f"a number of hours above 0, at most {LONGEST_WAIT}"
# A text first and an example: else the form shows six lines for it, or a spinner.
_TEMPLATE_ID: Final = {**_without_words("template_id"), "type": ["string", "integer"], "examples": ["47"]}
_NO_MARK: Final = "a text without [wxa:, by which a release recognises its version: commit appends that part"
_AUDIT_FORM: Final = {
    "type": "object",
    "additionalProperties": False,
    "properties": {name: body_schema("submit_audit")["properties"][name] for name in AUDIT_FORM},
}
_SERVER_DOMAINS: Final = {
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
}
_PRIVACY_SETTING: Final = "an object with owner_setting and setting_list (privacy_ver 1: without setting_list), or null"

#: Heading of the form, by its text's key → the fields below it, in the order of the form.
_FORM: Final[Mapping[str, Sequence[Field]]] = {
    "": (
        Field("appid", _APPID, "wx and 16 hex digits in lower case", required=True),
        _choice("domain_action", *DOMAIN_ACTIONS),
        Field("webviewdomain", _TEXTS, "a list of origins", default=[]),
        Field("template_id", _TEMPLATE_ID, _COMMIT["template_id"]["description"], required=True),
        Field("user_version", _without_words("user_version"), _COMMIT["user_version"]["description"], required=True),
        Field("user_desc", {**_TEXT, "not": {"type": "string", "pattern": r"\[wxa:"}}, _NO_MARK),
        Field("version_desc", {**_TEXT, "format": "multiline"}, "a text", default=""),
        _flag("approval", default=True, of_run=True),
        _flag("release", default=True, of_run=True),
    ),
    "section_roads": (
        _choice("on_platform_list_empty", "stop", "register", of_run=True),
        Field("platform_domains", _TEXTS, "a list of hosts", default=[], of_run=True),
        _choice("on_individual", "release_without_domains", "stop"),
        _choice("domain_mode", "platform", "direct"),
        _choice("on_lost_domains", "stop", "release"),
    ),
    "section_code": (
        Field("ext_json", {"type": "object"}, "an object", default={}),
        _flag("privacy_api_not_use", default=False),
        Field("audit_form", _AUDIT_FORM, f"an object of {', '.join(AUDIT_FORM)}", default={}),
        Field("audit_quota_reserve", {"type": "integer", "minimum": 0}, _WHOLE_NUMBER, default=0, of_run=True),
        Field("audit_quota", {"type": ["null", "integer"], "minimum": 0}, f"{_WHOLE_NUMBER}, or null", of_run=True),
        _flag("withdraw_foreign_audit", default=False),
        Field("audit_timeout_hours", {"type": "number", **_HOURS}, _NUMBER_OF_HOURS, default=264, of_run=True),
    ),
    "section_account": (
        _flag("check_account", default=False, of_run=True),
        Field("server_domains", _SERVER_DOMAINS, f"an object of action, {', '.join(SERVER_KINDS)}", default={}),
        Field("privacy_setting", {**_PRIVACY, "type": ["null", "object"]}, _PRIVACY_SETTING),
    ),
    "section_approval": (
        Field("approvers", _USER_IDS, "a list of user ids", default=[], of_run=True),
        _flag("approver_must_differ", default=False, of_run=True),
        Field(
            "approval_timeout_hours",
            {"type": ["null", "number"], **_HOURS},
            f"{_NUMBER_OF_HOURS}, or null",
            of_run=True,
        ),
    ),
    "section_connections": (
        Field("wxa_conn_id", {"type": "string"}, "a text", default="wxa_default", of_run=True),
        Field("platform_conn_id", _TEXT, "a text", of_run=True),
    ),
}

#: Name → field, in the order of the form.
FIELDS: Final[Mapping[str, Field]] = {
    each.name: replace(each, section=section) for section, fields in _FORM.items() for each in fields
}


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
