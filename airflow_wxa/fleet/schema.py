"""The JSON Schema of a manifest, made of the table of a release's fields.

``manifest.schema.json`` beside this module is what :func:`manifest_schema` returns, and a test holds it to that::

    python -m airflow_wxa.fleet.schema > airflow_wxa/fleet/manifest.schema.json
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Final

from airflow_wxa.api.values import APPID_PATTERN
from airflow_wxa.release import FIELDS

if TYPE_CHECKING:
    from collections.abc import Sequence

SCHEMA_FILE: Final = "manifest.schema.json"
#: What a manifest can ask for each Mini Program, by the names of ``wxa_release``'s params. A withdrawal costs one of
#: ten a month and is decided for one Mini Program at a time: a foreign sheet in audit blocks it here.
RELEASE_FIELDS: Final = tuple(
    name for name, field in FIELDS.items() if not field.of_run and name not in {"appid", "withdraw_foreign_audit"}
)
_PERCENT: Final = {"type": "number", "minimum": 0, "maximum": 100}
_TIME: Final = {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"}


def manifest_schema() -> dict[str, Any]:
    """Return the JSON Schema of a manifest: the content of ``manifest.schema.json``."""
    fields = {
        name: {**FIELDS[name].schema, "title": FIELDS[name].title, "description": FIELDS[name].help}
        for name in RELEASE_FIELDS
    }
    appid = {"type": "string", "pattern": APPID_PATTERN, "description": f"Mini Program: {FIELDS['appid'].must}"}
    own = {name: {"$ref": f"#/properties/release/properties/{name}"} for name in RELEASE_FIELDS}
    app = {
        "anyOf": [
            {"$ref": "#/$defs/appid"},
            {
                "type": "object",
                "required": ["appid"],
                "properties": {"appid": {"$ref": "#/$defs/appid"}, **own},
                "additionalProperties": False,
            },
        ]
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://airflow-wxa/fleet/manifest.schema.json",
        "title": "Manifest of a fleet",
        "description": "Which Mini Programs one run of wxa_fleet_release releases, and how.",
        "type": "object",
        "required": ["release", "apps"],
        "additionalProperties": False,
        "properties": {
            "release": {
                "description": "What is the same for all; names and meanings are those of wxa_release's params",
                "type": "object",
                "properties": fields,
                "additionalProperties": False,
            },
            "apps": {
                "description": "A list of Mini Programs, {csv: FILE} or {authorised: true}; the order is the priority",
                "oneOf": [
                    {"type": "array", "items": app, "minItems": 1},
                    _object({"csv": _text("A CSV file below the manifest folder")}, required=["csv"]),
                    _object(
                        {
                            "authorised": {"const": True, "description": "True: all that authorised the platform"},
                            "exclude": {"type": "array", "items": {"$ref": "#/$defs/appid"}},
                        },
                        required=["authorised"],
                    ),
                ],
            },
            **_terms(),
        },
        "$defs": {"appid": appid},
        "examples": [_EXAMPLE],
    }


def _terms() -> dict[str, Any]:
    """Return what a manifest says of the fleet as a whole."""
    limit = {**_PERCENT, "description": "Percent of the wave, 0 to 100; when more failed the next wave does not begin"}
    of_any = {
        "max_failed_percent": limit,
        "approval": _flag("True or false: whether somebody is asked before the wave is released"),
    }
    sizes = {
        "apps": {"type": "integer", "minimum": 0, "description": "A whole number of Mini Programs"},
        "percent": {**_PERCENT, "description": "Percent of the fleet, 0 to 100"},
        **of_any,
        "soak_minutes": {
            "type": "number",
            "minimum": 0,
            "maximum": 525600,
            "description": "Minutes, 0 to 525600, from the wave's last release until the next wave may begin",
        },
        "released_percent": {
            **_PERCENT,
            "description": "Percent of the wave, 0 to 100; when so much is released, Mini Programs still in review "
            "hold up nobody, and count with the last wave",
        },
    }
    either = {"not": {"required": ["apps", "percent"]}, "description": "apps or percent, one of them"}
    return {
        "platform": {
            "description": "The platform's own list of business domains",
            **_object(
                {
                    name: {**FIELDS[name].schema, "description": FIELDS[name].help}
                    for name in ("on_platform_list_empty", "platform_domains")
                }
            ),
        },
        "waves": {
            "description": "Waves of release, one after the other; each may be left out, rest takes what is left",
            **_object(
                {
                    "canary": {**_object(sizes), **either},
                    "early": {**_object(sizes), **either},
                    "rest": _object(of_any),
                }
            ),
        },
        "submit": {
            "enum": ["after_canary", "ahead"],
            "description": "after_canary, as by default where there is a canary wave: the others are committed and "
            "submitted when its gate has opened; or ahead: all before the first release",
        },
        "supersede": _flag(
            "True or false: whether sheets in audit that runs of this DAG have submitted are withdrawn for this version"
        ),
        **{
            name: {**FIELDS[name].schema, "description": FIELDS[name].help}
            for name in ("audit_quota_reserve", "audit_quota", "audit_timeout_hours")
        },
        "window": {
            "description": "When releases may happen; reviews are not concerned",
            **_object(
                {
                    "days": {
                        "description": "A list of mon, tue, wed, thu, fri, sat, sun",
                        "type": "array",
                        "minItems": 1,
                        "items": {"enum": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]},
                    },
                    "from": {**_TIME, "description": 'A time of day in quotes, such as "10:00"'},
                    "to": {**_TIME, "description": 'A time of day in quotes, such as "17:00"; over midnight: "02:00"'},
                    "time_zone": _text("A time zone, such as Asia/Shanghai"),
                    "dates": _days("Days on which it opens"),
                },
            ),
        },
        "freeze": _days("Days without releases"),
        "reviews_stop": _days("Days on which WeChat reviews nothing: deadlines of reviews grow by as much"),
        "order": {
            "enum": ["manifest", "oldest_first"],
            "description": "manifest or oldest_first: the longest without a release; default: manifest for lists, "
            "oldest_first for authorised",
        },
        "carry_over": {
            "type": "boolean",
            "description": "True: at the month's turn the run goes on by itself with Mini Programs that had no quota",
        },
        "expedite": {
            "description": "Reviews to expedite (加急审核), as many as the platform has left",
            **_object(
                {
                    "wave": {"enum": ["canary", "early", "rest"], "description": "canary, early or rest"},
                    "most": {"type": "integer", "minimum": 1, "description": "The first so many of the wave"},
                },
                required=["wave", "most"],
            ),
        },
        "pace": {
            "description": "How much one shard does at a time",
            **_object(
                {
                    "concurrency": {"type": "integer", "minimum": 1, "maximum": 32, "description": "1 to 32 calls"},
                    "commit": {"type": "integer", "minimum": 1, "maximum": 32, "description": "1 to 32 commits"},
                }
            ),
        },
    }


def _days(description: str) -> dict[str, Any]:
    day = {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "description": "A day such as 2027-02-05"}
    span = _object({"from": day, "to": day, "reason": _text("Why")}, required=["from", "to"])
    named = [
        _object({"holidays": _text("A country such as CN: its holidays, by the library holidays")}, ["holidays"]),
        _object({"csv": _text("A CSV file below the manifest folder, with the columns from, to and reason")}, ["csv"]),
    ]
    return {
        "description": description,
        "type": "array",
        "items": {"anyOf": [span, *named], "description": "{from, to, reason}, {holidays: CN} or {csv: FILE}"},
    }


def _object(properties: dict[str, Any], required: Sequence[str] = ()) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**found, "required": list(required)} if required else found


def _flag(description: str) -> dict[str, Any]:
    return {"type": "boolean", "description": description}


def _text(description: str) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "description": description}


_EXAMPLE: Final = {
    "release": {
        "template_id": 47,
        "user_version": "3.2.0",
        "user_desc": "spring sale",
        "domain_action": "set",
        "webviewdomain": ["https://m.example.com"],
    },
    "apps": [
        "wx0123456789abcdef",
        {
            "appid": "wx0123456789abcde0",
            "webviewdomain": ["https://shop.example.com"],
            "ext_json": {"ext": {"shop": "7"}},
        },
    ],
    "waves": {
        "canary": {"apps": 5, "max_failed_percent": 0},
        "early": {"percent": 10, "max_failed_percent": 5},
        "rest": {"max_failed_percent": 100},
    },
    "audit_quota_reserve": 20,
    "window": {
        "days": ["mon", "tue", "wed", "thu", "fri"],
        "from": "10:00",
        "to": "17:00",
        "time_zone": "Asia/Shanghai",
    },
    "pace": {"concurrency": 16, "commit": 4},
}

if __name__ == "__main__":
    sys.stdout.write(json.dumps(manifest_schema(), indent=2, ensure_ascii=False) + "\n")
