"""What a spreadsheet would take for a formula is a text in our CSV files."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_wxa.api.values import csv_cell


@pytest.mark.parametrize("formula", ["=cmd()", "+1", "-1", "@sum", "\t=1", "\r=1", " =1", "＝1"])  # noqa: RUF001
def test_a_formula_becomes_a_text(formula: str) -> None:
    assert csv_cell(formula) == f"'{formula}"


@pytest.mark.parametrize("value", [None, -1, 89020, "", "spring sale", "a=b"])
def test_anything_else_stays(value: Any) -> None:
    assert csv_cell(value) == value
