"""Refresh tokens are listed to the end, however many a page holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_wxa.api import Secret
from airflow_wxa.steps.authorisation import list_refresh_tokens

if TYPE_CHECKING:
    from tests.steps.conftest import Script

PLATFORM = "wx00000000000000c1"


def page(total: int, *numbers: int) -> dict[str, Any]:
    entries = [{"authorizer_appid": f"wx{number}", "refresh_token": f"r{number}"} for number in numbers]
    return {"total_count": total, "list": entries}


def test_pages_that_hold_fewer_than_asked_for_are_followed_to_the_end(script: Script) -> None:
    found = script.play(list_refresh_tokens(PLATFORM), api_get_authorizer_list=[page(3, 1, 2), page(3, 3)])

    assert found == {f"wx{number}": Secret(f"r{number}") for number in (1, 2, 3)}
    assert [body["offset"] for body in script.bodies("api_get_authorizer_list")] == [0, 2]


def test_an_empty_page_is_the_end_whatever_is_counted(script: Script) -> None:
    found = script.play(list_refresh_tokens(PLATFORM), api_get_authorizer_list=[page(9, 1), page(9)])

    assert list(found) == ["wx1"]


def test_a_merchant_whose_code_was_never_exchanged_has_no_token(script: Script) -> None:
    unexchanged = {"total_count": 1, "list": [{"authorizer_appid": "wx1", "refresh_token": ""}]}

    assert script.play(list_refresh_tokens(PLATFORM), api_get_authorizer_list=[unexchanged]) == {}
