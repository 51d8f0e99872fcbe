"""The table of fields, and the pages and forms that come from it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from airflow_wxa.release import FIELDS, Field

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "release.md"


def rows() -> list[str]:
    def default(field: Field) -> str:
        return "required" if field.required else f"`{json.dumps(field.default)}`"

    return [f"| `{name}` | {field.must} | {default(field)} | {field.help} |" for name, field in FIELDS.items()]


def test_the_reference_page_holds_the_table() -> None:
    page = PAGE.read_text("utf-8")
    assert "\n".join(rows()) in page


@pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS)
def test_a_field_has_a_schema_that_its_default_fits_and_words_for_people(field: Field) -> None:
    Draft202012Validator.check_schema(field.schema)
    assert field.required or field.problems(field.default) == []
    (problem,) = field.problems(object())
    assert problem.startswith(f"{field.name} = ")
    assert problem.endswith(f": must be {field.must}")
    assert field.title
    assert field.help.endswith((".", ")"))


def test_a_limit_of_wechats_stands_once() -> None:
    longest = FIELDS["user_version"].schema["maxLength"]
    sources = [path for path in (PAGE.parents[2] / "airflow_wxa").rglob("*.py") if "sandbox" not in path.parts]
    assert longest == 64
    assert [path.name for path in sources if re.search(rf"\b{longest} characters", path.read_text("utf-8"))] == []
