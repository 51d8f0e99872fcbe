"""The JSON Schema of a manifest: ``manifest.schema.json`` beside this module, and the fields of a release in it.

Terms of the fleet as a whole are written in the file. Terms of a Mini Program are put there from the table of a
release's fields, by ``python -m docs.generate``, and a test holds the file to that.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import Any, Final

from airflow_wxa.release import FIELDS

#: What a manifest can ask for each Mini Program, by the names of ``wxa_release``'s params. A withdrawal costs one of
#: ten a month and is decided for one Mini Program at a time: a foreign sheet in audit blocks it here.
RELEASE_FIELDS: Final = tuple(
    name for name, field in FIELDS.items() if not field.of_run and name not in {"appid", "withdraw_foreign_audit"}
)
SCHEMA_FILE: Final = "manifest.schema.json"


def packaged_schema() -> dict[str, Any]:
    """Return the schema as the file has it."""
    schema: dict[str, Any] = json.loads(resources.files(__package__).joinpath(SCHEMA_FILE).read_text("utf-8"))
    return schema
