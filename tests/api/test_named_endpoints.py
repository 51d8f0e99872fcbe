"""Every endpoint that is named anywhere is a whole row of the catalogue, or says why it is none."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path

from airflow_wxa.api.endpoints import CATALOGUE, Endpoint
from airflow_wxa.api.errcodes import errcodes
from airflow_wxa.sandbox.handlers import ENDPOINTS
from tests.tables import each_row

NAMED = json.loads((Path(__file__).parent / "named_endpoints.json").read_text("utf-8"))
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/endpoints.md").read_text("utf-8")
STUBS = [(ROOT / "airflow_wxa" / room / "__init__.pyi").read_text("utf-8") for room in ("operators", "sensors")]
OPERATORS = set(re.findall(r"^class (Wxa\w+)", "\n".join(STUBS), re.MULTILINE))
every = each_row("row", CATALOGUE.values())


def test_every_named_endpoint_is_counted_once() -> None:
    rows, others = NAMED["rows"], NAMED["without_a_row"]
    assert rows.keys() & others.keys() == set()
    assert {row.path for row in CATALOGUE.values()} == rows.keys()
    assert len(rows) == len(CATALOGUE) > 40


def test_every_path_that_an_errcode_is_filed_under_is_named() -> None:
    filed = {path for row in errcodes().values() for path in row.endpoints} - {"*", "/cgi-bin/component/*"}
    assert filed - NAMED["rows"].keys() - NAMED["without_a_row"].keys() == set()


@every
def test_a_row_has_schemas_an_answer_of_the_sandbox_and_a_line_in_the_docs(row: Endpoint) -> None:
    file = resources.files("airflow_wxa.api").joinpath("schemas", f"{row.name.replace('/', '_')}.json")
    assert json.loads(file.read_text("utf-8")).keys() >= ({"answer", "body"} if row.method == "POST" else {"answer"})
    assert row.path in ENDPOINTS
    assert f"`{row.method} {row.path}`" in PAGE


@every
def test_a_row_has_an_operator_or_says_why_it_has_none(row: Endpoint) -> None:
    said = NAMED["rows"][row.path]
    operators = set(re.findall(r"`(Wxa\w+(?:Operator|Sensor))`", said))
    assert operators <= OPERATORS
    assert operators or (said.startswith("none: ") and len(said) > len("none: ") + 20)


@every
def test_a_write_without_an_operator_is_plain_unless_it_is_about_secrets(row: Endpoint) -> None:
    if row.writes and not row.holds_secrets and NAMED["rows"][row.path].startswith("none: "):
        assert row.plain, 'nothing sends it: say "plain": true in its schema, or make it an operator'


@each_row("path, why", NAMED["without_a_row"].items())
def test_what_has_no_row_says_why_and_stands_in_the_docs(path: str, why: str) -> None:
    assert len(why) > 20
    assert f"| `{path}` | {why} |" in PAGE
