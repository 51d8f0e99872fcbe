from __future__ import annotations

import asyncio
import pickle

import pytest

from airflow_wxa.access import FirstOf, FixedTokens
from airflow_wxa.api.code import getversioninfo
from airflow_wxa.api.redaction import Secret
from airflow_wxa.api.webview_domain import modify_wxa_jump_domain
from airflow_wxa.errors import WxaSpecError

MERCHANT = getversioninfo("wx1")
ANOTHER = getversioninfo("wx2")
PLATFORM = modify_wxa_jump_domain("get")


@pytest.fixture
def fixed() -> FixedTokens:
    return FixedTokens({"wx1": "canary-merchant"}, "canary-platform")


def test_each_call_gets_the_token_of_its_appid_or_of_the_platform(fixed: FixedTokens) -> None:
    assert fixed.token(MERCHANT) == Secret("canary-merchant")
    assert fixed.token(PLATFORM) == Secret("canary-platform")
    assert asyncio.run(fixed.atoken(MERCHANT)) == fixed.token(MERCHANT)
    assert (fixed.appids, fixed.has_platform) == (("wx1",), True)


def test_another_appid_never_gets_a_token_that_is_there(fixed: FixedTokens) -> None:
    assert not fixed.has(ANOTHER)
    with pytest.raises(
        WxaSpecError, match=r"(?s)nothing was sent.*authorizer_access_tokens\['wx2'\].*for: wx1"
    ) as error:
        fixed.token(ANOTHER)
    assert error.value.appid == "wx2"
    assert "canary" not in f"{error.value} {error.value!r} {vars(error.value)}"


def test_a_merchants_token_is_none_of_the_platform() -> None:
    with pytest.raises(WxaSpecError, match="component_access_token is missing"):
        FixedTokens({"wx1": "canary-merchant"}).token(PLATFORM)


def test_a_fixed_token_has_no_successor(fixed: FixedTokens) -> None:
    assert fixed.renewed(MERCHANT, fixed.token(MERCHANT)) is None
    assert asyncio.run(fixed.arenewed(MERCHANT, fixed.token(MERCHANT))) is None


def test_a_token_shows_itself_nowhere_and_leaves_no_process(fixed: FixedTokens) -> None:
    token = fixed.token(MERCHANT)
    assert "canary" not in f"{token} {token!r} {fixed!r} {vars(fixed)}"
    with pytest.raises(TypeError, match="does not leave its process"):
        pickle.dumps(token)


def test_a_fixed_token_comes_first_and_another_source_after_it(fixed: FixedTokens) -> None:
    other = FixedTokens({"wx1": "of-the-other", "wx2": "of-the-other"})
    both = FirstOf(fixed, other)
    assert both.token(MERCHANT) == Secret("canary-merchant")
    assert both.token(ANOTHER) == asyncio.run(both.atoken(ANOTHER)) == Secret("of-the-other")
    assert (both.source_of(MERCHANT), both.source_of(ANOTHER)) == (fixed, other)


def test_without_another_source_the_fixed_one_says_what_is_missing(fixed: FixedTokens) -> None:
    with pytest.raises(WxaSpecError, match=r"authorizer_access_tokens\['wx2'\] is missing"):
        FirstOf(fixed, None).token(ANOTHER)
