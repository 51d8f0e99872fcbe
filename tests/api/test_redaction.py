"""Secrets do not show, and texts lose them."""

from __future__ import annotations

import pickle

import pytest

from airflow_wxa.api.redaction import Secret, without_secrets, without_token_queries

TOKEN = "canary+token/with=odd signs"


@pytest.mark.parametrize("shown", [str(Secret(TOKEN)), repr(Secret(TOKEN)), f"{Secret(TOKEN)}", f"{[Secret(TOKEN)]}"])
def test_a_secret_says_nothing_about_itself(shown: str) -> None:
    assert TOKEN not in shown
    assert "***" in shown


def test_a_secret_reveals_itself_only_when_asked() -> None:
    assert Secret(TOKEN).reveal() == TOKEN


def test_secrets_are_equal_by_value_and_unequal_to_texts() -> None:
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    assert Secret("a") != "a"


def test_a_secret_does_not_leave_its_process() -> None:
    with pytest.raises(TypeError, match="does not leave its process"):
        pickle.dumps(Secret(TOKEN))


@pytest.mark.parametrize(
    "text",
    [
        f"GET /wxa/x?access_token={TOKEN}",
        "GET /wxa/x?access_token=canary%2Btoken%2Fwith%3Dodd%20signs",
        "a page that says canary%2Btoken%2Fwith%3Dodd+signs",
        f"{TOKEN} twice {TOKEN}",
    ],
)
def test_a_known_secret_is_taken_out_raw_and_encoded(text: str) -> None:
    clean = without_secrets(text, [Secret(TOKEN)])
    assert "canary" not in clean
    assert "***" in clean


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("/wxa/commit?access_token=SECRET&path=a", "/wxa/commit?access_token=***&path=a"),
        ("?component_access_token=SECRET", "?component_access_token=***"),
        ("?authorizer_access_token=SECRET end", "?authorizer_access_token=*** end"),
        ("next=%2Fwxa%3Faccess_token%3DSECRET", "next=%2Fwxa%3Faccess_token%3D***"),
        ("next=access_token%3dSECRET", "next=access_token%3d***"),
        ('<a href="?access_token=SECRET">', '<a href="?access_token=***">'),
        ("no token here", "no token here"),
    ],
)
def test_the_value_of_a_token_query_is_taken_out_whoever_wrote_it(text: str, clean: str) -> None:
    assert without_token_queries(text) == clean
    assert without_secrets(text, []) == clean
