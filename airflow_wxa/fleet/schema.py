"""The JSON Schema of a manifest: ``manifest.schema.json`` beside this module, and the fields of a release in it.

What a manifest asks of the fleet as a whole is written in the file. What it asks for a Mini Program is put there from
the table of a release's fields, by ``python -m tests.reference``, and a test holds the file to that.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import Any, Final

from airflow_wxa.api.values import APPID_PATTERN
from airflow_wxa.release import FIELDS

#: What a manifest can ask for each Mini Program, by the names of ``wxa_release``'s params. A withdrawal costs one of
#: ten a month and is decided for one Mini Program at a time: a foreign sheet in audit blocks it here.
RELEASE_FIELDS: Final = tuple(
    name for name, field in FIELDS.items() if not field.of_run and name not in {"appid", "withdraw_foreign_audit"}
)
SCHEMA_FILE: Final = "manifest.schema.json"
_OF_PLATFORM: Final = ("on_platform_list_empty", "platform_domains")
_OF_RUN: Final = ("audit_quota_reserve", "audit_quota", "audit_timeout_hours")


def packaged_schema() -> dict[str, Any]:
    """Return the schema as the file has it."""
    schema: dict[str, Any] = json.loads(resources.files(__package__).joinpath(SCHEMA_FILE).read_text("utf-8"))
    return schema


def manifest_schema() -> dict[str, Any]:
    """Return the schema with the fields of a release as their table has them: what the file must hold."""
    schema = packaged_schema()
    asked = schema["properties"]
    asked["release"]["properties"] = {name: _described(name, title=FIELDS[name].title) for name in RELEASE_FIELDS}
    of_one = {name: {"$ref": f"#/properties/release/properties/{name}"} for name in RELEASE_FIELDS}
    _, app = asked["apps"]["oneOf"][0]["items"]["anyOf"]
    app["properties"] = {"appid": {"$ref": "#/$defs/appid"}, **of_one}
    asked["platform"]["properties"] = {name: _described(name) for name in _OF_PLATFORM}
    asked.update({name: _described(name) for name in _OF_RUN})
    schema["$defs"]["appid"] |= {"pattern": APPID_PATTERN, "description": f"Mini Program: {FIELDS['appid'].must}"}
    return schema


def _described(name: str, **more: str) -> dict[str, Any]:
    return {**FIELDS[name].schema, **more, "description": FIELDS[name].help}
