"""Refresh tokens are listed to the end, however many a page holds."""

from typing import Any

import pytest

from airflow_wxa.api import Secret
from airflow_wxa.steps.authorisation import exchange_code, fetch_platform_token, list_refresh_tokens
from tests.steps.conftest import Script

PLATFORM = "wx00000000000000c1"


def page(total: Any, *numbers: int) -> dict[str, Any]:
    entries = [{"authorizer_appid": f"wx{number}", "refresh_token": f"r{number}"} for number in numbers]
    return {"total_count": total, "list": entries}


#: Pages of a list, the merchants found, and the offsets asked for.
LISTS = [
    ([page(3, 1, 2), page(3, 3)], [1, 2, 3], [0, 2]),  # pages hold fewer than asked for
    ([page(9, 1), page(9)], [1], [0, 1]),  # an empty page is the end, whatever is counted
    ([page("2", 1), page("2", 2)], [1, 2], [0, 1]),
    # A total that WeChat does not count is read to the empty page.
    *[([page(total, 1), page(total, 2), page(total)], [1, 2], [0, 1, 2]) for total in (None, {})],
]


@pytest.mark.parametrize(("pages", "found", "offsets"), LISTS)
def test_pages_are_followed_to_the_end(script: Script, pages: Any, found: list[int], offsets: list[int]) -> None:
    tokens = script.play(list_refresh_tokens(PLATFORM), api_get_authorizer_list=pages)
    assert tokens == {f"wx{number}": Secret(f"r{number}") for number in found}
    assert [body["offset"] for body in script.bodies("api_get_authorizer_list")] == offsets


def test_a_merchant_whose_code_was_never_exchanged_has_no_token(script: Script) -> None:
    unexchanged = {"total_count": 1, "list": [{"authorizer_appid": "wx1", "refresh_token": ""}]}
    assert script.play(list_refresh_tokens(PLATFORM), api_get_authorizer_list=unexchanged) == {}


INFO = {"authorizer_appid": "wx1", "func_info": [{"funcscope_category": {"id": 18}}]}


#: What an authorisation says of tokens, and what is read of it.
TOKENS = [
    ({}, None, None),
    ({"authorizer_access_token": None, "authorizer_refresh_token": ""}, None, None),
    ({"authorizer_refresh_token": "r"}, None, Secret("r")),
    ({"authorizer_access_token": "t"}, Secret("t"), None),
    ({"authorizer_access_token": "t", "authorizer_refresh_token": "r"}, Secret("t"), Secret("r")),
]


@pytest.mark.parametrize(("said", "token", "refresh"), TOKENS)
def test_an_authorisation_without_tokens_keeps_the_rest(script: Script, said: Any, token: Any, refresh: Any) -> None:
    answer = {"authorization_info": INFO | said}
    found = script.play(exchange_code(PLATFORM, Secret("code")), api_query_auth=answer)
    assert (found.appid, found.granted) == ("wx1", (18,))
    assert (found.grant.access_token if found.grant else None) == token
    assert (found.grant or found).refresh_token == refresh


@pytest.mark.parametrize(("said", "seconds"), [(None, 7200), ("3600", 3600), ({}, 7200), (60, 60)])
def test_a_token_lives_as_the_pages_say_unless_it_says_how_long(script: Script, said: Any, seconds: int) -> None:
    answer = {"component_access_token": "t", "expires_in": said}
    grant = script.play(fetch_platform_token(PLATFORM, Secret("s"), Secret("t")), api_component_token=answer)
    assert grant.expires_in == seconds
