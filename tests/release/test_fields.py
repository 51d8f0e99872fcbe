"""The table of fields, and the pages and forms that come from it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from airflow_wxa.release import FIELDS, Field

ROOT = Path(__file__).parents[2]


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
    assert FIELDS["user_version"].must == f"a text of 1 to {longest} characters"
    sources = [path for path in (ROOT / "airflow_wxa").rglob("*.py") if "sandbox" not in path.parts]
    assert [path.name for path in sources if re.search(rf"\b{longest} characters", path.read_text("utf-8"))] == []
