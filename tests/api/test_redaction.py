"""Secrets do not show, and texts lose them; a cell of our CSV files is no formula."""

import pickle
from typing import Any

import pytest

from airflow_wxa.api.redaction import Secret, without_secrets, without_token_queries
from airflow_wxa.api.values import csv_cell
from tests.tables import each_row

TOKEN = "canary+token/with=odd signs"


def test_a_secret_reveals_itself_only_when_asked_and_does_not_leave_its_process() -> None:
    secret = Secret(TOKEN)
    for shown in (str(secret), repr(secret), f"{secret}", f"{[secret]}"):
        assert TOKEN not in shown
        assert "***" in shown
    assert secret.reveal() == TOKEN
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    assert Secret("a") != "a"
    with pytest.raises(TypeError, match="does not leave its process"):
        pickle.dumps(Secret(TOKEN))


#: Texts that repeat a known secret.
ECHOES = [
    f"GET /wxa/x?access_token={TOKEN}",
    "GET /wxa/x?access_token=canary%2Btoken%2Fwith%3Dodd%20signs",
    "a page that says canary%2Btoken%2Fwith%3Dodd+signs",
    f"{TOKEN} twice {TOKEN}",
]


@each_row("text", ECHOES)
def test_a_known_secret_is_taken_out_raw_and_encoded(text: str) -> None:
    clean = without_secrets(text, [Secret(TOKEN)])
    assert "canary" not in clean
    assert "***" in clean


#: A text with a token in a query, and without it.
QUERIES = [
    ("/wxa/commit?access_token=SECRET&path=a", "/wxa/commit?access_token=***&path=a"),
    ("?component_access_token=SECRET", "?component_access_token=***"),
    ("?authorizer_access_token=SECRET end", "?authorizer_access_token=*** end"),
    ("next=%2Fwxa%3Faccess_token%3DSECRET", "next=%2Fwxa%3Faccess_token%3D***"),
    ("next=access_token%3dSECRET", "next=access_token%3d***"),
    ('<a href="?access_token=SECRET">', '<a href="?access_token=***">'),
    ("no token here", "no token here"),
]


@each_row("text, clean", QUERIES)
def test_the_value_of_a_token_query_is_taken_out_whoever_wrote_it(text: str, clean: str) -> None:
    assert without_token_queries(text) == clean
    assert without_secrets(text, []) == clean


FORMULAS = ["=cmd()", "+1", "-1", "@sum", "\t=1", "\r=1", " =1", "＝1"]  # noqa: RUF001
CELLS = [None, -1, 89020, "", "spring sale", "a=b"]


@each_row("value, cell", [*((each, f"'{each}") for each in FORMULAS), *((each, each) for each in CELLS)])
def test_what_a_spreadsheet_would_take_for_a_formula_becomes_a_text_and_no_other_cell(value: Any, cell: Any) -> None:
    assert csv_cell(value) == cell
